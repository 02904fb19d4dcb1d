//! The open files of a job: its standard streams and its granted directories.

use super::driver::{Pump, To};
use super::error::Error;
use super::feed::{self, Feed};
use super::granted::Input;
use super::observer::Keeper;
use super::output::{Beside, Manner, Meter};
use super::rights;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use sandhog_protocol::control::LogStream;
use sandhog_protocol::request::{ChildStdio, Refused};
use sandhog_spec::job::Job;
use sandhog_sys::descriptors::StandardStream;
use sandhog_sys::inherited;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Where a job's streams lead to, from one try to start it to the next.
pub(super) struct Streams {
    sources: [Source; 3],
    meters: [Meter; 3],
    /// What moves its stdin, and its children's that inherit it.
    feed: Option<Feed>,
    /// Whatever it writes passes, to a terminal as well; and all three are terminals to the guest.
    tty: bool,
}

/// Where one stream leads to.
enum Source {
    /// From what the job was given.
    Input(Input),
    /// To the command's own stream of this number.
    Command(StandardStream),
    /// Stderr: to where stdout leads, by the same end, so that what is written keeps its order.
    AsStdout,
    /// The worker's end is there already; taken while a try has it.
    Given(Option<OwnedFd>),
    /// To a daemon's log.
    Kept(Arc<dyn Keeper>, LogStream),
}

/// What decides how output is passed on.
#[derive(Clone, Copy)]
struct How {
    tty: bool,
    is_guest: bool,
}

/// What one try has of the streams.
pub(super) struct Opened {
    pub stdio: [OwnedFd; 3],
    /// What lets its input come.
    pub feed: Option<Feed>,
    /// What moves the bytes between the other ends of its outputs and the command's own.
    pub pumps: Vec<Pump>,
    /// Of stdout and stderr, those whose calls of the guest's stay whole: see [`Manner::calls`].
    pub whole_calls: [bool; 2],
}

/// The worker's end of an output.
struct End {
    fd: OwnedFd,
    whole_calls: bool,
}

/// What has passed through a job's streams, in bytes.
pub(super) struct Passed {
    pub input: u64,
    /// Stdout and stderr together.
    pub output: u64,
    /// Each of them; None where they are one.
    pub each: Option<[u64; 2]>,
}

impl Streams {
    /// Those of a job that a daemon starts: nobody types, and what it writes is kept.
    pub(super) fn kept(job: &Job, input: &Input, by: &Arc<dyn Keeper>) -> Self {
        let kept = |stream| Source::Kept(Arc::clone(by), stream);
        Self {
            sources: [Source::Input(input.clone()), kept(LogStream::Out), kept(LogStream::Err)],
            ..Self::of_command(job, input)
        }
    }

    /// Those of a worker that waits for its task: what it writes is kept, what it reads comes from `input`.
    pub(super) fn of_pool(job: &Job, input: OwnedFd, by: &Arc<dyn Keeper>) -> Self {
        let kept = |stream| Source::Kept(Arc::clone(by), stream);
        let out = Meter::new(job.limits.max_output_bytes);
        let err = out.beside();
        Self {
            sources: [Source::Given(Some(input)), kept(LogStream::Out), kept(LogStream::Err)],
            meters: [Meter::default(), out, err],
            feed: None,
            tty: false,
        }
    }

    /// Nothing comes in, and nothing is kept of what goes out.
    pub(super) fn null(job: &Job) -> io::Result<Self> {
        let null = || -> io::Result<_> { Ok(Source::Given(Some(null()?))) };
        Ok(Self { sources: [null()?, null()?, null()?], ..Self::of_command(job, &Input::None) })
    }

    /// Those of a job that the command itself starts.
    pub(super) fn of_command(job: &Job, input: &Input) -> Self {
        let out = Meter::new(job.limits.max_output_bytes);
        let err = out.beside();
        // What is one thing outside stays one: two ways to it would change the order of what is written.
        // Not where one is closed: the standard library has opened /dev/null in its place, which the other may really be.
        let outputs = [StandardStream::Stdout, StandardStream::Stderr];
        let are_open = outputs.iter().all(|stream| is_writable(*stream).unwrap_or(false));
        let to_err = if are_open && StandardStream::Stdout.is_same_file(StandardStream::Stderr) {
            Source::AsStdout
        } else {
            Source::Command(StandardStream::Stderr)
        };
        Self {
            sources: [Source::Input(input.clone()), Source::Command(StandardStream::Stdout), to_err],
            meters: [Meter::default(), out, err],
            feed: None,
            tty: job.tty,
        }
    }

    /// Makes what one try needs; nothing moves yet.
    /// `beside` is for those that lead to a terminal; `is_guest`: no native code of ours writes to them.
    pub(super) fn open(&mut self, beside: Option<&Beside>, is_guest: bool) -> Result<Opened, Error> {
        let mut pumps = Vec::new();
        let input = match &mut self.sources[0] {
            Source::Input(input) => match input.open()? {
                Some(from) => {
                    let (feed, theirs) = Feed::new(from, self.meters[0].clone())?;
                    self.feed = Some(feed);
                    theirs
                }
                None => feed::nothing()?,
            },
            given @ (Source::Command(_) | Source::AsStdout | Source::Given(_) | Source::Kept(..)) => given.given(0)?,
        };
        let how = How { tty: self.tty, is_guest };
        let [_, out, err] = &mut self.sources;
        let out = out.open(1, &self.meters[1], &mut pumps, beside, how)?;
        let err = match err {
            Source::AsStdout => End { fd: out.fd.try_clone()?, ..out },
            err @ (Source::Input(_) | Source::Command(_) | Source::Given(_) | Source::Kept(..)) => {
                err.open(2, &self.meters[2], &mut pumps, beside, how)?
            }
        };
        let whole_calls = [out.whole_calls, err.whole_calls];
        Ok(Opened { stdio: [input, out.fd, err.fd], feed: self.feed.clone(), pumps, whole_calls })
    }

    /// Takes back what a try was given and has not used.
    pub(super) fn take_back(&mut self, stdio: [OwnedFd; 3]) {
        for (source, fd) in self.sources.iter_mut().zip(stdio) {
            if let Source::Given(slot) = source {
                *slot = Some(fd);
            }
        }
    }

    /// What has passed, where it passed through the coordinator. Its attempt has ended: of a file, what it has not read is
    /// given back.
    pub(super) fn settle(&mut self) -> Passed {
        let input = self.feed.as_mut().map_or_else(|| self.meters[0].passed(), Feed::settle);
        let [_, out, err] = &self.meters;
        let are_one = matches!(self.sources[2], Source::AsStdout);
        let each = (!are_one).then(|| [out.passed(), err.passed()]);
        Passed { input, output: out.together(), each }
    }

    /// Which of them the guest is to take for a terminal.
    pub(super) fn terminals(&self) -> [bool; 3] {
        let is_terminal = |source: &Source| match source {
            Source::Input(Input::Inherit) => rustix::termios::isatty(StandardStream::Stdin.borrow()),
            Source::Command(stream) => rustix::termios::isatty(stream.borrow()),
            Source::AsStdout => rustix::termios::isatty(StandardStream::Stdout.borrow()),
            Source::Input(Input::File { .. } | Input::None) | Source::Given(_) | Source::Kept(..) => false,
        };
        self.sources.each_ref().map(|source| self.tty || is_terminal(source))
    }

    /// What a child of this job gets where it inherits, and of its piped streams the parent's ends. `opened` is what this
    /// job's own worker got.
    pub(super) fn of_child(
        inherited: &Inherited,
        child: &Job,
        wanted: [ChildStdio; 3],
    ) -> io::Result<(Self, Vec<OwnedFd>)> {
        let mut parents_ends = Vec::new();
        let out = Meter::within(child.limits.max_output_bytes, inherited.output.as_ref());
        let meters = [Meter::default(), out.clone(), out.beside()];
        let mut sources = Vec::new();
        let mut feed = None;
        let both = wanted[1] == ChildStdio::Inherit;
        for (number, wanted) in wanted.into_iter().enumerate() {
            sources.push(match wanted {
                ChildStdio::Null => Source::Given(Some(null()?)),
                ChildStdio::Inherit if number == 2 && both && inherited.outputs_are_one => Source::AsStdout,
                ChildStdio::Inherit if number == 0 => {
                    let mut source = inherited.streams[0].source()?;
                    if let Some(of_parent) = &inherited.feed {
                        let (own, theirs) = of_parent.inherited()?;
                        feed = Some(own);
                        source = theirs.map_or(source, |theirs| Source::Given(Some(theirs)));
                    }
                    source
                }
                ChildStdio::Inherit => inherited.streams[number].source()?,
                ChildStdio::Piped => {
                    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
                    let (theirs, ours) = if number == 0 { (reader, writer) } else { (writer, reader) };
                    parents_ends.push(ours);
                    Source::Given(Some(theirs))
                }
            });
        }
        let sources = sources.try_into().map_err(|_| io::Error::other("three streams were expected"))?;
        Ok((Self { sources, meters, feed, tty: inherited.tty }, parents_ends))
    }

    /// What this job's children inherit; `stdio` is what its worker gets.
    pub(super) fn inherited(&self, stdio: &[OwnedFd; 3]) -> io::Result<Inherited> {
        let mut streams = Vec::new();
        for (source, fd) in self.sources.iter().zip(stdio) {
            streams.push(match source {
                Source::Command(stream) => Stream::Command(*stream),
                // Without stdout beside it, it is a stream of its own.
                Source::AsStdout => Stream::Command(StandardStream::Stderr),
                Source::Kept(by, stream) => Stream::Kept(Arc::clone(by), *stream),
                Source::Input(_) | Source::Given(_) => Stream::Shared(fd.try_clone()?),
            });
        }
        let streams = streams.try_into().map_err(|_| io::Error::other("three streams were expected"))?;
        Ok(Inherited {
            streams,
            outputs_are_one: matches!(self.sources[2], Source::AsStdout),
            output: Some(self.meters[1].clone()),
            feed: self.feed.clone(),
            tty: self.tty,
        })
    }
}

impl Source {
    /// The worker's end of an output.
    fn open(
        &mut self,
        number: usize,
        meter: &Meter,
        pumps: &mut Vec<Pump>,
        beside: Option<&Beside>,
        how: How,
    ) -> Result<End, Error> {
        let meter = meter.clone();
        let plain = |fd| End { fd, whole_calls: false };
        match self {
            Self::Command(command) => {
                if !is_writable(*command)? {
                    return Ok(plain(unwritable()?));
                }
                let fd = command.borrow().try_clone_to_owned()?;
                let manner = manner_of(&fd, beside, how)?;
                let (from, theirs) = pipe()?;
                let end = End { fd: theirs, whole_calls: manner.calls };
                pumps.push(Pump { from, to: To::Stream { fd, manner }, meter });
                Ok(end)
            }
            Self::Kept(by, stream) => {
                let (from, theirs) = pipe()?;
                rustix::io::ioctl_fionbio(&from, true).map_err(io::Error::from)?;
                pumps.push(Pump { from, to: To::Sink(by.sink(*stream)), meter });
                Ok(plain(theirs))
            }
            Self::Given(_) | Self::Input(_) | Self::AsStdout => self.given(number).map(plain),
        }
    }

    fn given(&mut self, number: usize) -> Result<OwnedFd, Error> {
        let taken = if let Self::Given(fd) = self { fd.take() } else { None };
        taken.ok_or_else(|| io::Error::other(format!("stream {number} has been given away")).into())
    }
}

/// How what a guest writes there is passed on: whole calls to a file, since others may write to the same one; nothing but text
/// and colours to a terminal.
fn manner_of(to: &OwnedFd, beside: Option<&Beside>, how: How) -> io::Result<Manner> {
    let is_terminal = rustix::termios::isatty(to);
    let is_file = FileType::from_raw_mode(fstat(to)?.st_mode) == FileType::RegularFile;
    let beside = beside.filter(|_| is_terminal).map(Arc::clone);
    Ok(Manner { beside, harmless: is_terminal && !how.tty, calls: how.is_guest && is_file })
}

/// Whether the command's own stream can be written: to one that was closed, or is open for reading only, every write is an
/// error, as it would be to any program.
fn is_writable(stream: StandardStream) -> io::Result<bool> {
    let access = rustix::fs::fcntl_getfl(stream.borrow())? & OFlags::RWMODE;
    Ok(!inherited::was_closed(stream) && access != OFlags::RDONLY)
}

/// To which every write is EBADF.
fn unwritable() -> io::Result<OwnedFd> {
    Ok(File::open("/dev/null")?.into())
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// What children of a job get where they inherit. Held for as long as the job runs.
pub(super) struct Inherited {
    streams: [Stream; 3],
    outputs_are_one: bool,
    /// What is counted together with the job's own output.
    output: Option<Meter>,
    /// Lets the input come that the job reads.
    feed: Option<Feed>,
    tty: bool,
}

enum Stream {
    Command(StandardStream),
    Kept(Arc<dyn Keeper>, LogStream),
    /// The parent's own end, once more.
    Shared(OwnedFd),
}

impl Stream {
    fn source(&self) -> io::Result<Source> {
        Ok(match self {
            Self::Command(stream) => Source::Command(*stream),
            Self::Kept(by, stream) => Source::Kept(Arc::clone(by), *stream),
            Self::Shared(fd) => Source::Given(Some(fd.try_clone()?)),
        })
    }
}

fn null() -> io::Result<OwnedFd> {
    Ok(File::options().read(true).write(true).open("/dev/null")?.into())
}

/// How often a directory is asked for again while others rename: a guest that renames without end must not hold up
/// whoever asks.
const TRIES: usize = 64;

/// The directory that this way leads to, down from one that is open; nothing leads out of that, nor into another file
/// system that is mounted below it: the worker that was granted the whole does not see that either.
pub(super) fn open_below(directory: &Arc<OwnedFd>, way: &[String]) -> Result<Arc<OwnedFd>, Refused> {
    if way.is_empty() {
        return Ok(Arc::clone(directory));
    }
    let path = way.join("/");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    // EAGAIN: something was renamed meanwhile, anywhere on the machine (openat2(2)).
    let ask = |_| openat2(directory.as_fd(), path.as_str(), flags, Mode::empty(), resolve);
    let mut answers = (0..TRIES).map(ask).skip_while(|answer| matches!(answer, Err(Errno::AGAIN | Errno::INTR)));
    let shown = rights::quoted(&path);
    answers.next().unwrap_or(Err(Errno::AGAIN)).map(Arc::new).map_err(|errno| match errno {
        Errno::NOENT => Refused::NotFound(format!("there is no directory {shown} in what was granted")),
        Errno::XDEV => Refused::Denied(format!("{shown} leads out of what was granted")),
        errno => Refused::Invalid(format!("the directory {shown} can't be opened: {errno}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn open(path: &std::path::Path) -> Arc<OwnedFd> {
        Arc::new(rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap())
    }

    #[test]
    fn what_is_mounted_below_a_directory_is_not_part_of_it() {
        let root = open("/".as_ref());
        assert!(matches!(open_below(&root, &["proc".into()]), Err(Refused::Denied(_))));
        assert!(open_below(&root, &["usr".into()]).is_ok());
    }

    #[test]
    fn somebody_who_renames_without_end_holds_nobody_up() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        std::fs::create_dir_all(folder.join("a/b")).unwrap();
        std::os::unix::fs::symlink("b/../".repeat(500) + "b", folder.join("a/far")).unwrap();
        let over = AtomicBool::new(false);
        let directory = open(&folder.join("a"));
        std::thread::scope(|scope| {
            for name in ["one", "two"] {
                let (over, from, to) = (&over, folder.join(name), folder.join(format!("{name}-too")));
                scope.spawn(move || {
                    std::fs::write(&from, "").unwrap();
                    while !over.load(Ordering::Relaxed) {
                        std::fs::rename(&from, &to).unwrap();
                        std::fs::rename(&to, &from).unwrap();
                    }
                });
            }
            for _ in 0..20 {
                let answer = open_below(&directory, &["far".into()]);
                assert!(matches!(answer, Ok(_) | Err(Refused::Invalid(_))), "{answer:?}");
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
