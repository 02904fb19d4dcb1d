//! Why a call came to nothing.

use crate::abi::sandhog::job::types;
use crate::verdict::Verdict;
use std::fmt;
use std::io;

/// What most of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call came to nothing. Its text is a sentence for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The other end has gone, and all that it sent has been received.
    Closed,
    /// The time of [`within`](crate::Connection::within) was over. Nothing was sent or taken.
    TimedOut,
    /// It would have had to wait, and was not to.
    WouldBlock,
    /// Larger than allowed. Of what was to be received: the connection is closed now.
    TooLarge {
        /// What is allowed, in bytes.
        max: u64,
    },
    /// No such right was granted; which one.
    Denied(String),
    /// There is nothing of this name.
    NotFound(String),
    /// There is something of this name already.
    Exists(String),
    /// What was asked makes no sense, or a message is not of the expected type; why.
    Invalid(String),
    /// Whoever held what was waited for has died: a child over a task, the holder of a lock.
    Poisoned {
        /// Which attempt it was, by its id; empty where nobody remembers it.
        attempt: String,
        /// Why it died.
        verdict: Box<Verdict>,
    },
    /// A bound on how many, how deep or how fast; which one. The same call may do later.
    Quota(String),
    /// A handler's own error, in its words.
    Failed(String),
    /// This job has been asked to stop, and what it waited for has not happened.
    Stopping,
    /// The barrier is broken: somebody who waited there has died or gave up, or it was broken on purpose.
    Broken,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => out.write_str("the other end has gone"),
            Self::TimedOut => out.write_str("the time was over"),
            Self::WouldBlock => out.write_str("it would have had to wait"),
            Self::TooLarge { max } => write!(out, "too large: at most {max} bytes are allowed"),
            Self::Denied(what) => write!(out, "not granted: {what}"),
            Self::NotFound(what) => write!(out, "not found: {what}"),
            Self::Exists(what) => write!(out, "there already: {what}"),
            Self::Invalid(why) => write!(out, "invalid: {why}"),
            Self::Poisoned { verdict, .. } => write!(out, "its holder died over it: {verdict}"),
            Self::Quota(which) => write!(out, "over a limit: {which}"),
            Self::Failed(why) => write!(out, "the handler failed: {why}"),
            Self::Stopping => out.write_str("asked to stop"),
            Self::Broken => out.write_str("the barrier is broken"),
        }
    }
}

impl std::error::Error for Error {}

/// For whoever reads and writes streams: the kinds of error that std has words for keep their kind.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Closed => io::ErrorKind::BrokenPipe,
            Error::TimedOut => io::ErrorKind::TimedOut,
            Error::WouldBlock => io::ErrorKind::WouldBlock,
            Error::Denied(_) => io::ErrorKind::PermissionDenied,
            Error::NotFound(_) => io::ErrorKind::NotFound,
            Error::Exists(_) => io::ErrorKind::AlreadyExists,
            Error::TooLarge { .. } | Error::Invalid(_) => io::ErrorKind::InvalidInput,
            Error::Poisoned { .. } | Error::Quota(_) | Error::Failed(_) | Error::Stopping | Error::Broken => {
                io::ErrorKind::Other
            }
        };
        Self::new(kind, error)
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Closed => Self::Closed,
            types::Error::TimedOut => Self::TimedOut,
            types::Error::WouldBlock => Self::WouldBlock,
            types::Error::TooLarge(max) => Self::TooLarge { max },
            types::Error::Denied(what) => Self::Denied(what),
            types::Error::NotFound(what) => Self::NotFound(what),
            types::Error::Exists(what) => Self::Exists(what),
            types::Error::Invalid(why) => Self::Invalid(why),
            types::Error::Poisoned(types::Death { attempt, verdict }) => {
                Self::Poisoned { attempt, verdict: Box::new(verdict.into()) }
            }
            types::Error::Quota(which) => Self::Quota(which),
            types::Error::Stopping => Self::Stopping,
            types::Error::Broken => Self::Broken,
        }
    }
}

/// `None` where the call would have had to wait: what makes `try_recv` out of `recv`.
pub(crate) fn unless_it_would_wait<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(Error::WouldBlock | Error::TimedOut) => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_sentence() {
        assert_eq!(Error::TooLarge { max: 10 }.to_string(), "too large: at most 10 bytes are allowed");
        assert_eq!(Error::Denied("module \"x\"".into()).to_string(), "not granted: module \"x\"");
    }

    #[test]
    fn what_would_wait_is_nothing_yet_and_what_failed_still_fails() {
        assert_eq!(unless_it_would_wait(Ok(1)), Ok(Some(1)));
        assert_eq!(unless_it_would_wait::<u8>(Err(Error::WouldBlock)), Ok(None));
        assert_eq!(unless_it_would_wait::<u8>(Err(Error::Closed)), Err(Error::Closed));
    }
}
