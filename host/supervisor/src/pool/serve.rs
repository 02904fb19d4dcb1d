//! Tasks on their way to workers, and answers.
//!
//! Must not: start a worker, or decide how many there are.

use super::config::later;
use super::message::{Action, ClientId, How, SlotId, TaskId};
use super::slots::{Phase, Slot, Worker};
use super::state::{Mode, State};
use std::time::Duration;

/// What a worker does now that its first task is another one, or none.
enum Next {
    Rest,
    /// It is worn out.
    End,
    /// Its next task was taken back.
    Die,
    Begin(TaskId),
}

impl State {
    pub(super) fn submitted(
        &mut self,
        task: TaskId,
        client: ClientId,
        wait: Option<Duration>,
        limit: Option<Duration>,
    ) {
        if self.tasks.find(task).is_some() {
            return;
        }
        match self.mode {
            Mode::Open if self.has_room() => self.tasks.submit(self.now, task, client, wait, limit),
            Mode::Open => self.told(task, How::Full),
            Mode::Broken => self.told(task, How::Unstartable),
            Mode::Draining | Mode::Closed | Mode::Over => self.told(task, How::Closed),
        }
    }

    /// Gives tasks to workers as long as there are both.
    pub(super) fn serve(&mut self) {
        while self.tasks.waiting() > 0 {
            let is_full = self.slots.busy() >= self.config.busy_max;
            // Behind another task only where nobody else can come.
            let slot = if is_full { self.slots.least_busy() } else { self.slots.longest_idle() };
            let Some(slot) = slot else { break };
            let Some(task) = self.tasks.give(self.now, slot) else { break };
            self.slots.give(slot, task, self.limit_of(task));
            self.began = Some(self.now);
            self.actions.push(Action::Assign { slot, task });
        }
    }

    fn limit_of(&self, task: TaskId) -> Option<Duration> {
        later(self.now, self.tasks.limit(task)?)
    }

    pub(super) fn task_done(&mut self, slot: SlotId, task: TaskId, bytes: u64) {
        let answered = self.slots.worker(slot, |worker| {
            let place = worker.tasks.iter().position(|given| given.task == task)?;
            worker.bytes = worker.bytes.saturating_add(bytes);
            Some((place, worker.tasks.remove(place)?))
        });
        let Some((place, given)) = answered.flatten() else { return };
        self.began = None;
        if !given.taken_back {
            let how = self.tasks.fate(task).unwrap_or(How::Done);
            self.finish(task, how);
        }
        if place == 0 {
            self.go_on(slot);
        }
    }

    /// The worker begins its next task, or has none.
    fn go_on(&mut self, slot: SlotId) {
        let Slot::Live(worker) = self.slots.get(slot) else { return };
        match self.next(worker) {
            None => {}
            Some(Next::Rest) => self.slots.rest(slot),
            Some(Next::End) => self.recycle(slot),
            Some(Next::Die) => self.kill(slot),
            Some(Next::Begin(task)) => {
                let limit = self.limit_of(task);
                self.slots.worker(slot, |worker| {
                    if let Phase::Busy { until, .. } = &mut worker.phase {
                        *until = limit;
                    }
                });
            }
        }
    }

    fn next(&self, worker: &Worker) -> Option<Next> {
        let Phase::Busy { is_last, .. } = worker.phase else { return None };
        Some(match worker.tasks.front() {
            Some(given) if given.taken_back => Next::Die,
            Some(given) => Next::Begin(given.task),
            None if is_last || worker.is_worn_out(&self.config, self.now) => Next::End,
            None => Next::Rest,
        })
    }

    /// Those that have waited for too long.
    pub(super) fn expire(&mut self) {
        while let Some((at, task)) = self.tasks.impatient()
            && at <= self.now
        {
            self.finish(task, How::Expired);
        }
    }

    /// Workers whose time has come: of their age, of their task's limit, of their grace.
    pub(super) fn call_the_due(&mut self) {
        while let Some((at, slot)) = self.slots.first_due()
            && at <= self.now
        {
            self.call(slot);
        }
    }

    fn call(&mut self, slot: SlotId) {
        let Slot::Live(worker) = self.slots.get(slot) else { return };
        match worker.phase {
            Phase::Idle => self.recycle(slot),
            Phase::Busy { until, .. } if until.is_some_and(|until| until <= self.now) => {
                self.end_first(slot, How::Overdue);
            }
            Phase::Busy { until, .. } => {
                self.slots.worker(slot, |worker| worker.phase = Phase::Busy { until, is_last: true });
            }
            Phase::Retired { .. } | Phase::Killed => self.kill(slot),
        }
    }
}
