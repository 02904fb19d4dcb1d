//! The rules for every test: it has a time limit, and a test that loads the machine runs alone.
//!
//! libtest has neither. It gives each test a thread that bears the test's name, also with `--test-threads=1`. The harness calls
//! [`begin`], so that the first thing that a test does with them registers its thread; the end of the thread removes it. Threads
//! that a test starts have no name. They are part of the test, and register nothing.
//!
//! Must not: know what a test does, or how the harness works.

pub mod order;
mod over_the_limit;
pub mod overdue;
mod queue;
mod watchdog;

use order::Kind;
use queue::Queue;
use std::cell::{Cell, OnceCell};
use std::panic;
use std::sync::Once;
use std::thread;
use std::time::Duration;
use watchdog::Watchdog;

/// How long a test may take where it does not say otherwise: three times the longest wait of one condition
/// ([`crate::waiting::DEADLINE`]), and far more than any test takes on an idle machine.
pub const LIMIT: Duration = Duration::from_secs(180);

static QUEUE: Queue = Queue::new();
static WATCHDOG: Watchdog = Watchdog::new();

thread_local! {
    /// Nothing in it: the thread is not that of a test.
    static TEST: OnceCell<Option<Registered>> = const { OnceCell::new() };
}

/// A test that runs. Dropped at the end of its thread.
struct Registered {
    watched: u64,
    kind: Kind,
    has_panicked: Cell<bool>,
}

/// Registers the test whose thread this is, at its first call. Waits while a test runs alone, or waits to.
pub fn begin() {
    register(Kind::Beside);
}

/// Makes this test run alone. It is the first call of a test, for one that has begun beside others can't wait for their end.
///
/// # Panics
///
/// Where the test has begun beside others, or this is not the thread of a test.
#[track_caller]
pub fn alone() {
    assert!(register(Kind::Alone) == Some(Kind::Alone), "a test calls `alone` first, on its own thread");
}

/// Sets the time limit of this test, from its begin on, instead of [`LIMIT`].
///
/// # Panics
///
/// Where this is not the thread of a test.
#[track_caller]
pub fn limit(limit: Duration) {
    begin();
    let set = with(|test| WATCHDOG.limit(test.watched, limit));
    assert!(set.is_some(), "the limit is set on the test's own thread");
}

/// How many tests wait for their turn.
pub fn waiting() -> u64 {
    QUEUE.waiting()
}

/// How many run that may have others beside them.
pub fn running_beside() -> u32 {
    QUEUE.running_beside()
}

/// How the test of this thread is registered, from now on if it was not yet.
fn register(kind: Kind) -> Option<Kind> {
    // A destructor that runs at the end of the thread finds nothing any more.
    TEST.try_with(|test| test.get_or_init(|| Registered::new(kind)).as_ref().map(|test| test.kind)).ok()?
}

fn with<T>(use_: impl FnOnce(&Registered) -> T) -> Option<T> {
    TEST.try_with(|test| test.get()?.as_ref().map(use_)).ok()?
}

impl Registered {
    /// The limit counts from the test's turn: it does not pay for the others.
    fn new(kind: Kind) -> Option<Self> {
        let name = name_of_test()?;
        listen_to_panics();
        QUEUE.enter(kind);
        Some(Self { watched: WATCHDOG.begin(name, LIMIT), kind, has_panicked: Cell::new(false) })
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        WATCHDOG.end(self.watched, self.has_panicked.get());
        QUEUE.leave(self.kind);
    }
}

/// The path of the test whose thread this is: all tests are in modules, and no other thread bears the name of a path.
fn name_of_test() -> Option<String> {
    thread::current().name().filter(|name| name.contains("::")).map(str::to_owned)
}

/// A test that panics has failed, whatever its time.
fn listen_to_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            with(|test| test.has_panicked.set(true));
            others(info);
        }));
    });
}
