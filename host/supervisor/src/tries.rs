//! Processes that take one another's place outside of the fleet: whether another one is tried after a failure, and when.
//!
//! The rules are those of an instance: pauses with back-off, an intensity beyond which it is given up, and no further try of what
//! was refused.
//!
//! Must not: know a clock, or who was tried.

use crate::restart::{self, History};
use sandhog_protocol::verdict::{Verdict, VerdictKind};
use sandhog_spec::service::{Backoff, Intensity};
use std::time::Duration;

/// Failures in a row, and what is allowed of them.
#[derive(Clone, Debug)]
pub struct Tries {
    backoff: Backoff,
    intensity: Intensity,
    history: History,
    in_a_row: u32,
}

/// What follows a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Another try after this pause.
    Again(Duration),
    /// None. The reason, as the end of a sentence.
    GiveUp(String),
}

impl Tries {
    /// None has failed.
    #[must_use]
    pub fn new(backoff: Backoff, intensity: Intensity) -> Self {
        Self { backoff, intensity, history: History::default(), in_a_row: 0 }
    }

    /// One ended before it did anything. `now`: since any beginning, the same for all calls. `random`: 64 random bits.
    pub fn failed(&mut self, verdict: &Verdict, now: Duration, random: u64) -> Next {
        if verdict.kind() == VerdictKind::Refused {
            return Next::GiveUp(restart::not_again(verdict));
        }
        if !self.history.allow(self.intensity, now) {
            return Next::GiveUp(restart::too_often(self.intensity, verdict));
        }
        let pause = restart::pause(self.backoff, self.in_a_row, random);
        self.in_a_row = self.in_a_row.saturating_add(1);
        Next::Again(pause)
    }

    /// One did its work: failures before it count no more.
    pub fn succeeded(&mut self) {
        (self.history, self.in_a_row) = (History::default(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restart::tests::usual_rules;

    const KILLED: Verdict = Verdict::Failed { code: 1 };

    fn tries() -> Tries {
        let rules = usual_rules();
        Tries::new(rules.backoff, rules.intensity)
    }

    #[test]
    fn pauses_grow_until_there_were_too_many() {
        let mut tries = tries();
        let next: Vec<_> = (0..6).map(|second| tries.failed(&KILLED, Duration::from_secs(second), u64::MAX)).collect();
        let pauses: Vec<_> =
            next.iter().map(|next| if let Next::Again(pause) = next { pause.as_millis() } else { 0 }).collect();
        assert_eq!(pauses, [99, 199, 399, 799, 1599, 0]);
        assert_eq!(next[5], Next::GiveUp("5 restarts in 1m; the last attempt failed with code 1".into()));
    }

    #[test]
    fn what_was_refused_is_not_tried_again() {
        let refused = Verdict::Refused { reason: "it serves nobody".into() };
        assert_eq!(
            tries().failed(&refused, Duration::ZERO, 0),
            Next::GiveUp("it was refused: it serves nobody".into())
        );
    }

    #[test]
    fn one_that_did_its_work_is_a_new_beginning() {
        let mut tries = tries();
        for _ in 0..4 {
            (0..5).for_each(|_| assert!(matches!(tries.failed(&KILLED, Duration::ZERO, 0), Next::Again(_))));
            tries.succeeded();
        }
        assert_eq!(tries.failed(&KILLED, Duration::ZERO, u64::MAX), Next::Again(Duration::from_nanos(99_999_999)));
    }
}
