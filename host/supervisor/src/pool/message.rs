//! The inputs and outputs of a pool. This file is below their senders and their receivers.

use std::time::Duration;

/// The place of one process: below `max`. It has at most one worker at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u32);

/// A zygote's number, given by the pool and not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZygoteId(pub u32);

/// A task's number, given by whoever submits it and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// Somebody who submits tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `wait` is the time for which it may wait for a worker. `limit` is its time limit from its start, which the pool
    /// watches over; None where the attempt itself has it, as that of a fresh worker.
    Submitted { task: TaskId, client: ClientId, wait: Option<Duration>, limit: Option<Duration> },
    /// Its client takes it back.
    Cancelled { task: TaskId },
    /// The client takes all its tasks back. It may come again.
    ClientGone { client: ClientId },
    /// The zygote can start workers.
    ZygoteReady { zygote: ZygoteId },
    /// The zygote has ended. Final: the module can't be started at all.
    ZygoteEnded { zygote: ZygoteId, is_final: bool },
    /// The worker is sealed, warmed, and waits for a task.
    WorkerReady { slot: SlotId },
    /// The worker was not started. Final: the module can't be started at all.
    WorkerRefused { slot: SlotId, is_final: bool },
    /// The worker has answered; the task and its answer had so many bytes.
    TaskDone { slot: SlotId, task: TaskId, bytes: u64 },
    /// The worker has been reaped, and all its answers have been told.
    WorkerEnded { slot: SlotId },
    /// Time has passed: see [`super::State::next_wake`].
    Tick,
    /// No further tasks. `drain`: those that wait are still done; else they are finished, and what runs is killed.
    /// A second one that does not drain may follow one that does.
    Close { drain: bool },
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    StartZygote {
        zygote: ZygoteId,
    },
    /// No start of it is under way. [`Event::ZygoteEnded`] is the answer.
    EndZygote {
        zygote: ZygoteId,
    },
    StartWorker {
        slot: SlotId,
        zygote: ZygoteId,
    },
    /// The worker is to do the task when it has done those that it has.
    Assign {
        slot: SlotId,
        task: TaskId,
    },
    /// The worker is idle and is to end by itself: its connection closes. One that does not is killed after the grace.
    Retire {
        slot: SlotId,
    },
    /// The worker is to end at once; one that is being started, as soon as that is possible.
    Kill {
        slot: SlotId,
    },
    /// What became of the task: once for every task that was submitted.
    Finish {
        task: TaskId,
        how: How,
    },
    /// After [`Event::Close`]: there is no task, no worker and no zygote any more. Comes once.
    Ended,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// Its worker has answered.
    Done,
    /// Its worker ended, and this was the task that it had begun.
    Died,
    /// It was taken back. If it had begun, its worker was killed for it.
    Cancelled,
    /// It waited for too long.
    Expired,
    /// It took longer than its time limit, and its worker was killed.
    Overdue,
    /// The pool was closed before it was done.
    Closed,
    /// No worker can be started.
    Unstartable,
    /// It was submitted although there was no room.
    Full,
}
