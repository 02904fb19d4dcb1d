//! The messages of a program to a pool.

use super::body::{self, Error, Raw};
use super::{Id, Octets, VERSION};
use crate::message::Message;
use serde::{Deserialize, Serialize};

/// A message of a program to its pool. The first is [`ToPool::Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToPool {
    /// Which version of the protocol the program speaks.
    Hello { version: u32 },
    /// Work to be done.
    Task(Task),
    /// Takes a task back: one that waits is not run, one that runs has its attempt ended. Of a task that is not under way it
    /// means nothing, for its answer may be on its way.
    Cancel { id: Id },
    /// Asks for [`super::Statistics`].
    Statistics,
    /// No task follows.
    Close,
}

/// A task: for a handler a message, for a command arguments and what it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    pub id: Id,
    /// On the wire `value` or `bytes`.
    #[serde(skip)]
    pub message: Option<Message>,
    /// Behind those that the pool was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Octets>,
    /// Wall time from its start. None: what the pool was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Time that it may wait for a worker. None: what the pool was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

impl Task {
    /// With nothing but its id.
    #[must_use]
    pub const fn new(id: Id) -> Self {
        Self { id, message: None, arguments: None, stdin: None, timeout_ms: None, wait_ms: None }
    }

    /// Bytes of what its worker is given, as far as a window counts them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let arguments = self.arguments.iter().flatten().map(String::len).sum::<usize>();
        let stdin = self.stdin.as_ref().map_or(0, |stdin| stdin.0.len());
        self.message.as_ref().map_or(0, |message| message.body.len()) + arguments + stdin
    }
}

impl ToPool {
    /// The first message.
    #[must_use]
    pub const fn hello() -> Self {
        Self::Hello { version: VERSION }
    }

    /// As a body.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Encode`].
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let raw = match self {
            Self::Task(Task { message: Some(message), .. }) => Some(Raw::of(message)?),
            Self::Task(_) | Self::Hello { .. } | Self::Cancel { .. } | Self::Statistics | Self::Close => None,
        };
        body::encode(self, raw, super::TO_POOL)
    }

    /// The message that a body is.
    ///
    /// # Errors
    /// It is none. Nothing of it is used.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (mut message, [value, octets]) =
            body::decode::<Self, 2>(bytes, [body::VALUE, body::BYTES], super::TO_POOL)?;
        let carried = body::message(value, octets)?;
        match &mut message {
            Self::Task(task) => task.message = carried,
            Self::Hello { .. } | Self::Cancel { .. } | Self::Statistics | Self::Close if carried.is_some() => {
                return Err(Error::Surplus);
            }
            Self::Hello { .. } | Self::Cancel { .. } | Self::Statistics | Self::Close => {}
        }
        Ok(message)
    }
}
