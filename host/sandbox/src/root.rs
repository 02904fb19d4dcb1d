//! An empty, read-only root.

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("mount an empty file system")]
    Mount(#[source] Errno),
    #[error("change into the empty root")]
    Enter(#[source] Errno),
    #[error("pivot into the empty root")]
    Pivot(#[source] Errno),
    #[error("let go of the old root")]
    Leave(#[source] Errno),
}

/// One page and two inodes, the least that the kernel gives (0 would be no limit): even were it writable, it
/// would hold nothing.
const OPTIONS: &std::ffi::CStr = c"size=4096,nr_inodes=2,mode=0555";

/// Exchanges the root for an empty one that can't be written, and lets the old one go.
///
/// The mount point in passing is /proc: it is there wherever Sandhog runs, and is not needed any more. Stacking the
/// old root on the new one and taking it off again is what pivot_root(2) calls `pivot_root(".", ".")`. By mount(2),
/// since fsmount(2) makes a mount namespace in passing, of which there may be no more.
pub fn enter_empty_root() -> Result<(), Error> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("sandhog", "/proc", "tmpfs", flags, OPTIONS).map_err(Error::Mount)?;
    rustix::process::chdir("/proc").map_err(Error::Enter)?;
    rustix::process::pivot_root(".", ".").map_err(Error::Pivot)?;
    unmount(".", UnmountFlags::DETACH).map_err(Error::Leave)?;
    rustix::process::chdir("/").map_err(Error::Enter)
}
