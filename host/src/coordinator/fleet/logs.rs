//! The logs of all jobs, a file each: `JOB.log`, and `JOB.log.1` and so on for what has been set aside. One thread writes
//! them, so that a slow disk makes the guests wait and nobody else.
//!
//! Must not: know what a job is, decide what is worth keeping, print.

mod files;
mod line;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use crate::config::service::LogRules;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode};
use sandhog_protocol::control::{LogLine, LogStream};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, mpsc, oneshot};
use writer::{Order, Piece, Writer};

/// Longest text of one line, in bytes; a longer one becomes several. As much as a pipe holds, so that what a guest
/// writes at once is rarely cut.
const LINE_BYTES: usize = 64 << 10;

/// What goes to the thread at once, in bytes, but for a last line.
const PIECE_BYTES: usize = 64 << 10;

/// Pieces that wait for the thread: 4 MiB of them, or 8 where lines are as long as they may be. Then guests wait.
const QUEUE: usize = 64;

/// Whom a line comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub job: String,
    pub instance: u32,
    pub attempt: String,
}

/// The way to the thread that writes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Logs {
    directory: Arc<Dir>,
    orders: mpsc::Sender<Order>,
    problem: Arc<Mutex<Option<Problem>>>,
    now_ms: fn() -> u64,
}

/// Lines that could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Of all jobs, since this was last asked for.
    pub lines: u64,
    /// The job that it happened to last, and why.
    pub job: String,
    pub cause: String,
}

impl Logs {
    /// Makes the directory, for its owner only, and starts the thread. Who follows may be this many lines late.
    pub(crate) fn open(directory: &Path, late_lines: usize) -> io::Result<Self> {
        Self::with_clock(directory, late_lines, now_ms)
    }

    fn with_clock(directory: &Path, late_lines: usize, now_ms: fn() -> u64) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let directory = Arc::new(Dir::open_ambient_dir(directory, ambient_authority())?);
        rustix::fs::chmodat(&*directory, ".", Mode::RWXU, AtFlags::empty())?;
        let (orders, received) = mpsc::channel(QUEUE);
        let problem = Arc::new(Mutex::new(None));
        let writer = Writer::new(directory.clone(), late_lines, problem.clone());
        std::thread::Builder::new().name("logs".into()).spawn(move || writer.run(received))?;
        Ok(Self { directory, orders, problem, now_ms })
    }

    /// One stream of one attempt.
    pub(crate) fn stream(&self, of: Origin, stream: LogStream, rules: LogRules) -> Sink {
        Sink {
            logs: self.clone(),
            job: of.job.as_str().into(),
            head: line::Head::new(of.instance, &of.attempt, stream),
            rules,
            unfinished: Vec::new(),
            piece: Vec::new(),
        }
    }

    /// Something to say of an attempt; several lines of text become several lines.
    pub(crate) async fn line(&self, of: Origin, stream: LogStream, rules: LogRules, text: &str) {
        let mut sink = self.stream(of, stream, rules);
        sink.write(text.strip_suffix('\n').unwrap_or(text).as_bytes()).await;
        sink.write(b"\n").await;
    }

    /// The last lines of these jobs, this many together, oldest first; and all that come after them, if they are to be
    /// followed. No line is missing or twice between the two. Text is bounded too (`tail::BYTES`).
    pub(crate) async fn tail(
        &self,
        jobs: Vec<String>,
        count: usize,
        follow: bool,
    ) -> io::Result<(Vec<LogLine>, Option<broadcast::Receiver<LogLine>>)> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Look { jobs, follow, answer }).await;
        let look = answered.await.map_err(|_| closed())??;
        let directory = self.directory.clone();
        let read = tokio::task::spawn_blocking(move || tail::read(&directory, &look.ends, count, follow));
        Ok((read.await??, look.follow))
    }

    /// Removes all files of a job.
    pub(crate) async fn remove(&self, job: String) {
        let (done, is_done) = oneshot::channel();
        self.order(Order::Remove { job, done }).await;
        // Closed logs have nothing to say.
        let _ = is_done.await;
    }

    /// What could not be written since this was last asked. The daemon goes on; its guests do too.
    pub(crate) fn problem(&self) -> Option<Problem> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes everything that has come in. What comes in later, by whomever, is dropped.
    pub(crate) async fn close(self) {
        let (done, is_done) = oneshot::channel();
        self.order(Order::Close { done }).await;
        // It has gone before.
        let _ = is_done.await;
    }

    async fn order(&self, order: Order) {
        // Closed logs take nothing more.
        let _ = self.orders.send(order).await;
    }
}

/// Where the bytes of one stream go.
pub(crate) struct Sink {
    logs: Logs,
    job: Arc<str>,
    head: line::Head,
    rules: LogRules,
    /// The beginning of a line whose end has not come.
    unfinished: Vec<u8>,
    /// Whole lines, on their way to the thread.
    piece: Vec<u8>,
}

impl Sink {
    /// Takes these bytes, and waits where they come faster than they can be written. To be awaited to its end: what is
    /// dropped midway loses what it had not handed on.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.head.stamp((self.logs.now_ms)());
        for part in bytes.chunks(PIECE_BYTES) {
            for line in part.split_inclusive(|byte| *byte == b'\n') {
                self.take(line);
                if self.piece.len() >= PIECE_BYTES {
                    self.hand_on().await;
                }
            }
        }
        self.hand_on().await;
    }

    /// The stream is at its end: what is left of a line is one.
    pub(crate) async fn end(&mut self) {
        if !self.unfinished.is_empty() {
            self.write(b"\n").await;
        }
    }

    /// At most one end of a line is in here, and it is at the end.
    fn take(&mut self, bytes: &[u8]) {
        let mut text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        while self.unfinished.len() + text.len() > LINE_BYTES {
            let (now, later) = text.split_at(line::place_to_cut(text, LINE_BYTES - self.unfinished.len()));
            self.finish(now);
            text = later;
        }
        if bytes.ends_with(b"\n") {
            self.finish(text);
        } else {
            self.unfinished.extend_from_slice(text);
        }
    }

    fn finish(&mut self, text: &[u8]) {
        self.piece.extend_from_slice(self.head.bytes());
        // Its memory goes with it: most sinks have no line that is not finished.
        self.piece.append(&mut std::mem::take(&mut self.unfinished));
        self.piece.extend_from_slice(text);
        self.piece.push(b'\n');
    }

    async fn hand_on(&mut self) {
        let bytes = std::mem::take(&mut self.piece);
        if !bytes.is_empty() {
            self.logs.order(Order::Write(Piece { job: self.job.clone(), rules: self.rules, bytes })).await;
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the logs are closed")
}
