//! The bounds of a pool.

use std::time::Duration;

/// Zygotes live for as long as this at least: a pool does not spend its time starting them.
const ZYGOTE_AGE: Duration = Duration::from_secs(1);

/// Deadlines later than this are none: 30 years, which every clock can still add to its own time.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// How a pool is to be. What contradicts itself is made to fit: see [`Config::fitted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Workers that are kept ready beside those that are busy.
    pub min: u32,
    /// Processes at the same time, those that start or end among them. At least 1, and `min`.
    pub max: u32,
    /// Workers that have tasks at the same time: 1 to `max`.
    pub busy_max: u32,
    /// Tasks that one worker is given; 1: a fresh process for each. None: no bound.
    pub tasks_per_worker: Option<u64>,
    /// A worker that has been ready for so long is retired when it is idle. None, or zero: no bound.
    pub worker_age: Option<Duration>,
    /// A worker through which so many bytes of tasks and answers went is retired when it is idle. None: no bound.
    pub worker_bytes: Option<u64>,
    /// Where there have been more than `min` idle workers for so long, one is retired.
    pub idle: Duration,
    /// A retired worker that has not ended after this is killed.
    pub grace: Duration,
    /// Tasks that may wait; at least 1. Those that come back from a worker are not counted against it.
    pub waiting_max: usize,
    /// How workers come from zygotes.
    pub spawn: Spawn,
    /// A zygote that is shared has a successor after so many workers, at least 1,
    pub zygote_attempts: u64,
    /// or at this age, at least a second.
    pub zygote_age: Duration,
    /// A zygote that has started nobody for so long is ended; the next start brings a new one. None: it stays.
    pub zygote_idle: Option<Duration>,
    /// Where no task waits, one that has just begun has the machine to itself for so long, or until one ends: only then is a
    /// worker started in place of the one that has it. Zero: at once.
    pub head_start: Duration,
    /// Starts that fail in a row before the pool gives up; at least 1.
    pub start_failures_max: u32,
    /// Between starts that fail.
    pub backoff: Pauses,
    /// Tasks that one worker may have at once, the one that it does among them; at least 1.
    pub in_flight: u32,
}

/// How workers come from zygotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spawn {
    /// One zygote starts many, and they share its address layout.
    #[default]
    Shared,
    /// Each has a zygote of its own, and no two share a layout.
    Exec,
}

/// Pauses that double from the first to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    pub first: Duration,
    pub max: Duration,
}

impl Config {
    /// Each bound at least so large that the pool can do anything at all.
    #[must_use]
    pub fn fitted(self) -> Self {
        let max = self.max.max(self.min).max(1);
        Self {
            max,
            busy_max: self.busy_max.clamp(1, max),
            tasks_per_worker: self.tasks_per_worker.map(|tasks| tasks.max(1)),
            worker_age: self.worker_age.filter(|age| !age.is_zero()),
            waiting_max: self.waiting_max.max(1),
            zygote_attempts: self.zygote_attempts.max(1),
            zygote_age: self.zygote_age.max(ZYGOTE_AGE),
            start_failures_max: self.start_failures_max.max(1),
            in_flight: self.in_flight.max(1),
            ..self
        }
    }

    /// Whether each task has a process of its own.
    pub(super) fn is_fresh(&self) -> bool {
        self.tasks_per_worker == Some(1)
    }
}

impl Pauses {
    /// The pause after so many failures in a row.
    #[must_use]
    pub(super) fn after(self, failures: u32) -> Duration {
        let doubled = 2_u32.checked_pow(failures.saturating_sub(1)).and_then(|factor| self.first.checked_mul(factor));
        doubled.map_or(self.max, |doubled| doubled.min(self.max))
    }
}

/// The moment that is so far from now; None: never.
#[must_use]
pub(super) fn later(now: Duration, pause: Duration) -> Option<Duration> {
    now.checked_add(pause).filter(|at| *at < NEVER)
}
