//! Time during which this process and all its workers stood still (Ctrl-Z): it counts for no limit.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// All such times, of the process, since it stands still as a whole.
struct Halts {
    count: u64,
    total: Duration,
}

static HALTS: Mutex<Halts> = Mutex::new(Halts { count: 0, total: Duration::ZERO });

/// Who waits for the next one to be over.
static OVER: Condvar = Condvar::new();

fn halts() -> MutexGuard<'static, Halts> {
    // Nothing panics while it holds this.
    HALTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All such times together.
pub fn total() -> Duration {
    halts().total
}

/// It has just stood still for so long.
pub fn add(halt: Duration) {
    let mut halts = halts();
    (halts.count, halts.total) = (halts.count + 1, halts.total + halt);
    OVER.notify_all();
}

/// How often it has stood still.
pub(super) fn count() -> u64 {
    halts().count
}

/// Until it has stood still more often than that, and goes on. Blocks: for a thread of its own.
pub(super) fn wait_for_one_after(before: u64) {
    let halts = OVER.wait_while(halts(), |halts| halts.count <= before);
    drop(halts.unwrap_or_else(PoisonError::into_inner));
}

/// Sleeps for so long, and as much longer as it stands still meanwhile.
pub(super) async fn sleep(time: Duration) {
    let mut until = Instant::now() + time;
    let mut before = total();
    loop {
        tokio::time::sleep_until(until.into()).await;
        let now = total();
        if now == before {
            return;
        }
        (until, before) = (until + (now - before), now);
    }
}
