//! One instance: what runs of it, what is to become of it, and when it next has to be looked at.
//!
//! Must not: know other instances, jobs, or groups.

use super::message::{AttemptNumber, End};
use super::watch::{Attempt, Stage, earlier};
use crate::restart::History;
use sandhog_protocol::control::Phase;
use sandhog_spec::service::Boosts;
use std::sync::Arc;
use std::time::Duration;

/// An instance of a job.
#[derive(Debug)]
pub(super) struct Instance {
    pub job: Arc<str>,
    pub wanted: bool,
    pub restarts: u64,
    pub slot: Slot,
    /// Attempts that have been told to go and have not ended: at most two, and one at most beside one that counts.
    pub leaving: Vec<Leaving>,
    /// Another run waits for the end of this one: of a job with a schedule.
    pub queued: bool,
    /// Its job does not have it any more: it is removed when it is down.
    pub doomed: bool,
    /// Tries in a row that came to nothing: the next pause depends on it.
    pub tries: u32,
    pub history: History,
    /// Limits that retries have changed.
    pub boosts: Boosts,
    /// What others have been told of it: see `Fleet::settle`.
    pub known: Known,
}

/// What is derived from an instance and kept elsewhere, as it was last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub phase: Phase,
    pub since: Duration,
    pub wake: Option<Duration>,
    /// It keeps those waiting that come after it.
    pub is_lacking: bool,
    /// It keeps those that it comes after from being stopped.
    pub is_ending: bool,
    pub line: Line,
    pub saved: Saved,
}

/// Where an instance stands in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Nowhere,
    ToStart,
    ToStop,
}

/// What of an instance outlives the daemon; of its failure that there is one, since between two there is a try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    wanted: bool,
    failed: bool,
    finished: bool,
    restarts: u64,
}

/// What counts of an instance.
#[derive(Debug)]
pub(super) enum Slot {
    Down(Rest),
    /// For what it comes after.
    Waiting,
    /// For the next try.
    Pausing {
        until: Duration,
    },
    Up {
        attempt: Attempt,
        successor: Successor,
    },
    /// To be stopped when those that come after it are down.
    Held {
        attempt: Attempt,
        reason: End,
        then: Then,
    },
    /// Nothing counts any more; those that are leaving are waited for.
    Ending {
        then: Then,
    },
}

/// Why nothing runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Never started, or put to rest by the daemon's end.
    Idle,
    /// It has done its work.
    Finished,
    Stopped,
    Failed(String),
    /// Between two runs.
    Scheduled(LastRun),
}

/// What became of the last run of a job with a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LastRun {
    None,
    Well,
    /// A sentence.
    Badly(String),
}

/// What follows when all that runs of an instance has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Rest(Rest),
    /// It was asked to stop: asked again, it is killed.
    Stop,
    /// It is to be up again; of a job with a schedule: its runs take place.
    Up,
    /// The next run.
    Run,
}

/// The attempt that is to take the place of one that runs.
#[derive(Debug)]
pub(super) enum Successor {
    None,
    /// One has failed, or the place is not free yet: another one comes at this time.
    Pausing {
        until: Duration,
        tries: u32,
    },
    Coming {
        attempt: Attempt,
        tries: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    pub number: AttemptNumber,
    pub is_killed: bool,
}

impl Instance {
    pub(super) fn new(job: Arc<str>, now: Duration) -> Self {
        Self {
            job,
            wanted: false,
            restarts: 0,
            slot: Slot::Down(Rest::Idle),
            leaving: Vec::new(),
            queued: false,
            doomed: false,
            tries: 0,
            history: History::default(),
            boosts: Boosts::default(),
            known: Known {
                phase: Phase::Idle,
                since: now,
                wake: None,
                is_lacking: false,
                is_ending: false,
                line: Line::Nowhere,
                saved: Saved::default(),
            },
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match &self.slot {
            Slot::Down(Rest::Idle | Rest::Finished) => Phase::Idle,
            Slot::Down(Rest::Stopped) => Phase::Stopped,
            Slot::Down(Rest::Failed(_)) => Phase::Failed,
            Slot::Down(Rest::Scheduled(_)) => Phase::Scheduled,
            Slot::Waiting => Phase::Waiting,
            Slot::Pausing { .. } => Phase::Backoff,
            Slot::Up { attempt, .. } => match attempt.stage {
                Stage::Starting { .. } => Phase::Starting,
                Stage::Ready { .. } => Phase::Running,
                Stage::Condemned { .. } => Phase::Stopping,
            },
            Slot::Held { .. } | Slot::Ending { .. } => Phase::Stopping,
        }
    }

    /// What others are to know of it now.
    pub(super) fn derive(&self, now: Duration) -> Known {
        let phase = self.phase();
        let line = match &self.slot {
            Slot::Waiting => Line::ToStart,
            Slot::Held { .. } => Line::ToStop,
            Slot::Down(_) | Slot::Pausing { .. } | Slot::Up { .. } | Slot::Ending { .. } => Line::Nowhere,
        };
        Known {
            phase,
            since: if phase == self.known.phase { self.known.since } else { now },
            wake: self.wake(),
            is_lacking: !self.doomed && !self.satisfies(),
            is_ending: matches!(self.slot, Slot::Held { .. } | Slot::Ending { .. }),
            line,
            saved: self.saved(),
        }
    }

    /// Whether those that come after it may start.
    fn satisfies(&self) -> bool {
        match &self.slot {
            Slot::Down(Rest::Finished | Rest::Scheduled(LastRun::Well)) => true,
            Slot::Up { attempt, .. } => matches!(attempt.stage, Stage::Ready { .. }),
            Slot::Down(
                Rest::Idle | Rest::Stopped | Rest::Failed(_) | Rest::Scheduled(LastRun::None | LastRun::Badly(_)),
            )
            | Slot::Waiting
            | Slot::Pausing { .. }
            | Slot::Held { .. }
            | Slot::Ending { .. } => false,
        }
    }

    pub(super) fn failed(&self) -> Option<&str> {
        if let Slot::Down(Rest::Failed(reason)) = &self.slot { Some(reason) } else { None }
    }

    pub(super) fn is_finished(&self) -> bool {
        matches!(self.slot, Slot::Down(Rest::Finished | Rest::Scheduled(LastRun::Well)))
    }

    /// The attempt that counts, or the last of those that are leaving.
    pub(super) fn attempt(&self) -> Option<AttemptNumber> {
        match &self.slot {
            Slot::Up { attempt, .. } | Slot::Held { attempt, .. } => Some(attempt.number),
            Slot::Down(_) | Slot::Waiting | Slot::Pausing { .. } | Slot::Ending { .. } => {
                self.leaving.last().map(|leaving| leaving.number)
            }
        }
    }

    /// The attempt of this number, if it counts or is to.
    pub(super) fn counting(&mut self, number: AttemptNumber) -> Option<&mut Attempt> {
        match &mut self.slot {
            Slot::Up { attempt, .. } | Slot::Held { attempt, .. } if attempt.number == number => Some(attempt),
            Slot::Up { successor: Successor::Coming { attempt, .. }, .. } if attempt.number == number => Some(attempt),
            Slot::Up { .. }
            | Slot::Held { .. }
            | Slot::Down(_)
            | Slot::Waiting
            | Slot::Pausing { .. }
            | Slot::Ending { .. } => None,
        }
    }

    /// All attempts that nobody has told to go.
    pub(super) fn counting_all(&mut self) -> impl Iterator<Item = &mut Attempt> {
        let (attempt, successor) = match &mut self.slot {
            Slot::Up { attempt, successor: Successor::Coming { attempt: successor, .. } } => {
                (Some(attempt), Some(successor))
            }
            Slot::Up { attempt, successor: Successor::None | Successor::Pausing { .. } }
            | Slot::Held { attempt, .. } => (Some(attempt), None),
            Slot::Down(_) | Slot::Waiting | Slot::Pausing { .. } | Slot::Ending { .. } => (None, None),
        };
        attempt.into_iter().chain(successor)
    }

    /// Limits that retries have changed: those of the attempt that counts, or of the next one.
    pub(super) fn raised(&self) -> Boosts {
        match &self.slot {
            Slot::Up { attempt, .. } | Slot::Held { attempt, .. } => attempt.boosts,
            Slot::Down(_) | Slot::Waiting | Slot::Pausing { .. } | Slot::Ending { .. } => self.boosts,
        }
    }

    fn saved(&self) -> Saved {
        let (failed, finished) = (self.failed().is_some(), self.is_finished());
        Saved { wanted: self.wanted, failed, finished, restarts: self.restarts }
    }

    /// When it has to be looked at.
    fn wake(&self) -> Option<Duration> {
        match &self.slot {
            Slot::Pausing { until } => Some(*until),
            Slot::Up { attempt, successor } => earlier(attempt.wake(), self.successors_wake(attempt, successor)),
            Slot::Held { attempt, .. } => attempt.wake(),
            Slot::Down(_) | Slot::Waiting | Slot::Ending { .. } => None,
        }
    }

    fn successors_wake(&self, attempt: &Attempt, successor: &Successor) -> Option<Duration> {
        match successor {
            Successor::Pausing { until, .. } if self.has_room_beside(attempt) => Some(*until),
            Successor::Coming { attempt, .. } => attempt.wake(),
            Successor::None | Successor::Pausing { .. } => None,
        }
    }

    /// Whether nothing runs of it.
    pub(super) fn is_down(&self) -> bool {
        match self.slot {
            Slot::Down(_) | Slot::Waiting | Slot::Pausing { .. } => self.leaving.is_empty(),
            Slot::Up { .. } | Slot::Held { .. } | Slot::Ending { .. } => false,
        }
    }

    /// Whether a successor may be asked for: there are never three of them, and one that has been killed has no successor but
    /// another try.
    pub(super) fn has_room_beside(&self, attempt: &Attempt) -> bool {
        self.leaving.is_empty() && !attempt.is_condemned()
    }

    /// What was learnt from tries in a row is forgotten.
    pub(super) fn forget(&mut self) {
        (self.tries, self.boosts) = (0, Boosts::default());
    }
}
