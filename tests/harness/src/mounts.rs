//! Mounts: those that this process sees, and mounts of a thread's own.
//!
//! Must not: mount anything.

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::collections::BTreeSet;
use std::fs;

/// Where something is mounted.
pub fn mounts() -> BTreeSet<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(str::to_owned).collect()
}

/// Gives this thread, and what it starts from then on, mounts of its own.
///
/// # Errors
///
/// Those of unshare(2) and mount(2).
#[allow(unsafe_code)]
pub fn own_mounts() -> rustix::io::Result<()> {
    // SAFETY: no descriptors are unshared. A mount namespace of its own needs a working directory of its own as well
    // (unshare(2)), which no test uses.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }?;
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
}
