//! A keeper that was started, as whoever owns it sees it.

use super::keeper::Keeper;
use std::time::Duration;

/// A keeper that was started.
pub(super) struct Running {
    pub(super) keeper: Keeper,
    /// When it began to hear.
    pub(super) since: Option<Duration>,
    /// For so much memory it was started.
    pub(super) memory_bytes: u64,
    /// Why it was ended from here.
    pub(super) ended: Option<&'static str>,
    /// For so long it had said nothing by then.
    pub(super) silence: Duration,
    /// Another one is to take its place, which is no failure.
    pub(super) is_replaced: bool,
    /// It took over what an earlier one has made, and may find that many strangers in it.
    pub(super) strangers: u16,
}

impl Running {
    /// One of which nothing is known but that it was started for so much memory.
    pub(super) fn new(keeper: Keeper, memory_bytes: u64) -> Self {
        let silence = Duration::ZERO;
        Self { keeper, since: None, memory_bytes, ended: None, silence, is_replaced: false, strangers: 0 }
    }

    /// How long it did what it is for.
    pub(super) fn lived(&self, now: Duration) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since).saturating_sub(self.silence))
    }

    /// Whether it may still say that it has recovered what somebody held who is no member.
    pub(super) fn recovers_a_stranger(&mut self) -> bool {
        let left = self.strangers.checked_sub(1);
        self.strangers = left.unwrap_or(0);
        left.is_some()
    }
}
