//! What the attributes need: tasks and answers of handlers, and the end of `main`.

use crate::abi::sandhog::job::types::MessageResult;
use crate::error::Result;
use crate::message::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::process::ExitCode;

/// Raw bytes, as a handler's task or answer: `fn handle(task: Bytes) -> Result<Bytes, String>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(
    /// The bytes.
    pub Vec<u8>,
);

/// What a handler can take: any type that serde can read, [`Bytes`], or a [`Message`] of any format.
#[diagnostic::on_unimplemented(
    message = "a handler can't take a `{Self}`",
    note = "derive `serde::Deserialize` for it; for raw bytes take `sandhog::Bytes`"
)]
pub trait Task: Sized {
    /// The task in a message. [`Error::Invalid`](crate::Error::Invalid): it is none of this type.
    fn from_message(message: Message) -> Result<Self>;
}

impl<T: DeserializeOwned> Task for T {
    fn from_message(message: Message) -> Result<Self> {
        message.decode()
    }
}

impl Task for Bytes {
    fn from_message(message: Message) -> Result<Self> {
        message.into_bytes().map(Self)
    }
}

impl Task for Message {
    fn from_message(message: Message) -> Result<Self> {
        Ok(message)
    }
}

/// What a handler can answer: any type that serde can write, [`Bytes`], or a [`Message`].
#[diagnostic::on_unimplemented(
    message = "a handler can't answer with a `{Self}`",
    note = "derive `serde::Serialize` for it; for raw bytes answer with `sandhog::Bytes`"
)]
pub trait IntoAnswer {
    /// The message that holds the answer. [`Error::Invalid`](crate::Error::Invalid): it can't be written.
    fn into_message(self) -> Result<Message>;
}

impl<T: Serialize> IntoAnswer for T {
    fn into_message(self) -> Result<Message> {
        Message::value(&self)
    }
}

impl IntoAnswer for Bytes {
    fn into_message(self) -> Result<Message> {
        Ok(Message::bytes(self.0))
    }
}

impl IntoAnswer for Message {
    fn into_message(self) -> Result<Message> {
        Ok(self)
    }
}

/// What the export of a handler does: read the task, call the function, write the answer.
#[doc(hidden)]
pub fn answer<In: Task, Out: IntoAnswer, E: Display>(
    handle: impl FnOnce(In) -> Result<Out, E>,
    task: MessageResult,
) -> Result<MessageResult, String> {
    let task = In::from_message(task.into()).map_err(|error| error.to_string())?;
    let answer = handle(task).map_err(|error| error.to_string())?;
    answer.into_message().map(MessageResult::from).map_err(|error| error.to_string())
}

/// What `main` may give.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`#[sandhog::main]` can't end with a `{Self}`",
    note = "it takes `()`, `ExitCode`, or a `Result` of either, whose error can be displayed"
)]
pub trait End {
    fn end(self) -> ExitCode;
}

impl End for () {
    fn end(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl End for ExitCode {
    fn end(self) -> ExitCode {
        self
    }
}

impl<T: End, E: Display> End for Result<T, E> {
    fn end(self) -> ExitCode {
        match self {
            Ok(end) => end.end(),
            Err(error) => {
                // In one piece: a line of the job's log, or another job's output, may come between two.
                let line = format!("error: {error}\n");
                let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
                ExitCode::FAILURE
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Format;

    fn double(number: u32) -> Result<u32, String> {
        number.checked_mul(2).ok_or_else(|| format!("{number} is too much"))
    }

    #[test]
    fn a_handler_gets_its_type_and_answers_with_it() {
        let answered = answer(double, Message::value(&21).unwrap().into()).unwrap();
        assert_eq!(Message::from(answered).decode::<u32>().unwrap(), 42);
    }

    #[test]
    fn a_handlers_error_is_its_text() {
        let answered = answer(double, Message::value(&u32::MAX).unwrap().into());
        assert_eq!(answered.unwrap_err(), "4294967295 is too much");
        let answered = answer(double, Message::bytes("21").into());
        assert_eq!(answered.unwrap_err(), "invalid: the message is raw bytes, not a value");
    }

    #[test]
    fn raw_bytes_stay_raw() {
        let reverse = |Bytes(mut bytes): Bytes| -> Result<Bytes, String> {
            bytes.reverse();
            Ok(Bytes(bytes))
        };
        let answered = Message::from(answer(reverse, Message::bytes("abc").into()).unwrap());
        assert_eq!((answered.format, answered.body.as_slice()), (Format::Bytes, b"cba".as_slice()));
    }
}
