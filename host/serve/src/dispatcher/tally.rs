//! The numbers, which the task writes and everybody reads.

use crate::numbers::Counter;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) fn lock(counter: &Mutex<Counter>) -> MutexGuard<'_, Counter> {
    // Nothing panics while it holds the lock.
    counter.lock().unwrap_or_else(PoisonError::into_inner)
}
