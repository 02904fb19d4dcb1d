//! Whoever has tasks done: a pool, or in tests somebody who only says so.
//!
//! Must not: know where tasks come from.

use crate::pool::task::{Finished, Task};
use tokio::sync::watch;

/// Whether tasks are still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Yes,
    /// Those that wait are taken back. Those that run have been asked to stop by whoever stops everything, and are ended after
    /// the grace.
    Stopping,
    /// Those that run are ended at once.
    No,
}

/// Has tasks done, each in a worker.
pub trait Workers: Clone + Send + 'static {
    /// Has this task done: waits until there is room for it, and then for what becomes of it. Whoever drops the future wants it
    /// no more. `wanted` changes at any moment; the task has exactly one outcome all the same.
    fn work(&self, task: Task, wanted: watch::Receiver<Wanted>) -> impl Future<Output = Finished> + Send;
}

/// Hears how far it is, and lets output through to the terminal that it may draw on.
pub trait Watcher: Send + Sync {
    fn counts(&self, tally: &super::tally::Tally);

    /// `write` writes to a terminal, and says whether it ended a line.
    fn beside(&self, write: &mut dyn FnMut() -> bool);
}
