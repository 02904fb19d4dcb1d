//! A client that does as it is told.
//!
//! Must not: try again by itself, or know what it asks for.

use super::answer::{Answer, Broken, Reader};
use super::coming::Coming;
use super::connection::Connection;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::Path;

/// One connection.
pub struct Client {
    stream: Connection,
    reader: Reader,
}

impl Client {
    /// By TCP.
    ///
    /// # Errors
    ///
    /// Nobody takes the connection.
    pub fn connect(to: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: Connection::to_address(to)?, reader: Reader::default() })
    }

    /// By a socket of the file system.
    ///
    /// # Errors
    ///
    /// Nobody takes the connection, or this process may not reach it.
    pub fn to_socket(to: &Path) -> io::Result<Self> {
        Ok(Self { stream: Connection::to_socket(to)?, reader: Reader::default() })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// The other side has had enough.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// No more is sent; the answer can still come.
    pub fn finish_sending(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// A `GET` and its answer.
    ///
    /// # Errors
    ///
    /// See [`Broken`].
    pub fn get(&mut self, target: &str) -> Result<Answer, Broken> {
        self.ask("GET", target, &[], b"")
    }

    /// A `POST` and its answer.
    ///
    /// # Errors
    ///
    /// See [`Broken`].
    pub fn post(&mut self, target: &str, body: &[u8]) -> Result<Answer, Broken> {
        self.ask("POST", target, &[], body)
    }

    /// A request and its answer.
    ///
    /// # Errors
    ///
    /// See [`Broken`].
    pub fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, Broken> {
        let head = head(method, target, headers, body.len());
        // A server may answer and close before it has all of a body: what it said counts.
        let sent = self.send([head.as_bytes(), body].concat());
        match self.answer_to(method) {
            Err(Broken::Unanswered(_)) if sent.is_err() => Err(Broken::Unanswered(sent.unwrap_err().kind())),
            answer => answer,
        }
    }

    /// The next answer, to anything but `HEAD`.
    ///
    /// # Errors
    ///
    /// See [`Broken`].
    pub fn answer(&mut self) -> Result<Answer, Broken> {
        self.answer_to("GET")
    }

    /// The next answer, to this method.
    ///
    /// # Errors
    ///
    /// See [`Broken`].
    pub fn answer_to(&mut self, method: &str) -> Result<Answer, Broken> {
        self.reader.answer(&mut self.stream, method == "HEAD")
    }

    /// The body of the next answer as it comes, where its status is this one.
    ///
    /// # Errors
    ///
    /// See [`Broken`].
    pub fn follow(mut self, status: u16) -> Result<Coming, Broken> {
        let head = self.reader.head(&mut self.stream)?;
        assert_eq!(head.status, status, "{head:?}");
        Ok(Coming::of(&head, self.stream, self.reader))
    }

    /// Both ways at once, as a client that is killed.
    pub fn shutdown(self, how: Shutdown) {
        let _ = self.stream.shutdown(how);
    }

    /// Something is there to be read, be it the end.
    pub fn has_come(&self) -> bool {
        let now = Timespec::default();
        self.reader.has_some() || poll(&mut [PollFd::new(&self.stream, PollFlags::IN)], Some(&now)).unwrap() > 0
    }

    /// A second end of the same connection, to send while the first one reads.
    pub fn second_end(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap(), reader: Reader::default() }
    }

    /// Waits until something has come, and leaves it there.
    ///
    /// # Errors
    ///
    /// The connection ends instead.
    pub fn wait_for_some(&mut self) -> io::Result<()> {
        self.reader.wait_for_some(&mut self.stream)
    }

    /// The first bytes of what comes next: the head of a body that goes on.
    ///
    /// # Errors
    ///
    /// The connection is cut.
    pub fn some(&mut self) -> io::Result<Vec<u8>> {
        self.reader.some(&mut self.stream)
    }

    /// Everything that is still to come. What was sent and not read by the other side cuts the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            match self.some() {
                Ok(some) if some.is_empty() => return all,
                Ok(some) => all.extend(some),
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
                    return all;
                }
                Err(error) => panic!("{error} behind {:?}", String::from_utf8_lossy(&all)),
            }
        }
    }

    /// Waits until the server has closed; whether nothing came before.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.some().as_deref(), Ok([])) || !self.reader.has_some()
    }
}

/// A request's head. `Content-Length` where there is a body.
pub fn head(method: &str, target: &str, headers: &[(&str, &str)], length: usize) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: sandhog.test\r\n");
    if length > 0 {
        head += &format!("Content-Length: {length}\r\n");
    }
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    head + "\r\n"
}
