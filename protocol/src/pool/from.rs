//! The messages of a pool to its program.

use super::body::{self, Error, Raw};
use super::{Id, Octets};
use crate::kinds::kinds;
use crate::message::{Format, Message};
use serde::{Deserialize, Serialize};

/// A message of a pool to its program. The first is [`FromPool::Hello`], the last [`FromPool::Ended`].
///
/// Each task that was accepted has exactly one of [`FromPool::Answer`], [`FromPool::Failure`], [`FromPool::Verdict`],
/// [`FromPool::Invalid`] and [`FromPool::NotRun`]; [`FromPool::Refused`] says that one was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromPool {
    Hello {
        version: u32,
        kind: Kind,
        /// Most workers at once.
        workers: u32,
        /// Most tasks under way that keep the pool reading, and most bytes of them together.
        window: u64,
        window_bytes: u64,
    },
    /// The handler's answer.
    Answer {
        id: Id,
        /// On the wire `value` or `bytes`.
        #[serde(skip, default = "body::nothing")]
        message: Message,
        #[serde(default, skip_serializing_if = "Octets::is_empty")]
        stdout: Octets,
        #[serde(default, skip_serializing_if = "Octets::is_empty")]
        stderr: Octets,
    },
    /// The handler's own error.
    Failure {
        id: Id,
        text: String,
        #[serde(default, skip_serializing_if = "Octets::is_empty")]
        stdout: Octets,
        #[serde(default, skip_serializing_if = "Octets::is_empty")]
        stderr: Octets,
    },
    /// The attempt that had it ended: a command's verdict, or that of a handler which gave no answer.
    Verdict {
        id: Id,
        /// The object of `--verdict`, as a MessagePack map.
        #[serde(skip)]
        verdict: Vec<u8>,
        #[serde(default, skip_serializing_if = "Octets::is_empty")]
        stdout: Octets,
        #[serde(default, skip_serializing_if = "Octets::is_empty")]
        stderr: Octets,
    },
    /// The handler answered with bytes that are no MessagePack value.
    Invalid {
        id: Id,
        text: String,
    },
    /// No worker had it.
    NotRun {
        id: Id,
        reason: NotRun,
        text: String,
    },
    /// It was not accepted. Another task of that id is not concerned.
    Refused {
        id: Id,
        reason: Refusal,
        text: String,
    },
    Statistics(Statistics),
    /// The program broke the rules: the pool reads no more. Tasks that were accepted are answered.
    Error {
        text: String,
    },
    /// Nothing follows. A task without an answer was not accepted.
    Ended {
        reason: Ended,
    },
}

kinds! {
    /// Which tasks a pool takes.
    pub enum Kind {
        /// `value` or `bytes`.
        Handler = "handler",
        /// `arguments` and `stdin`.
        Command = "command",
    }
}

kinds! {
    /// Why no worker had a task.
    pub enum NotRun {
        /// The program took it back.
        Cancelled = "cancelled",
        /// It waited for longer than it was to.
        Expired = "expired",
        /// The pool can start no worker, or ends.
        Closed = "closed",
    }
}

kinds! {
    /// Why a task was not accepted.
    pub enum Refusal {
        /// A task of this id is under way.
        DuplicateId = "duplicate_id",
        /// A handler was given arguments, a command a value, or neither was given what it needs.
        WrongKind = "wrong_kind",
        /// More than a worker can be given.
        TooLarge = "too_large",
    }
}

kinds! {
    /// Why a conversation ends.
    pub enum Ended {
        /// The program said so, or closed its end.
        Closed = "closed",
        /// The program broke the rules; see the error before.
        Error = "error",
        /// The command was asked to end, by a signal.
        Stopped = "stopped",
    }
}

/// What a pool does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statistics {
    /// Workers without a task, with one, and on their way.
    pub idle: u64,
    pub busy: u64,
    pub starting: u64,
    /// Tasks of this conversation without an answer: those that wait, and those that are with a worker.
    pub waiting: u64,
    pub running: u64,
    /// Tasks of this conversation that were accepted, and that have been answered.
    pub accepted: u64,
    pub answered: u64,
    /// Workers that were started, and that were ended after their share of tasks, time or bytes.
    pub started: u64,
    pub recycled: u64,
    /// How long workers took to start, in microseconds: the median, and what one in a hundred exceeds.
    pub start_us_p50: u64,
    pub start_us_p99: u64,
}

impl FromPool {
    /// As a body.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Encode`], [`Error::Shape`].
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let raw = match self {
            Self::Answer { message, .. } => Some(Raw::of(message)?),
            Self::Verdict { verdict, .. } => Some(Raw::value(body::VERDICT, verdict)?),
            Self::Hello { .. }
            | Self::Failure { .. }
            | Self::Invalid { .. }
            | Self::NotRun { .. }
            | Self::Refused { .. }
            | Self::Statistics(_)
            | Self::Error { .. }
            | Self::Ended { .. } => None,
        };
        body::encode(self, raw, super::FROM_POOL)
    }

    /// The message that a body is; what a newer version says besides is left out.
    ///
    /// # Errors
    /// It is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let names = [body::VALUE, body::BYTES, body::VERDICT];
        let (mut decoded, [value, octets, object]) = body::decode::<Self, 3>(bytes, names, super::FROM_POOL)?;
        match &mut decoded {
            Self::Answer { message, .. } => *message = body::message(value, octets)?.ok_or(Error::Missing("value"))?,
            Self::Verdict { verdict, .. } => *verdict = object.ok_or(Error::Missing("verdict"))?.to_vec(),
            Self::Hello { .. }
            | Self::Failure { .. }
            | Self::Invalid { .. }
            | Self::NotRun { .. }
            | Self::Refused { .. }
            | Self::Statistics(_)
            | Self::Error { .. }
            | Self::Ended { .. } => {}
        }
        Ok(decoded)
    }

    /// The task that it is about.
    #[must_use]
    pub const fn id(&self) -> Option<&Id> {
        match self {
            Self::Answer { id, .. }
            | Self::Failure { id, .. }
            | Self::Verdict { id, .. }
            | Self::Invalid { id, .. }
            | Self::NotRun { id, .. }
            | Self::Refused { id, .. } => Some(id),
            Self::Hello { .. } | Self::Statistics(_) | Self::Error { .. } | Self::Ended { .. } => None,
        }
    }

    /// What a handler said, with nothing on its streams: its answer, or its error.
    #[must_use]
    pub fn said(id: Id, message: Message) -> Self {
        let (stdout, stderr) = (Octets::default(), Octets::default());
        match message.format {
            Format::Value | Format::Bytes => Self::Answer { id, message, stdout, stderr },
            Format::Failure => {
                Self::Failure { id, text: String::from_utf8_lossy(&message.body).into_owned(), stdout, stderr }
            }
        }
    }
}
