//! The answers of a pool to a task, for the submitter.

use crate::connection::decode;
use crate::{Error, Verdict};
use sandhog_channel::{Format, Message};
use sandhog_protocol::pool::{self, FromPool, NotRun};
use serde::de::DeserializeOwned;

/// What a command made of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Why it ended, and what it used.
    pub verdict: Verdict,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// A handler's answer, or its own error.
pub(super) fn answer<R: DeserializeOwned>(reply: FromPool) -> Result<Result<R, String>, Error> {
    match message(reply)? {
        Message { format: Format::Value, body } => decode(&body).map(Ok),
        Message { format: Format::Failure, body } => Ok(Err(String::from_utf8_lossy(&body).into_owned())),
        Message { format: found @ Format::Bytes, .. } => Err(Error::Format { found }),
    }
}

/// A handler's answer, whatever it is.
pub(super) fn message(reply: FromPool) -> Result<Message, Error> {
    if let FromPool::Answer { message, .. } = reply {
        return Ok(message);
    }
    if let FromPool::Failure { text, .. } = reply {
        return Ok(Message { format: Format::Failure, body: text.into_bytes() });
    }
    if let FromPool::Verdict { verdict, .. } = reply {
        return Err(Error::Poisoned(Box::new(Verdict::unpack(&verdict)?)));
    }
    Err(error(reply))
}

/// A command's end.
pub(super) fn output(reply: FromPool) -> Result<Output, Error> {
    if let FromPool::Verdict { verdict, stdout, stderr, .. } = reply {
        return Ok(Output { verdict: Verdict::unpack(&verdict)?, stdout: stdout.0, stderr: stderr.0 });
    }
    if let FromPool::Answer { message, .. } = reply {
        return Err(Error::Format { found: message.format });
    }
    Err(error(reply))
}

/// Why a message can't be sent.
pub(super) fn unsendable(error: pool::Error) -> Error {
    if let pool::Error::TooLarge { max } = error {
        return Error::TooLarge { max };
    }
    Error::Invalid(sandhog_protocol::causes::one_line(&error))
}

fn error(reply: FromPool) -> Error {
    match reply {
        FromPool::NotRun { reason: NotRun::Cancelled, .. } => Error::Cancelled,
        FromPool::NotRun { reason: NotRun::Expired, .. } => Error::Expired,
        FromPool::NotRun { reason: NotRun::Closed | NotRun::Unknown(_), text, .. } => Error::PoolEnded(text),
        FromPool::Refused { text, .. } => Error::Refused(text),
        FromPool::Invalid { text, .. } => Error::NoAnswer(text),
        FromPool::Hello { .. }
        | FromPool::Answer { .. }
        | FromPool::Failure { .. }
        | FromPool::Verdict { .. }
        | FromPool::Statistics(_)
        | FromPool::Error { .. }
        | FromPool::Ended { .. } => Error::NoAnswer("the pool said something that is no answer".into()),
    }
}
