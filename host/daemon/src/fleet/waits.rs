//! Who waits for what they asked for to be done. Pure: what an instance is like comes in.

use super::refusal::Refusal;
use sandhog_protocol::control::{Phase, VerbResult};
use sandhog_supervisor::state::{AttemptNumber, InstanceId, Seen};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// What an instance is waited for to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Ready, or never to be.
    Up,
    /// The same, by another attempt than this one.
    Anew(Option<AttemptNumber>),
    /// A run out of turn, by another attempt than this one: ready, or over.
    Run(Option<AttemptNumber>),
    /// Without an attempt.
    Down,
    /// Its reload is over.
    Reloaded,
    Gone,
    /// Nothing: what was asked for is on its way.
    Sent,
}

/// How far an instance is from its goal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Far {
    There,
    /// It will not get there: why.
    Never(String),
    /// It gets there when others do.
    Waits(String),
    OnItsWay,
}

pub(super) fn far(goal: Goal, seen: Option<&Seen>) -> Far {
    let Some(seen) = seen else {
        return match goal {
            Goal::Down | Goal::Gone | Goal::Sent => Far::There,
            Goal::Up | Goal::Anew(_) | Goal::Run(_) | Goal::Reloaded => Far::Never("it was deleted meanwhile".into()),
        };
    };
    match goal {
        Goal::Gone => Far::OnItsWay,
        Goal::Sent => Far::There,
        Goal::Down if seen.wanted => Far::Never("it was started again meanwhile".into()),
        Goal::Down => {
            if seen.attempt.is_none() && !matches!(seen.phase, Phase::Backoff | Phase::Starting) {
                Far::There
            } else {
                Far::OnItsWay
            }
        }
        Goal::Reloaded if seen.reloading => Far::OnItsWay,
        Goal::Anew(old) | Goal::Run(old) if old.is_some() && seen.attempt == old => Far::OnItsWay,
        // A run that went wrong says so; one of the past is none of this one's.
        Goal::Run(_) if seen.phase == Phase::Scheduled => seen.reason.clone().map_or(Far::There, Far::Never),
        Goal::Up | Goal::Anew(_) | Goal::Run(_) | Goal::Reloaded => up(seen),
    }
}

fn up(seen: &Seen) -> Far {
    let reason = || seen.reason.clone().unwrap_or_default();
    match seen.phase {
        Phase::Running | Phase::Scheduled => Far::There,
        // It has done its work.
        Phase::Idle => Far::There,
        Phase::Stopped => Far::Never("it was stopped meanwhile".into()),
        Phase::Failed => Far::Never(reason()),
        Phase::Waiting => Far::Waits(reason()),
        Phase::Starting | Phase::Stopping | Phase::Backoff | Phase::Unknown(_) => Far::OnItsWay,
    }
}

/// Somebody who waits.
pub(super) struct Waiter {
    /// Those that are not there yet.
    pub left: BTreeMap<InstanceId, Goal>,
    /// Those that only wait for others.
    held: BTreeMap<InstanceId, String>,
    pub all: Vec<InstanceId>,
    pub done: VerbResult,
    pub reply: oneshot::Sender<Result<VerbResult, Refusal>>,
}

impl Waiter {
    pub(super) fn new(
        goals: impl IntoIterator<Item = (InstanceId, Goal)>,
        done: VerbResult,
        reply: oneshot::Sender<Result<VerbResult, Refusal>>,
    ) -> Self {
        let left: BTreeMap<_, _> = goals.into_iter().collect();
        Self { all: left.keys().copied().collect(), left, held: BTreeMap::new(), done, reply }
    }

    /// Takes in how far one of them is; `name` is how people call it.
    pub(super) fn hear(&mut self, id: InstanceId, far: Far, name: impl FnOnce() -> String) {
        if !self.left.contains_key(&id) {
            return;
        }
        self.held.remove(&id);
        match far {
            Far::OnItsWay => return,
            Far::Waits(reason) => {
                self.held.insert(id, format!("{} {reason}", name()));
                return;
            }
            Far::There => {}
            Far::Never(reason) => self.done.problems.push(format!("{}: {reason}", name())),
        }
        self.left.remove(&id);
    }

    /// Nothing more is to be waited for. What only waits for others, which have come as far as they go, would be waited for
    /// without end.
    pub(super) fn is_over(&mut self) -> bool {
        if self.left.len() > self.held.len() {
            return false;
        }
        self.done.problems.extend(std::mem::take(&mut self.held).into_values());
        true
    }

    /// Whoever asked has gone.
    pub(super) fn is_left_alone(&self) -> bool {
        self.reply.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_spec::service::Boosts;
    use std::time::Duration;

    fn seen(phase: Phase) -> Seen {
        Seen {
            phase,
            reason: Some("for db".into()),
            since: Duration::ZERO,
            attempt: matches!(phase, Phase::Running | Phase::Starting | Phase::Stopping).then_some(1),
            wanted: true,
            failed: None,
            finished: false,
            restarts: 0,
            next: None,
            reloading: false,
            queued: false,
            raised: Boosts::default(),
        }
    }

    #[test]
    fn up_is_ready_or_never_to_be() {
        assert_eq!(far(Goal::Up, Some(&seen(Phase::Running))), Far::There);
        assert_eq!(far(Goal::Up, Some(&seen(Phase::Starting))), Far::OnItsWay);
        assert_eq!(far(Goal::Up, Some(&seen(Phase::Failed))), Far::Never("for db".into()));
        assert_eq!(far(Goal::Up, None), Far::Never("it was deleted meanwhile".into()));
        assert_eq!(far(Goal::Anew(Some(1)), Some(&seen(Phase::Running))), Far::OnItsWay);
        assert_eq!(far(Goal::Anew(Some(0)), Some(&seen(Phase::Running))), Far::There);
    }

    #[test]
    fn down_is_without_an_attempt() {
        let unwanted = |phase| Seen { wanted: false, ..seen(phase) };
        assert_eq!(far(Goal::Down, Some(&unwanted(Phase::Stopping))), Far::OnItsWay);
        assert_eq!(far(Goal::Down, Some(&unwanted(Phase::Stopped))), Far::There);
        let again = Far::Never("it was started again meanwhile".into());
        assert_eq!(far(Goal::Down, Some(&seen(Phase::Starting))), again);
        assert_eq!(far(Goal::Down, None), Far::There);
        assert_eq!(far(Goal::Gone, Some(&seen(Phase::Stopped))), Far::OnItsWay);
    }

    #[test]
    fn a_run_out_of_turn_is_waited_for_until_it_is_ready_or_over() {
        let over = |reason: Option<&str>| Seen { reason: reason.map(Into::into), ..seen(Phase::Scheduled) };
        assert_eq!(far(Goal::Run(None), Some(&seen(Phase::Running))), Far::There);
        assert_eq!(far(Goal::Run(Some(1)), Some(&seen(Phase::Running))), Far::OnItsWay, "the one that is replaced");
        assert_eq!(far(Goal::Run(Some(1)), Some(&over(None))), Far::There);
        assert_eq!(far(Goal::Run(None), Some(&over(Some("it failed")))), Far::Never("it failed".into()));
    }

    #[test]
    fn who_waits_is_told_when_the_last_one_is_there_or_only_others_are_waited_for() {
        let (reply, _answer) = oneshot::channel();
        let mut waiter = Waiter::new([(1, Goal::Up), (2, Goal::Up), (3, Goal::Up)], VerbResult::default(), reply);
        let name = || "api/0".to_owned();
        waiter.hear(1, Far::There, name);
        waiter.hear(2, Far::Waits("waits for db".into()), name);
        assert!(!waiter.is_over());
        waiter.hear(3, Far::Never("it crashed".into()), name);
        assert!(waiter.is_over());
        assert_eq!(waiter.done.problems, ["api/0: it crashed", "api/0 waits for db"]);
    }
}
