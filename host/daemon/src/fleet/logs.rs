//! The logs of all jobs, a file each: `JOB.log`, and `JOB.log.1` and so on for what has been set aside. One thread writes
//! them, so that a slow disk makes the guests wait and nobody else.
//!
//! Must not: know what a job is, decide what is worth keeping, print.

mod files;
mod line;
mod problem;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use line::LINE_BYTES;
pub(super) use problem::Problem;
use rustix::fs::{AtFlags, Mode};
use sandhog_protocol::control::{LogLine, LogStream};
use sandhog_spec::service::LogRules;
use sandhog_spec::text::escape;
use sandhog_sys::clock::now_ms;
use std::borrow::Cow;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use writer::{Order, Ordered, Piece, QUEUE, Writer};

/// What goes to the thread at once, in bytes, but for a last line.
const PIECE_BYTES: usize = 64 << 10;

/// What those have told the thread that don't wait, and the thread has not done, in bytes: three notes on each of the 20,000
/// instances that a daemon has at the most, or 60,000 lines about requests. What is beyond it is lost, and counted.
const NOTES_BYTES: usize = 16 << 20;

/// What a note takes beside its bytes: its place in the queue, and what the allocator adds.
const NOTE_OVERHEAD: usize = 160;

/// Whom a line comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub job: String,
    pub instance: u32,
    pub attempt: String,
}

/// The way to the thread that writes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Logs {
    directory: Arc<Dir>,
    /// Without a bound of its own: whoever sends has a place first, of `permits` or `notes`. All comes in its order.
    orders: mpsc::UnboundedSender<Ordered>,
    permits: Arc<Semaphore>,
    notes: Arc<Semaphore>,
    problem: Arc<Mutex<Option<Problem>>>,
    now_ms: fn() -> u64,
}

/// Why something that the daemon's own task had to say was not taken in.
const BEHIND: &str = "the disk is too slow for what is written to the logs";

impl Logs {
    /// Makes the directory, for its owner only, and starts the thread. Who follows may be this many lines late.
    pub(super) fn open(directory: &Path, late_lines: usize) -> io::Result<Self> {
        Self::with_clock(directory, late_lines, now_ms)
    }

    fn with_clock(directory: &Path, late_lines: usize, now_ms: fn() -> u64) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        // The thread is seen by the name of its directory: `logs`, `access`.
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let directory = Arc::new(Dir::open_ambient_dir(directory, ambient_authority())?);
        rustix::fs::chmodat(&*directory, ".", Mode::RWXU, AtFlags::empty())?;
        let (logs, received) = Self::without_thread(directory.clone(), now_ms);
        let writer = Writer::new(directory, late_lines, logs.problem.clone());
        std::thread::Builder::new().name(name).spawn(move || writer.run(received))?;
        Ok(logs)
    }

    fn without_thread(directory: Arc<Dir>, now_ms: fn() -> u64) -> (Self, mpsc::UnboundedReceiver<Ordered>) {
        let (orders, received) = mpsc::unbounded_channel();
        let (permits, notes) = (Arc::new(Semaphore::new(QUEUE)), Arc::new(Semaphore::new(NOTES_BYTES)));
        (Self { directory, orders, permits, notes, problem: Arc::default(), now_ms }, received)
    }

    /// One stream of one attempt.
    pub(super) fn stream(&self, of: Origin, stream: LogStream, rules: LogRules) -> Sink {
        Sink {
            logs: self.clone(),
            job: of.job.as_str().into(),
            head: line::Head::new(of.instance, &of.attempt, stream),
            rules,
            unfinished: Vec::new(),
            piece: Vec::new(),
        }
    }

    /// Something that an attempt says: one event, one line, whatever is in its text. Waits where lines come faster than they
    /// can be written.
    pub(super) async fn line(&self, of: &Origin, stream: LogStream, rules: LogRules, text: &str) {
        self.order(Order::Write(self.piece(of, stream, rules, text))).await;
    }

    /// Sandhog's own word on an attempt: one line, whatever is in its text. Does not wait; see [`NOTES_BYTES`].
    pub(super) fn note(&self, of: &Origin, rules: LogRules, text: &str) {
        self.line_at_once(of, LogStream::Sandhog, rules, text);
    }

    /// A line about a request that an attempt has served. Does not wait either.
    pub(super) fn access(&self, of: &Origin, rules: LogRules, text: &str) {
        self.line_at_once(of, LogStream::Access, rules, text);
    }

    fn line_at_once(&self, of: &Origin, stream: LogStream, rules: LogRules, text: &str) {
        let piece = self.piece(of, stream, rules, text);
        let bytes = piece.bytes.len() + piece.job.len();
        self.order_at_once(Order::Write(piece), &of.job, bytes, 1);
    }

    /// Removes all files of a job, behind what has come in by now. Does not wait.
    pub(super) fn remove(&self, job: String) {
        let name = job.clone();
        self.order_at_once(Order::Remove { job }, &name, name.len(), 0);
    }

    fn piece(&self, of: &Origin, stream: LogStream, rules: LogRules, text: &str) -> Piece {
        let mut head = line::Head::new(of.instance, &of.attempt, stream);
        head.stamp((self.now_ms)());
        let bytes = [head.bytes(), one_line(text).as_bytes(), b"\n"].concat();
        Piece { job: of.job.as_str().into(), rules, bytes }
    }

    /// The last lines of these jobs, this many together, oldest first; and all that come after them, if they are to be
    /// followed. No line is missing or twice between the two. Text is bounded too (`tail::BYTES`).
    pub(super) async fn tail(
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

    /// What could not be written since this was last asked. The daemon goes on; its guests do too.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes everything that has come in. What comes in later, by whomever, is dropped.
    pub(super) async fn close(self) {
        let (done, is_done) = oneshot::channel();
        self.order(Order::Close { done }).await;
        // It has gone before.
        let _ = is_done.await;
    }

    /// Waits for a place.
    async fn order(&self, order: Order) {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        self.send(order, permit.ok());
    }

    /// For whom nobody may make wait. What has no place is told as a problem: so many lines, of this job.
    fn order_at_once(&self, order: Order, job: &str, bytes: usize, lines: u64) {
        let room = u32::try_from(bytes + NOTE_OVERHEAD).unwrap_or(u32::MAX);
        match Arc::clone(&self.notes).try_acquire_many_owned(room) {
            Ok(permit) => self.send(order, Some(permit)),
            Err(_) => Problem::add(&self.problem, lines, job, BEHIND.into()),
        }
    }

    fn send(&self, order: Order, permit: Option<OwnedSemaphorePermit>) {
        // Closed logs take nothing more.
        let _ = self.orders.send(Ordered { order, permit });
    }
}

/// The text without an end of a line in it, or anything else that a reader would not see as itself; of what is too long for
/// one line, the beginning.
fn one_line(text: &str) -> Cow<'_, str> {
    let text = escape(text.strip_suffix('\n').unwrap_or(text));
    if text.len() <= LINE_BYTES {
        return text;
    }
    let (begin, rest) = text.split_at(text.floor_char_boundary(LINE_BYTES - LEFT_OUT_BYTES));
    format!("{begin} … and {} bytes more", rest.len()).into()
}

/// What [`one_line`] needs to say how much it has left out.
const LEFT_OUT_BYTES: usize = 64;

/// Where the bytes of one stream go.
pub(super) struct Sink {
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
    pub(super) async fn write(&mut self, bytes: &[u8]) {
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
    pub(super) async fn end(&mut self) {
        if !self.unfinished.is_empty() {
            self.write(b"\n").await;
        }
    }

    /// At most one end of a line is in here, and it is at the end.
    fn take(&mut self, bytes: &[u8]) {
        let mut text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        while self.unfinished.len() + text.len() > LINE_BYTES {
            let (now, later) = text.split_at(line::cut_position(text, LINE_BYTES - self.unfinished.len()));
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

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the logs are closed")
}
