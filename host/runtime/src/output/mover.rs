//! Moves some bytes from one stream to another: by the kernel alone where it can, else through a buffer.

use super::harmless::Harmless;
use super::manner::{Beside, CHUNK, Manner};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};
use std::os::fd::{AsFd, OwnedFd};

/// How it is moved.
pub(super) enum Mover {
    /// splice(2): pages change hands.
    Splice,
    /// For files, and for what can't be spliced.
    Copy(Copy),
}

pub(super) struct Copy {
    buffer: Box<[u8]>,
    beside: Option<Beside>,
    harmless: Option<Harmless>,
}

/// Why nothing was moved.
pub(crate) enum Failure {
    /// There is nothing to read, or no room to write.
    Empty,
    Unsuitable,
    Read(Errno),
    Write(Errno),
}

impl Mover {
    /// Spliced is between pipes, from files, and to devices that are no terminals.
    ///
    /// Whoever splices from or to a terminal or a socket holds the pipe's lock while it waits for them, and then nobody can
    /// close the pipe: a process that ends waits for a key to be pressed, and no signal reaches it. Files are written:
    /// stdout and stderr may be one open file, and only write(2) moves its offset under a lock.
    pub(super) fn between(from: &OwnedFd, to: &impl AsFd, manner: &Manner) -> Self {
        let kind = kind(to);
        let takes = kind == FileType::Fifo || kind == FileType::CharacterDevice && !rustix::termios::isatty(to);
        if gives_pages(from) && takes && !manner.harmless {
            return Self::Splice;
        }
        Self::Copy(Copy {
            buffer: buffer(),
            beside: manner.beside.clone(),
            harmless: manner.harmless.then(Harmless::default),
        })
    }

    /// From here on through a buffer.
    pub(super) fn copy(&mut self) {
        *self = Self::Copy(Copy { buffer: buffer(), beside: None, harmless: None });
    }

    pub(super) fn copies(&self) -> bool {
        matches!(self, Self::Copy(_))
    }

    /// At most `max` bytes; how many it took. `waits`: where a splice finds nothing, it waits.
    pub(super) fn move_some(
        &mut self,
        from: &OwnedFd,
        to: &impl AsFd,
        max: usize,
        waits: bool,
    ) -> Result<usize, Failure> {
        match self {
            Self::Splice => {
                let flags = if waits { SpliceFlags::empty() } else { SpliceFlags::NONBLOCK };
                match rustix::io::retry_on_intr(|| splice(from, None, to, None, max, flags)) {
                    Ok(moved) => Ok(moved),
                    Err(Errno::AGAIN) if !waits => Err(Failure::Empty),
                    Err(Errno::INVAL | Errno::NOSYS | Errno::AGAIN) => Err(Failure::Unsuitable),
                    Err(errno) => Err(Failure::Write(errno)),
                }
            }
            Self::Copy(copy) => copy.move_some(from, to, max),
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self, to: &impl AsFd) -> Result<(), Failure> {
        match self {
            Self::Splice => Ok(()),
            Self::Copy(copy) => match copy.harmless.as_mut().map(Harmless::finish) {
                None => Ok(()),
                Some(rest) => write_beside(copy.beside.as_ref(), to, &rest),
            },
        }
    }
}

impl Copy {
    fn move_some(&mut self, from: &OwnedFd, to: &impl AsFd, max: usize) -> Result<usize, Failure> {
        let max = max.min(self.buffer.len());
        let read = when_ready(from, PollFlags::IN, || rustix::io::read(from, &mut self.buffer[..max]))
            .map_err(Failure::Read)?;
        let bytes = &self.buffer[..read];
        match &mut self.harmless {
            Some(harmless) => write_beside(self.beside.as_ref(), to, &harmless.pass(bytes))?,
            None => write_beside(self.beside.as_ref(), to, bytes)?,
        }
        Ok(read)
    }
}

fn buffer() -> Box<[u8]> {
    vec![0; CHUNK].into_boxed_slice()
}

/// Whether what comes from there can be spliced.
pub(crate) fn gives_pages(from: &impl AsFd) -> bool {
    matches!(kind(from), FileType::Fifo | FileType::RegularFile)
}

pub(crate) fn kind(fd: &impl AsFd) -> FileType {
    rustix::fs::fstat(fd).map_or(FileType::Unknown, |status| FileType::from_raw_mode(status.st_mode))
}

/// How much there is to be read, in bytes.
pub(crate) fn lies_in(from: &impl AsFd) -> u64 {
    rustix::io::ioctl_fionread(from).unwrap_or(0)
}

/// Writes where something else writes as well. Nothing is written of nothing.
fn write_beside(beside: Option<&Beside>, to: &impl AsFd, bytes: &[u8]) -> Result<(), Failure> {
    let Some(beside) = beside.filter(|_| !bytes.is_empty()) else { return write_all(to, bytes) };
    let mut written = Ok(());
    beside(&mut || {
        written = write_all(to, bytes);
        bytes.ends_with(b"\n")
    });
    written
}

pub(crate) fn write_all(to: &impl AsFd, mut rest: &[u8]) -> Result<(), Failure> {
    while !rest.is_empty() {
        let written = when_ready(to, PollFlags::OUT, || rustix::io::write(to, rest));
        rest = &rest[written.map_err(Failure::Write)?..];
    }
    Ok(())
}

/// A stream that somebody else has made non-blocking is waited for all the same.
pub(crate) fn when_ready<T>(
    fd: &impl AsFd,
    flags: PollFlags,
    mut call: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Errno> {
    loop {
        match rustix::io::retry_on_intr(&mut call) {
            Err(Errno::AGAIN) => {
                wait_for(fd, flags);
            }
            answer => return answer,
        }
    }
}

/// Until it is ready. What poll(2) could say instead, the call that follows says better.
pub(crate) fn wait_for(fd: &impl AsFd, flags: PollFlags) {
    let _ = rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(fd, flags)], None));
}

/// Waits until a stream is ready, or the bell rings; whether it does.
pub(crate) fn rings_before((stream, ready): (&OwnedFd, PollFlags), bell: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(stream, ready), PollFd::new(bell, PollFlags::IN)];
    // What poll(2) could say instead, the call that follows says better.
    let _ = rustix::io::retry_on_intr(|| poll(&mut fds, None));
    fds[1].revents().contains(PollFlags::IN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;

    fn between(from: &OwnedFd, to: &impl AsFd) -> Mover {
        Mover::between(from, to, &Manner::default())
    }

    #[test]
    fn only_between_pipes_is_waited_in_a_splice() {
        let (reads, writes) = pipe().unwrap();
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(matches!(between(&reads, &writes), Mover::Splice));
        assert!(matches!(between(&here.into(), &writes), Mover::Copy(_)));
        assert!(matches!(between(&reads, &there), Mover::Copy(_)));
    }
}
