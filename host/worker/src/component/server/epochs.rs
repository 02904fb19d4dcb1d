//! The clock by which guests yield: it advances the engine's epoch while a guest runs.
//!
//! In a worker of many clients that is a thread, which sleeps while no guest runs: its ticks come to the millisecond. A worker that
//! serves one client and ends would spend a tenth of its processor time on a thread. It has a timer on its own CPU time instead.
//!
//! Must not: cost anything while nothing runs, or more than a system call for each request where they are few.

use sandhog_sys::{signal, timer};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;
use wasmtime::{Engine, UpdateDeadline};

/// How long a guest computes before others have their turn. The thread's work for it is some 5 µs: 0.5 % of a processor. The
/// timer's ticks come as often as the kernel's own at most, which are 4 ms apart at 250 Hz.
const TICK: Duration = Duration::from_millis(1);

/// Ticks at which no guest runs until the thread sleeps: where requests come one after the other it need not be woken for each.
const IDLE: u32 = 100;

/// Its stack, in bytes: it calls two functions.
const STACK: usize = 64 << 10;

/// What a guest does at each tick: everything else that is ready goes before it, and what has come from clients meanwhile.
pub(super) fn yielded() -> UpdateDeadline {
    UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
}

/// See the module. Its clones are one.
#[derive(Clone)]
pub(super) enum Epochs {
    Thread { clock: Arc<Clock>, thread: Thread },
    Timer,
}

#[derive(Default)]
pub(super) struct Clock {
    running: AtomicU32,
    sleeps: AtomicBool,
}

/// While it lives, the clock goes.
struct Running<'a>(&'a Clock);

/// What the timer advances. Set once: a worker has one engine.
static ENGINE: OnceLock<Engine> = OnceLock::new();

/// In a signal's handler.
fn advance() {
    if let Some(engine) = ENGINE.get() {
        // One atomic addition: the engine documents that a handler may do it.
        engine.increment_epoch();
    }
}

impl Epochs {
    /// `is_for_one`: for a worker with one client. It has a thread only where it could not have a timer.
    ///
    /// # Errors
    /// Where the system has no thread to give.
    pub(super) fn start(engine: Engine, is_for_one: bool) -> io::Result<Self> {
        if is_for_one && ENGINE.set(engine.clone()).is_ok() && timer::start_ticks(TICK, advance) {
            return Ok(Self::Timer);
        }
        let clock = Arc::new(Clock::default());
        let theirs = Arc::clone(&clock);
        let builder = thread::Builder::new().name("sandhog-epochs".to_owned()).stack_size(STACK);
        let thread = builder.spawn(move || {
            // Limits of time are for the guest's own thread.
            signal::block_all();
            theirs.tick(&engine);
        })?;
        Ok(Self::Thread { clock, thread: thread.thread().clone() })
    }

    /// Does what may call a guest.
    pub(super) async fn tick_while<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            let _running = self.run();
            work.as_mut().poll(context)
        })
        .await
    }

    fn run(&self) -> Option<Running<'_>> {
        match self {
            Self::Thread { clock, thread } => {
                clock.running.fetch_add(1, Ordering::SeqCst);
                if clock.sleeps.load(Ordering::SeqCst) && clock.sleeps.swap(false, Ordering::SeqCst) {
                    thread.unpark();
                }
                Some(Running(clock))
            }
            Self::Timer => None,
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Clock {
    fn tick(&self, engine: &Engine) -> ! {
        let mut idle = 0;
        loop {
            thread::sleep(TICK);
            if self.running.load(Ordering::SeqCst) > 0 {
                idle = 0;
                engine.increment_epoch();
                continue;
            }
            idle += 1;
            if idle >= IDLE {
                self.sleep();
                idle = 0;
            }
        }
    }

    /// Until a guest runs: one that begins after `sleeps` is set wakes the thread, one from before is seen.
    fn sleep(&self) {
        self.sleeps.store(true, Ordering::SeqCst);
        while self.running.load(Ordering::SeqCst) == 0 && self.sleeps.load(Ordering::SeqCst) {
            thread::park();
        }
        self.sleeps.store(false, Ordering::SeqCst);
    }
}
