//! Time during which this process and all its workers stood still (Ctrl-Z): it counts for no limit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// In nanoseconds. Of the process, since it stands still as a whole.
static TOGETHER: AtomicU64 = AtomicU64::new(0);

/// All such times together.
pub(crate) fn total() -> Duration {
    Duration::from_nanos(TOGETHER.load(Ordering::Relaxed))
}

/// It has just stood still for so long.
pub(crate) fn add(halt: Duration) {
    TOGETHER.fetch_add(u64::try_from(halt.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    *counted() += 1;
    OVER.notify_all();
}

/// How often it has stood still, and who waits for the next time to be over.
static COUNT: Mutex<u64> = Mutex::new(0);
static OVER: Condvar = Condvar::new();

fn counted() -> MutexGuard<'static, u64> {
    // A number is whole after every statement.
    COUNT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often it has stood still.
pub(super) fn count() -> u64 {
    *counted()
}

/// Until it has stood still more often than that, and goes on. Blocks: for a thread of its own.
pub(super) fn wait_for_one_after(before: u64) {
    let mut count = counted();
    while *count <= before {
        count = OVER.wait(count).unwrap_or_else(PoisonError::into_inner);
    }
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
