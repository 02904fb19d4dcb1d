//! The messages to the owner of a pool. This file is below their senders and their receiver.

use super::captured::Captured;
use super::task::{Finished, Task};
use sandhog_protocol::message::Message;
use sandhog_protocol::plan::Entry;
use sandhog_protocol::verdict::{Usage, Verdict};
use sandhog_supervisor::pool::{SlotId, TaskId, ZygoteId};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What happens in a pool.
pub(super) enum Happening {
    Submitted(Box<Submitted>),
    Cancelled(TaskId),
    Zygote(ZygoteId, ZygoteNews),
    Worker(SlotId, WorkerNews),
    /// No further tasks; those that wait are still done, or not.
    Close {
        drain: bool,
    },
}

/// A task that somebody waits for.
pub(super) struct Submitted {
    pub(super) id: TaskId,
    pub(super) task: Task,
    pub(super) answer: oneshot::Sender<Finished>,
    pub(super) at: Instant,
    /// Its place among those that wait.
    pub(super) place: OwnedSemaphorePermit,
}

/// What a zygote has come to.
pub(super) enum ZygoteNews {
    /// It has the module and can clone workers; its number at the spawner.
    Ready { number: u32, entry: Entry },
    /// It has gone, or never came; why, where that is a failure.
    Ended(Option<StartFailure>),
}

/// Why nothing was started.
#[derive(Clone, Debug)]
pub(super) struct StartFailure {
    pub(super) verdict: Verdict,
    /// Another try would fail as well.
    pub(super) is_final: bool,
}

/// What a worker has come to.
pub(super) enum WorkerNews {
    /// It is sealed and waits.
    Ready,
    /// A handler's answer to its first task, which is not the last thing that is heard of this worker.
    Answered(Answer),
    Ended(Box<WorkerEnded>),
}

/// What a handler says to a task.
pub(super) enum Answer {
    Message(Message),
    /// Its own error.
    Failure(String),
}

/// A worker that has been reaped, or never came.
pub(super) struct WorkerEnded {
    /// Where it never was ready.
    pub(super) failure: Option<StartFailure>,
    pub(super) verdict: Verdict,
    pub(super) usage: Usage,
    pub(super) stdout: Captured,
    pub(super) stderr: Captured,
}
