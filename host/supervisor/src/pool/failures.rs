//! Starts that fail in a row, and the pause that follows.
//!
//! Starts that were under way together may fail for one reason. So each belongs to a wave, and a wave's first failure, which
//! counts, begins another one: the rest of the wave counts no more.
//!
//! Must not: know who was started.

use super::config::Pauses;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Failures {
    wave: u64,
    in_a_row: u32,
    not_before: Duration,
}

impl Failures {
    /// To which a start belongs that begins now.
    pub(super) fn wave(&self) -> u64 {
        self.wave
    }

    /// Starts that failed since the last one that did not.
    pub(super) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// When the next start may begin.
    pub(super) fn not_before(&self) -> Duration {
        self.not_before
    }

    pub(super) fn failed(&mut self, now: Duration, wave: u64, pauses: Pauses) {
        if wave == self.wave {
            self.wave += 1;
            self.in_a_row += 1;
            self.pause(now, pauses.after(self.in_a_row));
        }
    }

    /// A worker was ready, and ended without a reason that is known. It counts as no failure, but for the pause.
    pub(super) fn stumbled(&mut self, now: Duration, wave: u64, pauses: Pauses) {
        if wave == self.wave {
            self.wave += 1;
            self.pause(now, pauses.after(1));
        }
    }

    fn pause(&mut self, now: Duration, pause: Duration) {
        self.not_before = self.not_before.max(now.saturating_add(pause));
    }

    /// A worker is ready. The pause stays: another one may have failed just now.
    pub(super) fn succeeded(&mut self) {
        self.in_a_row = 0;
    }
}
