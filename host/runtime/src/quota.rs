//! How many children a tree of attempts may have, how deep, and how fast. Pure: time comes in.

use sandhog_protocol::request::Refused;
use sandhog_spec::job::ChildQuota;
use std::time::Instant;

/// A tree's account.
#[derive(Debug)]
pub(super) struct Quota {
    limits: ChildQuota,
    alive: u32,
    /// Starts that are left, and when that was so: a token bucket as deep as one second's rate.
    left: f64,
    at: Instant,
}

impl Quota {
    pub(super) fn new(limits: ChildQuota, now: Instant) -> Self {
        Self { limits, alive: 0, left: f64::from(limits.rate), at: now }
    }

    /// Takes a place for one more child with `depth` attempts above it; [`Self::ended`] gives it back.
    ///
    /// # Errors
    /// [`Refused::Quota`], which bound it would break.
    pub(super) fn take(&mut self, depth: u32, now: Instant) -> Result<(), Refused> {
        let ChildQuota { alive, depth: deepest, rate } = self.limits;
        self.refill(now);
        if depth > deepest {
            let what = format!("children are {deepest} generations deep, which is the most (--max-child-depth)");
            return Err(Refused::Quota(what));
        }
        if self.alive >= alive {
            return Err(Refused::Quota(match alive {
                1 => "1 child is alive, which is the most (--max-children)".into(),
                alive => format!("{alive} children are alive, which is the most (--max-children)"),
            }));
        }
        if self.left < 1.0 {
            return Err(Refused::Quota(match rate {
                1 => "1 child in a second is the most (--max-child-rate)".into(),
                rate => format!("{rate} children in a second are the most (--max-child-rate)"),
            }));
        }
        self.left -= 1.0;
        self.alive += 1;
        Ok(())
    }

    pub(super) fn ended(&mut self) {
        self.alive = self.alive.saturating_sub(1);
    }

    fn refill(&mut self, now: Instant) {
        let rate = f64::from(self.limits.rate);
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * rate).min(rate);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn reason(answer: Result<(), Refused>) -> String {
        match answer {
            Err(Refused::Quota(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_place_is_free_again_when_a_child_has_ended() {
        let now = Instant::now();
        let mut quota = Quota::new(ChildQuota { alive: 2, depth: 1, rate: 100 }, now);
        assert_eq!((quota.take(1, now), quota.take(1, now)), (Ok(()), Ok(())));
        assert!(reason(quota.take(1, now)).contains("--max-children"));
        quota.ended();
        assert_eq!(quota.take(1, now), Ok(()));
    }

    #[test]
    fn what_is_too_deep_takes_no_place() {
        let now = Instant::now();
        let mut quota = Quota::new(ChildQuota { alive: 1, depth: 2, rate: 100 }, now);
        assert!(reason(quota.take(3, now)).contains("--max-child-depth"));
        assert_eq!(quota.take(2, now), Ok(()));
    }

    #[test]
    fn a_burst_is_as_large_as_the_rate_and_comes_back_with_time() {
        let now = Instant::now();
        let mut quota = Quota::new(ChildQuota { alive: 1000, depth: 1, rate: 10 }, now);
        for _ in 0..10 {
            assert_eq!(quota.take(1, now), Ok(()));
        }
        assert!(reason(quota.take(1, now)).contains("--max-child-rate"));
        assert_eq!(quota.take(1, now + Duration::from_millis(100)), Ok(()));
        assert!(reason(quota.take(1, now + Duration::from_millis(150))).contains("--max-child-rate"));
        let hour = now + Duration::from_secs(3600);
        assert!((0..10).all(|_| quota.take(1, hour).is_ok()));
        assert!(quota.take(1, hour).is_err());
    }
}
