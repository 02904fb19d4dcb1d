//! Clients of an HTTP server, all in one thread: each sends a request, waits for its answer, and sends the next one.
//!
//! Must not: know whom it asks. An answer is whole by its `Content-Length`, the end of its last chunk, or the end of the
//! connection; anything else than 200 has failed.

use crate::Outcome;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// No server here takes so long.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

pub(crate) struct Load {
    pub(crate) to: SocketAddr,
    pub(crate) clients: usize,
    /// Bytes of a body that is posted; 0: a `GET`.
    pub(crate) body: usize,
    /// Else a connection for each request.
    pub(crate) keep_alive: bool,
}

/// What came of it.
pub(crate) struct Ran {
    pub(crate) took: Duration,
    /// From before a request is sent, and its connection opened where it is the first, to the end of the answer.
    pub(crate) answers: Vec<Duration>,
    pub(crate) failed: u64,
}

struct Client {
    stream: TcpStream,
    begun: Instant,
    /// Bytes of the request that are sent.
    sent: usize,
    answer: Vec<u8>,
}

enum Step {
    /// It goes on.
    More,
    Answered,
    Failed,
}

impl Load {
    pub(crate) fn run(&self, lasts: Duration) -> Outcome<Ran> {
        let request = self.request();
        let mut clients = (0..self.clients).map(|_| Client::open(self.to)).collect::<io::Result<Vec<_>>>()?;
        let mut ran = Ran { took: Duration::ZERO, answers: Vec::new(), failed: 0 };
        let begun = Instant::now();
        clients.iter_mut().try_for_each(|client| client.begin(&request))?;
        while begun.elapsed() < lasts {
            let ready = self.ready(&clients, request.len())?;
            for (client, _) in clients.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
                match client.step(&request)? {
                    Step::More => continue,
                    Step::Answered => ran.answers.push(client.begun.elapsed()),
                    Step::Failed => ran.failed += 1,
                }
                if !self.keep_alive || client.is_over() {
                    let begun = Instant::now();
                    *client = Client::open(self.to)?;
                    client.begun = begun;
                } else {
                    client.begun = Instant::now();
                }
                client.begin(&request)?;
            }
        }
        ran.took = begun.elapsed();
        Ok(ran)
    }

    fn request(&self) -> Vec<u8> {
        let method = if self.body == 0 { "GET" } else { "POST" };
        let length = if self.body == 0 { String::new() } else { format!("Content-Length: {}\r\n", self.body) };
        let close = if self.keep_alive { "" } else { "Connection: close\r\n" };
        let mut request = format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{length}{close}\r\n").into_bytes();
        request.resize(request.len() + self.body, b'x');
        request
    }

    fn ready(&self, clients: &[Client], request: usize) -> Outcome<Vec<bool>> {
        let what = |client: &Client| if client.sent < request { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let mut polled: Vec<_> = clients.iter().map(|client| PollFd::new(&client.stream, what(client))).collect();
        match poll(&mut polled, Some(&PATIENCE)) {
            Ok(0) => Err(format!("{} did not answer for {} s", self.to, PATIENCE.tv_sec).into()),
            Ok(_) => Ok(polled.iter().map(|polled| !polled.revents().is_empty()).collect()),
            Err(rustix::io::Errno::INTR) => Ok(vec![false; clients.len()]),
            Err(error) => Err(error.into()),
        }
    }
}

impl Client {
    fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, begun: Instant::now(), sent: 0, answer: Vec::with_capacity(128 << 10) })
    }

    fn begin(&mut self, request: &[u8]) -> io::Result<()> {
        (self.sent, _) = (0, self.answer.clear());
        self.send(request)
    }

    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        while self.sent < request.len() {
            match self.stream.write(&request[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if is_gone(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn step(&mut self, request: &[u8]) -> io::Result<Step> {
        self.send(request)?;
        let mut piece = [0; 64 << 10];
        match self.stream.read(&mut piece) {
            Ok(0) => Ok(if is_until_the_end(&self.answer) { self.ended() } else { Step::Failed }),
            Ok(read) => {
                self.answer.extend_from_slice(&piece[..read]);
                Ok(if is_whole(&self.answer) { self.ended() } else { Step::More })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Step::More),
            Err(error) if is_gone(&error) => Ok(Step::Failed),
            Err(error) => Err(error),
        }
    }

    fn ended(&self) -> Step {
        if self.answer.starts_with(b"HTTP/1.1 200 ") || self.answer.starts_with(b"HTTP/1.0 200 ") {
            Step::Answered
        } else {
            Step::Failed
        }
    }

    /// Nothing more can come over it.
    fn is_over(&self) -> bool {
        let head = head(&self.answer).unwrap_or_default();
        self.answer.is_empty() || !is_whole(&self.answer) || head.contains("connection: close")
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    [BrokenPipe, ConnectionReset].contains(&error.kind())
}

/// In lower case, with the empty line.
fn head(answer: &[u8]) -> Option<String> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(String::from_utf8_lossy(&answer[..end + 4]).to_ascii_lowercase())
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = head(answer) else { return false };
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
    match length {
        Some(length) => answer.len() - head.len() >= length,
        None => head.contains("transfer-encoding: chunked") && answer.ends_with(b"\r\n0\r\n\r\n"),
    }
}

/// Whole when the connection ends.
fn is_until_the_end(answer: &[u8]) -> bool {
    head(answer).is_some_and(|head| !head.contains("content-length: ") && !head.contains("transfer-encoding: "))
}
