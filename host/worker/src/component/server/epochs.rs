//! The clock by which guests yield: a thread that advances the engine's epoch while a guest runs, and sleeps while none does.
//!
//! Must not: cost anything while nothing runs, or more than a system call for each request where they are few.

use sandhog_sys::signal;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;
use wasmtime::{Engine, UpdateDeadline};

/// How long a guest computes before others have their turn. The thread's work for it is some 5 µs: 0.5 % of a processor.
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
pub(super) struct Epochs {
    clock: Arc<Clock>,
    thread: Thread,
}

#[derive(Default)]
struct Clock {
    running: AtomicU32,
    sleeps: AtomicBool,
}

/// While it lives, the clock goes.
struct Running<'a>(&'a Clock);

impl Epochs {
    /// # Errors
    /// Where the system has no thread to give.
    pub(super) fn start(engine: Engine) -> io::Result<Self> {
        let clock = Arc::new(Clock::default());
        let theirs = Arc::clone(&clock);
        let builder = thread::Builder::new().name("sandhog-epochs".to_owned()).stack_size(STACK);
        let thread = builder.spawn(move || {
            // Limits of time are for the guest's own thread.
            signal::block_all();
            theirs.tick(&engine);
        })?;
        Ok(Self { clock, thread: thread.thread().clone() })
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

    fn run(&self) -> Running<'_> {
        self.clock.running.fetch_add(1, Ordering::SeqCst);
        if self.clock.sleeps.load(Ordering::SeqCst) && self.clock.sleeps.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(&self.clock)
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
