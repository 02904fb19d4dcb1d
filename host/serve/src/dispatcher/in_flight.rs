//! What a worker says of its requests that have not ended, for others to see.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Requests of one worker that have not ended, as it says. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<AtomicU32>);

impl InFlight {
    /// As it said last.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn show(&self, requests: u32) {
        self.0.store(requests, Ordering::Relaxed);
    }
}
