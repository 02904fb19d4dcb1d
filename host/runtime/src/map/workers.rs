//! The interface to the workers: a pool, or a stand-in for tests.
//!
//! Must not: know where tasks come from.

use crate::pool::Pool;
use crate::pool::task::{Finished, Outcome, Task};
use sandhog_protocol::verdict::{StopReason, Verdict};
use tokio::sync::watch;

/// Whether tasks are still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Yes,
    /// The command is to stop. Whoever told it has told the workers as well: those that wait are taken back, those that run
    /// are asked to stop, and ended after the grace.
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

impl Workers for Pool {
    /// What is not wanted any more is taken back by its ticket, which is dropped; the pool's end waits for its worker's.
    async fn work(&self, task: Task, mut wanted: watch::Receiver<Wanted>) -> Finished {
        let ticket = tokio::select! {
            biased;
            () = recalled(&mut wanted, |wanted| wanted != Wanted::Yes) => return Finished::without_attempt(Outcome::Cancelled),
            ticket = self.submit(task) => ticket,
        };
        tokio::select! {
            biased;
            finished = ticket.finished() => finished,
            () = recalled(&mut wanted, |wanted| wanted == Wanted::No) => {
                Finished::without_attempt(Outcome::Ended(Verdict::Stopped { graceful: false, reason: StopReason::Operator }))
            }
        }
    }
}

async fn recalled(wanted: &mut watch::Receiver<Wanted>, is: impl Fn(Wanted) -> bool) {
    let is_told = wanted.wait_for(|wanted| is(*wanted)).await.is_ok();
    if !is_told {
        std::future::pending::<()>().await;
    }
}

/// Hears how far it is, and lets output through to the terminal that it may draw on.
pub trait Watcher: Send + Sync {
    fn counts(&self, tally: &super::tally::Tally);

    /// `write` writes to a terminal, and says whether it ended a line.
    fn beside(&self, write: &mut dyn FnMut() -> bool);
}
