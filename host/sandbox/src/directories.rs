//! A granted directory as a detached mount: it hangs nowhere, so no path leads to it, and it carries limits of its own.

use rustix::mount::{OpenTreeFlags, open_tree};
use sandhog_protocol::plan::Access;
use sandhog_sys::mount::{self, Attributes};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("clone the mount of the granted directory")]
    Clone(#[source] io::Error),
    #[error(
        "another file system is mounted somewhere below it, and without root the kernel does not part the two: \
         grant directories beside that place, or start the job as root"
    )]
    MountBelow(#[source] io::Error),
    #[error(
        "its file system cannot map ids: grant a copy on another file system (ext4, xfs, btrfs, tmpfs), \
         or start the job as an ordinary user, not as root"
    )]
    NotIdMappable(#[source] io::Error),
    #[error("limit the mount of the granted directory")]
    Attributes(#[source] io::Error),
}

/// The directory as a mount of its own: no setuid, no devices, no programs, read-only unless granted otherwise
/// (Landlock's read-only lets times, modes and attributes change; the mount does not), without what is mounted
/// below it. With `id_map`, files of the id that the map knows belong to the worker, and stay the person's on disk.
///
/// The descriptor must be of the caller's mount namespace (open_tree(2): EINVAL).
pub fn detach(directory: BorrowedFd<'_>, access: Access, id_map: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Error> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(directory, "", flags).map_err(|errno| match errno {
        // mount_namespaces(7), "Restrictions on mount namespaces": what a mount hides must stay hidden.
        rustix::io::Errno::INVAL => Error::MountBelow(errno.into()),
        errno => Error::Clone(errno.into()),
    })?;
    let read_only = match access {
        Access::ReadOnly => mount::RDONLY,
        Access::ReadWrite => 0,
    };
    let limits = Attributes { set: mount::NOSUID | mount::NODEV | mount::NOEXEC | read_only, id_map: None };
    mount::set_attributes(tree.as_fd(), limits).map_err(Error::Attributes)?;
    if let Some(map) = id_map {
        mount::set_attributes(tree.as_fd(), Attributes { set: 0, id_map: Some(map) }).map_err(Error::NotIdMappable)?;
    }
    Ok(tree)
}
