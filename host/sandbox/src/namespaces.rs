//! Namespaces: what a zygote is started in, whose ids it has, and that it makes no more of them.

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    LinkNameSpaceType, move_into_link_name_space, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What every zygote is started in. Its workers add a pid namespace each.
pub const ZYGOTE: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// The files below `/proc/PID/ns` by which a zygote enters them, in the order in which it does: the user namespace gives it the
/// right to the others, and the mounts take /proc away.
pub const FILES: [&str; 6] = ["user", "cgroup", "ipc", "uts", "net", "mnt"];

/// What each of these files has to be.
const KINDS: [LinkNameSpaceType; FILES.len()] = [
    LinkNameSpaceType::User,
    LinkNameSpaceType::ControlGroup,
    LinkNameSpaceType::InterProcessCommunication,
    LinkNameSpaceType::HostNameAndNISDomainName,
    LinkNameSpaceType::Network,
    LinkNameSpaceType::Mount,
];

/// A user namespace alone: the bearer of an id map.
pub const USER: i32 = libc::CLONE_NEWUSER;

/// A mount namespace alone: what an empty root needs where the other namespaces are left out.
pub const MOUNT: i32 = libc::CLONE_NEWNS;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("detach the mounts from the machine's own")]
    Detach(#[source] Errno),
    #[error("enter the {name} namespace")]
    Enter {
        name: &'static str,
        #[source]
        source: Errno,
    },
    #[error("become root inside")]
    Ids(#[source] Errno),
    #[error("write {value:?} to {file}")]
    Write {
        file: &'static str,
        value: String,
        #[source]
        source: Errno,
    },
}

/// Which ids inside a user namespace are which outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap {
    pub uids: Vec<Extent>,
    pub gids: Vec<Extent>,
    /// Without privilege in the parent namespace the kernel takes a map of groups only after setgroups(2) has
    /// been denied (user_namespaces(7)).
    pub deny_setgroups: bool,
}

/// Ids in a row: the first inside, the first outside, how many (user_namespaces(7)).
pub type Extent = (u32, u32, u32);

/// Gives the process whose directory in /proc this is its id map; once in its life.
///
/// # Errors
/// EPERM without the right to map these ids.
pub fn map_ids(process: BorrowedFd<'_>, map: &IdMap) -> Result<(), Error> {
    let line = |(inside, outside, count): &Extent| format!("{inside} {outside} {count}\n");
    let lines = |extents: &[Extent]| extents.iter().map(line).collect::<String>();
    if map.deny_setgroups {
        write(process, "setgroups", "deny".into())?;
    }
    write(process, "uid_map", lines(&map.uids))?;
    write(process, "gid_map", lines(&map.gids))
}

/// The step of a zygote's start that this is, as in its failures.
pub const STEP: &str = "enter the namespaces";

/// Enters the namespaces of [`FILES`], which were made beside, and takes the ids that its user namespace calls 0. `groups`: it
/// has supplementary groups to give up, and the right to. While it has one thread.
///
/// # Errors
/// EPERM where the namespaces are not the caller's.
pub fn enter(files: &[OwnedFd], groups: bool) -> Result<(), Error> {
    for ((name, kind), file) in FILES.into_iter().zip(KINDS).zip(files) {
        move_into_link_name_space(file.as_fd(), Some(kind)).map_err(|source| Error::Enter { name, source })?;
    }
    become_root(groups).map_err(Error::Ids)
}

/// The ids inside: 0, which the capabilities of the user namespace go with.
///
/// # Errors
/// EINVAL: they are not mapped.
pub fn become_root(groups: bool) -> Result<(), Errno> {
    if groups {
        set_thread_groups(&[])?;
    }
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
}

/// Nothing that is mounted in this mount namespace from here on shows in another one (mount_namespaces(7), "Shared
/// subtrees"). One that comes with a user namespace of its own needs it not: the kernel does it.
pub fn detach_mounts() -> Result<(), Error> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(Error::Detach)
}

/// The limits of namespaces(7) that a zygote sets to 0 in its own user namespace: all kinds but pid, which its
/// workers still need.
const LIMITS: [&str; 7] = [
    "proc/sys/user/max_user_namespaces",
    "proc/sys/user/max_mnt_namespaces",
    "proc/sys/user/max_net_namespaces",
    "proc/sys/user/max_ipc_namespaces",
    "proc/sys/user/max_uts_namespaces",
    "proc/sys/user/max_cgroup_namespaces",
    "proc/sys/user/max_time_namespaces",
];

/// Makes every further namespace but a pid namespace fail inside this user namespace. Needs /proc: before the root goes.
pub fn forbid_more() -> Result<(), Error> {
    let root = openat(rustix::fs::CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|source| Error::Write { file: "/", value: String::new(), source })?;
    LIMITS.iter().try_for_each(|file| write(root.as_fd(), file, "0".into()))
}

/// One write: the kernel takes a map or a limit whole or not at all.
fn write(directory: BorrowedFd<'_>, file: &'static str, value: String) -> Result<(), Error> {
    let written = openat(directory, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| rustix::io::write(file, value.as_bytes()));
    match written {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Write { file, value, source }),
    }
}
