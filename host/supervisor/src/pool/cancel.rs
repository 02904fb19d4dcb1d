//! Tasks and workers that are to end before they would by themselves.
//!
//! Must not: decide who takes their place.

use super::config::later;
use super::message::{Action, ClientId, How, SlotId, TaskId};
use super::slots::{Phase, Slot};
use super::state::State;
use super::tasks::Whereabouts;

impl State {
    pub(super) fn client_gone(&mut self, client: ClientId) {
        for task in self.tasks.of_client(client) {
            self.cancelled(task);
        }
    }

    pub(super) fn cancelled(&mut self, task: TaskId) {
        match self.tasks.find(task) {
            None => {}
            Some(Whereabouts::Waits) => self.finish(task, How::Cancelled),
            Some(Whereabouts::At(slot)) => self.take_back(slot, task),
        }
    }

    /// A worker has it. One that has begun ends with its worker; one that has not is finished already.
    fn take_back(&mut self, slot: SlotId, task: TaskId) {
        let Slot::Live(worker) = self.slots.get(slot) else { return };
        if worker.tasks.front().is_some_and(|first| first.task == task) {
            return self.end_first(slot, How::Cancelled);
        }
        self.slots.worker(slot, |worker| {
            let given = worker.tasks.iter_mut().filter(|given| given.task == task);
            given.for_each(|given| given.taken_back = true);
            if let Phase::Busy { is_last, .. } = &mut worker.phase {
                *is_last = true;
            }
        });
        self.finish(task, How::Cancelled);
    }

    /// The task that the worker has begun ends like this, and the worker with it.
    pub(super) fn end_first(&mut self, slot: SlotId, how: How) {
        let Slot::Live(worker) = self.slots.get(slot) else { return };
        if let Some(first) = worker.tasks.front().filter(|first| !first.taken_back) {
            self.tasks.settle(first.task, how);
        }
        self.kill(slot);
    }

    /// Once for each worker, whether it is ready or not.
    pub(super) fn kill(&mut self, slot: SlotId) {
        let is_new = self.slots.change(slot, |slot| match slot {
            Slot::Starting(start) => {
                *slot = Slot::Aborted(*start);
                true
            }
            Slot::Live(worker) => std::mem::replace(&mut worker.phase, Phase::Killed) != Phase::Killed,
            Slot::Free | Slot::Aborted(_) => false,
        });
        if is_new == Some(true) {
            self.actions.push(Action::Kill { slot });
        }
    }

    /// A worker that is worn out and has no task ends.
    pub(super) fn recycle(&mut self, slot: SlotId) {
        self.totals.recycled += u64::from(!self.config.is_fresh());
        self.retire(slot);
    }

    /// A worker without a task ends by itself.
    pub(super) fn retire(&mut self, slot: SlotId) {
        let until = later(self.now, self.config.grace);
        self.slots.worker(slot, |worker| worker.phase = Phase::Retired { until });
        self.actions.push(Action::Retire { slot });
    }
}
