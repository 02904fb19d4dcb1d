//! An attempt whose worker stands still by the operator's word: its limit of wall time does not count that.

use std::time::Duration;

/// What has been of it so far.
#[derive(Debug, Default)]
pub struct Pause {
    since: Option<Duration>,
    /// All that are over, together.
    total: Duration,
    /// So much of that has moved the deadline already.
    moved: Duration,
    /// The deadline has come while it stood still.
    due: bool,
}

/// What follows from a deadline that has come.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Due {
    Now,
    /// It comes again after so long.
    In(Duration),
    /// It is known once the worker goes on.
    Later,
}

impl Pause {
    /// It stands still from now on.
    pub fn begin(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// It goes on; after how long a deadline comes that has come meanwhile.
    pub fn end(&mut self, now: Duration) -> Option<Duration> {
        self.total += now - self.since.take()?;
        std::mem::take(&mut self.due).then(|| self.move_on())
    }

    /// The deadline has come.
    pub fn due(&mut self) -> Due {
        if self.since.is_some() {
            self.due = true;
            return Due::Later;
        }
        match self.move_on() {
            Duration::ZERO => Due::Now,
            more => Due::In(more),
        }
    }

    /// How long it has stood still.
    pub fn total(&self, now: Duration) -> Duration {
        self.total + self.since.map_or(Duration::ZERO, |since| now - since)
    }

    fn move_on(&mut self) -> Duration {
        let more = self.total - self.moved;
        self.moved = self.total;
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn without_a_pause_a_deadline_is_one() {
        assert_eq!(Pause::default().due(), Due::Now);
    }

    #[test]
    fn a_deadline_comes_later_by_all_that_stood_still_before() {
        let (mut pause, now) = (Pause::default(), 7 * SECOND);
        pause.begin(now);
        assert_eq!(pause.end(now + SECOND), None);
        pause.begin(now + 2 * SECOND);
        pause.begin(now + 3 * SECOND);
        assert_eq!(pause.end(now + 4 * SECOND), None);
        assert_eq!(pause.due(), Due::In(3 * SECOND));
        assert_eq!(pause.due(), Due::Now);
        assert_eq!(pause.total(now + 9 * SECOND), 3 * SECOND);
    }

    #[test]
    fn a_deadline_that_comes_while_it_stands_still_waits() {
        let (mut pause, now) = (Pause::default(), 7 * SECOND);
        pause.begin(now);
        assert_eq!(pause.due(), Due::Later);
        assert_eq!(pause.total(now + SECOND), SECOND);
        assert_eq!(pause.end(now + 5 * SECOND), Some(5 * SECOND));
        assert_eq!(pause.due(), Due::Now);
        assert_eq!(pause.end(now + 6 * SECOND), None);
    }
}
