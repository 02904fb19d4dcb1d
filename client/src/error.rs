use crate::Verdict;
use sandhog_channel::Broken;
use sandhog_protocol::message::Format;
use std::ffi::OsString;
use std::io;

/// Why a call came to nothing. The first ones are those of `wit/sandhog.wit`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The job's end has gone, and all that it sent has been received.
    #[error("the job has closed its connection")]
    Closed,
    #[error("the time was over")]
    TimedOut,
    /// With [`crate::Timeout::Now`].
    #[error("it would have to wait")]
    WouldBlock,
    /// The most that is allowed, in bytes.
    #[error("a message larger than {max} bytes")]
    TooLarge { max: usize },
    /// The job ended while it had a task.
    #[error("the job ended over a task: {}", .0.reason_in_words())]
    Poisoned(Box<Verdict>),
    /// What was to be sent can't be said in MessagePack, or is no batch.
    #[error("not to be sent: {0}")]
    Invalid(String),
    /// What was received is of another type. It has been taken: the next call gets the next message.
    #[error("a message of another type")]
    Unexpected(#[source] rmp_serde::decode::Error),
    /// What was received has another format; it has been taken.
    #[error("a message of the format {found:?}")]
    Format { found: Format },
    /// The worker does not keep to the rules of a connection, or its message is larger than [`crate::Connection::limit`] says. The
    /// connection is closed.
    #[error("the job broke the rules of its connection")]
    Broken(#[source] Broken),
    /// Of [`crate::Running::usage`]: processes of others are hidden here (`hidepid` of proc(5)).
    #[error("this machine does not show what the job's process uses")]
    NotShown,
    #[error("there is no executable {}: build or install sandhog, or name it by SANDHOG or Job::executable", .0.display())]
    NoExecutable(OsString),
    /// `sandhog` ended without a verdict: a wrong argument, or it was killed. What it says of it is on its stderr.
    #[error("sandhog gave no verdict; it ended with {0}")]
    NoVerdict(std::process::ExitStatus),
    #[error("sandhog gave a verdict that is none")]
    BadVerdict(#[source] serde_json::Error),
    /// A pool's task was taken back before a worker had it.
    #[error("the task was cancelled")]
    Cancelled,
    /// A pool's task waited for a worker for longer than it was to.
    #[error("the task waited for too long")]
    Expired,
    /// A pool did not take a task: why.
    #[error("the pool refused the task: {0}")]
    Refused(String),
    /// A worker had the task, and what came of it is no message: why.
    #[error("the task has no answer: {0}")]
    NoAnswer(String),
    /// There is no pool, or none any more: why. A task that got this may have run.
    #[error("the pool has ended: {0}")]
    PoolEnded(String),
    #[error("failed to {what}")]
    System {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`.
    pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { what, source: source.into() }
    }
}

impl From<sandhog_channel::Error> for Error {
    fn from(error: sandhog_channel::Error) -> Self {
        use sandhog_channel::Error as Channel;
        match error {
            Channel::Closed => Self::Closed,
            Channel::TimedOut => Self::TimedOut,
            Channel::WouldBlock => Self::WouldBlock,
            Channel::TooLarge { max } => Self::TooLarge { max },
            Channel::Invalid(breach) => Self::Invalid(breach.to_string()),
            Channel::Broken(broken) => Self::Broken(broken),
            // A program's end takes none, which is a breach by itself.
            Channel::HandleRefused | Channel::NoRoomForHandle => Self::Broken(Broken::Handle),
            Channel::System { what, source } => Self::System { what, source },
        }
    }
}
