//! What wakes the task: below those who send it and the one that receives it.

use super::opened::Opened;
use crate::dispatcher::Standing;
use sandhog_runtime::observer::Life;
use sandhog_runtime::record::VerdictRecord;
use sandhog_supervisor::state::AttemptNumber;
use tokio::sync::mpsc;

/// Without a bound: what a guest can bring about is bounded where it comes in, see [`super::attempt`].
pub(super) type Inbox = mpsc::UnboundedSender<Message>;

pub(super) enum Message {
    /// Its turn to start has come.
    Launched(AttemptNumber),
    /// Its guest has begun.
    Began(AttemptNumber),
    Life(AttemptNumber, Life),
    /// It has answered the request of its health check well, for the first time.
    Healthy(AttemptNumber),
    /// What came of a check.
    Checked(AttemptNumber, bool),
    /// Between it and the dispatcher.
    Stands(AttemptNumber, Standing),
    Ended(AttemptNumber, Box<VerdictRecord>),
    Reload(Box<Opened>),
    Scale(u32),
    ShutDown,
    ShutDownNow,
}
