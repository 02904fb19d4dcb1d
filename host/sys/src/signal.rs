//! sigaction(2), sigprocmask(2): what a process does on a signal, and which are kept from it; and signals with something to
//! say.
#![allow(unsafe_code)]

use super::single_threaded::SingleThreaded;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::{io, mem, ptr};

/// Linux has the signals 1 to 64 (signal(7)).
pub const SIGNALS: i32 = 64;

/// Ignores `signal` in this process. Children inherit that, and so does an executed program.
///
/// # Errors
/// EINVAL for a number that is no signal, or one that can't be ignored.
pub fn ignore(signal: i32) -> io::Result<()> {
    dispose(signal, libc::SIG_IGN)
}

/// Lets `signal` do in this process what the kernel has for it. Children inherit that, and so does an executed program.
///
/// # Errors
/// EINVAL for a number that is no signal, or SIGKILL and SIGSTOP.
pub fn restore_default(signal: i32) -> io::Result<()> {
    dispose(signal, libc::SIG_DFL)
}

/// `to` is one of the two dispositions that are no function.
fn dispose(signal: i32, to: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: `sigaction` is a plain C structure for which all zeroes mean no flags and an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = to;
    // SAFETY: the kernel reads one structure that outlives the call and writes nowhere; neither caller names a
    // function that could be called later.
    let result = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets `signal` do to this process what the kernel has for it, whatever handler there is; returns once the process goes on. One
/// that stops a process does nothing to an orphaned process group (setpgid(2)).
///
/// # Errors
/// EINVAL for a number that is no signal, or SIGKILL and SIGSTOP.
pub fn let_happen(signal: i32) -> io::Result<()> {
    // SAFETY: `sigaction` is a plain C structure for which zero bytes are a valid value.
    let (mut default, mut before): (libc::sigaction, libc::sigaction) = unsafe { mem::zeroed() };
    default.sa_sigaction = libc::SIG_DFL;
    // SAFETY: the kernel reads one structure and fills the other; both outlive the call.
    if unsafe { libc::sigaction(signal, &raw const default, &raw mut before) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes a number. To this thread, so that it is over when the call returns.
    unsafe { libc::raise(signal) };
    // SAFETY: what is put back is what the kernel has just said; it was valid before.
    match unsafe { libc::sigaction(signal, &raw const before, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Keeps all signals from the calling thread: they go to others of the process.
pub fn block_all() {
    // SAFETY: `sigset_t` is plain data; the C library fills it before the kernel reads it, and both outlive the calls.
    unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut());
    }
}

/// What the kernel passes on with a signal (`siginfo_t` of x86_64, 128 bytes: sigaction(2)).
#[repr(C)]
struct Queued {
    signal: i32,
    errno: i32,
    code: i32,
    padding: i32,
    pid: i32,
    uid: u32,
    value: u64,
    rest: [u64; 12],
}

/// Sends `signal` with a value, as sigqueue(3) does.
///
/// # Errors
/// As pidfd_send_signal(2): ESRCH where the process has ended.
pub fn queue(pidfd: BorrowedFd<'_>, signal: i32, value: u64) -> io::Result<()> {
    let (errno, code) = (0, libc::SI_QUEUE);
    let info = Queued { signal, errno, code, padding: 0, pid: 0, uid: 0, value, rest: [0; 12] };
    // SAFETY: `info` has the size and the layout of the structure that the kernel reads, and outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, &raw const info, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const _: () = assert!(mem::size_of::<Queued>() == mem::size_of::<libc::siginfo_t>());

/// Blocks no signal any more in this process, which has one thread. What was kept from it comes now.
///
/// # Errors
/// As sigprocmask(2).
pub fn unblock_all(_: &SingleThreaded) -> io::Result<()> {
    // SAFETY: a plain C structure for which zero bytes are a valid value, and the empty set.
    let none: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: the kernel reads one set that outlives the call and writes nowhere.
    let result = unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
