//! How many requests run at the same time, and how many wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// First come, first served.
pub(super) struct Gate {
    turns: Arc<Semaphore>,
    waiting: AtomicU32,
    most_waiting: u32,
}

/// The right to run, until it is dropped.
pub(super) type Turn = OwnedSemaphorePermit;

impl Gate {
    pub(super) fn new(concurrency: u32, waiting: u32) -> Self {
        let turns = usize::try_from(concurrency).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        Self { turns: Arc::new(Semaphore::new(turns)), waiting: AtomicU32::new(0), most_waiting: waiting }
    }

    /// Waits for a turn; None where too many wait already.
    pub(super) async fn enter(&self) -> Option<Turn> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Some(turn);
        }
        let _waits = self.wait()?;
        // It is never closed.
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    fn wait(&self) -> Option<Waits<'_>> {
        if self.waiting.load(Ordering::Relaxed) >= self.most_waiting {
            return None;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Some(Waits(&self.waiting))
    }
}

struct Waits<'a>(&'a AtomicU32);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
