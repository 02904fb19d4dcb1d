//! How many failed requests of a job are told one by one: a guest that fails each of 20,000 a second must not fill the events.
//! Pure: the time comes in.

use std::time::{Duration, Instant};

/// Told in [`WINDOW`], each with its verdict; of those beyond it only the number.
pub(super) const TOLD: u32 = 10;
pub(super) const WINDOW: Duration = Duration::from_secs(1);

/// What is to be done about a request that has failed.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Failure {
    Tell,
    /// The first one beyond the bound: how many there were is told when the window is over.
    CountUntil(Instant),
    /// It is counted already that there are more.
    Count,
}

#[derive(Debug, Default)]
pub(super) struct Failures {
    begun: Option<Instant>,
    told: u32,
    left_out: u64,
}

impl Failures {
    pub(super) fn add(&mut self, now: Instant) -> Failure {
        let begun = *self.begun.get_or_insert(now);
        if self.left_out == 0 && now.duration_since(begun) >= WINDOW {
            (self.begun, self.told) = (Some(now), 0);
        }
        if self.told < TOLD {
            self.told += 1;
            return Failure::Tell;
        }
        self.left_out += 1;
        if self.left_out == 1 { Failure::CountUntil(begun + WINDOW) } else { Failure::Count }
    }

    /// Those that were left out. Another window begins with the next one.
    pub(super) fn take_left_out(&mut self) -> u64 {
        let left_out = self.left_out;
        *self = Self::default();
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_second_are_told_and_the_rest_is_counted() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        assert!((0..TOLD).all(|_| failures.add(start) == Failure::Tell));
        assert_eq!(failures.add(start), Failure::CountUntil(start + WINDOW));
        // However late the count is told, they are counted until then.
        assert!((0..998).all(|count| failures.add(start + Duration::from_millis(count * 2)) == Failure::Count));
        assert_eq!(failures.take_left_out(), 999);
        assert_eq!(failures.add(start + 3 * WINDOW), Failure::Tell);
        assert_eq!(failures.take_left_out(), 0);
    }

    #[test]
    fn a_few_now_and_then_are_all_told() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        assert!((0..1000).all(|count| failures.add(start + Duration::from_millis(count * 101)) == Failure::Tell));
    }
}
