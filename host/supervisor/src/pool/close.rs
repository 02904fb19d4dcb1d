//! The end of a pool: because it is closed, or because it can start nobody.
//!
//! Must not: wait for anything.

use super::message::{Action, How, SlotId};
use super::slots::{Phase, Slot, Worker};
use super::state::{Mode, State};

impl State {
    pub(super) fn close(&mut self, drain: bool) {
        self.mode = match self.mode {
            Mode::Open | Mode::Draining if drain => Mode::Draining,
            // Nothing waits where nobody can be started.
            Mode::Open | Mode::Broken | Mode::Draining | Mode::Closed => Mode::Closed,
            Mode::Over => Mode::Over,
        };
        if !drain {
            self.finish_waiting(How::Closed);
            self.slots.ids().for_each(|slot| self.end_what_runs(slot));
        }
    }

    fn end_what_runs(&mut self, slot: SlotId) {
        match self.slots.get(slot) {
            Slot::Live(Worker { phase: Phase::Busy { .. }, .. }) => self.end_first(slot, How::Closed),
            Slot::Free | Slot::Starting(_) | Slot::Aborted(_) | Slot::Live(_) => {}
        }
    }

    /// Nobody can be started: what waits is finished, and what runs goes on.
    pub(super) fn give_up(&mut self) {
        self.mode = match self.mode {
            Mode::Open => Mode::Broken,
            Mode::Draining => Mode::Closed,
            same @ (Mode::Broken | Mode::Closed | Mode::Over) => same,
        };
        self.finish_waiting(How::Unstartable);
    }

    fn finish_waiting(&mut self, how: How) {
        while let Some(task) = self.tasks.first_waiting() {
            self.finish(task, how);
        }
    }

    pub(super) fn end_if_empty(&mut self) {
        let is_empty = self.tasks.is_empty() && self.slots.live() == 0 && self.zygotes.is_empty();
        match self.mode {
            Mode::Draining | Mode::Closed if is_empty => {
                self.mode = Mode::Over;
                self.actions.push(Action::Ended);
            }
            Mode::Open | Mode::Broken | Mode::Draining | Mode::Closed | Mode::Over => {}
        }
    }
}
