//! What is known of a worker's use of the machine, from one look at it to the next.
//!
//! Must not: look itself (`runtime::worker_process` does).

use sandhog_protocol::usage::{LiveUsage, WorkerUsage};
use std::time::Instant;

/// The use of one worker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Use {
    last: Option<(LiveUsage, Instant)>,
    pub cpu_permille: Option<u32>,
}

impl Use {
    /// Takes a look in. Of a worker that has ended, or that can't be seen, nothing is known any more.
    pub(super) fn take(&mut self, look: WorkerUsage, now: Instant) {
        let WorkerUsage::Alive(usage) = look else {
            *self = Self::default();
            return;
        };
        self.cpu_permille = self.last.and_then(|(last, since)| {
            permille(usage.cpu_us.saturating_sub(last.cpu_us), now.duration_since(since).as_micros())
        });
        self.last = Some((usage, now));
    }

    /// As it was at the last look.
    pub(super) fn now(&self) -> Option<LiveUsage> {
        self.last.map(|(usage, _)| usage)
    }

    /// Whether another look is worth it: what was used in less time says little, and many may ask at once.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        self.last.is_none_or(|(_, since)| now.duration_since(since).as_millis() >= 500)
    }
}

fn permille(cpu_us: u64, passed_us: u128) -> Option<u32> {
    u32::try_from((u128::from(cpu_us) * 1000).checked_div(passed_us)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn use_is_what_was_used_since_the_last_look() {
        let (mut used, start) = (Use::default(), Instant::now());
        let look = |cpu_us| LiveUsage { cpu_us, rss_bytes: 9, ..LiveUsage::default() };
        used.take(WorkerUsage::Alive(look(0)), start);
        assert_eq!((used.cpu_permille, used.now()), (None, Some(look(0))));
        used.take(WorkerUsage::Alive(look(1_000_000)), start + Duration::from_secs(2));
        assert_eq!((used.cpu_permille, used.now()), (Some(500), Some(look(1_000_000))));
        // Two looks at one time say nothing of a share.
        used.take(WorkerUsage::Alive(look(1_000_001)), start + Duration::from_secs(2));
        assert_eq!(used.cpu_permille, None);
    }

    #[test]
    fn of_one_that_has_ended_or_is_not_shown_nothing_is_known() {
        for look in [WorkerUsage::Ended, WorkerUsage::Unknown] {
            let (mut used, start) = (Use::default(), Instant::now());
            used.take(WorkerUsage::Alive(LiveUsage::default()), start);
            assert!(used.now().is_some() && !used.is_old(start));
            used.take(look, start);
            assert!(used.now().is_none() && used.cpu_permille.is_none() && used.is_old(start));
        }
    }
}
