//! A handler's answer as a line for people and programs.
//!
//! Must not: decide where it goes.

use crate::pool::captured::Captured;
use sandhog_ipc::{json, value};
use sandhog_protocol::message::{Format, Message};
use std::io::{self, BufWriter, Write};

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// An answer that is a text is written as it is. Else each is a line of JSON.
    pub raw_text: bool,
    /// An answer of bytes is written as it is.
    pub raw_bytes: bool,
}

/// The answer's line, with its end.
///
/// # Errors
/// It can't be said in JSON.
pub fn line(answer: &Message, how: Answers) -> Result<Captured, value::Error> {
    let Message { format, body } = answer;
    let raw = match format {
        Format::Value if how.raw_text => json::as_text(body).map(str::as_bytes),
        Format::Bytes if how.raw_bytes => Some(body.as_slice()),
        Format::Value | Format::Bytes | Format::Failure => None,
    };
    let mut line = Captured::default();
    match raw {
        Some(raw) => line.append(raw),
        None => say(answer, &mut line)?,
    }
    line.append(b"\n");
    Ok(line)
}

fn say(answer: &Message, line: &mut Captured) -> Result<(), value::Error> {
    let sayable = json::say(answer.format, &answer.body)?;
    let mut to = BufWriter::new(Into(line));
    // What can't be kept is the captured line's failure.
    let _ = sayable.write(&mut to).and_then(|()| to.flush());
    Ok(())
}

struct Into<'a>(&'a mut Captured);

impl Write for Into<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(format: Format, body: &[u8], raw_text: bool, raw_bytes: bool) -> String {
        let answer = Message { format, body: body.to_vec() };
        let line = line(&answer, Answers { raw_text, raw_bytes }).unwrap();
        String::from_utf8(line.into_bytes().unwrap()).unwrap()
    }

    #[test]
    fn a_text_is_raw_or_json_and_everything_else_is_json() {
        assert_eq!(said(Format::Value, b"\xa3a\"b", true, false), "a\"b\n");
        assert_eq!(said(Format::Value, b"\xa3a\"b", false, false), "\"a\\\"b\"\n");
        assert_eq!(said(Format::Value, b"\x92\x01\xc0", true, false), "[1,null]\n");
        assert_eq!(said(Format::Bytes, b"ab", true, false), "{\"$bytes\":\"YWI=\"}\n");
        assert_eq!(said(Format::Bytes, b"ab", false, true), "ab\n");
    }

    #[test]
    fn what_is_no_value_is_told() {
        assert!(
            line(&Message { format: Format::Value, body: vec![0xc1] }, Answers { raw_text: true, raw_bytes: false })
                .is_err()
        );
    }
}
