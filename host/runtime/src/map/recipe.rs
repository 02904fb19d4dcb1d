//! The input of a worker for a task: a message for a handler, arguments and stdin for a command.
//!
//! Must not: read a file or the input.

use super::joblog::{COMMAND, quoted};
use super::placeholders::{Numbered, Template};
use super::split::Piece;
use super::values::{Found, Place};
use sandhog_ipc::json;
use sandhog_protocol::causes;
use sandhog_protocol::limits;
use sandhog_protocol::message::{Format, Message};

/// Largest task, in bytes.
pub const LARGEST: usize = limits::MESSAGE;

/// What an argument takes in a message beside its bytes, at most (MessagePack, `str 32`).
pub const ARGUMENT_OVERHEAD: usize = 5;

/// How the input is cut into tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Lines,
    Nulls,
    Json,
    /// Each line, or what NUL ends, names a file whose content is the task.
    Files {
        end: u8,
    },
}

/// For whom tasks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum For {
    /// `bytes`: as bytes, and not as a text or a value.
    Handler { bytes: bool },
    Command {
        template: Template,
        /// Bytes that its arguments may have, with what each takes beside.
        room: usize,
    },
}

/// From pieces of the input to tasks.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub cut: Cut,
    pub of: For,
    /// As a job log calls it: the module and the arguments that all tasks have.
    pub command: Vec<String>,
}

/// One piece of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    Text(Piece),
    Value(Found),
    /// A file's name and its content, or why there is none.
    File {
        name: Vec<u8>,
        content: Result<Vec<u8>, String>,
    },
}

/// The input is not what it should be: it has no next task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no JSON at line {line}, column {column} (byte {byte}): {why}", line = place.line, column = place.column, byte = place.byte)]
pub struct NotJson {
    pub place: Place,
    pub why: String,
}

/// A task on its way to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// From 1 on.
    pub number: u64,
    /// Of the task, as a job log says it.
    pub bytes: u64,
    /// Or why it is no task.
    pub work: Result<Work, String>,
    /// The task, cut to what a job log shows; empty where there are several pieces.
    pub shown: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    Message(Message),
    Command { inputs: Vec<String>, stdin: Vec<u8> },
}

impl Recipe {
    /// The task of these pieces; of a handler there is one.
    ///
    /// # Errors
    /// The input breaks off here.
    pub fn prepare(&self, number: u64, given: Vec<Given>) -> Result<Prepared, NotJson> {
        let shown = if let [one] = given.as_slice() { shown(one) } else { String::new() };
        let bytes = given.iter().map(Given::length).sum();
        let work = match &self.of {
            For::Handler { bytes } => self.message(given, *bytes)?.map(Work::Message),
            For::Command { template, .. } => self.command(given, template.takes_input())?,
        };
        Ok(Prepared { number, bytes, work, shown })
    }

    fn message(&self, given: Vec<Given>, bytes: bool) -> Result<Result<Message, String>, NotJson> {
        let Some(given) = given.into_iter().next() else { return Ok(Err("it is empty".into())) };
        if let (Given::Value(Found { began, piece: Piece::Whole(text) }), false) = (&given, bytes) {
            return Ok(match json::read(text) {
                Ok((format, body)) => fitting(Message { format, body }),
                Err(json::Error::NotJson(error)) => return Err(not_json(*began, text, &error)),
                Err(error) => Err(causes::one_line(&error)),
            });
        }
        let body = match self.content(given)? {
            Ok(body) => body,
            Err(why) => return Ok(Err(why)),
        };
        if bytes {
            return Ok(fitting(Message { format: Format::Bytes, body }));
        }
        let text =
            std::str::from_utf8(&body).map_err(|_| "it is no text in UTF-8: --bytes passes any bytes".to_owned());
        let value = text.and_then(|text| json::text(text).map_err(|error| causes::one_line(&error)));
        Ok(value.and_then(|body| fitting(Message { format: Format::Value, body })))
    }

    fn command(&self, given: Vec<Given>, in_arguments: bool) -> Result<Result<Work, String>, NotJson> {
        let (mut inputs, mut stdin, are_many) = (Vec::new(), Vec::new(), given.len() > 1);
        for given in given {
            let name = match &given {
                Given::File { name, .. } => Some(name.clone()),
                Given::Text(_) | Given::Value(_) => None,
            };
            let content = match self.content(given)? {
                Ok(content) => content,
                Err(why) => return Ok(Err(why)),
            };
            if in_arguments {
                match argument(name.as_ref().unwrap_or(&content)) {
                    Ok(text) => inputs.push(text),
                    Err(why) => return Ok(Err(why)),
                }
            }
            if name.is_some() || !in_arguments {
                stdin.extend_from_slice(&content);
                stdin.extend(self.end(are_many));
            }
        }
        if stdin.len() > LARGEST {
            return Ok(Err(format!("its pieces together have more than {LARGEST} bytes")));
        }
        Ok(Ok(Work::Command { inputs, stdin }))
    }

    /// What stands behind a task on a command's stdin.
    fn end(&self, are_many: bool) -> Option<u8> {
        match self.cut {
            // A text file's lines end (POSIX, 3.206).
            Cut::Lines | Cut::Json => Some(b'\n'),
            Cut::Nulls => are_many.then_some(0),
            Cut::Files { .. } => None,
        }
    }

    /// The bytes of a piece, as they are.
    fn content(&self, given: Given) -> Result<Result<Vec<u8>, String>, NotJson> {
        match given {
            Given::Text(Piece::TooLong) | Given::Value(Found { piece: Piece::TooLong, .. }) => Ok(Err(too_long())),
            Given::Text(Piece::Whole(bytes)) => Ok(Ok(bytes)),
            Given::Value(Found { began, piece: Piece::Whole(text) }) => match json::read(&text) {
                Err(json::Error::NotJson(error)) => Err(not_json(began, &text, &error)),
                // What it would mean as a message is not asked.
                Ok(_) | Err(_) => Ok(Ok(text)),
            },
            Given::File { content, .. } => Ok(content),
        }
    }

    /// The arguments of a command's process.
    ///
    /// # Errors
    /// They are more than a process may have.
    pub fn arguments(&self, inputs: &[String], numbered: Numbered) -> Result<Vec<String>, String> {
        let For::Command { template, room } = &self.of else { return Ok(Vec::new()) };
        let arguments = template.fill(inputs, numbered);
        let bytes: usize = arguments.iter().map(|argument| argument.len() + ARGUMENT_OVERHEAD).sum();
        if bytes > *room {
            return Err(format!(
                "its arguments take {bytes} bytes, and there is room for {room}: let it read its stdin"
            ));
        }
        Ok(arguments)
    }

    /// How a job log calls a task: as a shell would take it.
    #[must_use]
    pub fn called(&self, shown: &str, arguments: &[String]) -> String {
        let own = self.command.iter().map(String::as_str);
        let For::Command { template, .. } = &self.of else { return quoted(own.chain([shown])) };
        let command = quoted(own.chain(arguments.iter().map(String::as_str)));
        let from = match self.cut {
            Cut::Files { .. } => " < ",
            Cut::Lines | Cut::Json | Cut::Nulls => " <<< ",
        };
        if shown.is_empty() || template.takes_input() { command } else { command + from + &quoted([shown]) }
    }
}

impl Given {
    fn length(&self) -> u64 {
        match self {
            Self::Text(Piece::Whole(bytes)) | Self::Value(Found { piece: Piece::Whole(bytes), .. }) => {
                bytes.len() as u64
            }
            Self::File { content: Ok(content), .. } => content.len() as u64,
            Self::Text(Piece::TooLong)
            | Self::Value(Found { piece: Piece::TooLong, .. })
            | Self::File { content: Err(_), .. } => 0,
        }
    }
}

/// What a task that has more than a task may have is told.
#[must_use]
pub fn too_long() -> String {
    format!("it has more than {LARGEST} bytes, the most that a task may have")
}

fn fitting(message: Message) -> Result<Message, String> {
    if message.body.len() > limits::MESSAGE { Err(too_long()) } else { Ok(message) }
}

fn argument(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| "it is no text in UTF-8, which a guest's arguments are: let it read its stdin".to_owned())?;
    if text.contains('\0') { Err("it has a byte 0, which ends an argument".into()) } else { Ok(text.into()) }
}

fn not_json(began: Place, text: &[u8], error: &json::Syntax) -> NotJson {
    let said = error.to_string();
    let why = said.split(" at line ").next().unwrap_or_default().to_owned();
    NotJson { place: began.within(text, error.line(), error.column()), why }
}

fn shown(given: &Given) -> String {
    let bytes = match given {
        Given::Text(Piece::Whole(bytes)) | Given::Value(Found { piece: Piece::Whole(bytes), .. }) => bytes,
        Given::File { name, .. } => name,
        Given::Text(Piece::TooLong) | Given::Value(Found { piece: Piece::TooLong, .. }) => return String::new(),
    };
    String::from_utf8_lossy(&bytes[..bytes.len().min(COMMAND + 1)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Given {
        Given::Text(Piece::Whole(text.into()))
    }

    fn value(json: &str) -> Given {
        let began = Place { byte: 10, line: 3, column: 5 };
        Given::Value(Found { began, piece: Piece::Whole(json.into()) })
    }

    fn handler(cut: Cut, bytes: bool) -> Recipe {
        Recipe { cut, of: For::Handler { bytes }, command: vec!["h.wasm".into()] }
    }

    fn command(cut: Cut, arguments: &[&str]) -> Recipe {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Recipe {
            cut,
            of: For::Command { template: Template::new(&arguments), room: 100 },
            command: vec!["c.wasm".into(), "-q".into()],
        }
    }

    fn work(recipe: &Recipe, given: Vec<Given>) -> Result<Work, String> {
        recipe.prepare(1, given).unwrap().work
    }

    fn message(format: Format, body: &[u8]) -> Result<Work, String> {
        Ok(Work::Message(Message { format, body: body.to_vec() }))
    }

    #[test]
    fn a_handler_has_a_text_a_value_or_bytes() {
        let lines = handler(Cut::Lines, false);
        assert_eq!(work(&lines, vec![text("ab")]), message(Format::Value, b"\xa2ab"));
        assert_eq!(work(&handler(Cut::Lines, true), vec![text("ab")]), message(Format::Bytes, b"ab"));
        let json = handler(Cut::Json, false);
        assert_eq!(work(&json, vec![value("[1, true]")]), message(Format::Value, b"\x92\x01\xc3"));
        assert_eq!(work(&json, vec![value(r#"{"$bytes":"YWI="}"#)]), message(Format::Bytes, b"ab"));
        assert_eq!(work(&handler(Cut::Json, true), vec![value("[1]")]), message(Format::Bytes, b"[1]"));
        let no_text = work(&lines, vec![Given::Text(Piece::Whole(vec![0xff]))]);
        assert_eq!(no_text, Err("it is no text in UTF-8: --bytes passes any bytes".into()));
    }

    #[test]
    fn a_command_has_its_tasks_on_stdin_or_in_its_arguments() {
        let of = |inputs: &[&str], stdin: &str| -> Result<Work, String> {
            let inputs = inputs.iter().map(|input| (*input).to_owned()).collect();
            Ok(Work::Command { inputs, stdin: stdin.into() })
        };
        assert_eq!(work(&command(Cut::Lines, &["-v"]), vec![text("a"), text("b")]), of(&[], "a\nb\n"));
        assert_eq!(work(&command(Cut::Nulls, &[]), vec![text("a")]), of(&[], "a"));
        assert_eq!(work(&command(Cut::Nulls, &[]), vec![text("a"), text("b")]), of(&[], "a\0b\0"));
        assert_eq!(work(&command(Cut::Lines, &["{}"]), vec![text("a"), text("b")]), of(&["a", "b"], ""));
        assert_eq!(work(&command(Cut::Json, &[]), vec![value("[1]")]), of(&[], "[1]\n"));
        let file = Given::File { name: b"n.txt".to_vec(), content: Ok(b"text".to_vec()) };
        let files = Cut::Files { end: b'\n' };
        assert_eq!(work(&command(files, &[]), vec![file.clone()]), of(&[], "text"));
        assert_eq!(work(&command(files, &["{}"]), vec![file]), of(&["n.txt"], "text"));
    }

    #[test]
    fn what_can_be_no_task_is_told_why() {
        let arguments = command(Cut::Lines, &["{}"]);
        assert!(work(&arguments, vec![text("a\0b")]).unwrap_err().contains("byte 0"));
        assert!(work(&arguments, vec![Given::Text(Piece::Whole(vec![0xff]))]).unwrap_err().contains("UTF-8"));
        assert_eq!(work(&arguments, vec![Given::Text(Piece::TooLong)]), Err(too_long()));
        let many = arguments.arguments(&vec!["x".repeat(20); 5], Numbered { number: 1, slot: 1 });
        assert!(many.unwrap_err().contains("take 125 bytes, and there is room for 100"));
        let unknown = work(&handler(Cut::Json, false), vec![value(r#"{"$x":1}"#)]);
        assert!(unknown.unwrap_err().contains("\"$x\""));
        let missing = Given::File { name: b"n".to_vec(), content: Err("no such file".into()) };
        assert_eq!(work(&handler(Cut::Files { end: b'\n' }, false), vec![missing]), Err("no such file".into()));
    }

    #[test]
    fn json_that_is_none_is_told_its_place_in_the_input() {
        for recipe in [handler(Cut::Json, false), handler(Cut::Json, true), command(Cut::Json, &["{}"])] {
            let error = recipe.prepare(1, vec![value("{\"a\":\n 1x}")]).unwrap_err();
            assert_eq!(error.place, Place { byte: 18, line: 4, column: 3 }, "{error}");
            assert!(error.to_string().starts_with("no JSON at line 4, column 3 (byte 18): expected"), "{error}");
        }
    }

    #[test]
    fn a_job_log_calls_a_task_by_its_command() {
        assert_eq!(handler(Cut::Lines, false).called("a b", &[]), "h.wasm 'a b'");
        assert_eq!(command(Cut::Lines, &["{}"]).called("a b", &["a b".into(), "-x".into()]), "c.wasm -q 'a b' -x");
        assert_eq!(command(Cut::Lines, &["-x"]).called("a b", &["-x".into()]), "c.wasm -q -x <<< 'a b'");
        assert_eq!(command(Cut::Files { end: 0 }, &[]).called("a.txt", &[]), "c.wasm -q < a.txt");
        assert_eq!(command(Cut::Lines, &[]).called("", &[]), "c.wasm -q");
    }
}
