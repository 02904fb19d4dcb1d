//! When a keeper that has ended is started again. Pure.
//!
//! Must not: know why it ended.

use std::time::Duration;

/// The first pause; it doubles with each further failure.
const FIRST: Duration = Duration::from_millis(100);

/// So long it has to live for its end to be the first failure again.
const HEALTHY: Duration = Duration::from_secs(10);

/// Failures in a row after which whoever wants an object is told, and is not kept waiting.
const TRIES: u32 = 5;

/// How long nothing is tried then: whoever waits for what a dead one held still waits for a keeper.
const REST: Duration = Duration::from_secs(30);

/// Failures of a group's keepers.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failures: u32,
}

/// What follows from an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct Next {
    pub pause: Duration,
    /// Whoever wants an object meanwhile is refused.
    pub is_given_up: bool,
}

impl Patience {
    /// A keeper has ended that was to live on. `lived`: since it began.
    pub(super) fn ended(&mut self, lived: Duration) -> Next {
        self.failures = if lived >= HEALTHY { 1 } else { self.failures.saturating_add(1) };
        let is_given_up = self.failures >= TRIES;
        let pause = if is_given_up { REST } else { FIRST * 2_u32.pow(self.failures - 1) };
        Next { pause, is_given_up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_it_is_given_up_for_a_while_and_health_begins_anew() {
        let mut patience = Patience::default();
        let mut next = |lived| patience.ended(Duration::from_millis(lived));
        let ms = |pause, is_given_up| Next { pause: Duration::from_millis(pause), is_given_up };
        assert_eq!([0; 4].map(&mut next), [ms(100, false), ms(200, false), ms(400, false), ms(800, false)]);
        assert_eq!([9_999, 0].map(&mut next), [ms(30_000, true), ms(30_000, true)]);
        assert_eq!([10_000, 0].map(&mut next), [ms(100, false), ms(200, false)]);
    }
}
