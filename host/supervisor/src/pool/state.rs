//! A pool's state, and the order in which a step looks at it.
//!
//! Must not: do anything, or know a clock.

use super::config::Config;
use super::failures::Failures;
use super::message::{Action, Event, How, TaskId};
use super::slots::Slots;
use super::tasks::Tasks;
use super::zygotes::Zygotes;
use std::collections::VecDeque;
use std::time::Duration;

/// A pool.
#[derive(Debug)]
pub struct State {
    pub(super) config: Config,
    /// Since a beginning that is the same for all steps.
    pub(super) now: Duration,
    pub(super) mode: Mode,
    pub(super) tasks: Tasks,
    pub(super) slots: Slots,
    pub(super) zygotes: Zygotes,
    pub(super) failures: Failures,
    /// For each idle worker beyond `min`, since when there have been so many: the first for the first one beyond.
    pub(super) surplus: VecDeque<Duration>,
    /// When the last task began, unless one has ended since.
    pub(super) began: Option<Duration>,
    pub(super) totals: Totals,
    pub(super) actions: Vec<Action>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Open,
    /// No worker can be started. What runs may go on.
    Broken,
    /// What waits is still done.
    Draining,
    /// Nothing waits and nothing is started any more. What runs may go on, or has been killed.
    Closed,
    /// And nothing is left.
    Over,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) started: u64,
    pub(super) ended: u64,
    pub(super) recycled: u64,
    pub(super) failed_starts: u64,
    pub(super) zygotes: u64,
    pub(super) done: u64,
    pub(super) finished: u64,
}

/// A pool in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Processes that there are.
    pub live: u32,
    /// Of these, those that are not ready,
    pub starting: u32,
    /// that wait for a task,
    pub idle: u32,
    /// that have one. The rest is on its way out.
    pub busy: u32,
    /// Tasks that wait.
    pub waiting: usize,
    /// Workers that were to start, ever,
    pub started: u64,
    /// and are no more, or never were.
    pub ended: u64,
    /// Workers that were retired because of their tasks, their age, or their bytes; not those for one task.
    pub recycled: u64,
    /// Workers and zygotes that did not become ready, and workers that ended as soon as they were.
    pub failed_starts: u64,
    /// Zygotes that were to start, ever.
    pub zygotes: u64,
    /// Tasks that a worker answered, or that ended with one.
    pub done: u64,
    /// Tasks that are finished, in whatever way.
    pub finished: u64,
}

impl State {
    /// A pool that has started nothing yet: the first [`Event::Tick`] starts what it keeps ready.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let config = config.fitted();
        Self {
            config,
            now: Duration::ZERO,
            mode: Mode::Open,
            tasks: Tasks::default(),
            slots: Slots::new(config),
            zygotes: Zygotes::new(config),
            failures: Failures::default(),
            surplus: VecDeque::new(),
            began: None,
            totals: Totals::default(),
            actions: Vec::new(),
        }
    }

    /// Takes one event in and says what is to be done, in this order. Time does not go back: an earlier `now` is the last one.
    #[must_use]
    pub fn step(&mut self, now: Duration, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        match event {
            Event::Submitted { task, client, wait, limit } => self.submitted(task, client, wait, limit),
            Event::Cancelled { task } => self.cancelled(task),
            Event::ClientGone { client } => self.client_gone(client),
            Event::ZygoteReady { zygote } => self.zygotes.ready(zygote, self.now),
            Event::ZygoteEnded { zygote, is_final } => self.zygote_ended(zygote, is_final),
            Event::WorkerReady { slot } => self.worker_ready(slot),
            Event::WorkerRefused { slot, is_final } => self.worker_refused(slot, is_final),
            Event::TaskDone { slot, task, bytes } => self.task_done(slot, task, bytes),
            Event::WorkerEnded { slot } => self.worker_ended(slot),
            Event::Tick => {}
            Event::Close { drain } => self.close(drain),
        }
        // One whose age has come is given no task. A task whose patience ends now is given to whoever is there.
        self.call_the_due();
        self.serve();
        self.expire();
        self.balance();
        // A time limit may be none at all.
        self.call_the_due();
        self.end_if_empty();
        std::mem::take(&mut self.actions)
    }

    /// When [`Event::Tick`] is to come; None: not before something else has happened. Later than the last step.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        let patience = self.tasks.impatient().map(|(at, _)| at);
        let due = self.slots.first_due().map(|(at, _)| at);
        [patience, due, self.balance_at()].into_iter().flatten().min()
    }

    /// Whether another task may be submitted. A pool that has ended has room: it answers at once.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.tasks.waiting() < self.config.waiting_max
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        let Totals { started, ended, recycled, failed_starts, zygotes, done, finished } = self.totals;
        Counts {
            live: self.slots.live(),
            starting: self.slots.starting(),
            idle: self.slots.idle(),
            busy: self.slots.busy(),
            waiting: self.tasks.waiting(),
            started,
            ended,
            recycled,
            failed_starts,
            zygotes,
            done,
            finished,
        }
    }

    /// A task that is known has come to its end.
    pub(super) fn finish(&mut self, task: TaskId, how: How) {
        if self.tasks.remove(task) {
            self.told(task, how);
        }
    }

    /// What became of a task is told.
    pub(super) fn told(&mut self, task: TaskId, how: How) {
        self.totals.finished += 1;
        self.totals.done += u64::from(matches!(how, How::Done | How::Died));
        self.actions.push(Action::Finish { task, how });
    }
}
