//! Answers as they come from a socket.
//!
//! Must not: know what was asked, but that a head alone was.

use serde_json::Value;
use std::fmt;
use std::io::{self, Read};

/// Longest line of a head, and longest body, that a test would look at.
const LONGEST_LINE: usize = 64 << 10;

/// An answer, whole.
#[derive(Debug, Default)]
pub struct Answer {
    /// Of its first line.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Without what it was sent in.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body, which is text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// Where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The server keeps the connection open behind it.
    pub fn keeps_open(&self) -> bool {
        !self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The text, where the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> String {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        assert_eq!(self.status, status, "{:?} {text}", self.headers);
        text
    }
}

/// No answer, or a part of one.
#[derive(Debug)]
pub enum Broken {
    /// Closed or reset before a byte of it: the request may never have been read.
    Unanswered(io::ErrorKind),
    /// Its head came, and not all of its body.
    Torn(Answer, io::ErrorKind),
    /// What came is no HTTP.
    Garbled(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered(kind) => write!(to, "no answer: {kind}"),
            Self::Torn(answer, kind) => write!(to, "{} with {} bytes, then {kind}", answer.status, answer.body.len()),
            Self::Garbled(line) => write!(to, "no HTTP: {line:?}"),
        }
    }
}

/// What has been read and not looked at.
#[derive(Default)]
pub(super) struct Reader {
    bytes: Vec<u8>,
}

impl Reader {
    pub(super) fn has_some(&self) -> bool {
        !self.bytes.is_empty()
    }

    pub(super) fn wait_for_some(&mut self, from: &mut impl Read) -> io::Result<()> {
        if self.bytes.is_empty() { self.more(from) } else { Ok(()) }
    }

    /// What is there, or else the next that comes; empty at the end.
    pub(super) fn some(&mut self, from: &mut impl Read) -> io::Result<Vec<u8>> {
        if self.bytes.is_empty() {
            match self.more(from) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                read => read?,
            }
        }
        Ok(std::mem::take(&mut self.bytes))
    }

    /// One answer, to its end. Interim ones (100) are passed over.
    pub(super) fn answer(&mut self, from: &mut impl Read, to_head: bool) -> Result<Answer, Broken> {
        loop {
            if self.bytes.is_empty() {
                self.more(from).map_err(|error| Broken::Unanswered(error.kind()))?;
            }
            let mut answer = self.head(from)?;
            if !(100..200).contains(&answer.status) {
                return match self.body(from, &mut answer, to_head) {
                    Ok(()) => Ok(answer),
                    Err(error) => Err(Broken::Torn(answer, error.kind())),
                };
            }
        }
    }

    /// The head of an answer, with nothing in its body.
    pub(super) fn head(&mut self, from: &mut impl Read) -> Result<Answer, Broken> {
        let garbled = |error: &dyn std::fmt::Display| Broken::Garbled(error.to_string());
        let first = self.line(from).map_err(|error| garbled(&error))?;
        let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
        let mut answer = Answer { status: status.ok_or_else(|| garbled(&first))?, ..Answer::default() };
        loop {
            let line = self.line(from).map_err(|error| garbled(&error))?;
            if line.is_empty() {
                return Ok(answer);
            }
            let (name, value) = line.split_once(':').ok_or_else(|| garbled(&line))?;
            answer.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn body(&mut self, from: &mut impl Read, answer: &mut Answer, to_head: bool) -> io::Result<()> {
        if to_head || [204, 304].contains(&answer.status) {
            return Ok(());
        }
        if answer.is_chunked() {
            return self.chunks(from, &mut answer.body);
        }
        match answer.header("content-length").map(str::parse) {
            Some(length) => self.exactly(from, length.map_err(io::Error::other)?, &mut answer.body),
            None => {
                answer.body.append(&mut self.bytes);
                from.read_to_end(&mut answer.body).map(drop)
            }
        }
    }

    fn chunks(&mut self, from: &mut impl Read, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let line = self.line(from)?;
            let size = line.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            self.exactly(from, size, body)?;
            if size == 0 {
                // Trailers, up to an empty line.
                while !self.line(from)?.is_empty() {}
                return Ok(());
            }
            self.line(from)?;
        }
    }

    /// As much as is there, or else comes next, and fits; 0 at the end.
    pub(super) fn at_most(&mut self, from: &mut impl Read, to: &mut [u8]) -> io::Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        if self.bytes.is_empty() {
            self.more(from)?;
        }
        let here = to.len().min(self.bytes.len());
        self.bytes.drain(..here).zip(to).for_each(|(byte, to)| *to = byte);
        Ok(here)
    }

    fn exactly(&mut self, from: &mut impl Read, count: usize, to: &mut Vec<u8>) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            if self.bytes.is_empty() {
                self.more(from)?;
            }
            let here = left.min(self.bytes.len());
            to.extend(self.bytes.drain(..here));
            left -= here;
        }
        Ok(())
    }

    pub(super) fn line(&mut self, from: &mut impl Read) -> io::Result<String> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            if self.bytes.len() > LONGEST_LINE {
                return Err(io::Error::other("a line without an end"));
            }
            self.more(from)?;
        }
    }

    fn more(&mut self, from: &mut impl Read) -> io::Result<()> {
        let mut piece = [0; 64 << 10];
        loop {
            match from.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.bytes.extend_from_slice(&piece[..read]);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
