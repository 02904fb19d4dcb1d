//! How a stream came to its end.

use super::mover::Failure;
use rustix::io::Errno;
use sandhog_supervisor::attempt::OutputEnd;

/// How a stream came to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The sender has closed and everything is through.
    Finished,
    /// The receiver has gone.
    ReceiverGone,
    /// The limit is used up and there was more.
    LimitReached,
    /// Reading or writing failed.
    Failed(Errno),
}

impl From<End> for OutputEnd {
    fn from(end: End) -> Self {
        match end {
            End::Finished => Self::Finished,
            End::ReceiverGone => Self::ReceiverGone,
            End::LimitReached => Self::LimitReached,
            End::Failed(errno) => Self::Failed { reason: errno.to_string() },
        }
    }
}

/// The end that a failure makes.
pub(crate) fn ended(failure: Failure) -> End {
    match failure {
        Failure::Write(Errno::PIPE) => End::ReceiverGone,
        Failure::Read(errno) | Failure::Write(errno) => End::Failed(errno),
        Failure::Empty | Failure::Unsuitable => End::Failed(Errno::AGAIN),
    }
}
