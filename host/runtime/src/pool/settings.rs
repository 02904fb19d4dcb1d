//! How a pool is to be, and what it is in numbers.

use sandhog_supervisor::pool::{Config, Counts, Pauses, SlotId, Spawn};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between starts that fail: as for a service.
const BACKOFF: Pauses = Pauses { first: Duration::from_millis(100), max: Duration::from_secs(30) };

/// A task that is shorter than this runs without a start beside it. As fine as the runtime's timers are, and twice what a start
/// takes.
const HEAD_START: Duration = Duration::from_millis(1);

/// Starts that fail in a row before nothing more is tried.
pub(super) const START_FAILURES: u32 = 5;

/// Workers that one zygote starts, and its age when another one takes its place: all of them have one address layout.
pub(crate) const ZYGOTE_ATTEMPTS: u64 = 10_000;
pub(crate) const ZYGOTE_AGE: Duration = Duration::from_secs(600);

/// How a pool is to be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Tasks that are done at the same time.
    pub busy_max: u32,
    /// Workers that are kept ready beside those that are busy.
    pub ready: u32,
    /// Tasks that one worker is given. 1: a fresh process for each. None: no bound.
    pub tasks_per_worker: Option<u64>,
    /// Tasks that one worker may have at once; a handler answers them in order.
    pub in_flight: u32,
    /// Tasks that a worker is given together are answered together: fewer packets, and the first answer waits for the last.
    pub together: bool,
    /// Tasks that may wait.
    pub waiting_max: usize,
    /// A worker that is this old is replaced. None: no bound.
    pub worker_age: Option<Duration>,
    /// The same for one through which so many bytes of tasks and answers went.
    pub worker_bytes: Option<u64>,
    /// A worker that is idle beyond `ready` is ended after that.
    pub idle: Duration,
    /// Whether workers share a zygote, and its address layout.
    pub spawn: Spawn,
    /// A zygote that is shared has a successor after so many workers, or at this age.
    pub zygote_attempts: u64,
    pub zygote_age: Duration,
}

impl Default for Settings {
    /// One fresh worker at a time and one that is ready; 1024 tasks wait; idle ones stay for 10 s; a zygote serves 10,000 workers, or
    /// 10 minutes: those after each other have one address layout.
    fn default() -> Self {
        Self {
            busy_max: 1,
            ready: 1,
            tasks_per_worker: Some(1),
            in_flight: 1,
            together: false,
            waiting_max: 1024,
            worker_age: None,
            worker_bytes: None,
            idle: Duration::from_secs(10),
            spawn: Spawn::Shared,
            zygote_attempts: ZYGOTE_ATTEMPTS,
            zygote_age: ZYGOTE_AGE,
        }
    }
}

impl Settings {
    /// Workers at the same time.
    #[must_use]
    pub fn workers(&self) -> u32 {
        self.busy_max.saturating_add(self.ready).max(1)
    }

    /// Workers of one zygote at the same time. None: it has one, as that of a run.
    #[must_use]
    pub fn slots(&self) -> Option<u32> {
        match self.spawn {
            Spawn::Shared => Some(self.workers()),
            Spawn::Exec => None,
        }
    }

    /// The place of a worker in its zygote, where that has several.
    pub(super) fn place(&self, slot: SlotId) -> Option<u32> {
        match self.spawn {
            Spawn::Shared => Some(slot.0),
            Spawn::Exec => None,
        }
    }

    /// Whether each task has a process of its own.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.tasks_per_worker == Some(1)
    }

    pub(super) fn config(&self, grace: Duration) -> Config {
        Config {
            min: self.ready.max(1),
            max: self.workers(),
            busy_max: self.busy_max.max(1),
            tasks_per_worker: self.tasks_per_worker,
            worker_age: self.worker_age,
            worker_bytes: self.worker_bytes,
            idle: self.idle,
            head_start: HEAD_START,
            grace,
            waiting_max: self.waiting_max,
            spawn: self.spawn,
            zygote_attempts: self.zygote_attempts,
            zygote_age: self.zygote_age,
            zygote_idle: None,
            start_failures_max: START_FAILURES,
            backoff: BACKOFF,
            in_flight: if self.is_fresh() { 1 } else { self.in_flight },
        }
    }
}

/// What workers of a pool are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerKind {
    /// They answer messages.
    Handler,
    /// Each is a program that runs once.
    Command,
}

/// A pool in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    pub counts: Counts,
    /// From the request for a worker until it was ready, of the last starts: the median and the 99th percentile. None: there was
    /// none yet.
    pub start_p50: Option<Duration>,
    pub start_p99: Option<Duration>,
}

/// What is measured of a pool, for whoever asks.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) counts: Counts,
    pub(super) starts: StartTimes,
}

pub(super) fn locked(measured: &Mutex<Measured>) -> MutexGuard<'_, Measured> {
    // Nothing panics while it holds the lock.
    measured.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Measured {
    pub(super) fn statistics(&self) -> Statistics {
        let Self { counts, starts } = self;
        Statistics { counts: *counts, start_p50: starts.percentile(50), start_p99: starts.percentile(99) }
    }
}

/// The last starts' times.
#[derive(Debug, Default)]
pub(super) struct StartTimes {
    last: Vec<Duration>,
    next: usize,
}

impl StartTimes {
    /// As many as tell a 99th percentile.
    const KEPT: usize = 512;

    pub(super) fn note(&mut self, time: Duration) {
        if self.last.len() < Self::KEPT {
            self.last.push(time);
        } else {
            self.last[self.next] = time;
        }
        self.next = (self.next + 1) % Self::KEPT;
    }

    /// So many of a hundred were at most this long.
    pub(super) fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.last.clone();
        sorted.sort_unstable();
        sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_last_starts() {
        let mut times = StartTimes::default();
        assert_eq!(times.percentile(50), None);
        (1..=100).for_each(|millis| times.note(Duration::from_millis(millis)));
        assert_eq!(times.percentile(50), Some(Duration::from_millis(50)));
        assert_eq!(times.percentile(99), Some(Duration::from_millis(99)));
        (0..StartTimes::KEPT).for_each(|_| times.note(Duration::from_secs(1)));
        assert_eq!(times.percentile(50), Some(Duration::from_secs(1)));
    }
}
