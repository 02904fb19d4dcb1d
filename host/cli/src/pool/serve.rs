//! As much of a pool as a conversation needs, so that its tests have one of their own.

use sandhog_protocol::pool::Statistics;
use sandhog_protocol::verdict::{Usage, Verdict};
use sandhog_runtime::pool::task::{Finished, Task};
use sandhog_runtime::record::VerdictRecord;

/// Takes tasks.
pub(super) trait Serve: Clone + Send + Sync + 'static {
    type Ticket: Ticket;

    /// Waits for room.
    fn submit(&self, task: Task) -> impl Future<Output = Self::Ticket> + Send;

    /// What it knows of its workers: nothing of the conversation.
    fn statistics(&self) -> Statistics;

    /// All that is to be told of an attempt.
    fn record(&self, verdict: Verdict, attempt: String, usage: Usage) -> VerdictRecord;
}

/// A task that was submitted. Dropping it cancels the task.
pub(super) trait Ticket: Send + 'static {
    fn cancel(&self);

    /// Its end. Dropping the future and asking again loses nothing.
    fn end(&mut self) -> impl Future<Output = Finished> + Send;
}
