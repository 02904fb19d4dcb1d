//! HTTP on a Unix socket, byte by byte: what a client can say, good or bad.

use sandhog_harness::DEADLINE;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What a daemon has answered.
#[derive(Debug)]
pub(super) struct RawResponse {
    pub status: u16,
    /// With the line of the status.
    pub head: String,
    pub body: Vec<u8>,
}

impl RawResponse {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It was refused with this status and a sentence, which is harmless to a terminal.
    #[track_caller]
    pub(super) fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        let sentence = self.json()["error"].as_str().unwrap_or_else(|| panic!("no sentence: {self:?}")).to_owned();
        assert!(!sentence.is_empty() && sentence.len() < 2000 && !sentence.contains(char::is_control), "{sentence:?}");
        sentence
    }
}

/// A connection. Whatever is read has a deadline.
pub(super) struct Line(UnixStream);

impl Line {
    pub(super) fn to(socket: &Path) -> Self {
        Self::try_to(socket).unwrap_or_else(|error| panic!("{socket:?}: {error}"))
    }

    pub(super) fn try_to(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self(stream))
    }

    /// Fails where the other side has had enough.
    pub(super) fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.write_all(bytes.as_ref())
    }

    /// There is nothing more to say.
    pub(super) fn fall_silent(&self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Everything that is still to come.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        match self.0.read_to_end(&mut all) {
            Ok(_) => {}
            // What was said and not read by the other side cuts the line.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {}
            Err(error) => panic!("{error} behind {:?}", String::from_utf8_lossy(&all)),
        }
        all
    }

    /// The next answer; `None` where there is none any more.
    pub(super) fn answer(&mut self) -> Option<RawResponse> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte()?);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let header = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(": "));
            fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
        };
        let body = match header("content-length") {
            Some(length) => self.exactly(length.parse().unwrap())?,
            None if header("transfer-encoding").is_some() => self.chunks()?,
            None => Vec::new(),
        };
        Some(RawResponse { status, head, body })
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut whole = Vec::new();
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Some(whole);
            }
            whole.extend(chunk);
        }
    }

    /// One piece of an answer that goes on; empty: the last one.
    pub(super) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.push(self.byte()?);
        }
        let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
        let mut chunk = self.exactly(size + 2)?;
        chunk.truncate(size);
        Some(chunk)
    }

    /// The head of an answer whose body goes on.
    pub(super) fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte()?);
        }
        String::from_utf8(head).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.exactly(1).map(|bytes| bytes[0])
    }

    fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        match self.0.read_exact(&mut bytes) {
            Ok(()) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("no answer within {DEADLINE:?}"),
            Err(_) => None,
        }
    }
}

/// The bytes of a request.
pub(super) fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: sandhog\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// A request on a connection of its own.
#[track_caller]
pub(super) fn ask(socket: &Path, method: &str, path: &str, body: &str) -> RawResponse {
    let mut line = Line::to(socket);
    line.say(request(method, path, body)).unwrap();
    line.answer().unwrap_or_else(|| panic!("{method} {path}: no answer"))
}
