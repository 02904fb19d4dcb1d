//! Time during which this process and all its workers stood still (Ctrl-Z): it counts for no limit.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// All such times, of the process, since it stands still as a whole.
struct Suspensions {
    count: u64,
    total: Duration,
}

static SUSPENSIONS: Mutex<Suspensions> = Mutex::new(Suspensions { count: 0, total: Duration::ZERO });

/// Who waits for the next one to be over.
static OVER: Condvar = Condvar::new();

fn suspensions() -> MutexGuard<'static, Suspensions> {
    // Nothing panics while it holds this.
    SUSPENSIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All such times together.
pub fn total() -> Duration {
    suspensions().total
}

/// It has just stood still for so long.
pub fn add(time: Duration) {
    let mut suspensions = suspensions();
    (suspensions.count, suspensions.total) = (suspensions.count + 1, suspensions.total + time);
    OVER.notify_all();
}

/// How often it has stood still.
pub(super) fn count() -> u64 {
    suspensions().count
}

/// Until it has stood still more often than that, and goes on. Blocks: for a thread of its own.
pub(super) fn wait_for_one_after(before: u64) {
    let suspensions = OVER.wait_while(suspensions(), |suspensions| suspensions.count <= before);
    drop(suspensions.unwrap_or_else(PoisonError::into_inner));
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
