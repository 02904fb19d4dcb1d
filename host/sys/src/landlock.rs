//! landlock_create_ruleset(2), landlock_add_rule(2), landlock_restrict_self(2). Which rights there are and
//! who gets them is not decided here.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

/// What a ruleset denies where no rule allows it, laid out as the kernel's `struct landlock_ruleset_attr`
/// (`linux/landlock.h`) of ABI 6. Older kernels take it as long as the fields that they don't know are 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled {
    pub file_rights: u64,
    pub net_rights: u64,
    pub scopes: u64,
}

/// The kernel's `struct landlock_path_beneath_attr`, which is packed.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    directory: RawFd,
}

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;

/// The Landlock ABI of this kernel, counted from 1.
///
/// # Errors
/// ENOSYS where the kernel was built without Landlock, EOPNOTSUPP where it was turned off at boot.
pub fn abi() -> io::Result<u32> {
    // SAFETY: with this flag the kernel takes no pointer; null and 0 are what it asks for.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<Handled>(), 0_usize, CREATE_RULESET_VERSION)
    };
    u32::try_from(version).map_err(|_| io::Error::last_os_error())
}

/// A ruleset that denies everything in `handled`.
///
/// # Errors
/// As landlock_create_ruleset(2): EINVAL for a right that this kernel does not know.
pub fn create_ruleset(handled: &Handled) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads `size_of::<Handled>()` bytes at a reference that outlives the call.
    let fd = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, ptr::from_ref(handled), size_of::<Handled>(), 0_u32)
    };
    let fd = RawFd::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this fd for us, so that nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Allows `rights` beneath `directory`. The rule belongs to the directory itself, not to its path.
///
/// # Errors
/// As landlock_add_rule(2): EINVAL for a right that the ruleset does not handle.
pub fn allow_beneath(ruleset: BorrowedFd<'_>, directory: BorrowedFd<'_>, rights: u64) -> io::Result<()> {
    let rule = PathBeneath { allowed: rights, directory: directory.as_raw_fd() };
    // SAFETY: the kernel reads one `PathBeneath`, in its own layout, that lives until the call returns;
    // both fds are borrowed for as long.
    let result = unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), RULE_PATH_BENEATH, &raw const rule, 0_u32)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Puts the calling thread under `ruleset`, for good.
///
/// # Errors
/// As landlock_restrict_self(2): EPERM without `no_new_privs` and CAP_SYS_ADMIN.
pub fn restrict_self(ruleset: BorrowedFd<'_>, flags: u32) -> io::Result<()> {
    // SAFETY: takes two numbers; the fd is borrowed for the whole call.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
