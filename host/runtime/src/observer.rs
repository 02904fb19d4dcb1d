//! The interface to an observer of an attempt and its children: a screen, or the daemon. Those are elsewhere, and know
//! this file; it knows neither.

use super::output::{Beside, Sink};
use super::view::{LogLine, Progress};
use super::worker_process::WorkerProcess;
use sandhog_protocol::control::LogStream;
use std::pin::Pin;
use std::sync::Arc;

/// What a guest says of its own life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    Ready,
    Heartbeat,
    Retire(String),
}

/// Over when the observer has taken it in.
pub type Told<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Hears of what a job says, and of how its attempt goes. `attempt` is the id of the one that it is about: the job's own, or
/// that of a child. Nothing is done where nothing is said.
pub trait Observer: Send + Sync {
    /// A line of a job's log.
    fn log(&self, _line: LogLine) -> Told<'_> {
        nothing()
    }

    /// How far it is. `None`: it has ended.
    fn progress(&self, _attempt: &str, _progress: Option<Progress>) -> Told<'_> {
        nothing()
    }

    /// What the guest of this job says of its own life.
    fn life(&self, _job: &str, _attempt: &str, _life: Life) -> Told<'_> {
        nothing()
    }

    /// There is a worker: its number at the spawner, and its process.
    fn worker_started(&self, _attempt: &str, _worker: u32, _process: &Arc<WorkerProcess>) {}

    /// A guest begins.
    fn began(&self, _attempt: &str) {}

    /// How output gets to the terminal that a view draws on.
    fn beside(&self) -> Option<Beside> {
        None
    }
}

/// Keeps what a job writes.
pub trait Keeper: Send + Sync {
    /// Where one of its streams, or of its children's, is kept.
    fn sink(&self, stream: LogStream) -> Box<dyn Sink>;
}

/// Hears nothing.
pub(super) struct Nobody;

impl Observer for Nobody {}

fn nothing() -> Told<'static> {
    Box::pin(std::future::ready(()))
}
