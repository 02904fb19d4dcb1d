//! Scheduling policy and I/O priority of this process: sched_setscheduler(2), ioprio_set(2), for which no safe crate has calls.
#![allow(unsafe_code)]

use std::io;

/// ioprio_set(2): the priority is that of one process, here the caller.
const WHO_PROCESS: libc::c_int = 1;

/// linux/ioprio.h: the class stands above these bits; class 0 is none, which follows the nice value.
const CLASS_SHIFT: u32 = 13;

/// The caller's scheduling policy (`SCHED_…`, without its flags).
///
/// # Errors
/// As sched_getscheduler(2).
pub fn policy() -> io::Result<i32> {
    // SAFETY: takes one number.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
    match i32::try_from(policy) {
        // The flag that children do not inherit it stands beside the policy.
        Ok(policy @ 0..) => Ok(policy & !libc::SCHED_RESET_ON_FORK),
        Ok(_) | Err(_) => Err(io::Error::last_os_error()),
    }
}

/// From here on the caller is scheduled as ordinary processes are: SCHED_OTHER.
///
/// # Errors
/// EPERM: from SCHED_IDLE without the right to the nice value.
pub fn be_ordinary() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the kernel reads one structure that outlives the call.
    let answer = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_OTHER, &raw const parameters) };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The caller's class of I/O priority: 0 none, 1 real time, 2 best effort, 3 idle.
///
/// # Errors
/// As ioprio_get(2); ENOSYS where the kernel has none.
pub fn io_class() -> io::Result<u32> {
    // SAFETY: takes numbers.
    let priority = unsafe { libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, 0) };
    u32::try_from(priority).map(|priority| priority >> CLASS_SHIFT).map_err(|_| io::Error::last_os_error())
}

/// From here on the caller's I/O has no class of its own.
///
/// # Errors
/// As ioprio_set(2).
pub fn be_ordinary_in_io() -> io::Result<()> {
    // SAFETY: takes numbers.
    if unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, 0) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::{self, Ended};

    #[test]
    fn a_process_becomes_ordinary_again() {
        let ended = child::run(|| {
            // SAFETY: takes numbers, in a child that a test throws away: idle, and best effort at its lowest level.
            assert_eq!(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, 2 << CLASS_SHIFT | 7) }, 0);
            assert_eq!(io_class().unwrap(), 2);
            be_ordinary_in_io().unwrap();
            be_ordinary().unwrap();
            assert_ne!(io_class().unwrap(), 3);
            i32::from(policy().unwrap() != libc::SCHED_OTHER)
        });
        assert_eq!(ended, Ended::Exited(0));
    }
}
