//! The two clocks that end a guest: wall time and CPU time, as interval timers of the process, without a thread.
//!
//! A handler does one thing: it notes which clock ran out first and advances the engine's epoch, which
//! ends the guest at its next loop or call. A system call that waits returns EINTR (there is no
//! SA_RESTART), and whoever made it asks [`expired`]. The timers repeat, so that a signal that comes a
//! moment before the wait begins is not the last one.
//!
//! Signals of a process that is the init of a pid namespace reach it where it has a handler: these do.

use crate::sys::last_words;
use std::{
    io, mem, ptr,
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use wasmtime::Engine;

/// How often a clock that has run out says so again. A guest that slipped into a wait past the first
/// signal ends that much later at most.
const REPEAT: Duration = Duration::from_millis(10);

/// Which clock ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    Wall,
    Cpu,
}

const NONE: u8 = 0;
const WALL: u8 = 1;
const CPU: u8 = 2;

static FIRST: AtomicU8 = AtomicU8::new(NONE);
static ENGINE: OnceLock<Engine> = OnceLock::new();

/// Which clock ran out first since [`start`]; None: none has.
#[must_use]
pub(crate) fn expired() -> Option<Clock> {
    match FIRST.load(Ordering::Relaxed) {
        WALL => Some(Clock::Wall),
        CPU => Some(Clock::Cpu),
        _ => None,
    }
}

/// Makes the handlers known to the kernel; once in the process that loads `engine`, its forks inherit them.
/// A file that outgrows RLIMIT_FSIZE shall be an error to the guest, so SIGXFSZ is ignored here as well.
///
/// # Errors
/// What sigaction(2) says.
pub(crate) fn install(engine: &Engine) -> io::Result<()> {
    // The first engine stays. A process has one: a second one here would only ever be a test's.
    let _ = ENGINE.set(engine.clone());
    handle(libc::SIGALRM, on_clock as *const () as libc::sighandler_t)?;
    handle(libc::SIGPROF, on_clock as *const () as libc::sighandler_t)?;
    handle(libc::SIGXFSZ, libc::SIG_IGN)
}

/// Starts the clocks that are not None; at most one set of them at a time.
///
/// # Errors
/// What setitimer(2) says.
pub(crate) fn start(wall: Option<Duration>, cpu: Option<Duration>) -> io::Result<Running> {
    FIRST.store(NONE, Ordering::Relaxed);
    let running = Running(());
    if let Some(wall) = wall {
        set(libc::ITIMER_REAL, wall, REPEAT)?;
    }
    if let Some(cpu) = cpu {
        set(libc::ITIMER_PROF, cpu, REPEAT)?;
    }
    Ok(running)
}

/// Ends this process with its last words for CPU time ([`last_words::out_of_cpu`]) once all its threads
/// together have used `cpu`.
///
/// # Errors
/// What sigaction(2) and setitimer(2) say.
pub(crate) fn end_process_after(cpu: Duration) -> io::Result<()> {
    handle(libc::SIGPROF, on_process_cpu as *const () as libc::sighandler_t)?;
    set(libc::ITIMER_PROF, cpu, REPEAT)
}

/// Clocks that run; dropped, they stop.
#[must_use]
pub(crate) struct Running(());

impl Drop for Running {
    fn drop(&mut self) {
        // Stopping a timer has no way to fail: the pointer is valid and the number is one of three.
        let _ = set(libc::ITIMER_REAL, Duration::ZERO, Duration::ZERO);
        let _ = set(libc::ITIMER_PROF, Duration::ZERO, Duration::ZERO);
    }
}

extern "C" fn on_clock(signal: libc::c_int) {
    let clock = if signal == libc::SIGPROF { CPU } else { WALL };
    let _ = FIRST.compare_exchange(NONE, clock, Ordering::Relaxed, Ordering::Relaxed);
    if let Some(engine) = ENGINE.get() {
        engine.increment_epoch();
    }
}

extern "C" fn on_process_cpu(_: libc::c_int) {
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

fn set(timer: libc::c_int, first: Duration, repeat: Duration) -> io::Result<()> {
    let value = libc::itimerval { it_interval: timeval(repeat), it_value: timeval(first) };
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
