//! `--ipc`: a bridge between a job's connection and lines of JSON, so that a program in any language talks to its job.
//! One message is one line; [`json`] says how.
//!
//! Must not: keep more than one message of each direction. Each has a thread, and a side that does not read makes the
//! other one wait. What ends a direction:
//!
//! - the end of the lines: the job receives what was before it, then hears that nobody sends any more
//! - a line that says no message: the same, with a sentence on stderr; the job goes on, and its answers come out
//! - nobody reads the lines any more: the connection is closed
//! - the job closes the connection, or ends: all that it had sent is written

pub(super) mod lines;

use super::render;
use super::render::problem::Problem;
use lines::{CHUNK, Input, LONGEST, LineReader, Next, Output};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{AddressFamily, SocketType, sockopt};
use sandhog_channel::{Batch, Endpoint, Format, Timeout};
use sandhog_ipc::{json, value};
use sandhog_protocol::causes;
use sandhog_protocol::limits;
use sandhog_spec::connection::Connection;
use sandhog_sys::descriptors::inherited;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

/// The largest message that is taken from the job, in bytes: all that it may send. One at a time is in the command's memory, in a
/// thread of its own, until its line has been read.
const MAX: usize = limits::MESSAGE;

/// How long a command whose job has ended waits for a reader of lines that reads nothing, as for a verdict's reader.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no such connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{flag}: file descriptor {number} is not open")]
    NotOpen { flag: &'static str, number: u32 },
    #[error("{flag}: file descriptor {number} can't be {how}")]
    OneWay { flag: &'static str, number: u32, how: &'static str },
    #[error("{flag}: file descriptor {number} is a file or a directory, which can't answer")]
    File { flag: &'static str, number: u32 },
    #[error("{flag}: file descriptor {number} is no socket of type SOCK_SEQPACKET")]
    NotPackets { flag: &'static str, number: u32 },
    #[error("failed to prepare file descriptor {number}")]
    System {
        number: u32,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// What to do, where the error alone does not say it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotOpen { flag: "--channel" | "--usage", .. } | Self::NotPackets { .. } => {
                Some("it is made by the library that starts the command")
            }
            Self::NotOpen { .. } => Some(
                "start the command with one end of a socket pair as that descriptor (Node: stdio of four pipes; \
                 Python: pass_fds), or with two pipes and their numbers, such as 3,4",
            ),
            Self::OneWay { .. } | Self::File { .. } => {
                Some("one end of a socket pair can be both read and written; for two pipes write IN,OUT")
            }
            Self::System { .. } => None,
        }
    }
}

/// The other end of a job's connection, opened.
#[derive(Debug)]
pub enum Other {
    None,
    Lines(Lines),
    /// The job's own end, from whoever started the command.
    Channel(OwnedFd),
}

impl Other {
    /// Takes over the descriptors. Before anything else is opened, since they are known by their numbers alone; at most once.
    ///
    /// # Errors
    /// They are not what they should be.
    pub fn open(connection: Connection) -> Result<Self, Error> {
        match connection {
            Connection::None => Ok(Self::None),
            Connection::Lines { input, output } => Lines::open("--ipc", input, output).map(Self::Lines),
            Connection::Channel(number) => take_packets("--channel", number).map(Self::Channel),
        }
    }
}

/// Where lines come from and go to.
#[derive(Debug)]
pub struct Lines {
    pub(super) input: OwnedFd,
    pub(super) output: OwnedFd,
}

impl Lines {
    /// As [`Other::open`].
    pub(super) fn open(flag: &'static str, input: u32, output: u32) -> Result<Self, Error> {
        let from = take(flag, input)?;
        if input == output {
            let type_ = fstat(&from).map_err(system(input))?.st_mode;
            if matches!(FileType::from_raw_mode(type_), FileType::RegularFile | FileType::Directory) {
                return Err(Error::File { flag, number: input });
            }
            let to = fcntl_dupfd_cloexec(&from, 3).map_err(system(input))?;
            return Self::checked(flag, (from, input), (to, input));
        }
        Self::checked(flag, (from, input), (take(flag, output)?, output))
    }

    /// The command's own stdin and stdout, under numbers of their own: nothing takes their places when these are closed.
    pub(super) fn of_command() -> Result<Self, Error> {
        let input = fcntl_dupfd_cloexec(io::stdin(), 3).map_err(system(0))?;
        let output = fcntl_dupfd_cloexec(io::stdout(), 3).map_err(system(1))?;
        Self::checked("stdin and stdout", (input, 0), (output, 1))
    }

    fn checked(flag: &'static str, (input, from): (OwnedFd, u32), (output, to): (OwnedFd, u32)) -> Result<Self, Error> {
        let access = |fd: &OwnedFd, number| Ok::<_, Error>(fcntl_getfl(fd).map_err(system(number))? & OFlags::RWMODE);
        if access(&input, from)? == OFlags::WRONLY {
            return Err(Error::OneWay { flag, number: from, how: "read" });
        }
        if access(&output, to)? == OFlags::RDONLY {
            return Err(Error::OneWay { flag, number: to, how: "written" });
        }
        Ok(Self { input, output })
    }
}

fn system<E: Into<io::Error>>(number: u32) -> impl FnOnce(E) -> Error {
    move |source| Error::System { number, source: source.into() }
}

/// Nothing that the command starts gets it.
fn take(flag: &'static str, number: u32) -> Result<OwnedFd, Error> {
    inherited(number.cast_signed()).ok_or(Error::NotOpen { flag, number })
}

/// One end of a pair that a library has made.
pub(super) fn take_packets(flag: &'static str, number: u32) -> Result<OwnedFd, Error> {
    let fd = take(flag, number)?;
    let is = sockopt::socket_domain(&fd) == Ok(AddressFamily::UNIX)
        && sockopt::socket_type(&fd) == Ok(SocketType::SEQPACKET);
    if !is {
        return Err(Error::NotPackets { flag, number });
    }
    sandhog_channel::bound(fd.as_fd()).map_err(system(number))?;
    Ok(fd)
}

/// A bridge that stands.
#[derive(Debug)]
pub struct Bridge {
    /// All that the job had sent is written, or can't be.
    done: oneshot::Receiver<()>,
    written: Arc<AtomicU64>,
}

/// Builds a bridge: `connection` is the other end of the job's.
///
/// # Errors
/// No thread can be started.
pub fn bridge(lines: Lines, connection: OwnedFd) -> io::Result<Bridge> {
    let (sending, receiving) = (Endpoint::new(connection.try_clone()?, MAX), Endpoint::new(connection, MAX));
    let (written, (tell, done)) = (Arc::new(AtomicU64::new(0)), oneshot::channel());
    let output = Output { fd: lines.output, written: Arc::clone(&written) };
    thread::Builder::new().name("ipc in".into()).spawn(move || read_lines(lines.input, sending))?;
    thread::Builder::new().name("ipc out".into()).spawn(move || {
        write_lines(output, receiving);
        // Nobody may wait for it.
        let _ = tell.send(());
    })?;
    Ok(Bridge { done, written })
}

impl Bridge {
    /// Waits until all is written that the job had sent, once the job has ended and its end of the connection is closed;
    /// no longer than [`PATIENCE`] after the last byte that was read.
    pub async fn finish(self) {
        self.finish_within(PATIENCE).await;
    }

    async fn finish_within(mut self, patience: Duration) {
        loop {
            let before = self.written.load(Ordering::Relaxed);
            let done = tokio::time::timeout(patience, &mut self.done).await.is_ok();
            if done || self.written.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

/// What ends a bridge before its time.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("line {number}")]
    Line { number: u64, source: json::Error },
    #[error("line {number} is longer than {LONGEST} bytes")]
    TooLong { number: u64 },
    #[error("failed to read lines")]
    Read(#[source] io::Error),
    #[error("failed to write lines")]
    Write(#[source] io::Error),
    #[error("message {number} of the job can't be said in JSON")]
    Unsayable { number: u64, source: value::Error },
    #[error(transparent)]
    Channel(#[from] sandhog_channel::Error),
}

impl Trouble {
    /// A sentence, where it is not the end of a side that has gone.
    fn report(&self) {
        match self {
            Self::Channel(sandhog_channel::Error::Closed) => {}
            Self::Write(error) | Self::Read(error) if is_gone(error) => {}
            Self::Line { .. }
            | Self::TooLong { .. }
            | Self::Read(_)
            | Self::Write(_)
            | Self::Unsayable { .. }
            | Self::Channel(_) => {
                let what = causes::one_line(self);
                render::report(&Problem::new(format!("--ipc: {what}; the connection to the job is closed")));
            }
        }
    }
}

/// The second: it has gone without reading all that was written.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn read_lines(input: OwnedFd, mut job: Endpoint) {
    match pass_lines(&mut LineReader::new(Input(input), LONGEST), &mut job) {
        Ok(()) => {}
        Err(trouble) => trouble.report(),
    }
    // A line that is none is the end of the lines: what was said before it counts, and its answers still come out.
    job.finish_sending();
}

/// Until the end of the lines. Those that come together go together.
fn pass_lines<R: io::Read>(lines: &mut LineReader<R>, job: &mut Endpoint) -> Result<(), Trouble> {
    let mut batch = Batch::default();
    loop {
        let number = lines.number() + 1;
        let message = match lines.next().map_err(Trouble::Read)? {
            Next::TooLong => Err(Trouble::TooLong { number }),
            Next::End => return send_batch(&mut batch, job),
            Next::Line(line) if line.trim_ascii().is_empty() => Ok(None),
            Next::Line(line) => json::read(line).map(Some).map_err(|source| Trouble::Line { number, source }),
        };
        match message {
            Ok(Some((format, body))) => pass_message(format, &body, &mut batch, job)?,
            Ok(None) => {}
            Err(trouble) => {
                send_batch(&mut batch, job)?;
                return Err(trouble);
            }
        }
        if !lines.has_line() {
            send_batch(&mut batch, job)?;
        }
    }
}

fn pass_message(format: Format, body: &[u8], batch: &mut Batch, job: &mut Endpoint) -> Result<(), Trouble> {
    // A batch has no failures.
    let batched = format != Format::Failure;
    if batched && batch.push(format, body) {
        return Ok(());
    }
    send_batch(batch, job)?;
    if batched && batch.push(format, body) {
        return Ok(());
    }
    job.send(format, body, Timeout::Never).map_err(Trouble::Channel)
}

fn send_batch(batch: &mut Batch, job: &mut Endpoint) -> Result<(), Trouble> {
    if let Some(bytes) = batch.as_bytes() {
        job.send_batch(bytes, Timeout::Never).map_err(Trouble::Channel)?;
        batch.clear();
    }
    Ok(())
}

fn write_lines(output: Output, mut job: Endpoint) {
    let mut output = BufWriter::with_capacity(CHUNK, output);
    let ended = pass_messages(&mut job, &mut output);
    // What was written before the trouble is whole.
    let flushed = output.flush().map_err(Trouble::Write);
    if let Err(trouble) = ended.and(flushed) {
        trouble.report();
        job.disconnect();
        // Else it would try again to write what it could not.
        let _ = output.into_parts();
    }
}

/// Until the job has closed its end. Lines are held back only while there are more messages.
fn pass_messages(job: &mut Endpoint, output: &mut BufWriter<Output>) -> Result<(), Trouble> {
    loop {
        let passed = match pass_one(job, output, Timeout::Now) {
            Err(Trouble::Channel(sandhog_channel::Error::WouldBlock)) => {
                output.flush().map_err(Trouble::Write)?;
                pass_one(job, output, Timeout::Never)
            }
            other => other,
        };
        match passed {
            Ok(()) => {}
            Err(Trouble::Channel(sandhog_channel::Error::Closed)) => return Ok(()),
            Err(trouble) => return Err(trouble),
        }
    }
}

fn pass_one(job: &mut Endpoint, output: &mut BufWriter<Output>, timeout: Timeout) -> Result<(), Trouble> {
    let number = job.received() + 1;
    let written = job.recv_with(timeout, |format, body| {
        let sayable = json::say(format, body).map_err(|source| Trouble::Unsayable { number, source })?;
        sayable.write(output).and_then(|()| output.write_all(b"\n")).map_err(Trouble::Write)
    });
    written.map_err(Trouble::Channel)?
}

#[cfg(test)]
mod tests;
