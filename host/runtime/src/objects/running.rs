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
    /// Another one is to take its place, which is no failure.
    pub(super) is_replaced: bool,
    /// It took over what an earlier one has made, and may find that many strangers in it.
    pub(super) strangers: u16,
}

impl Running {
    /// Whether it may still say that it has recovered what somebody held who is no member.
    pub(super) fn recovers_a_stranger(&mut self) -> bool {
        let left = self.strangers.checked_sub(1);
        self.strangers = left.unwrap_or(0);
        left.is_some()
    }
}
