//! The two forms of a message: a line of JSON, a frame of MessagePack. Reading one never takes more than it may be long.
//!
//! Must not: know what a message is about.

use crate::args::Protocol;
use crate::ipc::lines::{CHUNK, LineReader, Next};
use sandhog_ipc::{json, value};
use sandhog_protocol::frame::HEADER;
use sandhog_protocol::message::Format;
use sandhog_protocol::pool::{self, FromPool, ToPool};
use std::io::{self, BufRead, BufReader, Read};

/// Why what was read is no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("line {number}")]
    Line { number: u64, source: json::Error },
    #[error("line {number} is longer than {max} bytes", max = pool::LINE)]
    TooLong { number: u64 },
    #[error("line {number}: it is no object")]
    NoObject { number: u64 },
    #[error("{form} {number}")]
    Message { form: &'static str, number: u64, source: pool::Error },
    #[error("frame {number} ends in the middle")]
    Torn { number: u64 },
    #[error("failed to read")]
    Read(#[source] io::Error),
}

/// Messages as they come.
pub(super) enum Reader<R> {
    Lines(LineReader<R>),
    Frames { input: BufReader<R>, number: u64 },
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R, protocol: Protocol) -> Self {
        match protocol {
            Protocol::Json => Self::Lines(LineReader::new(input, pool::LINE)),
            Protocol::Msgpack => Self::Frames { input: BufReader::with_capacity(CHUNK, input), number: 0 },
        }
    }

    /// The next message; None at the end.
    ///
    /// # Errors
    /// What comes is none. Nothing can be read after it.
    pub(super) fn next(&mut self) -> Result<Option<ToPool>, Broken> {
        match self {
            Self::Lines(lines) => next_line(lines),
            Self::Frames { input, number } => {
                *number += 1;
                next_frame(input, *number)
            }
        }
    }

    /// Whether another one is here already.
    pub(super) fn has_message(&self) -> bool {
        match self {
            Self::Lines(lines) => lines.has_line(),
            Self::Frames { input, .. } => {
                let header = input.buffer().first_chunk::<HEADER>();
                header.is_some_and(|header| input.buffer().len() - HEADER >= u32::from_le_bytes(*header) as usize)
            }
        }
    }
}

/// Lines of nothing but white space are none.
fn next_line(lines: &mut LineReader<impl Read>) -> Result<Option<ToPool>, Broken> {
    loop {
        let number = lines.number() + 1;
        let line = match lines.next().map_err(Broken::Read)? {
            Next::TooLong => return Err(Broken::TooLong { number }),
            Next::End => return Ok(None),
            Next::Line(line) if line.trim_ascii().is_empty() => continue,
            Next::Line(line) => line,
        };
        return match json::read(line).map_err(|source| Broken::Line { number, source })? {
            (Format::Value, body) => {
                let message = ToPool::decode(&body);
                message.map(Some).map_err(|source| Broken::Message { form: "line", number, source })
            }
            (Format::Bytes | Format::Failure, _) => Err(Broken::NoObject { number }),
        };
    }
}

fn next_frame(input: &mut BufReader<impl Read>, number: u64) -> Result<Option<ToPool>, Broken> {
    let wrong = |source| Broken::Message { form: "frame", number, source };
    if input.fill_buf().map_err(Broken::Read)?.is_empty() {
        return Ok(None);
    }
    let header = read_to(input, HEADER, number)?;
    let header = header.try_into().map_err(|_| Broken::Torn { number })?;
    let length = pool::frame_length(header, pool::TO_POOL).map_err(wrong)?;
    let body = read_to(input, length, number)?;
    ToPool::decode(&body).map(Some).map_err(wrong)
}

/// So many bytes. Memory grows with what comes, not with what was announced.
fn read_to(input: &mut impl Read, length: usize, number: u64) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::with_capacity(length.min(CHUNK));
    input.take(length as u64).read_to_end(&mut bytes).map_err(Broken::Read)?;
    if bytes.len() < length { Err(Broken::Torn { number }) } else { Ok(bytes) }
}

/// Why a message can't be said.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsayable {
    #[error(transparent)]
    Body(pool::Error),
    #[error(transparent)]
    Value(value::Error),
    #[error(transparent)]
    Text(io::Error),
}

/// A message in its form, to be written as it is. One that only the other form can say is said in neither, so that a program
/// can choose either.
///
/// # Errors
/// It can't be said.
pub(super) fn form_of(message: &FromPool, protocol: Protocol) -> Result<Vec<u8>, Unsayable> {
    let body = message.encode().map_err(Unsayable::Body)?;
    let line = json::say(Format::Value, &body).map_err(Unsayable::Value)?;
    match protocol {
        Protocol::Json => {
            let mut text = Vec::with_capacity(2 * body.len());
            line.write(&mut text).map_err(Unsayable::Text)?;
            text.push(b'\n');
            Ok(text)
        }
        Protocol::Msgpack => pool::frame(&body).map_err(Unsayable::Body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::causes::one_line;
    use sandhog_protocol::message::Message;
    use sandhog_protocol::pool::{Ended, Id, Octets, Task};

    fn lines(text: &[u8]) -> Reader<&[u8]> {
        Reader::new(text, Protocol::Json)
    }

    fn broken(mut reader: Reader<impl Read>) -> String {
        loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("nothing was wrong"),
                Err(broken) => return one_line(&broken),
            }
        }
    }

    #[test]
    fn a_line_and_a_frame_say_the_same() {
        let task = ToPool::Task(Task {
            message: Some(Message { format: Format::Value, body: b"\x92\x01\xc4\x01\xff".to_vec() }),
            ..Task::new(Id::Number(1))
        });
        let line = br#"{"type":"task","id":1,"value":[1,{"$bytes":"/w=="}]}"#;
        assert_eq!(lines(line).next().unwrap(), Some(task.clone()));
        let frame = pool::frame(&task.encode().unwrap()).unwrap();
        let mut reader = Reader::new(&frame[..], Protocol::Msgpack);
        assert_eq!(reader.next().unwrap(), Some(task));
        assert_eq!(reader.next().unwrap(), None);
        let bytes = Message { format: Format::Bytes, body: vec![0, 1] };
        let of = ToPool::Task(Task { message: Some(bytes), ..Task::new(Id::Text("a".into())) });
        let line = br#"{"type":"task","id":"a","bytes":{"$bytes":"AAE="}}"#;
        assert_eq!(lines(line).next().unwrap(), Some(of));
    }

    #[test]
    fn blank_lines_are_none_and_the_last_may_have_no_end() {
        let mut reader = lines(b"\n  \r\n{\"type\":\"close\"}\r\n\n{\"type\":\"statistics\"}");
        assert_eq!(reader.next().unwrap(), Some(ToPool::Close));
        assert!(reader.has_message());
        assert_eq!(reader.next().unwrap(), Some(ToPool::Statistics));
        assert_eq!(reader.next().unwrap(), None);
    }

    #[test]
    fn what_is_no_message_is_told_with_its_place() {
        for (text, sentence) in [
            (&b"{\"type\":\"close\"}\n{oops\n"[..], "line 2: it is no JSON: key must be a string at column 2"),
            (b"7\n", "line 1: it is no object"),
            (b"{\"$bytes\":\"AA==\"}\n", "line 1: it is no object"),
            (b"{\"type\":\"task\",\"id\":1,\"value\":{\"$x\":1}}", "line 1: an object whose only key is \"$x\""),
            (
                b"{\"type\":\"work\"}\n",
                "line 1: it is no message of this protocol: unknown variant `work`, expected one of",
            ),
            (b"{\"type\":\"task\"}\n", "line 1: it is no message of this protocol: missing field `id`"),
        ] {
            let said = broken(lines(text));
            assert!(said.starts_with(sentence), "{said}");
        }
        let endless = io::repeat(b'x');
        assert!(broken(Reader::new(endless, Protocol::Json)).starts_with("line 1 is longer than 9"));
        for (bytes, sentence) in [
            (&b"\x01\0"[..], "frame 1 ends in the middle"),
            (b"\x05\0\0\0\x80", "frame 1 ends in the middle"),
            (b"\xff\xff\xff\xff", "frame 1: it is larger than "),
            (b"\x01\0\0\0\xc0", "frame 1: it is no object"),
            (b"\x02\0\0\0\x80\x80", "frame 1: it is no whole MessagePack value: message has 1 bytes after its end"),
        ] {
            let said = broken(Reader::new(bytes, Protocol::Msgpack));
            assert!(said.starts_with(sentence), "{said}");
        }
    }

    #[test]
    fn messages_of_the_pool_are_written_in_both_forms() {
        let verdict = json::read(br#"{"verdict":"completed","code":0}"#).unwrap().1;
        let message = FromPool::Verdict {
            id: Id::Number(3),
            verdict,
            stdout: Octets(b"a\n".to_vec()),
            stderr: Octets(vec![0xff]),
        };
        let line = form_of(&message, Protocol::Json).unwrap();
        let text = r#"{"type":"verdict","id":3,"stdout":"a\n","stderr":{"$bytes":"/w=="},"verdict":{"verdict":"completed","code":0}}"#;
        assert_eq!(String::from_utf8(line).unwrap(), format!("{text}\n"));
        let frame = form_of(&FromPool::Ended { reason: Ended::Closed }, Protocol::Msgpack).unwrap();
        assert_eq!(frame.len() - 4, frame[0] as usize);
    }

    #[test]
    fn what_json_can_not_say_is_said_in_neither_form() {
        for body in [&b"\xa1\xff"[..], b"\x91", b"\xc1"] {
            let answer = FromPool::said(Id::Number(1), Message { format: Format::Value, body: body.to_vec() });
            for protocol in [Protocol::Json, Protocol::Msgpack] {
                assert!(form_of(&answer, protocol).is_err(), "{body:x?}");
            }
        }
    }

    #[test]
    fn every_example_of_the_document_is_a_message() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pool-protocol.md");
        let document = std::fs::read_to_string(path).unwrap();
        let (to, from) = document.split_once("### From the pool").unwrap();
        let examples = |text: &str| -> Vec<String> {
            let fences = text.split("```json\n").skip(1);
            fences.flat_map(|fence| fence.split("```").next().unwrap().lines().map(str::to_owned)).collect()
        };
        let (to, from) = (examples(to), examples(from));
        assert!(to.len() >= 8 && from.len() >= 11, "{to:?} {from:?}");
        for line in to {
            let mut reader = lines(line.as_bytes());
            assert!(reader.next().unwrap().is_some(), "{line}");
        }
        for line in from {
            let (_, body) = json::read(line.as_bytes()).unwrap();
            let message = FromPool::decode(&body).unwrap_or_else(|error| panic!("{line}: {error:?}"));
            let said = form_of(&message, Protocol::Json).unwrap();
            let [said, told] =
                [&said[..], line.as_bytes()].map(|json| serde_json::from_slice::<serde_json::Value>(json).unwrap());
            assert_eq!(said, told);
        }
        for (what, limit) in [
            ("line to the pool", pool::LINE),
            ("frame to the pool", pool::TO_POOL),
            ("frame from the pool", pool::FROM_POOL),
        ] {
            let row = document.lines().find(|row| row.contains(what)).unwrap().replace(',', "");
            assert!(row.contains(&limit.to_string()), "{row}: {limit}");
        }
    }
}
