//! Compares the wanted and the actual state of all instances, and decides what to do about the difference: a pure
//! function of events.
//!
//! ```text
//!           start            ready              stop
//!  idle ──▶ starting ──────▶ running ─────────▶ stopping ──▶ stopped
//!               │ verdict       │ verdict            │ grace over: SIGKILL
//!               ▼               ▼                    ▼
//!           backoff ◀───────────┘                 stopped
//!               │ delay over            intensity exceeded
//!               └────────▶ starting        ──────────────▶ failed (says why, stays until asked)
//! ```
//!
//! An instance is in one [`instance::Slot`] at a time, which holds the attempt that counts; beside it may be attempts that
//! have been told to go and have not ended.
//!
//! - **idle**, *stopped*, *failed*, *scheduled* (`Down`): nothing runs. `Start` leads to waiting, `Due` does for a schedule.
//! - **waiting** (`Waiting`): for all instances of the jobs in `after` to be ready, or to have done their work. If one of
//!   those jobs goes down later, the instance stays up.
//! - **starting**, **running** (`Up`): the attempt that counts has been asked for, or is ready. It may have a successor
//!   (reload, recycling, `retire`): when that is ready, it is the attempt that counts, and the old one is told to go. If the
//!   old one ends first, the successor takes its place as it is; if the successor ends first, the old one stays.
//! - **backoff** (`Pausing`): its verdict asks for another try ([`super::restart`]).
//! - **stopping** (`Held`): it is to be stopped, and still runs because what comes after it does. `Start` takes that back.
//! - **stopping** (`Ending`): all that runs of it has been told to go. [`instance::Then`] holds the next state after its
//!   end: rest, or another start. A second `Stop` kills.
//!
//! Where the design is silent:
//!
//! - An instance that is not tried again has **failed**, unless it completed or was stopped by a signal of ours.
//! - One that has finished is not wanted any more: it does not run again when the daemon does.
//! - `completed` under `always` counts for no intensity, and does not lengthen the pause if it had been ready.
//! - Limits that retries have changed stay changed until an attempt has been ready for `reset_after`, like the pause.
//! - The policy that counts at an end is the newest; an attempt is watched by the one that it was started with.
//! - A successor that fails for a reload ends the reload of the job. One for recycling or `retire` is tried again after pauses.
//!   These grow where an attempt is to be replaced before it was ready for `reset_after`: a limit that is too low does not
//!   make the fleet spin. The next instance is reloaded when the old attempt of the last one has gone.
//! - Jobs with a schedule are neither reloaded nor recycled (their next run is new anyway), and strategies leave them alone.
//!   A run that is given up ends no schedule.
//! - Those that a strategy stops start again at once, in dependency order; the pause is for the one that failed.
//! - A job without instances keeps nobody waiting; one that is not defined does.
//! - A refused instance is not tried again, not even by a successor: it would be refused for the same reason.
//! - While an attempt is paused nothing is expected of it: no word, no heartbeat, no check, no replacement. When it goes on,
//!   misses are counted from none, and the pause is no part of its start-up time.

mod ends;
mod instance;
mod message;
mod operator;
mod order;
mod progress;
mod reload;
mod replace;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod watch;

use instance::{Instance, LastRun, Line, Rest, Slot};
pub use message::{Action, AttemptNumber, Definition, End, Event, InstanceId, KnownInstance, Notice, Seen};
use order::Jobs;
use sandhog_spec::service::Strategy;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// All instances of all jobs.
pub struct Fleet {
    /// Since the daemon's start.
    now: Duration,
    mode: Mode,
    jobs: Jobs,
    groups: BTreeMap<String, Group>,
    instances: BTreeMap<InstanceId, Instance>,
    /// Of every attempt that has not ended, its instance. Looked up only: its order is of no account.
    attempts: HashMap<AttemptNumber, InstanceId>,
    next_attempt: AttemptNumber,
    /// When an instance has to be looked at; at most one entry for each.
    wakes: BTreeSet<(Duration, InstanceId)>,
    /// Jobs whose reload may go on.
    reloads: BTreeSet<Arc<str>>,
    /// For the jitter: SplitMix64 (Steele, Lea, Flood, 2014).
    rng: u64,
    actions: Vec<Action>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Serving,
    /// Nothing is started any more.
    Leaving,
    /// And nothing runs any more.
    Over,
}

#[derive(Debug, Default)]
struct Group {
    strategy: Strategy,
    jobs: BTreeSet<Arc<str>>,
}

impl Fleet {
    /// A fleet without jobs. `seed` is for the jitter of pauses.
    pub fn new(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            mode: Mode::Serving,
            jobs: Jobs::default(),
            groups: BTreeMap::new(),
            instances: BTreeMap::new(),
            attempts: HashMap::new(),
            next_attempt: 1,
            wakes: BTreeSet::new(),
            reloads: BTreeSet::new(),
            rng: seed,
            actions: Vec::new(),
        }
    }

    /// Takes one event in and says what is to be done, in this order. `now` is the time since the daemon's start.
    #[must_use]
    pub fn step(&mut self, event: Event, now: Duration) -> Vec<Action> {
        self.now = self.now.max(now);
        match event {
            Event::Group { name, strategy } => self.group(name, strategy),
            Event::Define { definition, instances } => self.define(definition, instances),
            Event::Delete { job } => self.delete(&job),
            Event::Start { ids } => self.start_all(&ids),
            Event::Run { ids } => self.run_all(&ids),
            Event::Stop { ids } => self.stop_all(&ids),
            Event::Restart { ids } => self.restart_all(&ids),
            Event::Reload { ids } => self.reload_all(&ids),
            Event::Due { job } => self.due(&job),
            Event::Launched { attempt } => self.launched(attempt),
            Event::Began { attempt } => self.began(attempt),
            Event::Ready { attempt } => self.said_ready(attempt),
            Event::Heartbeat { attempt } => self.heartbeat(attempt),
            Event::Checked { attempt, healthy } => self.checked(attempt, healthy),
            Event::Paused { attempt, paused } => self.set_paused(attempt, paused),
            Event::Suspended { late } => self.excuse_all(late),
            Event::Memory { attempt, bytes } => self.memory(attempt, bytes),
            Event::Retire { attempt, reason } => self.retire(attempt, reason),
            Event::Ended { attempt, verdict } => self.ended(attempt, verdict),
            Event::Tick => self.tick(),
            Event::Shutdown => self.shut_down(false),
            Event::ShutdownNow => self.shut_down(true),
        }
        self.follow_up();
        std::mem::take(&mut self.actions)
    }

    /// When [`Event::Tick`] is to come; None: not before something else has happened.
    pub fn next_wake(&self) -> Option<Duration> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// The instances of a job, with those that are on their way out of it left out.
    pub fn ids_of(&self, job: &str) -> Vec<InstanceId> {
        self.jobs.get(job).map(|job| job.instances.iter().copied().collect()).unwrap_or_default()
    }

    pub fn see(&self, id: InstanceId) -> Option<Seen> {
        let instance = self.instances.get(&id)?;
        let next = if let Slot::Pausing { until } = instance.slot { Some(until) } else { None };
        Some(Seen {
            phase: instance.phase(),
            reason: self.reason(instance),
            since: instance.known.since,
            attempt: instance.attempt(),
            wanted: instance.wanted,
            failed: instance.failed().map(str::to_owned),
            finished: instance.is_finished(),
            restarts: instance.restarts,
            next,
            reloading: self.is_reloading(id, instance),
            queued: instance.queued,
            raised: instance.raised(),
        })
    }

    fn reason(&self, instance: &Instance) -> Option<String> {
        match &instance.slot {
            Slot::Down(Rest::Failed(reason) | Rest::Scheduled(LastRun::Badly(reason))) => Some(reason.clone()),
            Slot::Waiting => {
                let missing: Vec<_> = self.jobs.missing(&instance.job).map(AsRef::as_ref).collect();
                Some(format!("for {}", missing.join(", ")))
            }
            Slot::Held { .. } => Some("for those that come after it to stop".into()),
            Slot::Down(
                Rest::Idle | Rest::Finished | Rest::Stopped | Rest::Scheduled(LastRun::None | LastRun::Well),
            )
            | Slot::Pausing { .. }
            | Slot::Up { .. }
            | Slot::Ending { .. } => None,
        }
    }

    /// What the event has made possible: stops, starts and reloads that have waited, and the end.
    fn follow_up(&mut self) {
        loop {
            let (stoppable, startable) = (self.jobs.stoppable(), self.jobs.startable());
            let reload = self.reloads.pop_first();
            if stoppable.is_empty() && startable.is_empty() && reload.is_none() {
                break;
            }
            stoppable.into_iter().for_each(|id| self.release(id));
            startable.into_iter().for_each(|id| self.spawn(id));
            if let Some(job) = reload {
                self.go_on_reloading(&job);
            }
        }
        if self.mode == Mode::Leaving && self.attempts.is_empty() {
            self.mode = Mode::Over;
            self.actions.push(Action::Over);
        }
    }

    fn tell(&mut self, id: InstanceId, notice: Notice) {
        self.actions.push(Action::Tell { id, notice });
    }

    fn random(&mut self) -> u64 {
        self.rng = self.rng.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.rng ^ (self.rng >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Puts the instance into a slot. Every change of a slot, or of what a slot holds, ends in [`Self::settle`].
    fn enter(&mut self, id: InstanceId, slot: Slot) {
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.slot = slot;
            self.settle(id);
        }
    }

    /// Brings what is derived from the instance in line with it.
    fn settle(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let (before, now) = (instance.known, instance.derive(self.now));
        instance.known = now;
        let job = Arc::clone(&instance.job);
        if before.wake != now.wake {
            before.wake.map(|at| self.wakes.remove(&(at, id)));
            now.wake.map(|at| self.wakes.insert((at, id)));
        }
        if before.line != now.line {
            match now.line {
                Line::Nowhere => self.jobs.let_go(&job, id),
                Line::ToStart => self.jobs.wait(&job, id),
                Line::ToStop => self.jobs.hold(&job, id),
            }
        }
        if before.is_lacking != now.is_lacking {
            self.jobs.count_lacking(&job, now.is_lacking);
        }
        if before.is_ending != now.is_ending {
            self.jobs.count_ending(&job, now.is_ending);
        }
        if before.saved != now.saved {
            self.actions.push(Action::Save { id });
        }
        if self.jobs.get(&job).is_some_and(|job| job.is_at(id)) {
            self.reloads.insert(job);
        }
    }
}
