//! The two clocks that end a process: wall time by setitimer(2), CPU time by a timer on the process's CPU clock
//! (timer_create(2)), without a thread. Not ITIMER_PROF: it charges whole ticks to whoever runs when one comes, so a
//! guest that sleeps across each tick would hardly be charged at all.
//!
//! The handlers end the process with its last words, see [`last_words`]. An attempt is a process and
//! nothing in it is buffered, so there is nothing to come back to; and an end that needs no help of the guest
//! costs it nothing while it runs, and reaches it in a loop, in a sleep and in any system call alike.
//!
//! A worker may be made to stand still for a while, which counts for no limit of wall time: the SIGCONT that lets it go on says
//! how long that was, and the end of its time moves. A timer that rang meanwhile is wound up again.
//!
//! Signals of a process that is the init of a pid namespace reach it where it has a handler: these do.
//!
//! A third clock ends nothing: its ticks, by the CPU time of the process, let code in a loop see that time passes.

use crate::last_words;
use std::{
    io, mem, ptr,
    sync::OnceLock,
    sync::atomic::{AtomicI32, AtomicU64, Ordering},
    time::Duration,
};

/// Makes the handlers known to the kernel; forks inherit them.
///
/// # Errors
/// What sigaction(2) says.
pub fn install() -> io::Result<()> {
    handle(libc::SIGALRM, on_wall as *const () as libc::sighandler_t, &[])?;
    handle(libc::SIGPROF, on_cpu as *const () as libc::sighandler_t, &[])?;
    handle(libc::SIGVTALRM, on_tick as *const () as libc::sighandler_t, &[])?;
    // Both are pending in one that stood still: the time moves before anybody looks at it.
    handle(libc::SIGCONT, on_go_on as *const () as libc::sighandler_t, &[libc::SIGALRM])
}

/// When the wall time ends, in nanoseconds of CLOCK_MONOTONIC; 0: never.
static END: AtomicU64 = AtomicU64::new(0);

/// Makes the timer of CPU time, once in a process and after its fork: for a worker, whose filter has no timer_create(2). It
/// runs from [`start`] on. A worker makes it before its limits, too, for RLIMIT_SIGPENDING counts the timers of all workers
/// of one id together.
///
/// # Errors
/// What timer_create(2) says: EAGAIN over that limit.
pub fn prepare_cpu() -> io::Result<()> {
    if CPU_TIMER.load(Ordering::Relaxed) == NONE {
        CPU_TIMER.store(cpu_timer(libc::SIGPROF)?, Ordering::Relaxed);
    }
    Ok(())
}

/// The same for the clock of [`start_ticks`].
///
/// # Errors
/// As [`prepare_cpu`].
pub fn prepare_ticks() -> io::Result<()> {
    if TICK_TIMER.load(Ordering::Relaxed) == NONE {
        TICK_TIMER.store(cpu_timer(libc::SIGVTALRM)?, Ordering::Relaxed);
    }
    Ok(())
}

/// From here on `tick` is called whenever the process has used so much CPU time, as far as the kernel's own ticks tell them apart.
/// A process that waits has none. `tick` runs in a signal's handler, between any two instructions: it may use atomics only, which
/// `component::server::epochs` of `sandhog-worker` upholds. Once in a process; whether there is such a clock: [`prepare_ticks`].
pub fn start_ticks(every: Duration, tick: fn()) -> bool {
    let timer = TICK_TIMER.load(Ordering::Relaxed);
    timer != NONE && TICK.set(tick).is_ok() && set_cpu(timer, every, every).is_ok()
}

/// What a tick does.
static TICK: OnceLock<fn()> = OnceLock::new();

/// The timer of CPU time of this process. One thread makes it, before there are others.
static CPU_TIMER: AtomicI32 = AtomicI32::new(NONE);
/// The same for ticks.
static TICK_TIMER: AtomicI32 = AtomicI32::new(NONE);
/// Numbers of timers begin at 0.
const NONE: KernelTimer = -1;

/// Starts the clocks that are not None, after [`install`]: `wall` counts from here, `cpu` is what all threads of the
/// process together use from here.
///
/// # Errors
/// What setitimer(2) and timer_create(2) say.
pub fn start(wall: Option<Duration>, cpu: Option<Duration>) -> io::Result<Running> {
    let mut running = Running { wall: false, cpu: None };
    if let Some(wall) = wall {
        END.store(now().saturating_add(nanoseconds(wall)), Ordering::Relaxed);
        set(libc::ITIMER_REAL, at_once_at_least(wall))?;
        running.wall = true;
    }
    if let Some(cpu) = cpu {
        prepare_cpu()?;
        let timer = CPU_TIMER.load(Ordering::Relaxed);
        set_cpu(timer, at_once_at_least(cpu), Duration::ZERO)?;
        running.cpu = Some(timer);
    }
    Ok(running)
}

/// Stops both clocks, whoever has started them.
pub fn stop() {
    let cpu = Some(CPU_TIMER.load(Ordering::Relaxed)).filter(|timer| *timer != NONE);
    drop(Running { wall: true, cpu });
}

/// To the kernel, zero means never.
fn at_once_at_least(limit: Duration) -> Duration {
    limit.max(Duration::from_micros(1))
}

/// Clocks that run; dropped, they stop.
#[must_use]
pub struct Running {
    wall: bool,
    cpu: Option<KernelTimer>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Stopping a timer has no way to fail: the pointers are valid and the timers exist.
        if self.wall {
            let _ = set(libc::ITIMER_REAL, Duration::ZERO);
        }
        if let Some(timer) = self.cpu {
            let _ = set_cpu(timer, Duration::ZERO, Duration::ZERO);
        }
    }
}

extern "C" fn on_wall(_: libc::c_int, _: *const libc::siginfo_t, _: *const libc::c_void) {
    let left = END.load(Ordering::Relaxed).saturating_sub(now());
    if left < LITTLE {
        last_words::deadline();
    } else {
        let _ = set(libc::ITIMER_REAL, Duration::from_nanos(left));
    }
}

/// What is not worth another timer, in nanoseconds: a tick of the kernel's at 250 Hz.
const LITTLE: u64 = 4_000_000;

/// Only the spawner sends one with a value; how long this process stood still, in nanoseconds.
extern "C" fn on_go_on(_: libc::c_int, info: *const libc::siginfo_t, _: *const libc::c_void) {
    // SAFETY: the kernel hands a handler of SA_SIGINFO a whole structure.
    let info = unsafe { &*info };
    if info.si_code == libc::SI_QUEUE && END.load(Ordering::Relaxed) != 0 {
        // SAFETY: of a signal that was queued, the value is what was queued with it.
        let stood = unsafe { info.si_value() }.sival_ptr as u64;
        let _ = END.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |end| Some(end.saturating_add(stood)));
    }
}

/// Of CLOCK_MONOTONIC, in nanoseconds. Safe in a handler: clock_gettime(2) is (signal-safety(7)).
pub(crate) fn now() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the C library fills a structure that outlives the call; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.cast_unsigned().saturating_mul(1_000_000_000).saturating_add(now.tv_nsec.cast_unsigned())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

extern "C" fn on_cpu(_: libc::c_int, _: *const libc::siginfo_t, _: *const libc::c_void) {
    last_words::out_of_cpu();
}

extern "C" fn on_tick(_: libc::c_int, _: *const libc::siginfo_t, _: *const libc::c_void) {
    if let Some(tick) = TICK.get() {
        tick();
    }
}

/// While the handler runs, `blocked` wait.
fn handle(signal: libc::c_int, handler: libc::sighandler_t, blocked: &[libc::c_int]) -> io::Result<()> {
    // SAFETY: `sigaction` is plain data for which all zeros is a valid value: no flags, empty mask, default handler.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_ONSTACK | libc::SA_SIGINFO | libc::SA_RESTART;
    for signal in blocked {
        // SAFETY: the set is valid and outlives the call.
        unsafe { libc::sigaddset(&raw mut action.sa_mask, *signal) };
    }
    // SAFETY: `action` lives through the call. The handlers, upheld in this file and in `last_words`, use
    // nothing but atomics, clock_gettime(2), setitimer(2), write(2) and _exit(2), so they may run between any two instructions.
    let result = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn set(timer: libc::c_int, after: Duration) -> io::Result<()> {
    let value = libc::itimerval { it_interval: timeval(Duration::ZERO), it_value: timeval(after) };
    // SAFETY: `value` lives through the call and the kernel only reads it.
    let result = unsafe { libc::setitimer(timer, &raw const value, ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The kernel's own number of a timer, `__kernel_timer_t`.
type KernelTimer = libc::c_int;

/// A timer on what this process's threads use together, and its signal. It goes with the process, and no fork inherits it.
fn cpu_timer(signal: libc::c_int) -> io::Result<KernelTimer> {
    // SAFETY: `sigevent` is plain data for which all zeros is a valid value.
    let mut event: libc::sigevent = unsafe { mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = signal;
    let mut timer: KernelTimer = 0;
    // The system call itself: the C library's function asks for another name of the same clock, which no filter expects.
    // SAFETY: both pointers are to live values of the types that the call reads and writes.
    let result = unsafe {
        libc::syscall(libc::SYS_timer_create, libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut event, &raw mut timer)
    };
    if result == 0 { Ok(timer) } else { Err(io::Error::last_os_error()) }
}

fn set_cpu(timer: KernelTimer, after: Duration, every: Duration) -> io::Result<()> {
    let timespec = |duration: Duration| libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    };
    let value = libc::itimerspec { it_interval: timespec(every), it_value: timespec(after) };
    let no_old = ptr::null_mut::<libc::itimerspec>();
    // SAFETY: the timer is one that `cpu_timer` has made and nobody deletes; `value` lives through the call.
    let result = unsafe { libc::syscall(libc::SYS_timer_settime, timer, 0, &raw const value, no_old) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A limit too large for the kernel's type is as good as its largest value: 292 billion years.
fn timeval(duration: Duration) -> libc::timeval {
    libc::timeval {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: libc::suseconds_t::from(duration.subsec_micros()),
    }
}
