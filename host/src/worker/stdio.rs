//! The guest's stdin, stdout and stderr: the worker's own fds 0, 1 and 2, read and written straight from and
//! to the guest's memory, without a copy and without a buffer. Nothing is to be flushed, and a guest that
//! writes 100 MB in one call costs nothing but the call.
//!
//! wasmtime-wasi would carry the same bytes in pieces of 4 KiB, each of them copied twice.
//!
//! Waiting happens inside the system call. The fds may be blocking or not.

use super::guest::BadPointer;
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

/// Most buffers of one `fd_write` that go into one system call; a guest with more is told how much of them was
/// taken. C libraries use two.
const BUFFERS: usize = 16;

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
fn place(fd: BorrowedFd<'_>) -> Option<usize> {
    usize::try_from(fd.as_raw_fd()).ok()?.checked_sub(1).filter(|place| *place < WRITTEN.len())
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

/// Writes the guest's `count` buffers whose list is in `memory` at `vector`: as much as one system call takes.
///
/// # Errors
/// Where a pointer is none; inside, what the system call says.
pub(super) fn write(
    fd: BorrowedFd<'_>,
    memory: &[u8],
    vector: u32,
    count: u32,
) -> Result<rustix::io::Result<usize>, BadPointer> {
    let mut buffers = [IoSlice::new(&[]); BUFFERS];
    let mut used = 0;
    for buffer in buffers_at(memory, vector, count, "fd_write") {
        let (start, length) = buffer?;
        let bytes = memory.get(start..start + length).ok_or(BadPointer { call: "fd_write" })?;
        if length > 0 && used < BUFFERS {
            buffers[used] = IoSlice::new(bytes);
            used += 1;
        }
    }
    Ok(write_vectored(fd, &buffers[..used]))
}

/// Writes some of `bytes`, waiting for room for at least one.
pub(super) fn write_some(fd: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
    write_vectored(fd, &[IoSlice::new(bytes)])
}

fn write_vectored(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    let place = place(fd);
    let length = buffers.iter().fold(0_usize, |sum, buffer| sum.saturating_add(buffer.len()));
    if length == 0 {
        return Ok(0);
    }
    let written = match place.is_some_and(|place| WHOLE[place].load(Ordering::Relaxed)) {
        true => write_call(fd, buffers, length)?,
        false => write_now(fd, buffers)?,
    };
    if let Some(place) = place {
        WRITTEN[place].fetch_add(written as u64, Ordering::Relaxed);
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

/// Start and length of the guest's first buffer that is not empty; a zero length where all are.
pub(super) fn first_buffer(memory: &[u8], vector: u32, count: u32) -> Result<(usize, usize), BadPointer> {
    for buffer in buffers_at(memory, vector, count, "fd_read") {
        let (start, length) = buffer?;
        if length > 0 {
            return Ok((start, length));
        }
    }
    Ok((0, 0))
}

/// The guest's list of buffers: address and length, four bytes each. Nothing is allocated, however long it says that it is.
pub(super) fn buffers_at(
    memory: &[u8],
    vector: u32,
    count: u32,
    call: &'static str,
) -> impl Iterator<Item = Result<(usize, usize), BadPointer>> {
    let start = vector as usize;
    let list = memory.get(start..start.saturating_add(count as usize * 8)).ok_or(BadPointer { call });
    let (list, error) = match list {
        Ok(list) => (list, None),
        Err(error) => (&memory[..0], Some(Err(error))),
    };
    let (pairs, _) = list.as_chunks::<8>();
    let pairs = pairs.iter().map(|[a, b, c, d, e, f, g, h]| {
        Ok((u32::from_le_bytes([*a, *b, *c, *d]) as usize, u32::from_le_bytes([*e, *f, *g, *h]) as usize))
    });
    error.into_iter().chain(pairs)
}

/// Makes a call until it does not come too early.
fn patiently<T>(
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

    /// A memory with a list of buffers at 0.
    fn memory(buffers: &[(u32, u32)]) -> Vec<u8> {
        let mut memory = vec![b'.'; 256];
        for (pair, (start, length)) in memory.as_chunks_mut::<8>().0.iter_mut().zip(buffers) {
            pair[..4].copy_from_slice(&start.to_le_bytes());
            pair[4..].copy_from_slice(&length.to_le_bytes());
        }
        memory
    }

    #[test]
    fn all_buffers_of_a_write_go_out_in_order() {
        let (reader, writer) = pipe();
        let mut memory = memory(&[(100, 5), (0, 0), (200, 6)]);
        memory[100..105].copy_from_slice(b"hello");
        memory[200..206].copy_from_slice(b" world");
        assert_eq!(write(writer.as_fd(), &memory, 0, 3).unwrap(), Ok(11));
        drop(writer);
        let mut text = String::new();
        std::fs::File::from(reader).read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello world");
    }

    #[test]
    fn a_pointer_outside_of_the_memory_ends_the_guest() {
        let (_reader, writer) = pipe();
        let memory = memory(&[(250, 100)]);
        let error = write(writer.as_fd(), &memory, 0, 1).unwrap_err();
        assert_eq!(error, BadPointer { call: "fd_write" });
        assert!(write(writer.as_fd(), &memory, 0, u32::MAX).is_err());
        assert!(write(writer.as_fd(), &memory, u32::MAX, 1).is_err());
        assert!(first_buffer(&memory, 250, 1).is_err());
    }

    #[test]
    fn a_closed_pipe_is_an_error_number() {
        let (reader, writer) = pipe();
        drop(reader);
        assert_eq!(write(writer.as_fd(), &memory(&[(100, 5)]), 0, 1).unwrap(), Err(Errno::PIPE));
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
