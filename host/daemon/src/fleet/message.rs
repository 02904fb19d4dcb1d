//! What wakes the one task: below those who send it and the one that receives it.

use super::logs::Origin;
use super::request::Request;
use super::store;
use sandhog_protocol::verdict::Verdict;
use sandhog_runtime::objects::Deadlock;
use sandhog_runtime::observer::Life;
use sandhog_runtime::record::VerdictRecord;
use sandhog_supervisor::state::AttemptNumber;
use tokio::sync::mpsc;

/// What wakes the actor. Without a bound: what a guest can bring about is bounded where it comes in, see
/// [`super::attempt_observer`], [`super::mailbox`] and [`super::fronts`], and sessions are counted.
pub(super) type Inbox = mpsc::UnboundedSender<Message>;

pub(super) enum Message {
    Request(Request),
    /// The turn of this attempt to start has come.
    Launched {
        attempt: AttemptNumber,
    },
    /// The guest of this attempt has begun.
    Began {
        attempt: AttemptNumber,
    },
    Life {
        attempt: AttemptNumber,
        life: Life,
    },
    /// It has answered the request of its health check well, for the first time.
    Healthy {
        attempt: AttemptNumber,
    },
    Checked {
        attempt: AttemptNumber,
        healthy: bool,
    },
    Ended {
        attempt: AttemptNumber,
        record: Box<VerdictRecord>,
    },
    /// The job has sent something to its parent; as JSON, where that is short enough.
    Heard {
        attempt: AttemptNumber,
        bytes: usize,
        text: Option<String>,
    },
    /// What was put into the store for those that wait for ids is on disk, or is not.
    Reserved(Result<(), store::Error>),
    /// The job's connection was closed, since it broke its rules; a sentence.
    HungUp {
        attempt: AttemptNumber,
        reason: String,
    },
    /// A request that this attempt served has failed.
    RequestFailed {
        attempt: AttemptNumber,
        failed: Box<FailedRequest>,
    },
    /// The process of a connection, in the place of this attempt, has ended as it should not.
    ProcessFailed {
        attempt: AttemptNumber,
        failed: Box<FailedProcess>,
    },
    /// Requests of this job have failed that were not told one by one.
    RequestsLeftOut {
        job: String,
    },
    /// Something is in the way of clients of this job; a sentence.
    ServingProblem {
        job: String,
        text: String,
    },
    /// The worker of this attempt breaks the rules of those that serve.
    Breach {
        attempt: AttemptNumber,
        what: &'static str,
    },
    /// Attempts of a group wait for each other.
    Deadlock(Deadlock),
    ShutDownNow,
}

/// A process that was there for one connection, by its own attempt.
pub(super) struct FailedProcess {
    pub origin: Origin,
    pub verdict: Verdict,
}

/// A request that came to nothing. What the client sent is as it was, but for its length.
pub(super) struct FailedRequest {
    pub origin: Origin,
    /// Counted from 1 for each attempt.
    pub number: u64,
    pub method: String,
    pub target: String,
    pub verdict: Verdict,
}
