//! What a job is given open: its standard streams and its granted directories.

use super::dispatch::Error;
use super::fleet::attending::Attending;
use super::granted::Input;
use super::rights;
use crate::config::job::Job;
use crate::supervisor::driver::{Direction, Pump, To};
use crate::supervisor::output::{Beside, Meter};
use crate::sys::process;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use sandhog_protocol::control::LogStream;
use sandhog_protocol::request::{ChildStdio, Refused};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Where a job's streams lead to, from one try to start it to the next.
pub(super) struct Streams {
    sources: [Source; 3],
    meters: [Meter; 3],
}

/// Where one stream leads to.
enum Source {
    /// From what the job was given.
    Input(Input),
    /// To the command's own stream of this number.
    Command(i32),
    /// The worker's end is there already; taken while a try has it.
    Given(Option<OwnedFd>),
    /// To a daemon's log.
    Kept(Arc<Attending>, LogStream),
}

/// What one try has of the streams.
pub(super) struct Opened {
    pub stdio: [OwnedFd; 3],
    /// What moves the bytes between the other ends of some and the command's own streams.
    pub pumps: Vec<Pump>,
}

impl Streams {
    /// Those of a job that a daemon starts: nobody types, and what it writes is kept.
    pub(super) fn kept(job: &Job, input: &Input, by: &Arc<Attending>) -> Self {
        let kept = |stream| Source::Kept(Arc::clone(by), stream);
        Self {
            sources: [Source::Input(input.clone()), kept(LogStream::Out), kept(LogStream::Err)],
            ..Self::of_command(job, input)
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
        Self {
            sources: [Source::Input(input.clone()), Source::Command(1), Source::Command(2)],
            meters: [Meter::default(), out, err],
        }
    }

    /// Makes what one try needs; nothing moves yet.
    /// `beside` is for those that lead to a terminal.
    pub(super) fn open(&mut self, beside: Option<&Beside>) -> Result<Opened, Error> {
        let mut pumps = Vec::new();
        let mut opened = Vec::new();
        for (number, (source, meter)) in self.sources.iter_mut().zip(&self.meters).enumerate() {
            opened.push(source.open(number, meter, &mut pumps, beside)?);
        }
        let stdio = opened.try_into().map_err(|_| io::Error::other("three streams were expected"))?;
        Ok(Opened { stdio, pumps })
    }

    /// Takes back what a try was given and has not used.
    pub(super) fn take_back(&mut self, stdio: [OwnedFd; 3]) {
        for (source, fd) in self.sources.iter_mut().zip(stdio) {
            if let Source::Given(place) = source {
                *place = Some(fd);
            }
        }
    }

    /// What has passed, where it passed through the coordinator: stdin, stdout, stderr, in bytes.
    pub(super) fn passed(&self) -> [u64; 3] {
        self.meters.each_ref().map(Meter::passed)
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
        for (number, wanted) in wanted.into_iter().enumerate() {
            sources.push(match wanted {
                ChildStdio::Null => Source::Given(Some(null()?)),
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
        Ok((Self { sources, meters }, parents_ends))
    }

    /// What this job's children inherit; `stdio` is what its worker gets.
    pub(super) fn inherited(&self, stdio: &[OwnedFd; 3]) -> io::Result<Inherited> {
        let mut streams = Vec::new();
        for (source, fd) in self.sources.iter().zip(stdio) {
            streams.push(match source {
                Source::Command(number) => Stream::Command(*number),
                Source::Kept(by, stream) => Stream::Kept(Arc::clone(by), *stream),
                Source::Input(_) | Source::Given(_) => Stream::Shared(fd.try_clone()?),
            });
        }
        let streams = streams.try_into().map_err(|_| io::Error::other("three streams were expected"))?;
        Ok(Inherited { streams, output: Some(self.meters[1].clone()) })
    }
}

impl Source {
    fn open(
        &mut self,
        number: usize,
        meter: &Meter,
        pumps: &mut Vec<Pump>,
        beside: Option<&Beside>,
    ) -> Result<OwnedFd, Error> {
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from);
        match self {
            Self::Input(input) => {
                let (theirs, to) = pipe()?;
                let fed = input.open()?.map(|from| Pump {
                    from,
                    to: To::Stream { fd: to, beside: None },
                    meter: meter.clone(),
                    direction: Direction::Input,
                });
                pumps.extend(fed);
                Ok(theirs)
            }
            Self::Command(command) => {
                let (from, theirs) = pipe()?;
                let to = process::borrow(*command).try_clone_to_owned()?;
                let beside = beside.filter(|_| rustix::termios::isatty(&to)).map(Arc::clone);
                let to = To::Stream { fd: to, beside };
                pumps.push(Pump { from, to, meter: meter.clone(), direction: Direction::Output });
                Ok(theirs)
            }
            Self::Kept(by, stream) => {
                let (from, theirs) = pipe()?;
                rustix::io::ioctl_fionbio(&from, true).map_err(io::Error::from)?;
                let to = To::Sink(by.sink(*stream));
                pumps.push(Pump { from, to, meter: meter.clone(), direction: Direction::Output });
                Ok(theirs)
            }
            Self::Given(fd) => {
                fd.take().ok_or_else(|| io::Error::other(format!("stream {number} has been given away")).into())
            }
        }
    }
}

/// What children of a job get where they inherit. Held for as long as the job runs.
pub(super) struct Inherited {
    streams: [Stream; 3],
    /// What is counted together with the job's own output.
    output: Option<Meter>,
}

enum Stream {
    Command(i32),
    Kept(Arc<Attending>, LogStream),
    /// The parent's own end, once more.
    Shared(OwnedFd),
}

impl Stream {
    fn source(&self) -> io::Result<Source> {
        Ok(match self {
            Self::Command(number) => Source::Command(*number),
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
        let place = std::env::temp_dir().join(format!("sandhog-renames-{}", std::process::id()));
        std::fs::create_dir_all(place.join("a/b")).unwrap();
        std::os::unix::fs::symlink("b/../".repeat(500) + "b", place.join("a/far")).unwrap();
        let over = AtomicBool::new(false);
        let directory = open(&place.join("a"));
        std::thread::scope(|scope| {
            for name in ["one", "two"] {
                let (over, from, to) = (&over, place.join(name), place.join(format!("{name}-too")));
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
        std::fs::remove_dir_all(&place).unwrap();
    }
}
