//! sigaction(2): what a process does on a signal.
#![allow(unsafe_code)]

use std::{io, mem, ptr};

/// Ignores `signal` in this process. Children inherit that, and so does an executed program.
///
/// # Errors
/// EINVAL for a number that is no signal, or one that can't be ignored.
pub(crate) fn ignore(signal: i32) -> io::Result<()> {
    dispose(signal, libc::SIG_IGN)
}

/// Lets `signal` do in this process what the kernel has for it. Children inherit that, and so does an executed program.
///
/// # Errors
/// EINVAL for a number that is no signal, or SIGKILL and SIGSTOP.
pub(crate) fn restore_default(signal: i32) -> io::Result<()> {
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
