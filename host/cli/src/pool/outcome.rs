//! From what became of a task to the message that says so.
//!
//! Must not: lose one. Whatever can't be read or said becomes a message of the same task.

use crate::render::verdict;
use sandhog_protocol::causes;
use sandhog_protocol::message::{Format, Message};
use sandhog_protocol::pool::{self, FromPool, Id, NotRun, Octets};
use sandhog_runtime::pool::captured::{self, Captured};
use sandhog_runtime::record::VerdictRecord;

/// What is to be told.
pub(super) enum Telling {
    /// As it is.
    Message(FromPool),
    /// What a worker made of a task.
    Done { id: Id, done: Done, stdout: Captured, stderr: Captured },
}

/// How a task ended that a worker had.
pub(super) enum Done {
    Said(Message),
    Ended(Box<VerdictRecord>),
}

/// Why it can't be said what a worker made of a task.
#[derive(Debug, thiserror::Error)]
enum Unsayable {
    #[error(transparent)]
    Output(captured::Error),
    #[error("what it wrote is not whole: {0}")]
    Torn(String),
    #[error("it wrote more than {max} bytes, the most that one message can hold", max = pool::OUTPUT)]
    TooLarge,
    #[error("its verdict can't be said")]
    Verdict(#[source] verdict::Unpacked),
}

impl Telling {
    /// For a task that no worker had.
    pub(super) fn not_run(id: Id, reason: NotRun, text: impl Into<String>) -> Self {
        Self::Message(FromPool::NotRun { id, reason, text: text.into() })
    }

    /// The message. Reads what the task wrote.
    pub(super) fn into_message(self) -> FromPool {
        match self {
            Self::Message(message) => message,
            Self::Done { id, done, stdout, stderr } => {
                let message = octets(stdout, stderr).and_then(|streams| message_of(&id, done, streams));
                message.unwrap_or_else(|error| FromPool::Invalid { id, text: causes::one_line(&error) })
            }
        }
    }
}

fn message_of(id: &Id, done: Done, (stdout, stderr): (Octets, Octets)) -> Result<FromPool, Unsayable> {
    let id = id.clone();
    match done {
        Done::Said(Message { format: Format::Failure, body }) => {
            Ok(FromPool::Failure { id, text: String::from_utf8_lossy(&body).into_owned(), stdout, stderr })
        }
        Done::Said(message) => Ok(FromPool::Answer { id, message, stdout, stderr }),
        Done::Ended(record) => {
            let verdict = verdict::packed(&record).map_err(Unsayable::Verdict)?;
            Ok(FromPool::Verdict { id, verdict, stdout, stderr })
        }
    }
}

fn octets(stdout: Captured, stderr: Captured) -> Result<(Octets, Octets), Unsayable> {
    if stdout.length().saturating_add(stderr.length()) > pool::OUTPUT as u64 {
        return Err(Unsayable::TooLarge);
    }
    let bytes = |captured: Captured| match captured.failure() {
        Some(failure) => Err(Unsayable::Torn(causes::one_line(failure))),
        None => captured.into_bytes().map(Octets).map_err(Unsayable::Output),
    };
    Ok((bytes(stdout)?, bytes(stderr)?))
}
