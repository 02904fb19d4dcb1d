//! The input of a task for its worker.

use super::task::{Clients, Input};
use sandhog_protocol::message::Message;
use std::sync::Arc;

/// What a task gives to its worker, once; or, of a message, each time that a worker dies before it has begun it.
pub(super) enum Kept {
    Message(Arc<Message>),
    Command { arguments: Vec<String>, stdin: Vec<u8> },
    Clients(Clients),
}

/// What a worker is given of it.
pub(super) enum Given {
    Message(Arc<Message>),
    Command { arguments: Vec<String>, stdin: Vec<u8> },
    Clients(Clients),
}

impl Kept {
    pub(super) fn give(&mut self) -> Given {
        match self {
            Self::Message(message) => Given::Message(Arc::clone(message)),
            Self::Clients(clients) => Given::Clients(clients.clone()),
            Self::Command { arguments, stdin } => {
                Given::Command { arguments: std::mem::take(arguments), stdin: std::mem::take(stdin) }
            }
        }
    }
}

impl From<Input> for Kept {
    fn from(input: Input) -> Self {
        match input {
            Input::Message(message) => Self::Message(Arc::new(message)),
            Input::Command { arguments, stdin } => Self::Command { arguments, stdin },
            Input::Clients(clients) => Self::Clients(clients),
        }
    }
}
