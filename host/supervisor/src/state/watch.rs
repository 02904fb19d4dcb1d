//! An attempt that runs: whether it is ready, and whether it is healthy.
//!
//! Must not: know its instance.

use super::message::AttemptNumber;
use sandhog_protocol::verdict::HealthCheck;
use sandhog_spec::service::{Boosts, Ready, Rules};
use std::sync::Arc;
use std::time::Duration;

/// An attempt that nobody has told to go.
#[derive(Debug)]
pub(super) struct Attempt {
    pub number: AttemptNumber,
    /// Those that it was started with: how it is watched does not change while it runs.
    pub rules: Arc<Rules>,
    /// Limits of it that retries have changed.
    pub boosts: Boosts,
    pub stage: Stage,
    /// It takes too much memory, or has said that it must end: it is to be replaced.
    pub is_overdue: bool,
    /// Since when it is paused: nothing is expected of it meanwhile, and no time counts.
    paused: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// `launched`: when its turn to start came; `began`: when its guest did.
    Starting {
        launched: Option<Duration>,
        began: Option<Duration>,
    },
    Ready {
        since: Duration,
        heart: Option<Heart>,
        checks: Option<Checks>,
    },
    /// It was unhealthy and has been killed; its end is on its way.
    Condemned {
        ready_since: Option<Duration>,
    },
}

/// Its heartbeats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heart {
    every: Duration,
    due: Duration,
    missed: u32,
}

/// The command or the request of its health check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checks {
    every: Duration,
    missed: u32,
    state: Checking,
}

#[derive(Clone, Copy, Debug)]
enum Checking {
    Pause {
        until: Duration,
    },
    /// `counts`: it has not been paused since.
    Running {
        since: Duration,
        counts: bool,
    },
}

/// What the time that has passed means to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// It has lived long enough.
    Ready,
    Check,
    /// Has failed the check of this name.
    Unhealthy(HealthCheck),
}

/// Shortest interval of a check: no setting makes the fleet spin.
const FINEST: Duration = Duration::from_millis(1);

impl Attempt {
    pub(super) fn new(number: AttemptNumber, rules: Arc<Rules>, boosts: Boosts) -> Self {
        let stage = Stage::Starting { launched: None, began: None };
        Self { number, rules, boosts, stage, is_overdue: false, paused: None }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// It can do nothing from now on.
    pub(super) fn pause(&mut self, now: Duration) {
        if self.paused.is_none() {
            self.paused = Some(now);
            if let Stage::Ready { checks: Some(Checks { state: Checking::Running { counts, .. }, .. }), .. } =
                &mut self.stage
            {
                *counts = false;
            }
        }
    }

    /// It goes on: what is expected of it begins anew, and the time of the pause is no part of any other.
    pub(super) fn resume(&mut self, now: Duration) {
        let Some(paused) = self.paused.take() else { return };
        let later = |at: Duration| at.saturating_add(now.saturating_sub(at.max(paused)));
        match &mut self.stage {
            Stage::Starting { launched, began } => (*launched, *began) = (launched.map(later), began.map(later)),
            Stage::Ready { since, heart, checks } => {
                *since = later(*since);
                if let Some(heart) = heart {
                    (heart.due, heart.missed) = (now.saturating_add(heart.every), 0);
                }
                if let Some(checks) = checks {
                    checks.missed = 0;
                    if let Checking::Pause { until } = &mut checks.state {
                        *until = now.saturating_add(checks.every);
                    }
                }
            }
            Stage::Condemned { .. } => {}
        }
    }

    /// Nobody has looked for so long: its word may be on its way, and was not late for that.
    pub(super) fn excuse(&mut self, late: Duration, now: Duration) {
        match &mut self.stage {
            Stage::Starting { launched, .. } => *launched = launched.map(|at| at.saturating_add(late)),
            Stage::Ready { heart: Some(heart), .. } => heart.due = heart.due.max(now.saturating_add(heart.every)),
            Stage::Ready { heart: None, .. } | Stage::Condemned { .. } => {}
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready { .. })
    }

    pub(super) fn is_condemned(&self) -> bool {
        matches!(self.stage, Stage::Condemned { .. })
    }

    /// Since when it was ready, if it ever was.
    pub(super) fn ready_since(&self) -> Option<Duration> {
        match self.stage {
            Stage::Starting { .. } => None,
            Stage::Ready { since, .. } => Some(since),
            Stage::Condemned { ready_since } => ready_since,
        }
    }

    /// Whether it was ready for so long that what happened before it does not count any more.
    pub(super) fn has_proved_itself(&self, now: Duration) -> bool {
        self.ready_since().is_some_and(|since| now.saturating_sub(since) >= self.rules.backoff.reset_after)
    }

    pub(super) fn launch(&mut self, now: Duration) {
        if let Stage::Starting { launched: launched @ None, .. } = &mut self.stage {
            *launched = Some(now);
        }
    }

    pub(super) fn begin(&mut self, now: Duration) {
        self.launch(now);
        if let Stage::Starting { began: began @ None, .. } = &mut self.stage {
            *began = Some(now);
        }
    }

    /// When it has taken too long to be ready.
    fn overdue(&self, launched: Option<Duration>) -> Option<Duration> {
        Some(launched?.saturating_add(self.rules.start_timeout))
    }

    /// Whether it was not ready before. From now on its checks count.
    pub(super) fn become_ready(&mut self, now: Duration) -> bool {
        if !matches!(self.stage, Stage::Starting { .. }) {
            return false;
        }
        let heart = self.rules.heartbeat.map(|every| every.max(FINEST)).map(|every| Heart {
            every,
            due: now.saturating_add(every),
            missed: 0,
        });
        let checks = self.rules.check_interval.map(|every| every.max(FINEST)).map(|every| {
            let state = Checking::Pause { until: now.saturating_add(every) };
            Checks { every, missed: 0, state }
        });
        self.stage = Stage::Ready { since: now, heart, checks };
        true
    }

    pub(super) fn beat(&mut self, now: Duration) {
        if let Stage::Ready { heart: Some(heart), .. } = &mut self.stage {
            (heart.due, heart.missed) = (now.saturating_add(heart.every), 0);
        }
    }

    /// Whether it is unhealthy now. An answer that nobody has asked for counts for nothing.
    pub(super) fn checked(&mut self, healthy: bool, now: Duration) -> bool {
        let Stage::Ready { checks: Some(checks), .. } = &mut self.stage else { return false };
        let Checking::Running { since, counts } = checks.state else { return false };
        if !counts {
            checks.state = Checking::Pause { until: now.saturating_add(checks.every) };
            return false;
        }
        checks.missed = if healthy { 0 } else { checks.missed + 1 };
        checks.state = Checking::Pause { until: now.max(since.saturating_add(checks.every)) };
        checks.missed >= self.rules.failure_threshold.max(1)
    }

    /// The check beside its heartbeats.
    pub(super) fn check(&self) -> HealthCheck {
        if self.rules.health_request.is_some() { HealthCheck::Request } else { HealthCheck::Command }
    }

    /// Its end is on its way.
    pub(super) fn condemn(&mut self) {
        self.stage = Stage::Condemned { ready_since: self.ready_since() };
    }

    pub(super) fn wake(&self) -> Option<Duration> {
        if self.is_paused() {
            return None;
        }
        match &self.stage {
            Stage::Starting { launched, began } => earlier(self.overdue(*launched), self.lived(*began)),
            Stage::Ready { heart, checks, .. } => earlier(heart.map(|heart| heart.due), checks.and_then(Checks::wake)),
            Stage::Condemned { .. } => None,
        }
    }

    /// When it has lived long enough to be ready.
    fn lived(&self, began: Option<Duration>) -> Option<Duration> {
        match self.rules.ready {
            Ready::Notify => None,
            Ready::Lived(time) => Some(began?.saturating_add(time)),
        }
    }

    /// What is due now, the most important first; asked again, it says what else is. A look that comes late, since the
    /// machine slept for example, is one miss, however late it is.
    pub(super) fn due(&mut self, now: Duration) -> Due {
        let failure_threshold = self.rules.failure_threshold.max(1);
        if self.is_paused() {
            return Due::Nothing;
        }
        match &mut self.stage {
            Stage::Starting { launched, began } => {
                let (launched, began) = (*launched, *began);
                if self.lived(began).is_some_and(|at| at <= now) {
                    Due::Ready
                } else if self.overdue(launched).is_some_and(|at| at <= now) {
                    Due::Unhealthy(HealthCheck::Ready)
                } else {
                    Due::Nothing
                }
            }
            Stage::Ready { heart, checks, .. } => {
                if heart.as_mut().is_some_and(|heart| heart.misses(now) >= failure_threshold) {
                    return Due::Unhealthy(HealthCheck::Heartbeat);
                }
                if checks.as_mut().is_some_and(|checks| checks.start(now)) { Due::Check } else { Due::Nothing }
            }
            Stage::Condemned { .. } => Due::Nothing,
        }
    }
}

impl Heart {
    /// How many it has missed by now.
    fn misses(&mut self, now: Duration) -> u32 {
        if self.due <= now {
            (self.due, self.missed) = (now.saturating_add(self.every), self.missed + 1);
        }
        self.missed
    }
}

impl Checks {
    fn wake(self) -> Option<Duration> {
        match self.state {
            Checking::Pause { until } => Some(until),
            Checking::Running { .. } => None,
        }
    }

    /// Whether its time has come; it runs then.
    fn start(&mut self, now: Duration) -> bool {
        let is_due = matches!(self.state, Checking::Pause { until } if until <= now);
        if is_due {
            self.state = Checking::Running { since: now, counts: true };
        }
        is_due
    }
}

pub(super) fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}
