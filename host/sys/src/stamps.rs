//! When this process came where, for whoever wants to know what a start costs: off unless it is asked for, and then one
//! reading of the clock each.
//!
//! Must not: know what a place means, or who reads it.

use rustix::time::{ClockId, clock_gettime};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// No more than these are noted before somebody takes them: nobody may, in a daemon whose jobs do not start.
const MAX: usize = 256;

static ON: AtomicBool = AtomicBool::new(false);
static NOTED: Mutex<Vec<(&str, u64)>> = Mutex::new(Vec::new());

/// From here on [`note`] notes, in this process and in all that it forks.
pub fn begin() {
    ON.store(true, Ordering::Relaxed);
}

#[must_use]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// It is here now.
pub fn note(place: &'static str) {
    if is_on() {
        lock(|noted| {
            if noted.len() < MAX {
                noted.push((place, now_ns()));
            }
        });
    }
}

/// What was noted since the last call, each with the monotonic clock in nanoseconds, which all processes of a machine share.
/// In a forked process that is what it has inherited as well.
#[must_use]
pub fn take() -> Vec<(&'static str, u64)> {
    lock(mem::take)
}

/// Nothing panics while the lock is held, and a process is forked by its only thread.
fn lock<T>(work: impl FnOnce(&mut Vec<(&'static str, u64)>) -> T) -> T {
    work(&mut NOTED.lock().unwrap_or_else(PoisonError::into_inner))
}

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Since the machine's start: neither negative nor beyond 584 years.
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_noted_once_somebody_asks_and_taken_once() {
        note("before");
        assert!(!is_on() && take().is_empty());
        begin();
        note("one");
        note("two");
        let taken = take();
        assert_eq!(taken.iter().map(|(place, _)| *place).collect::<Vec<_>>(), ["one", "two"]);
        assert!(taken[0].1 > 0 && taken[0].1 <= taken[1].1);
        assert!(take().is_empty());
    }
}
