//! Starts that come to something or to nothing, and ends.
//!
//! Must not: decide who is started next.

use super::config::Spawn;
use super::message::{How, SlotId, TaskId, ZygoteId};
use super::slots::{Given, Phase, Slot, Start, Worker};
use super::state::{Mode, State};
use super::zygotes::Gone;

impl State {
    pub(super) fn worker_ready(&mut self, slot: SlotId) {
        let (start, phase) = match self.slots.get(slot) {
            Slot::Starting(start) => (*start, Phase::Idle),
            Slot::Aborted(start) => (*start, Phase::Killed),
            Slot::Free | Slot::Live(_) => return,
        };
        self.zygotes.started(start.zygote);
        self.failures.succeeded();
        self.slots.change(slot, |slot| *slot = Slot::Live(Worker::new(start.wave, self.now, phase)));
        if phase == Phase::Idle {
            self.slots.rest(slot);
        }
    }

    pub(super) fn worker_refused(&mut self, slot: SlotId, is_final: bool) {
        match self.slots.get(slot) {
            Slot::Starting(_) | Slot::Aborted(_) => self.not_started(slot, is_final),
            Slot::Free | Slot::Live(_) => {}
        }
    }

    pub(super) fn worker_ended(&mut self, slot: SlotId) {
        match self.slots.get(slot) {
            Slot::Starting(_) | Slot::Aborted(_) => self.not_started(slot, false),
            Slot::Live(_) => self.worker_gone(slot),
            Slot::Free => {}
        }
    }

    fn not_started(&mut self, slot: SlotId, is_final: bool) {
        self.totals.ended += 1;
        match self.slots.clear(slot) {
            Slot::Starting(Start { zygote, wave }) => {
                self.zygotes.started(zygote);
                self.zygotes.distrust(zygote);
                self.failed(wave, is_final);
            }
            Slot::Aborted(start) => self.zygotes.started(start.zygote),
            Slot::Free | Slot::Live(_) => {}
        }
    }

    fn failed(&mut self, wave: u64, is_final: bool) {
        self.totals.failed_starts += 1;
        self.failures.failed(self.now, wave, self.config.backoff);
        if is_final || self.failures.in_a_row() >= self.config.start_failures_max {
            self.give_up();
        }
    }

    /// Its first task ends with it; it has not begun the others.
    fn worker_gone(&mut self, slot: SlotId) {
        self.totals.ended += 1;
        let Slot::Live(worker) = self.slots.clear(slot) else { return };
        self.began = None;
        let mut tasks = worker.tasks;
        if let Some(first) = tasks.pop_front().filter(|first| !first.taken_back) {
            let how = self.tasks.fate(first.task).unwrap_or(How::Died);
            self.finish(first.task, how);
        }
        // The last one first, for each comes before all that wait.
        for Given { task, .. } in tasks.into_iter().rev().filter(|given| !given.taken_back) {
            self.come_back(task);
        }
        let lived = self.now.saturating_sub(worker.ready_at);
        if worker.phase == Phase::Idle && worker.given == 0 && lived < self.config.backoff.max {
            self.failures.stumbled(self.now, worker.wave, self.config.backoff);
        }
    }

    fn come_back(&mut self, task: TaskId) {
        match self.mode {
            Mode::Open | Mode::Draining => self.tasks.come_back(self.now, task),
            Mode::Broken => self.finish(task, How::Unstartable),
            Mode::Closed | Mode::Over => self.finish(task, How::Closed),
        }
    }

    /// Whether a zygote that comes is to start somebody. One that is shared comes alone only if it is.
    fn waits_for_zygote(&self) -> bool {
        match self.config.spawn {
            Spawn::Shared => true,
            Spawn::Exec => self.missing() > 0,
        }
    }

    /// The starts that it had under way fail by themselves, and its workers live on.
    pub(super) fn zygote_ended(&mut self, zygote: ZygoteId, is_final: bool) {
        match self.zygotes.ended(zygote, self.now) {
            Gone::Nobody => {}
            Gone::Coming { wave, alone: true } if self.waits_for_zygote() => self.failed(wave, is_final),
            Gone::Coming { .. } | Gone::Serving => {
                if is_final {
                    self.give_up();
                }
            }
        }
    }
}
