//! Reads the input, cuts it into tasks and makes them ready, in a thread of its own: whoever reads a pipe waits for it.
//!
//! Must not: read far ahead: what waits is bounded by [`BATCHES`] and by a batch's bytes.

use super::numbers::Numbers;
use super::recipe::{Cut, Given, LARGEST, NotJson, Prepared, Recipe, too_long};
use super::split::{Piece, Splitter};
use super::values::{Found, Values};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use sandhog_protocol::causes;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use tokio::sync::mpsc;

/// Read at once, in bytes: as much as a pipe holds (pipe(7)).
const CHUNK: usize = 64 << 10;

/// Bytes of tasks that make a batch full: a batch costs a wake-up, and a task of a few bytes should cost none.
const FULL: u64 = 64 << 10;

/// Most tasks of a batch, however small they are.
const TASKS: usize = 1024;

/// Batches that may wait: one to be at work on and one ahead.
const BATCHES: usize = 2;

/// Where tasks come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Stdin,
    File(PathBuf),
    /// A task in a word of the command line.
    Word(Vec<u8>),
}

/// What is to be read, and how.
pub struct Reading {
    pub sources: Vec<Source>,
    pub recipe: Recipe,
    /// Pieces of the input for one task.
    pub chunk: usize,
    /// Tasks that are not to be done again.
    pub passed: Numbers,
}

/// Why the input ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to open {path:?}")]
    Open { path: PathBuf, source: io::Error },
    #[error("failed to read {from}")]
    Read { from: String, source: io::Error },
    #[error("{from}")]
    NotJson { from: String, source: NotJson },
    #[error("failed to start the thread that reads the input")]
    Thread(#[source] io::Error),
    /// Told to nobody: whoever would hear has gone.
    #[error("nobody wants more tasks")]
    Unwanted,
}

/// What is told of the input.
#[derive(Debug)]
pub enum Told {
    /// The next tasks, and how many were passed over before and between them.
    Tasks { tasks: Vec<Prepared>, passed: u64 },
    /// The input is at its end, or at that of its sense.
    End(Result<(), Error>),
}

/// Begins to read. What is told ends with [`Told::End`].
#[must_use]
pub fn begin(reading: Reading) -> mpsc::Receiver<Told> {
    let (tell, told) = mpsc::channel(BATCHES);
    let teller = tell.clone();
    let read = move || {
        let sources = reading.sources.clone();
        let mut reader = Reader { reading, tell, given: Vec::new(), number: 0, batch: Batch::default() };
        let end = sources.into_iter().try_for_each(|source| reader.read(source)).and_then(|()| reader.finish());
        // What was accepted before it is done.
        let flushed = reader.flush();
        let _ = reader.tell.blocking_send(Told::End(end.and(flushed)));
    };
    if let Err(error) = thread::Builder::new().name("input".into()).spawn(read) {
        // There is room: nothing else was told.
        let _ = teller.try_send(Told::End(Err(Error::Thread(error))));
    }
    told
}

#[derive(Default)]
struct Batch {
    tasks: Vec<Prepared>,
    bytes: u64,
    passed: u64,
}

struct Reader {
    reading: Reading,
    tell: mpsc::Sender<Told>,
    /// Pieces of the next task.
    given: Vec<Given>,
    /// Of the last task.
    number: u64,
    batch: Batch,
}

impl Reader {
    fn read(&mut self, source: Source) -> Result<(), Error> {
        match source {
            Source::Stdin => {
                let stdin = io::stdin().as_fd().try_clone_to_owned();
                let stdin = stdin.map_err(|source| Error::Read { from: "stdin".into(), source })?;
                self.read_all(stdin, "stdin")
            }
            Source::File(path) => {
                let file = File::open(&path).map_err(|source| Error::Open { path: path.clone(), source })?;
                self.read_all(file.into(), &path.display().to_string())
            }
            Source::Word(word) => self.word(word),
        }
    }

    /// A word is one task, or of JSON as many as it holds.
    fn word(&mut self, word: Vec<u8>) -> Result<(), Error> {
        match self.reading.recipe.cut {
            Cut::Lines | Cut::Nulls => self.take(Given::Text(Piece::Whole(word)), ":::"),
            Cut::Files { .. } => self.take(file(word), ":::"),
            Cut::Json => {
                let mut found = Vec::new();
                let mut values = Values::new(LARGEST);
                values.push(&word, &mut found);
                values.finish(&mut found);
                found.into_iter().try_for_each(|found| self.take(Given::Value(found), ":::"))
            }
        }
    }

    fn read_all(&mut self, from: OwnedFd, name: &str) -> Result<(), Error> {
        let mut cutter = Cutter::new(self.reading.recipe.cut);
        let mut buffer = vec![0; CHUNK];
        let mut given = Vec::new();
        loop {
            let read = read_some(&from, &mut buffer).map_err(|source| Error::Read { from: name.into(), source })?;
            match read {
                0 => cutter.finish(&mut given),
                read => cutter.push(&buffer[..read], &mut given),
            }
            given.drain(..).try_for_each(|given| self.take(given, name))?;
            // Whoever waits for the next line is not to wait for the last one's task.
            self.flush()?;
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn take(&mut self, given: Given, from: &str) -> Result<(), Error> {
        let given = match (given, self.reading.recipe.cut) {
            (Given::Text(Piece::Whole(name)), Cut::Files { .. }) => file(name),
            (given, _) => given,
        };
        self.given.push(given);
        if self.given.len() < self.reading.chunk {
            return Ok(());
        }
        self.prepare(from)
    }

    fn prepare(&mut self, from: &str) -> Result<(), Error> {
        let given = std::mem::take(&mut self.given);
        self.number += 1;
        if self.reading.passed.contains(self.number) {
            self.batch.passed += 1;
            return Ok(());
        }
        let prepared = self.reading.recipe.prepare(self.number, given);
        let prepared = prepared.map_err(|source| Error::NotJson { from: from.into(), source })?;
        self.batch.bytes += prepared.bytes;
        self.batch.tasks.push(prepared);
        let is_full = self.batch.bytes >= FULL || self.batch.tasks.len() >= TASKS;
        if is_full { self.flush() } else { Ok(()) }
    }

    /// The last task may have fewer pieces.
    fn finish(&mut self) -> Result<(), Error> {
        if self.given.is_empty() { Ok(()) } else { self.prepare("the input") }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let Batch { tasks, passed, .. } = std::mem::take(&mut self.batch);
        if tasks.is_empty() && passed == 0 {
            return Ok(());
        }
        self.tell.blocking_send(Told::Tasks { tasks, passed }).map_err(|_| Error::Unwanted)
    }
}

/// Cuts one stream.
enum Cutter {
    Text(Splitter),
    Values(Values),
}

impl Cutter {
    fn new(cut: Cut) -> Self {
        match cut {
            Cut::Lines => Self::Text(Splitter::new(b'\n', LARGEST)),
            Cut::Nulls => Self::Text(Splitter::new(0, LARGEST)),
            Cut::Files { end } => Self::Text(Splitter::new(end, LARGEST)),
            Cut::Json => Self::Values(Values::new(LARGEST)),
        }
    }

    fn push(&mut self, bytes: &[u8], given: &mut Vec<Given>) {
        match self {
            Self::Text(splitter) => splitter.push(bytes, &mut Texts(given)),
            Self::Values(values) => {
                let mut found = Vec::new();
                values.push(bytes, &mut found);
                extend(given, found);
            }
        }
    }

    fn finish(&mut self, given: &mut Vec<Given>) {
        match self {
            Self::Text(splitter) => splitter.finish(&mut Texts(given)),
            Self::Values(values) => {
                let mut found = Vec::new();
                values.finish(&mut found);
                extend(given, found);
            }
        }
    }
}

fn extend(given: &mut Vec<Given>, found: Vec<Found>) {
    given.extend(found.into_iter().map(Given::Value));
}

/// Pieces as what was given.
struct Texts<'a>(&'a mut Vec<Given>);

impl Extend<Piece> for Texts<'_> {
    fn extend<I: IntoIterator<Item = Piece>>(&mut self, pieces: I) {
        self.0.extend(pieces.into_iter().map(Given::Text));
    }
}

/// Whoever started the command may have made its stdin non-blocking, which is theirs to choose; it is waited for all the same.
fn read_some(from: &OwnedFd, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match retry_on_intr(|| rustix::io::read(from, &mut *into)) {
            Err(Errno::AGAIN) => {
                retry_on_intr(|| poll(&mut [PollFd::new(from, PollFlags::IN)], None))?;
            }
            answer => return Ok(answer?),
        }
    }
}

/// The content of a file that a task names, opened with the identity of the person who started the command.
fn file(name: Vec<u8>) -> Given {
    let path = Path::new(OsStr::from_bytes(&name));
    let read = || -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut content)?;
        Ok(content)
    };
    let content = match read() {
        Ok(content) if content.len() > LARGEST => Err(too_long()),
        Ok(content) => Ok(content),
        Err(error) => Err(format!("failed to read {path:?}: {}", causes::one_line(&error))),
    };
    Given::File { name, content }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::placeholders::Template;
    use crate::map::recipe::{For, Work};

    fn recipe(cut: Cut) -> Recipe {
        Recipe { cut, of: For::Command { template: Template::default(), room: 1000 }, command: vec!["c.wasm".into()] }
    }

    fn reading(cut: Cut, sources: Vec<Source>) -> Reading {
        Reading { sources, recipe: recipe(cut), chunk: 1, passed: Numbers::default() }
    }

    /// Each piece with its number, or why there is none.
    type Pieces = Vec<(u64, Result<String, String>)>;

    /// Everything that is told: numbers with stdin, how many were passed over, and the end.
    fn all(reading: Reading) -> (Pieces, u64, Result<(), Error>) {
        let mut told = begin(reading);
        let (mut tasks, mut passed) = (Vec::new(), 0);
        loop {
            match told.blocking_recv().unwrap() {
                Told::Tasks { tasks: next, passed: more } => {
                    passed += more;
                    tasks.extend(next.into_iter().map(|task| {
                        let stdin = task.work.map(|work| match work {
                            Work::Command { stdin, .. } => String::from_utf8(stdin).unwrap(),
                            Work::Message(_) => panic!(),
                        });
                        (task.number, stdin)
                    }));
                }
                Told::End(end) => return (tasks, passed, end),
            }
        }
    }

    fn with_file(text: &str, use_: impl FnOnce(Source)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("input");
        std::fs::write(&path, text).unwrap();
        use_(Source::File(path));
    }

    fn ok(number: u64, text: &str) -> (u64, Result<String, String>) {
        (number, Ok(text.into()))
    }

    #[test]
    fn several_files_and_words_are_one_input_and_chunks_may_span_them() {
        with_file("a\nb\nc", |file| {
            let sources = vec![file.clone(), Source::Word(b"d e".to_vec()), file];
            let (tasks, _, end) = all(Reading { chunk: 2, ..reading(Cut::Lines, sources) });
            end.unwrap();
            assert_eq!(tasks, [ok(1, "a\nb\n"), ok(2, "c\nd e\n"), ok(3, "a\nb\n"), ok(4, "c\n")]);
        });
    }

    #[test]
    fn what_was_done_is_passed_over_and_keeps_its_number() {
        with_file("a\nb\nc\n", |file| {
            let mut passed = Numbers::default();
            passed.insert(2);
            let (tasks, passed, end) = all(Reading { passed, ..reading(Cut::Lines, vec![file]) });
            end.unwrap();
            assert_eq!((tasks, passed), (vec![ok(1, "a\n"), ok(3, "c\n")], 1));
        });
    }

    #[test]
    fn json_that_is_none_ends_it_after_what_came_before() {
        with_file("1 2\n x 3", |file| {
            let (tasks, _, end) = all(reading(Cut::Json, vec![file]));
            assert_eq!(tasks, [ok(1, "1\n"), ok(2, "2\n")]);
            let Err(Error::NotJson { source, .. }) = end else { panic!("{end:?}") };
            assert_eq!((source.place.line, source.place.column, source.place.byte), (2, 2, 5));
        });
    }

    #[test]
    fn a_file_that_is_named_is_the_task_and_one_that_is_not_there_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let (here, large) = (directory.path().join("a b"), directory.path().join("large"));
        std::fs::write(&here, "content").unwrap();
        File::create(&large).unwrap().set_len(LARGEST as u64 + 1).unwrap();
        let names = format!("{}\n/nowhere\n{}\n", here.display(), large.display());
        with_file(&names, |file| {
            let (tasks, _, end) = all(reading(Cut::Files { end: b'\n' }, vec![file]));
            end.unwrap();
            assert_eq!(tasks[0], ok(1, "content"));
            assert!(tasks[1].1.as_ref().unwrap_err().starts_with("failed to read \"/nowhere\": "), "{:?}", tasks[1]);
            assert_eq!(tasks[2], (3, Err(too_long())));
        });
    }

    #[test]
    fn a_file_of_tasks_that_is_not_there_ends_it() {
        let (tasks, _, end) = all(reading(Cut::Lines, vec![Source::File("/nowhere".into())]));
        assert!(tasks.is_empty() && matches!(end, Err(Error::Open { .. })), "{end:?}");
        let (tasks, _, end) = all(reading(Cut::Lines, vec![Source::File("/".into())]));
        assert!(tasks.is_empty() && matches!(end, Err(Error::Read { .. })), "{end:?}");
    }

    /// Nobody takes them: the reader waits.
    #[test]
    fn an_endless_input_is_read_no_further_than_a_few_batches() {
        let (from, to) = rustix::pipe::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&from));
        let mut told = begin(reading(Cut::Lines, vec![Source::File(path.into())]));
        let writer = thread::spawn(move || {
            let mut written = 0_u64;
            while let Ok(some) = rustix::io::write(&to, &b"x\n".repeat(1000)) {
                written += some as u64;
            }
            written
        });
        assert!(matches!(told.blocking_recv(), Some(Told::Tasks { .. })));
        drop((told, from));
        // The reader ends, and with it the last reading end.
        assert!(writer.join().unwrap() < 1 << 20);
    }
}
