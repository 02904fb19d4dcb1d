//! A task for a pool, and what becomes of it.
//!
//! Must not: know a worker or a process.

use super::captured::Captured;
use sandhog_protocol::message::Message;
use sandhog_protocol::verdict::{Usage, Verdict};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// One piece of work for one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub input: Input,
    /// Who submits it. Clients take turns.
    pub client: u64,
    /// Wall time from its start. None: what the job has (`--timeout`).
    pub timeout: Option<Duration>,
    /// Time that it may wait for a worker. None: without end.
    pub wait: Option<Duration>,
}

/// What a worker is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// For a handler.
    Message(Message),
    /// For a command: its arguments behind its own name, and all that it reads from its stdin.
    Command { arguments: Vec<String>, stdin: Vec<u8> },
    /// For a worker that serves HTTP: whoever has clients for it. Its end is the task's.
    Clients(Clients),
}

/// Where the owner of clients hears which worker is theirs. Clones are one.
#[derive(Clone, Debug)]
pub struct Clients(Arc<Mutex<Option<oneshot::Sender<Serving>>>>);

/// A worker that serves HTTP, for whoever has clients.
#[derive(Debug)]
pub struct Serving {
    pub attempt: String,
    /// The owner's end of its connection: see [`sandhog_protocol::http`].
    pub connection: OwnedFd,
}

impl Clients {
    /// The second says which worker it is, once one has the task.
    #[must_use]
    pub fn new() -> (Self, oneshot::Receiver<Serving>) {
        let (tell, told) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(tell)))), told)
    }

    pub(super) fn are_served_by(&self, serving: Serving) {
        // Nothing panics while it holds the lock.
        let tell = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Where nobody wants it any more its connection closes, and it ends.
        let _ = tell.map(|tell| tell.send(serving));
    }
}

impl PartialEq for Clients {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Clients {}

/// What became of a task. Each task has exactly one.
#[derive(Debug)]
pub struct Finished {
    pub outcome: Outcome,
    /// The attempt that had it; None: none had.
    pub attempt: Option<String>,
    /// What a command wrote, or a handler that was there for this task alone.
    pub stdout: Captured,
    pub stderr: Captured,
    /// Of the attempt. Of a worker that lives on for other tasks only `wall_ms` is known.
    pub usage: Usage,
    /// From its submission to its start.
    pub waited: Duration,
    /// From its start to its end.
    pub ran: Duration,
}

impl Finished {
    /// Of a task that no attempt had.
    #[must_use]
    pub fn without_attempt(outcome: Outcome) -> Self {
        Self {
            outcome,
            attempt: None,
            stdout: Captured::default(),
            stderr: Captured::default(),
            usage: Usage::default(),
            waited: Duration::ZERO,
            ran: Duration::ZERO,
        }
    }
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handler's answer.
    Answer(Message),
    /// The handler's own error.
    Failure(String),
    /// The attempt that had it ended: a command's verdict, or that of a handler which gave no answer.
    Ended(Verdict),
    /// Whoever submitted it took it back before a worker had it. One that a worker has ends with that worker's verdict.
    Cancelled,
    /// It waited for longer than it was to.
    Expired,
    /// The pool has ended, or can start no worker: why.
    Closed(String),
}
