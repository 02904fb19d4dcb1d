//! When a wait makes its next attempt, and when it is over.
//!
//! Must not: wait, or ask a clock.

use super::super::types::Timeout;
use std::time::{Duration, Instant};

/// The first rests, in all 8 ms: what another process does is seen within one of them. The runtime's timers know no shorter one.
const SHORT: Duration = Duration::from_millis(1);

/// Rests of a length, before they are twice as long.
const OF_A_LENGTH: u32 = 8;

/// The longest rest where an object is waited for, which other processes change without a sign: an attempt takes some 5 µs,
/// so a wait costs less than 0.1 % of a processor.
const LONG: Duration = Duration::from_millis(8);

/// The longest where the kernel or somebody here gives a sign of all that happens: it is for signs that are lost.
const TOLD: Duration = Duration::from_millis(100);

/// After this long people are told of a wait.
const A_WHILE: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Pace {
    began: Instant,
    /// None: it has no end.
    until: Option<Instant>,
    rests: u32,
    longest: Duration,
    told: bool,
}

impl Pace {
    /// `timeout` in nanoseconds; one that no clock reaches is for ever. `signs`: each change gives one.
    pub(super) fn new(now: Instant, timeout: Timeout, signs: bool) -> Self {
        let until = timeout.and_then(|ns| now.checked_add(Duration::from_nanos(ns)));
        Self { began: now, until, rests: 0, longest: if signs { TOLD } else { LONG }, told: false }
    }

    /// How long to rest before the next attempt, at most. None: the time is over.
    pub(super) fn rest(&mut self, now: Instant) -> Option<Duration> {
        let length = match self.longest {
            TOLD => TOLD,
            longest => SHORT.saturating_mul(1 << (self.rests / OF_A_LENGTH).min(16)).min(longest),
        };
        self.rests = self.rests.saturating_add(1);
        match self.until.map(|until| until.saturating_duration_since(now)) {
            None => Some(length),
            Some(Duration::ZERO) => None,
            Some(left) => Some(length.min(left)),
        }
    }

    /// Whether people are to be told of it now: once.
    pub(super) fn is_long(&mut self, now: Instant) -> bool {
        !self.told && now.saturating_duration_since(self.began) >= A_WHILE && {
            self.told = true;
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(rest: Option<Duration>) -> Option<u128> {
        rest.map(|rest| rest.as_millis())
    }

    #[test]
    fn rests_grow_to_a_bound_and_end_with_the_time() {
        let now = Instant::now();
        let mut pace = Pace::new(now, None, false);
        let rests: Vec<_> = (0..100).filter_map(|_| ms(pace.rest(now))).collect();
        assert_eq!((rests[0], rests[7], rests[8], rests[16], rests[99], rests.len()), (1, 1, 2, 4, 8, 100));
        let mut told = Pace::new(now, Some(150_000_000), true);
        let at = |ms| now + Duration::from_millis(ms);
        let rests = [0, 100, 149, 150, 151].map(|after| ms(told.rest(at(after))));
        assert_eq!(rests, [Some(100), Some(50), Some(1), None, None]);
    }

    #[test]
    fn people_are_told_of_a_long_wait_once() {
        let now = Instant::now();
        let mut pace = Pace::new(now, Some(u64::MAX), false);
        let told = [0, 999, 1000, 1001, 5000].map(|ms| pace.is_long(now + Duration::from_millis(ms)));
        assert_eq!(told, [false, false, true, false, false]);
        assert!(pace.rest(now + Duration::from_secs(3600)).is_some());
    }
}
