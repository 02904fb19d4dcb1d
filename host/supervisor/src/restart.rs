//! Decides after a verdict: whether there is another attempt, its pause and its limits, and when there have been too many
//! restarts.
//!
//! Must not: know a clock or a timer, or who else is concerned.

use crate::verdict_text::clause;
use sandhog_protocol::verdict::{Verdict, VerdictKind};
use sandhog_spec::service::{Backoff, Boosts, Intensity, Restart, Retry, Rules};
use sandhog_spec::units::print_duration;
use std::collections::VecDeque;
use std::time::Duration;

/// Entries in which past restarts are counted. Up to this many are counted one by one; where more are allowed, the oldest
/// ones share an entry, and with it the later time of the two: they count a little longer, and never less.
const ENTRIES: usize = 64;

/// What an instance does after an attempt that nobody has asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It has done its work.
    Finish,
    /// Somebody has ended it in another way than by stopping the instance, with a signal for example. It stays down.
    Rest,
    /// It is not tried again, and that is a failure.
    GiveUp,
    /// Another attempt, with this change of a limit.
    Again(Option<Retry>),
}

/// `stop_on` comes first, then `retry_on`, then `restart`. One that was refused is never tried again: another try would be
/// given the same module and the same grants, and refused as well, until somebody speaks who can change that.
#[must_use]
pub(crate) fn after(verdict: &Verdict, rules: &Rules) -> Next {
    let kind = verdict.kind();
    if kind == VerdictKind::Refused || rules.stop_on.contains(&kind) {
        return ended(kind);
    }
    if let Some(retry) = rules.retry_on.iter().find(|retry| retry.on == kind) {
        return Next::Again(Some(*retry));
    }
    match (rules.restart, kind) {
        (Restart::Always, _) => Next::Again(None),
        (Restart::OnFailure, VerdictKind::Completed | VerdictKind::Stopped) | (Restart::Never, _) => ended(kind),
        (Restart::OnFailure, _) => Next::Again(None),
    }
}

/// Of an attempt that no other one follows.
fn ended(kind: VerdictKind) -> Next {
    match kind {
        VerdictKind::Completed => Next::Finish,
        VerdictKind::Stopped => Next::Rest,
        VerdictKind::Failed
        | VerdictKind::Trapped
        | VerdictKind::Deadline
        | VerdictKind::Cpu
        | VerdictKind::Memory
        | VerdictKind::Output
        | VerdictKind::Denied
        | VerdictKind::Killed
        | VerdictKind::Unhealthy
        | VerdictKind::Lost
        | VerdictKind::Refused
        | VerdictKind::Unknown => Next::GiveUp,
    }
}

/// The limits of the next try: the one that was met is larger, if the retry says so. A limit that the job has not got
/// can't be met, and a verdict that speaks of none changes none.
#[must_use]
pub(crate) fn boosted(boosts: Boosts, limits: Boosts, retry: Retry) -> Boosts {
    let Some(factor) = retry.factor else { return boosts };
    let grow = |now: Option<u64>, own: Option<u64>| {
        let grown = now.or(own)?.saturating_mul(u64::from(factor));
        Some(retry.max.map_or(grown, |max| grown.min(max)))
    };
    let mut changed = boosts;
    match retry.on {
        VerdictKind::Memory => changed.memory_bytes = grow(boosts.memory_bytes, limits.memory_bytes),
        VerdictKind::Deadline => changed.timeout_ms = grow(boosts.timeout_ms, limits.timeout_ms),
        VerdictKind::Cpu => changed.cpu_ms = grow(boosts.cpu_ms, limits.cpu_ms),
        VerdictKind::Output => changed.output_bytes = grow(boosts.output_bytes, limits.output_bytes),
        VerdictKind::Completed
        | VerdictKind::Failed
        | VerdictKind::Trapped
        | VerdictKind::Denied
        | VerdictKind::Killed
        | VerdictKind::Stopped
        | VerdictKind::Unhealthy
        | VerdictKind::Lost
        | VerdictKind::Refused
        | VerdictKind::Unknown => {}
    }
    changed
}

/// The pause before a try, `tries` of which have failed in a row before: any time from nothing to the pause that doubles
/// with each of them. `random` is random, all 64 bits of it.
#[must_use]
pub(crate) fn pause(backoff: Backoff, tries: u32, random: u64) -> Duration {
    let doubled = 2_u32.checked_pow(tries).and_then(|factor| backoff.first.checked_mul(factor));
    let longest = doubled.map_or(backoff.max, |doubled| doubled.min(backoff.max));
    // 64 bits of nanoseconds are 584 years.
    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    let chosen = (u128::from(nanos) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(chosen).unwrap_or(nanos))
}

/// Restarts of one instance in the past.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// When, and how many; the oldest first.
    entries: VecDeque<(Duration, u32)>,
}

impl History {
    /// Whether another restart is allowed; it is counted then.
    #[must_use]
    pub(crate) fn allow(&mut self, intensity: Intensity, now: Duration) -> bool {
        while self.entries.front().is_some_and(|(at, _)| *at + intensity.within <= now) {
            self.entries.pop_front();
        }
        let count: u64 = self.entries.iter().map(|(_, count)| u64::from(*count)).sum();
        if count >= u64::from(intensity.restarts) {
            return false;
        }
        self.entries.push_back((now, 1));
        if self.entries.len() > ENTRIES {
            let oldest = self.entries.pop_front().map_or(0, |(_, count)| count);
            if let Some((_, count)) = self.entries.front_mut() {
                *count = count.saturating_add(oldest);
            }
        }
        true
    }
}

/// Why an instance is given up that has met its intensity.
#[must_use]
pub(crate) fn too_often(intensity: Intensity, verdict: &Verdict) -> String {
    let (count, within) = (intensity.restarts, print_duration(intensity.within));
    let restarts = if count == 1 { "1 restart".into() } else { format!("{count} restarts") };
    format!("{restarts} in {within}; the last attempt {}", clause(verdict))
}

/// Why an instance is given up that its rules don't start again.
#[must_use]
pub(crate) fn not_again(verdict: &Verdict) -> String {
    if verdict.kind() == VerdictKind::Refused {
        return format!("it {}", clause(verdict));
    }
    format!("the attempt {}, and its rules don't start it again", clause(verdict))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use sandhog_protocol::control::JobSpec;
    use sandhog_protocol::verdict::{MemoryWall, StopReason};

    const COMPLETED: Verdict = Verdict::Completed { code: 0 };
    const FAILED: Verdict = Verdict::Failed { code: 3 };

    fn stopped() -> Verdict {
        Verdict::Stopped { graceful: true, reason: StopReason::Operator }
    }

    /// Those of a job that says nothing of its own.
    pub(crate) fn usual_rules() -> Rules {
        Rules::of(&JobSpec::default(), Boosts::default()).unwrap()
    }

    fn rules(restart: Restart) -> Rules {
        Rules { restart, ..usual_rules() }
    }

    fn retry(on: VerdictKind) -> Retry {
        Retry { on, factor: Some(2), max: Some(100) }
    }

    #[test]
    fn a_service_is_started_again_by_its_policy() {
        let next = |restart, verdict: &Verdict| after(verdict, &rules(restart));
        assert_eq!(next(Restart::Never, &COMPLETED), Next::Finish);
        assert_eq!(next(Restart::Never, &FAILED), Next::GiveUp);
        assert_eq!(next(Restart::OnFailure, &COMPLETED), Next::Finish);
        assert_eq!(next(Restart::OnFailure, &stopped()), Next::Rest);
        assert_eq!(next(Restart::OnFailure, &FAILED), Next::Again(None));
        assert_eq!(next(Restart::Always, &COMPLETED), Next::Again(None));
        assert_eq!(next(Restart::Always, &FAILED), Next::Again(None));
    }

    #[test]
    fn stop_on_comes_before_retry_on_and_that_before_the_policy() {
        let mut rules = Rules { retry_on: vec![retry(VerdictKind::Failed)], ..rules(Restart::Never) };
        assert_eq!(after(&FAILED, &rules), Next::Again(Some(retry(VerdictKind::Failed))));
        rules.stop_on = [VerdictKind::Failed].into();
        assert_eq!(after(&FAILED, &rules), Next::GiveUp);
        assert_eq!(after(&COMPLETED, &Rules { stop_on: [VerdictKind::Completed].into(), ..rules }), Next::Finish);
    }

    #[test]
    fn what_was_refused_is_never_tried_again() {
        let refused = Verdict::Refused { reason: "it is no module".into() };
        for restart in [Restart::Never, Restart::OnFailure, Restart::Always] {
            assert_eq!(after(&refused, &rules(restart)), Next::GiveUp);
        }
        let rules = Rules { retry_on: vec![retry(VerdictKind::Refused)], ..rules(Restart::Always) };
        assert_eq!(after(&refused, &rules), Next::GiveUp);
        assert_eq!(not_again(&refused), "it was refused: it is no module");
    }

    #[test]
    fn the_limit_that_was_met_grows_to_its_ceiling_and_no_other_one_does() {
        let own = Boosts { memory_bytes: Some(30), cpu_ms: Some(7), ..Boosts::default() };
        let once = boosted(Boosts::default(), own, retry(VerdictKind::Memory));
        assert_eq!(once, Boosts { memory_bytes: Some(60), ..Boosts::default() });
        let twice = boosted(once, own, retry(VerdictKind::Memory));
        assert_eq!(twice.memory_bytes, Some(100));
        assert_eq!(boosted(twice, own, retry(VerdictKind::Deadline)), twice, "there is no such limit");
        assert_eq!(boosted(twice, own, retry(VerdictKind::Lost)), twice);
        let huge = Retry { on: VerdictKind::Cpu, factor: Some(u32::MAX), max: None };
        let own = Boosts { cpu_ms: Some(u64::MAX), ..own };
        assert_eq!(boosted(Boosts::default(), own, huge).cpu_ms, Some(u64::MAX));
    }

    #[test]
    fn pauses_double_up_to_the_longest_with_full_jitter() {
        let backoff = usual_rules().backoff;
        let longest = |tries| pause(backoff, tries, u64::MAX).as_millis();
        assert_eq!([longest(0), longest(1), longest(2)], [99, 199, 399]);
        assert_eq!([longest(20), longest(u32::MAX)], [29_999, 29_999]);
        assert_eq!(pause(backoff, 5, 0), Duration::ZERO);
        assert_eq!(pause(backoff, 1, 1 << 63), Duration::from_millis(100));
        let endless = Backoff { first: Duration::MAX, max: Duration::MAX, ..backoff };
        assert!(pause(endless, 1, u64::MAX) > Duration::from_secs(1 << 30));
    }

    #[test]
    fn one_restart_too_many_within_the_time_is_not_admitted() {
        let intensity = Intensity { restarts: 2, within: Duration::from_secs(60) };
        let mut history = History::default();
        let mut allow = |second| history.allow(intensity, Duration::from_secs(second));
        assert!(allow(0) && allow(10) && !allow(59));
        assert!(allow(60), "the first one is long ago");
        assert!(!allow(61) && allow(70));
    }

    #[test]
    fn restarts_are_counted_in_bounded_space_and_never_too_few() {
        let intensity = Intensity { restarts: 10_000, within: Duration::from_secs(1) };
        let mut history = History::default();
        let allowed = (0..20_000).filter(|micro| history.allow(intensity, Duration::from_micros(*micro))).count();
        assert_eq!((allowed, history.entries.len()), (10_000, ENTRIES));
        let none = Intensity { restarts: 0, ..intensity };
        assert!(!History::default().allow(none, Duration::ZERO));
    }

    #[test]
    fn a_sentence_says_what_the_last_attempt_did() {
        let intensity = usual_rules().intensity;
        assert_eq!(too_often(intensity, &FAILED), "5 restarts in 1m; the last attempt failed with code 3");
        let memory = Verdict::Memory { limit: "64MiB".into(), wall: MemoryWall::Engine };
        assert_eq!(not_again(&memory), "the attempt met its memory limit of 64MiB, and its rules don't start it again");
    }
}
