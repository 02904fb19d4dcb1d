//! From the coordinator's wish to a sealed process: the coordinator's end ([`client`]), the privileged loop
//! ([`spawner`]) and the caisson that workers are forked from ([`zygote`]).
//!
//! Must not: read a path that somebody sent, start a thread, keep a secret.

pub(crate) mod client;
pub(crate) mod floor;
pub(crate) mod ids;
pub(crate) mod leftovers;
pub(crate) mod range;
pub(crate) mod spawner;
pub(crate) mod zygote;

/// How the spawner is to work, settled before it is forked; nothing of it changes afterwards.
pub(crate) struct Setting {
    pub privilege: Privilege,
    /// Who started the job: on disk, granted directories belong to this user and group.
    pub person: (u32, u32),
    /// What no plan goes below.
    pub floor: floor::Floor,
}

/// What the spawner may do to identities.
pub(crate) enum Privilege {
    /// Root: every worker has ids of its own, from a range or the ones that were asked for.
    Root {
        ids: std::rc::Rc<ids::Ids>,
        /// Why others may have the ids too, a sentence for people.
        weak: Option<String>,
    },
    /// An ordinary user in a user namespace of their own: workers keep the id.
    Rootless { cgroups: Result<Delegated, String> },
}

/// Cgroups below one that was handed over to an ordinary user.
pub(crate) struct Delegated {
    pub hierarchies: crate::sandbox::cgroup::Hierarchies,
    /// Names for them, of which no two commands ever have the same.
    pub numbers: std::rc::Rc<ids::Ids>,
}

/// Numbers of the descriptors that a zygote is started with.
mod fds {
    use std::os::fd::RawFd;
    pub(super) const CONTROL: RawFd = 3;
    pub(super) const MODULE: RawFd = 4;
}

/// The variable that tells a process of ours where its channel is.
pub(crate) const IPC_FD: &str = "SANDHOG_IPC_FD";
/// The name (`argv[0]`) by which the executable knows that it is to be a zygote.
pub(crate) const ZYGOTE_NAME: &std::ffi::CStr = c"sandhog-zygote";
