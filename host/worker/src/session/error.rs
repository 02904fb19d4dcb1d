//! Why something that a guest wanted came to nothing.

use super::ended::Ended;
use rustix::io::Errno;
use sandhog_channel::Broken;
use sandhog_objects_model::Problem;
use sandhog_protocol::causes;
use sandhog_protocol::request::Refused;
use std::sync::Arc;

/// As `wit/sandhog.wit` has them, and one more that no guest sees.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("the other end has gone")]
    Closed,
    #[error("the time was over")]
    TimedOut,
    #[error("it would have had to wait")]
    WouldBlock,
    #[error("larger than {max} bytes")]
    TooLarge { max: u64 },
    #[error("denied: {0}")]
    Denied(String),
    #[error("not found: {0}")]
    NotFound(String),
    #[error("invalid: {0}")]
    Invalid(String),
    #[error("the child that had it has died")]
    Poisoned(Arc<Ended>),
    #[error("over a bound: {0}")]
    Quota(String),
    #[error("the attempt is asked to stop")]
    Stopping,
    #[error("the barrier is broken")]
    Broken,
    /// The coordinator has gone, or does not speak our protocol: there is nobody to tell, and the worker is to end.
    #[error("the coordinator has gone")]
    Gone,
}

impl From<Refused> for Error {
    fn from(reason: Refused) -> Self {
        match reason {
            Refused::Denied(reason) => Self::Denied(reason),
            Refused::NotFound(reason) => Self::NotFound(reason),
            Refused::Invalid(reason) => Self::Invalid(reason),
            Refused::Quota(reason) => Self::Quota(reason),
        }
    }
}

impl From<Problem> for Error {
    #[cold]
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::TimedOut => Self::TimedOut,
            Problem::WouldBlock => Self::WouldBlock,
            Problem::Stopping => Self::Stopping,
            Problem::Closed => Self::Closed,
            Problem::TooLarge(max) => Self::TooLarge { max },
            Problem::Broken => Self::Broken,
            Problem::NotHeld | Problem::OverBound | Problem::Invalid | Problem::Damaged => {
                Self::Invalid(problem.to_string())
            }
        }
    }
}

/// Of read(2) and write(2) on a stream that does not block.
impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => Self::WouldBlock,
            Errno::PIPE | Errno::CONNRESET => Self::Closed,
            other => Self::Quota(format!("the kernel says: {}", std::io::Error::from(other))),
        }
    }
}

impl From<sandhog_channel::Error> for Error {
    fn from(error: sandhog_channel::Error) -> Self {
        use sandhog_channel::Error as Of;
        match error {
            Of::Closed => Self::Closed,
            Of::TimedOut => Self::TimedOut,
            Of::WouldBlock => Self::WouldBlock,
            Of::TooLarge { max } => Self::TooLarge { max: max as u64 },
            // Of what came in, and the connection is closed: nobody knows better than the guest what it said that it takes.
            Of::Broken(Broken::TooLarge { max, .. }) => Self::TooLarge { max: max as u64 },
            Of::HandleRefused => {
                Self::Denied("a socket came with a message, and this job may take none (--net passed)".to_owned())
            }
            Of::NoRoomForHandle => {
                Self::Quota("no file is left for the socket that came with a message (--max-files)".to_owned())
            }
            Of::Invalid(_) | Of::Broken(_) => Self::Invalid(causes::one_line(&error)),
            Of::System { .. } => Self::Quota(causes::one_line(&error)),
        }
    }
}
