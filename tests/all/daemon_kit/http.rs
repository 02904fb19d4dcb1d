//! As little of HTTP/1.1 as a test needs: one request a connection.

use sandhog_harness::DEADLINE;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What a daemon has answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub status: u16,
    pub body: String,
}

impl Response {
    /// The body, where the status is this one.
    pub(crate) fn expect(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// A body as it comes.
pub(crate) struct Body {
    stream: BufReader<UnixStream>,
    is_chunked: bool,
    /// Of the piece that is being read.
    left: u64,
}

pub(super) fn exchange(socket: &Path, method: &str, path: &str, content: &str) -> Response {
    let (status, mut coming) = ask(socket, method, path, content);
    let mut body = String::new();
    coming.read_to_string(&mut body).unwrap();
    Response { status, body }
}

/// The lines of an answer that goes on.
pub(super) fn follow(socket: &Path, path: &str) -> BufReader<Body> {
    let (status, body) = ask(socket, "GET", path, "");
    assert_eq!(status, 200, "{path}");
    // A line is looked at when it has come, not when a buffer is full: each read gives what is there.
    BufReader::new(body)
}

fn ask(socket: &Path, method: &str, path: &str, content: &str) -> (u16, Body) {
    let mut stream = UnixStream::connect(socket).unwrap_or_else(|error| panic!("{socket:?}: {error}"));
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = content.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: sandhog\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{content}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    Body::of(BufReader::new(stream))
}

impl Body {
    /// Behind the head, which says how it comes, and the status.
    fn of(mut stream: BufReader<UnixStream>) -> (u16, Self) {
        let status = line(&mut stream).split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        let (mut is_chunked, mut left) = (false, 0);
        loop {
            let header = line(&mut stream).to_ascii_lowercase();
            match header.split_once(": ") {
                Some(("content-length", length)) => left = length.parse().unwrap(),
                Some(("transfer-encoding", "chunked")) => is_chunked = true,
                Some(_) => {}
                None => return (status, Self { stream, is_chunked, left }),
            }
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_chunked && self.left == 0 {
            let size = line(&mut self.stream);
            self.left = u64::from_str_radix(&size, 16).map_err(io::Error::other)?;
            self.is_chunked = self.left > 0;
        }
        let read = (&mut self.stream).take(self.left).read(buffer)?;
        self.left -= read as u64;
        if self.is_chunked && self.left == 0 {
            line(&mut self.stream);
        }
        Ok(read)
    }
}

/// The next line, without its end.
fn line(stream: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
