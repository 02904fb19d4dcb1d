//! Which ids may be given. Pure: what is on disk comes in, what is to be written goes out.
//!
//! On disk is a mark; every id below it counts as given, by whatever daemon reads it next. So an id is given only below a
//! mark that is written. The mark goes ahead of the need, and further ahead the larger the last need was: a request that
//! takes many waits for one write, and usually for none.

use std::ops::Range;

/// Ids that are reserved beyond those that are needed: at the least, and, as many as were taken last, at the most. As many a
/// daemon that is killed leaves out.
const AHEAD_MIN: u64 = 64;
const AHEAD_MAX: u64 = 4096;

pub(super) struct Ids {
    /// The next one that is free.
    next: u64,
    /// The highest mark that was put, on disk or on its way.
    asked: u64,
    ahead: u64,
}

impl Ids {
    /// `next`: the mark that is on disk.
    pub(super) const fn new(next: u64) -> Self {
        Self { next, asked: next, ahead: AHEAD_MIN }
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// So many, where they are below the mark that is written.
    pub(super) fn take(&mut self, count: u64, written: u64) -> Option<Range<u64>> {
        self.ahead = count.clamp(AHEAD_MIN, AHEAD_MAX);
        let end = self.next.checked_add(count).filter(|end| *end <= written)?;
        Some(std::mem::replace(&mut self.next, end)..end)
    }

    /// The mark to be written for so many to be taken, and for some to be left then. None: it is on its way.
    pub(super) fn ask(&mut self, count: u64) -> Option<u64> {
        let needed = self.next.saturating_add(count);
        // Not for each one that is taken.
        let is_enough = needed.saturating_add(self.ahead / 2) <= self.asked;
        (!is_enough).then(|| {
            self.asked = needed.saturating_add(self.ahead);
            self.asked
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_given_above_the_mark_that_is_written() {
        let mut ids = Ids::new(1);
        assert_eq!(ids.take(1, 1), None);
        assert_eq!(ids.ask(1), Some(66));
        assert_eq!((ids.take(1, 1), ids.ask(1)), (None, None), "it is on its way, and not written");
        assert_eq!(ids.take(65, 66), Some(1..66));
        assert_eq!(ids.take(1, 66), None);
        assert_eq!(ids.take(0, 66), Some(66..66));
        assert_eq!(ids.take(u64::MAX, u64::MAX), None);
    }

    #[test]
    fn many_take_one_write_and_a_few_rarely_one() {
        let mut ids = Ids::new(1);
        assert_eq!(ids.take(20_000, 1), None);
        let mark = ids.ask(20_000).unwrap();
        assert_eq!(ids.take(20_000, mark), Some(1..20_001));
        let (mut written, mut writes) = (mark, 0);
        for _ in 0..10_000 {
            assert!(ids.take(1, written).is_some());
            if let Some(mark) = ids.ask(0) {
                (written, writes) = (mark, writes + 1);
            }
        }
        assert!(writes <= 10_000 / (AHEAD_MIN / 2), "{writes} writes");
    }
}
