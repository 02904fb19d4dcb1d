//! Tests only: children that try what can be tried once, and bare system calls for them to try.
#![allow(unsafe_code)]

use std::{
    io,
    panic::{self, AssertUnwindSafe},
};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Exited(i32),
    Signalled(i32),
}

/// The exit code of a child that panicked.
pub const PANICKED: i32 = 101;

/// Starts a child that runs `body` and exits with what it returns. Its pid.
pub fn start(body: impl FnOnce() -> i32) -> i32 {
    // SAFETY: glibc's fork leaves its allocator usable in the child of a process with threads; `body` runs
    // on the only thread, and the child leaves by _exit without running what belongs to the parent.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", io::Error::last_os_error()),
        0 => {
            let code = panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or(PANICKED);
            // SAFETY: ends the child at once; nothing of the parent's is touched.
            unsafe { libc::_exit(code) }
        }
        pid => pid,
    }
}

/// Runs `body` in a child, to its end.
pub fn run(body: impl FnOnce() -> i32) -> Ended {
    wait(start(body))
}

/// Waits for the child `pid`; -1: for any.
pub fn wait(pid: i32) -> Ended {
    let mut status = 0;
    // SAFETY: the kernel writes one int that outlives the call.
    while unsafe { libc::waitpid(pid, &raw mut status, 0) } < 0 {
        let error = io::Error::last_os_error();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted, "waitpid: {error}");
    }
    if libc::WIFSIGNALED(status) {
        Ended::Signalled(libc::WTERMSIG(status))
    } else {
        Ended::Exited(libc::WEXITSTATUS(status))
    }
}

/// A bare system call: its result, or the errno.
pub fn system_call(number: u32, arguments: [u64; 6]) -> Result<u64, i32> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: called in a child that a test throws away, with numbers or with pointers to what the caller
    // holds; a call that goes wrong harms that child alone.
    let result = unsafe { libc::syscall(libc::c_long::from(number), a, b, c, d, e, f) };
    u64::try_from(result).map_err(|_| io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// A system call by the 32-bit entry, which takes i386 numbers.
#[cfg(target_arch = "x86_64")]
pub fn system_call_32_bit(number: u32) -> u32 {
    let result;
    // SAFETY: called in a child that a test throws away, for calls without arguments; the 32-bit entry
    // preserves no register from r8 to r11.
    unsafe {
        std::arch::asm!("int 0x80", inout("eax") number => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    result
}

/// From here on children of the caller are in a pid namespace of their own.
pub fn unshare_pids() -> io::Result<()> {
    // SAFETY: takes one number, and moves no fd and no memory.
    let result = unsafe { libc::unshare(libc::CLONE_NEWPID) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
