//! Counts what passes through streams, and says when they are to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much may pass; shared by the streams that are limited together.
#[derive(Clone, Default)]
pub struct Meter {
    limit: Option<u64>,
    together: Arc<AtomicU64>,
    alone: Arc<AtomicU64>,
    /// What counts this along with more: of a child, its parent's.
    around: Option<Arc<Meter>>,
}

impl Meter {
    /// Limits what passes through this meter and its [`Self::beside`]s together, in bytes.
    pub fn new(limit: Option<u64>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Limits what passes through it, and what passes through it and all around it together.
    pub fn within(limit: Option<u64>, around: Option<&Self>) -> Self {
        Self { limit, around: around.map(|around| Arc::new(around.beside())), ..Self::default() }
    }

    /// Another stream under the same limit.
    pub fn beside(&self) -> Self {
        Self {
            limit: self.limit,
            together: Arc::clone(&self.together),
            alone: Arc::default(),
            around: self.around.clone(),
        }
    }

    /// What has passed through this stream and its [`Self::beside`]s, in bytes.
    pub fn together(&self) -> u64 {
        self.together.load(Ordering::Relaxed)
    }

    /// What has passed through this stream, in bytes.
    pub fn passed(&self) -> u64 {
        self.alone.load(Ordering::Relaxed)
    }

    /// So much of it has not passed after all.
    pub fn take_back(&self, bytes: u64) {
        self.alone.fetch_sub(bytes, Ordering::Relaxed);
        self.together.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// How many bytes may still pass.
    pub(super) fn left(&self) -> u64 {
        let own = self.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.together.load(Ordering::Relaxed)));
        self.around.as_ref().map_or(own, |around| own.min(around.left()))
    }

    pub fn count(&self, bytes: usize) {
        self.alone.fetch_add(bytes as u64, Ordering::Relaxed);
        self.together.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(around) = &self.around {
            around.count(bytes);
        }
    }
}
