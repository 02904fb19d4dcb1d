//! The two clocks that end a process: wall time and CPU time, as interval timers, without a thread.
//!
//! The handlers end the process with its last words, see [`last_words`]. An attempt is a process and
//! nothing in it is buffered, so there is nothing to come back to; and an end that needs no help of the guest
//! costs it nothing while it runs, and reaches it in a loop, in a sleep and in any system call alike.
//!
//! Signals of a process that is the init of a pid namespace reach it where it has a handler: these do.

use crate::sys::last_words;
use std::{io, mem, ptr, time::Duration};

/// Makes the handlers known to the kernel; forks inherit them.
///
/// # Errors
/// What sigaction(2) says.
pub(crate) fn install() -> io::Result<()> {
    handle(libc::SIGALRM, on_wall as *const () as libc::sighandler_t)?;
    handle(libc::SIGPROF, on_cpu as *const () as libc::sighandler_t)
}

/// Starts the clocks that are not None, after [`install`]: `wall` counts from here, `cpu` is what all threads of the
/// process together use from here.
///
/// # Errors
/// What setitimer(2) says.
pub(crate) fn start(wall: Option<Duration>, cpu: Option<Duration>) -> io::Result<Running> {
    let mut running = Running { wall: false, cpu: false };
    if let Some(wall) = wall {
        set(libc::ITIMER_REAL, at_once_at_least(wall))?;
        running.wall = true;
    }
    if let Some(cpu) = cpu {
        set(libc::ITIMER_PROF, at_once_at_least(cpu))?;
        running.cpu = true;
    }
    Ok(running)
}

/// To the kernel, zero means never.
fn at_once_at_least(limit: Duration) -> Duration {
    limit.max(Duration::from_micros(1))
}

/// Clocks that run; dropped, they stop.
#[must_use]
pub(crate) struct Running {
    wall: bool,
    cpu: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Stopping a timer has no way to fail: the pointer is valid and the number is one of three.
        if self.wall {
            let _ = set(libc::ITIMER_REAL, Duration::ZERO);
        }
        if self.cpu {
            let _ = set(libc::ITIMER_PROF, Duration::ZERO);
        }
    }
}

extern "C" fn on_wall(_: libc::c_int) {
    last_words::deadline();
}

extern "C" fn on_cpu(_: libc::c_int) {
    last_words::out_of_cpu();
}

fn handle(signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: `sigaction` is plain data for which all zeros is a valid value: no flags, empty mask, default handler.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_ONSTACK;
    // SAFETY: `action` lives through the call. The handlers, upheld in this file and in `last_words`, use
    // nothing but atomics, write(2) and _exit(2), so they may run between any two instructions.
    let result = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn set(timer: libc::c_int, after: Duration) -> io::Result<()> {
    let value = libc::itimerval { it_interval: timeval(Duration::ZERO), it_value: timeval(after) };
    // SAFETY: `value` lives through the call and the kernel only reads it.
    let result = unsafe { libc::setitimer(timer, &raw const value, ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A limit too large for the kernel's type is as good as its largest value: 292 billion years.
fn timeval(duration: Duration) -> libc::timeval {
    libc::timeval {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: libc::suseconds_t::from(duration.subsec_micros()),
    }
}
