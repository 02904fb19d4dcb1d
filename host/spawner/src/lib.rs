//! The one process that keeps privilege ([`spawner`]): what it may do ([`floor`]), and the ids that it gives ([`ids`]).
//!
//! Must not: read a path that somebody sent, start a thread, sleep, keep a secret.

use sandhog_protocol::plan::{Program, ZygotePlan};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

pub mod floor;
pub mod ids;
pub mod leftovers;
pub mod range;
pub mod spawner;

/// How the spawner is to work, settled before it is forked; nothing of it changes afterwards.
pub struct Setting {
    pub privilege: Privilege,
    /// Who started the job: on disk, granted directories belong to this user and group.
    pub person: (u32, u32),
    /// What no plan goes below.
    pub floor: floor::Floor,
    pub executables: Executables,
    /// The zygote that will be asked for first, where that is known.
    pub first: Option<ZygotePlan>,
}

/// The [`Setting`] of a spawner of root's that was forked before it was known. fds: the file of ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootSetting {
    pub range: range::Range,
    pub tag: ids::Tag,
    /// `--user UID:GID`.
    pub fixed: Option<(u32, u32)>,
    /// As in [`Privilege::Root`].
    pub weak: Option<String>,
    pub person: (u32, u32),
    pub floor: floor::Floor,
    pub first: Option<ZygotePlan>,
}

impl RootSetting {
    /// # Errors
    /// The descriptors are not what they should be.
    fn into_setting(self, executables: Executables, fds: Vec<OwnedFd>) -> io::Result<Setting> {
        let Self { range, tag, fixed, weak, person, floor, first } = self;
        let [file] = <[OwnedFd; 1]>::try_from(fds).map_err(|_| io::ErrorKind::InvalidData)?;
        let ids = Rc::new(ids::Ids::new(file, range, tag, fixed)?);
        Ok(Setting { privilege: Privilege::Root { ids, weak }, person, floor, executables, first })
    }
}

/// What zygotes are started from, opened before privilege was given up.
pub struct Executables {
    /// `sandhog-worker`, read-only.
    pub worker: OwnedFd,
    /// `sandhog-compiler`, read-only.
    pub compiler: OwnedFd,
    /// The build that both have to belong to; one of another refuses to be a zygote.
    pub build: CString,
}

impl Executables {
    /// The one whose workers do this.
    #[must_use]
    pub fn of(&self, program: Program) -> &OwnedFd {
        match program {
            Program::Guest { .. } | Program::Probe | Program::Keeper => &self.worker,
            Program::Compiler => &self.compiler,
        }
    }
}

/// What the spawner may do to identities.
pub enum Privilege {
    /// Root: every worker has ids of its own, from a range or the ones that were asked for.
    Root {
        ids: Rc<ids::Ids>,
        /// Why others may have the ids too, a sentence for people.
        weak: Option<String>,
    },
    /// An ordinary user in a user namespace of their own: workers keep the id.
    Rootless { cgroups: Result<Delegated, String> },
}

/// Cgroups below one that was handed over to an ordinary user.
pub struct Delegated {
    pub hierarchies: sandhog_sandbox::cgroup::Hierarchies,
    /// Names for them, of which no two commands ever have the same.
    pub numbers: Rc<ids::Ids>,
}
