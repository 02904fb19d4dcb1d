//! HTTP/1.1 as tests need it: a client that can be rude, and one that is many ([`load`]).
//!
//! Must not: know Sandhog, or hide a failure. It never tries again by itself, and what it did not get it says.

pub(crate) mod answer;
pub(crate) mod flood;
pub(crate) mod load;

pub(crate) use answer::{Answer, Broken};

use answer::Reader;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sandhog_harness::DEADLINE;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    reader: Reader,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(to)?)
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        // A server that says nothing fails a test and does not hold it up for ever.
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, reader: Reader::default() })
    }

    /// Bytes as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// No more is sent; the answer can still come.
    pub(crate) fn finish_sending(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// A `GET` and its answer.
    pub(crate) fn get(&mut self, target: &str) -> Result<Answer, Broken> {
        self.ask("GET", target, &[], b"")
    }

    /// A `POST` and its answer.
    pub(crate) fn post(&mut self, target: &str, body: &[u8]) -> Result<Answer, Broken> {
        self.ask("POST", target, &[], body)
    }

    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Broken> {
        let head = head(method, target, headers, body.len());
        // A server may answer and close before it has all of a body: what it said counts.
        let sent = self.send([head.as_bytes(), body].concat());
        match self.answer_to(method) {
            Err(Broken::Unanswered(_)) if sent.is_err() => Err(Broken::Unanswered(sent.unwrap_err().kind())),
            answer => answer,
        }
    }

    /// The next answer, to anything but `HEAD`.
    pub(crate) fn answer(&mut self) -> Result<Answer, Broken> {
        self.answer_to("GET")
    }

    pub(crate) fn answer_to(&mut self, method: &str) -> Result<Answer, Broken> {
        self.reader.answer(&mut self.stream, method == "HEAD")
    }

    /// Both ways at once, as a client that is killed.
    pub(crate) fn shutdown(self, how: Shutdown) {
        let _ = self.stream.shutdown(how);
    }

    /// Something is there to be read, be it the end.
    pub(crate) fn has_come(&self) -> bool {
        let now = Timespec::default();
        self.reader.has_some() || poll(&mut [PollFd::new(&self.stream, PollFlags::IN)], Some(&now)).unwrap() > 0
    }

    /// A second end of the same connection, to send while the first one reads.
    pub(crate) fn second_end(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap(), reader: Reader::default() }
    }

    /// Waits until something has come, and leaves it there.
    pub(crate) fn wait_for_some(&mut self) -> io::Result<()> {
        self.reader.wait_for_some(&mut self.stream)
    }

    /// The first bytes of what comes next: the head of a body that goes on.
    pub(crate) fn some(&mut self) -> io::Result<Vec<u8>> {
        self.reader.some(&mut self.stream)
    }

    /// Waits until the server has closed; whether nothing came before.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.some().as_deref(), Ok([])) || !self.reader.has_some()
    }
}

/// A request's head. `Content-Length` where there is a body.
pub(crate) fn head(method: &str, target: &str, headers: &[(&str, &str)], length: usize) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: sandhog.test\r\n");
    if length > 0 {
        head += &format!("Content-Length: {length}\r\n");
    }
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    head + "\r\n"
}
