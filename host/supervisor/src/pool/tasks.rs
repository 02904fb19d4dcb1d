//! All tasks that are not finished: those that wait, with the end of their patience, and those that a worker has.
//!
//! Must not: know what a worker does, or why a task ends.

use super::config::later;
use super::message::{ClientId, How, SlotId, TaskId};
use super::queue::{Place, Queue};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Debug)]
struct Task {
    client: ClientId,
    /// Its time limit from its start.
    limit: Option<Duration>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Waiting {
        place: Place,
        until: Option<Duration>,
    },
    /// A worker has it.
    Given {
        slot: SlotId,
        /// The patience that was left.
        wait: Option<Duration>,
        /// How it ends, whatever its worker says.
        fate: Option<How>,
    },
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    Waits,
    At(SlotId),
}

#[derive(Debug, Default)]
pub(super) struct Tasks {
    tasks: BTreeMap<TaskId, Task>,
    by_client: BTreeSet<(ClientId, TaskId)>,
    queue: Queue,
    /// When the patience of those that wait ends.
    patience: BTreeSet<(Duration, TaskId)>,
}

impl Tasks {
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn find(&self, task: TaskId) -> Option<Whereabouts> {
        Some(match self.tasks.get(&task)?.stage {
            Stage::Waiting { .. } => Whereabouts::Waits,
            Stage::Given { slot, .. } => Whereabouts::At(slot),
        })
    }

    pub(super) fn of_client(&self, client: ClientId) -> Vec<TaskId> {
        let all = (client, TaskId(0))..=(client, TaskId(u64::MAX));
        self.by_client.range(all).map(|(_, task)| *task).collect()
    }

    pub(super) fn limit(&self, task: TaskId) -> Option<Duration> {
        self.tasks.get(&task)?.limit
    }

    /// A new one waits.
    pub(super) fn submit(
        &mut self,
        now: Duration,
        task: TaskId,
        client: ClientId,
        wait: Option<Duration>,
        limit: Option<Duration>,
    ) {
        let (place, until) = (self.queue.join(client, task), wait.and_then(|wait| later(now, wait)));
        self.tasks.insert(task, Task { client, limit, stage: Stage::Waiting { place, until } });
        self.by_client.insert((client, task));
        self.patience.extend(until.map(|until| (until, task)));
    }

    /// The next one goes to a worker.
    pub(super) fn give(&mut self, now: Duration, slot: SlotId) -> Option<TaskId> {
        let task = self.queue.take()?;
        let given = self.tasks.get_mut(&task)?;
        if let Stage::Waiting { until, .. } = given.stage {
            until.map(|until| self.patience.remove(&(until, task)));
            let wait = until.map(|until| until.saturating_sub(now));
            given.stage = Stage::Given { slot, wait, fate: None };
        }
        Some(task)
    }

    /// A worker has not begun it: it waits before all others, for as long as its patience still allowed.
    pub(super) fn come_back(&mut self, now: Duration, task: TaskId) {
        let Some(known) = self.tasks.get_mut(&task) else { return };
        if let Stage::Given { wait, .. } = known.stage {
            let until = wait.and_then(|wait| later(now, wait));
            known.stage = Stage::Waiting { place: self.queue.come_back(task), until };
            self.patience.extend(until.map(|until| (until, task)));
        }
    }

    /// It ends like this, if nothing has been settled before.
    pub(super) fn settle(&mut self, task: TaskId, how: How) {
        if let Some(Task { stage: Stage::Given { fate, .. }, .. }) = self.tasks.get_mut(&task) {
            fate.get_or_insert(how);
        }
    }

    pub(super) fn fate(&self, task: TaskId) -> Option<How> {
        match self.tasks.get(&task)?.stage {
            Stage::Waiting { .. } => None,
            Stage::Given { fate, .. } => fate,
        }
    }

    /// It is no more. Says whether it was there.
    pub(super) fn remove(&mut self, task: TaskId) -> bool {
        let Some(Task { client, stage, .. }) = self.tasks.remove(&task) else { return false };
        self.by_client.remove(&(client, task));
        if let Stage::Waiting { place, until } = stage {
            self.queue.leave(client, place);
            until.map(|until| self.patience.remove(&(until, task)));
        }
        true
    }

    /// The next one that waits.
    pub(super) fn first_waiting(&self) -> Option<TaskId> {
        self.queue.first()
    }

    /// When one that waits has waited for too long, and which.
    pub(super) fn impatient(&self) -> Option<(Duration, TaskId)> {
        self.patience.first().copied()
    }

    /// What is kept does not grow but with what there is.
    #[cfg(test)]
    pub(super) fn is_bounded(&self) -> bool {
        let (all, waiting) = (self.tasks.len(), self.queue.len());
        self.by_client.len() == all && self.patience.len() <= waiting && self.queue.entries() <= 3 * waiting
    }
}
