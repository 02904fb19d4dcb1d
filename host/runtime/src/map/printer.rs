//! Writes what tasks wrote, each whole and never mixed with another's, and then their lines of the job log: a line there says
//! that the output is out. In a thread of its own, since whoever reads the output may be slow.
//!
//! Must not: decide an order, or hold more than [`FULL`] bytes of small outputs together.

use super::joblog::Row;
use super::log_file::{self, LogFile};
use super::workers::Watcher;
use crate::output::{Harmless, when_ready};
use crate::pool::captured::{self, Captured};
use rustix::event::PollFlags;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use tokio::sync::{mpsc, oneshot};

/// Small outputs are written together up to so many bytes: a call for each would cost more than a task.
const FULL: usize = 64 << 10;

/// Lists of tasks that may wait.
const LISTS: usize = 2;

/// A task that is over.
#[derive(Debug, Default)]
pub struct Done {
    pub out: Captured,
    pub err: [Captured; 2],
    pub row: Option<Row>,
}

impl Done {
    /// How many of its outputs take a descriptor.
    #[must_use]
    pub fn files(&self) -> usize {
        [&self.out].into_iter().chain(&self.err).filter(|captured| captured.is_in_file()).count()
    }
}

/// Where the output goes.
pub struct Outputs {
    pub out: Output,
    pub err: Output,
    pub log: Option<LogFile>,
}

/// One stream.
pub struct Output {
    pub fd: OwnedFd,
    pub is_terminal: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its reader has gone.
    #[error("nobody reads stdout any more")]
    Closed,
    #[error("failed to write to stdout")]
    Out(#[source] io::Error),
    #[error(transparent)]
    Captured(#[from] captured::Error),
    #[error(transparent)]
    Log(#[from] log_file::Error),
    #[error("failed to start the thread that writes the output")]
    Thread(#[source] io::Error),
}

/// A printer at work.
pub struct Printer {
    pub lists: mpsc::Sender<Vec<Done>>,
    /// How it ended: when there is nothing more to print, or at a failure.
    pub end: oneshot::Receiver<Result<(), Error>>,
    pub progress: Arc<Progress>,
}

/// How far a printer is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Tasks that are out.
    pub tasks: AtomicU64,
    /// Bytes that are out.
    pub bytes: AtomicU64,
}

/// Begins to print.
#[must_use]
pub fn begin(outputs: Outputs, watcher: Arc<dyn Watcher>) -> Printer {
    let (lists, mut waiting) = mpsc::channel::<Vec<Done>>(LISTS);
    let (ended, end) = oneshot::channel();
    let progress = Arc::<Progress>::default();
    let mut printing = Printing::new(outputs, watcher, Arc::clone(&progress));
    let print = move || {
        let printed = loop {
            let Some(list) = waiting.blocking_recv() else { break Ok(()) };
            let printed = list.into_iter().try_for_each(|done| printing.print(done));
            if let Err(error) = printed.and_then(|()| printing.flush()) {
                break Err(error);
            }
        };
        // Nobody may wait for it.
        let _ = ended.send(printed);
    };
    let started = thread::Builder::new().name("output".into()).spawn(print);
    let end = match started {
        Ok(_) => end,
        Err(error) => {
            let (ended, end) = oneshot::channel();
            let _ = ended.send(Err(Error::Thread(error)));
            end
        }
    };
    Printer { lists, end, progress }
}

struct Printing {
    out: Stream,
    err: Stream,
    log: Option<LogFile>,
    small: Vec<u8>,
    lines: String,
    tasks: u64,
    watcher: Arc<dyn Watcher>,
    progress: Arc<Progress>,
}

impl Printing {
    fn new(outputs: Outputs, watcher: Arc<dyn Watcher>, progress: Arc<Progress>) -> Self {
        let Outputs { out, err, log } = outputs;
        let (out, err) = (Stream::new(out), Stream::new(err));
        Self { out, err, log, small: Vec::new(), lines: String::new(), tasks: 0, watcher, progress }
    }

    fn print(&mut self, mut done: Done) -> Result<(), Error> {
        if done.out.is_in_file() {
            self.write_small()?;
            pass(&mut done.out, &mut self.out, &self.watcher, &self.progress)?;
        } else {
            let small = &mut self.small;
            done.out.pass_to(|piece| {
                small.extend_from_slice(&self.out.harmless(piece));
                Ok(())
            })?;
            self.small.extend_from_slice(&self.out.settle());
        }
        for mut err in done.err.into_iter().filter(|err| !err.is_empty()) {
            // On one terminal they keep their order.
            self.write_small()?;
            // Who reads no errors is told none.
            let _ = pass(&mut err, &mut self.err, &self.watcher, &self.progress);
        }
        self.tasks += 1;
        if let (Some(row), Some(_)) = (&done.row, &self.log) {
            self.lines.push_str(&row.to_line());
        }
        if self.small.len() + self.lines.len() >= FULL { self.flush() } else { Ok(()) }
    }

    fn write_small(&mut self) -> Result<(), Error> {
        if !self.small.is_empty() {
            self.out.write(&self.small, &self.watcher, &self.progress).map_err(gone)?;
            self.small.clear();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.write_small()?;
        if let (Some(log), false) = (&mut self.log, self.lines.is_empty()) {
            log.append(&self.lines)?;
            self.lines.clear();
        }
        self.progress.tasks.fetch_add(std::mem::take(&mut self.tasks), Ordering::Relaxed);
        Ok(())
    }
}

fn pass(from: &mut Captured, to: &mut Stream, watcher: &Arc<dyn Watcher>, progress: &Progress) -> Result<(), Error> {
    let passed = from.pass_to(|piece| {
        let piece = to.harmless(piece);
        to.write(&piece, watcher, progress)
    });
    let passed = passed.map_err(|error| match error {
        captured::Error::Pass(error) => gone(error),
        error @ (captured::Error::Open { .. } | captured::Error::Write(_) | captured::Error::Read(_)) => error.into(),
    });
    let rest = to.settle();
    passed.and_then(|()| to.write(&rest, watcher, progress).map_err(gone))
}

fn gone(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe { Error::Closed } else { Error::Out(error) }
}

struct Stream {
    fd: OwnedFd,
    /// Where it is a terminal.
    harmless: Option<Harmless>,
}

impl Stream {
    fn new(output: Output) -> Self {
        Self { fd: output.fd, harmless: output.is_terminal.then(Harmless::default) }
    }

    fn harmless<'a>(&mut self, piece: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        match &mut self.harmless {
            Some(harmless) => harmless.pass(piece).into(),
            None => piece.into(),
        }
    }

    /// What is held back at a task's end: none begins a sequence, or sets a colour, for the next one.
    fn settle(&mut self) -> Vec<u8> {
        self.harmless.as_mut().map(Harmless::finish).unwrap_or_default()
    }

    fn write(&self, bytes: &[u8], watcher: &Arc<dyn Watcher>, progress: &Progress) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.harmless.is_none() {
            return self.write_all(bytes, progress);
        }
        let mut written = Ok(());
        watcher.beside(&mut || {
            written = self.write_all(bytes, progress);
            bytes.ends_with(b"\n")
        });
        written
    }

    fn write_all(&self, mut rest: &[u8], progress: &Progress) -> io::Result<()> {
        while !rest.is_empty() {
            let written = when_ready(&self.fd, PollFlags::OUT, || rustix::io::write(&self.fd, rest))?;
            progress.bytes.fetch_add(written as u64, Ordering::Relaxed);
            rest = &rest[written..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::joblog::HEADER;
    use crate::map::joblog::Resume;
    use crate::map::tally::Tally;
    use std::fs::File;
    use std::io::Read;
    use std::time::Duration;

    struct Nobody;

    impl Watcher for Nobody {
        fn counts(&self, _: &Tally) {}

        fn beside(&self, write: &mut dyn FnMut() -> bool) {
            write();
        }
    }

    fn done(out: &[u8], err: &[u8], number: u64) -> Done {
        let (started, ran) = (Duration::from_secs(1), Duration::ZERO);
        let (command, verdict) = ("c".to_owned(), "completed".to_owned());
        let row = Row { number, started, ran, sent: 0, received: 0, exit: 0, signal: 0, command, verdict };
        Done { out: out.to_vec().into(), err: [err.to_vec().into(), Captured::default()], row: Some(row) }
    }

    /// What came out on stdout and stderr.
    fn printed(list: Vec<Done>, are_terminals: bool, log: Option<LogFile>) -> (Vec<u8>, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["out", "err"].map(|name| directory.path().join(name));
        let [out, err] = paths.clone().map(|path| {
            let fd = File::create(path).unwrap().into();
            Output { fd, is_terminal: are_terminals }
        });
        let printer = begin(Outputs { out, err, log }, Arc::new(Nobody));
        let count = list.len() as u64;
        printer.lists.blocking_send(list).unwrap();
        drop(printer.lists);
        printer.end.blocking_recv().unwrap().unwrap();
        assert_eq!(printer.progress.tasks.load(Ordering::Relaxed), count);
        let [out, err] = paths.map(|path| std::fs::read(path).unwrap());
        (out, err)
    }

    #[test]
    fn outputs_come_whole_one_after_the_other_be_they_small_or_large() {
        let large = vec![b'x'; 300_000];
        let list = vec![done(b"a", b"1", 1), done(&large, b"", 2), done(b"b", &large, 3)];
        let (out, err) = printed(list, false, None);
        assert_eq!(out, [b"a".as_slice(), &large, b"b"].concat());
        assert_eq!(err, [b"1".as_slice(), &large].concat());
    }

    #[test]
    fn on_a_terminal_nothing_obeys_and_no_task_colours_the_next() {
        let list = vec![done(b"\x1b[31mred", b"", 1), done(b"\x1b[2Jplain\x1b[", b"\x07", 2), done(b"0m", b"", 3)];
        let (out, err) = printed(list, true, None);
        assert_eq!(String::from_utf8(out).unwrap(), "\x1b[31mred\x1b[0m\\u{1b}[2Jplain\\u{1b}[0m");
        assert_eq!(err, b"\\u{7}");
    }

    #[test]
    fn every_task_has_its_line_in_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (log, _) = LogFile::open(&path, Resume::No).unwrap();
        printed((1..=3).map(|number| done(b"", b"", number)).collect(), false, Some(log));
        let text = std::fs::read_to_string(path).unwrap();
        let numbers: Vec<_> = text.strip_prefix(HEADER).unwrap().lines().map(|line| &line[..1]).collect();
        assert_eq!(numbers, ["1", "2", "3"]);
    }

    #[test]
    fn a_reader_that_has_gone_is_told_and_what_was_not_out_has_no_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (log, _) = LogFile::open(&path, Resume::No).unwrap();
        let (reads, out) = rustix::pipe::pipe().unwrap();
        let err = File::create(directory.path().join("err")).unwrap().into();
        let outputs = Outputs {
            out: Output { fd: out, is_terminal: false },
            err: Output { fd: err, is_terminal: false },
            log: Some(log),
        };
        drop(reads);
        let printer = begin(outputs, Arc::new(Nobody));
        printer.lists.blocking_send(vec![done(b"x", b"", 1)]).unwrap();
        assert!(matches!(printer.end.blocking_recv().unwrap(), Err(Error::Closed)));
        assert_eq!(std::fs::read_to_string(path).unwrap(), HEADER);
    }

    #[test]
    fn a_full_disk_is_told() {
        let full = || Output { fd: File::options().write(true).open("/dev/full").unwrap().into(), is_terminal: false };
        let printer = begin(Outputs { out: full(), err: full(), log: None }, Arc::new(Nobody));
        printer.lists.blocking_send(vec![done(b"", b"nobody minds", 1), done(b"x", b"", 2)]).unwrap();
        let Err(Error::Out(error)) = printer.end.blocking_recv().unwrap() else { panic!() };
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    }

    #[test]
    fn what_waits_for_a_slow_reader_is_bounded() {
        let (reads, out) = rustix::pipe::pipe().unwrap();
        let err = File::options().write(true).open("/dev/null").unwrap().into();
        let output = |fd| Output { fd, is_terminal: false };
        let printer = begin(Outputs { out: output(out), err: output(err), log: None }, Arc::new(Nobody));
        let list = || vec![done(&vec![b'x'; 200_000], b"", 1)];
        let mut sent = 0;
        // The pipe is full by the first one.
        while sent < 1 || printer.lists.try_send(list()).is_ok() {
            if sent == 0 {
                printer.lists.blocking_send(list()).unwrap();
            }
            sent += 1;
            assert!(sent <= 1 + LISTS + 1);
        }
        drop(printer.lists);
        let mut all = Vec::new();
        File::from(reads).read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), sent * 200_000);
    }
}
