//! Waiting for a condition that nobody announces.
//!
//! Must not: wait without an end, or for time to pass.

use crate::each_test;
use std::thread;
use std::time::{Duration, Instant};

/// How long a run may take, and how long a test waits for anything: far more than any of them needs on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How long something may live on after its holder was killed: the product promises it.
pub const PROMISED: Duration = Duration::from_secs(2);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until the condition has a value, for [`DEADLINE`] at most.
///
/// # Panics
///
/// Where it has none until then.
#[track_caller]
pub fn until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    until_within(what, DEADLINE, condition)
}

/// The same with another patience.
///
/// # Panics
///
/// Where the condition has no value until then.
#[track_caller]
pub fn until_within<T>(what: &str, patience: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    each_test::begin();
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < patience, "waited for {what} in vain, for {patience:?}");
        thread::sleep(LOOK);
    }
}
