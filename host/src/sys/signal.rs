//! sigaction(2): what a process does on a signal.
#![allow(unsafe_code)]

use std::{io, mem, ptr};

/// Ignores `signal` in this process. Children inherit that, and so does an executed program.
///
/// # Errors
/// EINVAL for a number that is no signal, or one that can't be ignored.
pub(crate) fn ignore(signal: i32) -> io::Result<()> {
    // SAFETY: `sigaction` is a plain C structure for which all zeroes mean no flags and an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = libc::SIG_IGN;
    // SAFETY: the kernel reads one structure that outlives the call and writes nowhere; SIG_IGN names no
    // function that could be called later.
    let result = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
