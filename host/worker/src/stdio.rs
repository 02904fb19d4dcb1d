//! The guest's stdin, stdout and stderr: the worker's own fds 0, 1 and 2, read and written straight from and
//! to the guest's memory, without a copy and without a buffer. Nothing is to be flushed, and a guest that
//! writes 100 MB in one call costs nothing but the call.
//!
//! wasmtime-wasi would carry the same bytes in pieces of 4 KiB, each of them copied twice.
//!
//! Waiting happens inside the system call. The fds may be blocking or not.

use super::session::Input;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, retry_on_intr},
};
use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Most buffers of one call that go into one system call; a guest with more is told how much of them was taken. C libraries
/// use two.
pub(super) const BUFFERS: usize = 16;

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    In,
    Out,
    Err,
}

/// What the guest has written to its stdout and its stderr, in bytes.
static WRITTEN: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// The same, for the report.
pub(super) fn written() -> Option<Box<[u64; 2]>> {
    Some(Box::new(WRITTEN.each_ref().map(|written| written.load(Ordering::Relaxed))))
}

/// To which of the two the length of each call goes first: see [`sandhog_protocol::plan::GuestPlan::whole_calls`].
static WHOLE: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

/// From here on what is written in one call to those of stdout and stderr stays whole.
pub(super) fn keep_calls_whole(which: [bool; 2]) {
    WHOLE.iter().zip(which).for_each(|(whole, which)| whole.store(which, Ordering::Relaxed));
}

/// Its place in what is kept of stdout and stderr, by the worker's own number of the stream.
fn index_of(fd: BorrowedFd<'_>) -> Option<usize> {
    usize::try_from(fd.as_raw_fd()).ok()?.checked_sub(1).filter(|index| *index < WRITTEN.len())
}

/// The worker's streams. Which of the guest's descriptors are which is its table's business.
pub(crate) struct Stdio {
    fds: (io::Stdin, io::Stdout, io::Stderr),
    /// None: nobody is to hear that it reads.
    input: Option<Input>,
    terminals: [bool; 3],
}

impl Stdio {
    pub(super) fn new() -> Self {
        Self { fds: (io::stdin(), io::stdout(), io::stderr()), input: None, terminals: [false; 3] }
    }

    /// With a coordinator that lets the input come.
    pub(super) fn with_input(self, input: Input) -> Self {
        Self { input: Some(input), ..self }
    }

    /// Those of them that the guest is to take for terminals.
    pub(super) fn with_terminals(self, terminals: [bool; 3]) -> Self {
        Self { terminals, ..self }
    }

    /// Whether the guest is to take it for a terminal.
    pub(super) fn is_terminal(&self, stream: Stream) -> bool {
        let [input, out, err] = self.terminals;
        match stream {
            Stream::In => input,
            Stream::Out => out,
            Stream::Err => err,
        }
    }

    /// To be called before stdin is waited for.
    pub(super) fn want_input(&self) {
        self.input.iter().for_each(Input::want);
    }

    /// Reads what is there of stdin into `buffer`, waiting for at least a byte; 0 at the end of the input.
    ///
    /// # Errors
    /// What the system call says, and where the input could not be read, why.
    pub(super) fn read(&self, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.want_input();
        match read(self.fd(Stream::In), buffer)? {
            0 => self.input.as_ref().and_then(Input::failure).map_or(Ok(0), Err),
            length => Ok(length),
        }
    }

    pub(super) fn fd(&self, stream: Stream) -> BorrowedFd<'_> {
        match stream {
            Stream::In => self.fds.0.as_fd(),
            Stream::Out => self.fds.1.as_fd(),
            Stream::Err => self.fds.2.as_fd(),
        }
    }
}

/// Reads what is there into `buffer`, waiting for at least a byte; 0 at the end of the input.
pub(super) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> rustix::io::Result<usize> {
    patiently(fd, PollFlags::IN, || rustix::io::read(fd, &mut *buffer))
}

/// Writes some of `bytes`, waiting for room for at least one.
pub(super) fn write_some(fd: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
    write(fd, &[IoSlice::new(bytes)])
}

/// Writes some of the buffers, of which there are at most [`BUFFERS`], as much as one system call takes; nothing where there is
/// nothing.
pub(super) fn write(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    let index = index_of(fd);
    let length = buffers.iter().fold(0_usize, |sum, buffer| sum.saturating_add(buffer.len()));
    if length == 0 {
        return Ok(0);
    }
    let written = match index.is_some_and(|index| WHOLE[index].load(Ordering::Relaxed)) {
        true => write_call(fd, buffers, length)?,
        false => write_now(fd, buffers)?,
    };
    if let Some(index) = index {
        WRITTEN[index].fetch_add(written as u64, Ordering::Relaxed);
    }
    Ok(written)
}

/// As much as one system call takes.
fn write_now(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    match buffers {
        [one] => patiently(fd, PollFlags::OUT, || rustix::io::write(fd, one)),
        several => patiently(fd, PollFlags::OUT, || rustix::io::writev(fd, several)),
    }
}

/// All of it, its length first. Buffers that together are longer than a length can say are written one at a time.
fn write_call(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>], length: usize) -> rustix::io::Result<usize> {
    let Ok(header) = u32::try_from(length).map(u32::to_le_bytes) else {
        return write_call(fd, &buffers[..1], buffers[0].len());
    };
    let mut all = [IoSlice::new(&[]); BUFFERS + 1];
    all[0] = IoSlice::new(&header);
    all[1..=buffers.len()].copy_from_slice(buffers);
    let mut rest = &mut all[..=buffers.len()];
    while !rest.is_empty() {
        let written = write_now(fd, rest)?;
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(length)
}

/// Makes a call until it does not come too early.
pub(super) fn patiently<T>(
    fd: BorrowedFd<'_>,
    ready: PollFlags,
    mut call: impl FnMut() -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    loop {
        match retry_on_intr(&mut call) {
            Err(Errno::AGAIN) => wait(&mut [PollFd::from_borrowed_fd(fd, ready)], None)?,
            other => return other,
        }
    }
}

/// Waits until one of `fds` is ready, or for `timeout`; may return early.
pub(super) fn wait(fds: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> rustix::io::Result<()> {
    match poll(fds, timeout) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read, os::fd::OwnedFd};

    fn pipe() -> (OwnedFd, OwnedFd) {
        rustix::pipe::pipe().unwrap()
    }

    #[test]
    fn all_buffers_of_a_write_go_out_in_order() {
        let (reader, writer) = pipe();
        let buffers = [&b"hello"[..], b" world"].map(IoSlice::new);
        assert_eq!(write(writer.as_fd(), &buffers), Ok(11));
        drop(writer);
        let mut text = String::new();
        std::fs::File::from(reader).read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello world");
    }

    #[test]
    fn a_closed_pipe_is_an_error_number() {
        let (reader, writer) = pipe();
        drop(reader);
        assert_eq!(write(writer.as_fd(), &[IoSlice::new(b".....")]), Err(Errno::PIPE));
    }

    #[test]
    fn the_end_of_the_input_is_zero() {
        let (reader, writer) = pipe();
        drop(writer);
        assert_eq!(read(reader.as_fd(), &mut [0; 8]), Ok(0));
    }

    #[test]
    fn a_pipe_that_does_not_block_is_waited_for() {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap();
        let writing = std::thread::spawn(move || rustix::io::write(&writer, b"late").unwrap());
        let mut buffer = [0; 8];
        assert_eq!(read(reader.as_fd(), &mut buffer), Ok(4));
        writing.join().unwrap();
    }
}
