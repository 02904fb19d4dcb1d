//! mount_setattr(2), which rustix does not have.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Attributes to set on a mount.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// `MOUNT_ATTR_…` bits.
    pub set: u64,
    /// A user namespace whose id map the mount is to have.
    pub id_map: Option<BorrowedFd<'a>>,
}

pub const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
pub const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
pub const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
pub const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

/// Sets attributes of the one mount behind a descriptor.
///
/// # Errors
/// As mount_setattr(2): EINVAL where the file system cannot be id-mapped, EPERM without privilege over it.
pub fn set_attributes(mount: BorrowedFd<'_>, attributes: Attributes<'_>) -> io::Result<()> {
    let idmap = attributes.id_map.map_or(0, |_| libc::MOUNT_ATTR_IDMAP);
    let attr = libc::mount_attr {
        attr_set: attributes.set | idmap,
        attr_clr: 0,
        propagation: 0,
        userns_fd: attributes.id_map.map_or(0, |fd| fd.as_raw_fd().cast_unsigned().into()),
    };
    // SAFETY: the path is an empty C string, the structure lives until the call returns and has the size given.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
