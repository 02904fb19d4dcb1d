//! The guest's stdin, stdout and stderr: the worker's own fds 0, 1 and 2, read and written straight from and
//! to the guest's memory, without a copy and without a buffer. Nothing is to be flushed, and a guest that
//! writes 100 MB in one call costs nothing but the call.
//!
//! wasmtime-wasi would carry the same bytes in pieces of 4 KiB, each of them copied twice.
//!
//! Waiting happens inside the system call; a timer's signal ends it. The fds may be blocking or not.

use super::guest::{BadPointer, Interrupted};
use crate::sys::timer;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd},
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

/// Which of the guest's descriptors are which of the worker's streams. A guest may close and renumber them.
#[derive(Debug)]
pub(crate) struct Stdio {
    open: Vec<(u32, Stream)>,
    fds: (io::Stdin, io::Stdout, io::Stderr),
}

impl Stdio {
    pub(super) fn new() -> Self {
        Self {
            open: vec![(0, Stream::In), (1, Stream::Out), (2, Stream::Err)],
            fds: (io::stdin(), io::stdout(), io::stderr()),
        }
    }

    /// Which stream the guest's `descriptor` is; None: a file, or nothing.
    pub(super) fn stream(&self, descriptor: u32) -> Option<Stream> {
        self.open.iter().find(|(number, _)| *number == descriptor).map(|(_, stream)| *stream)
    }

    /// The guest closed `descriptor`. The worker's own fd stays open: its number must not become another file's.
    pub(super) fn closed(&mut self, descriptor: u32) {
        self.open.retain(|(number, _)| *number != descriptor);
    }

    /// The guest made `to` what `from` was; `from` is gone.
    pub(super) fn renumbered(&mut self, from: u32, to: u32) {
        if from != to {
            self.closed(to);
        }
        for (number, _) in &mut self.open {
            if *number == from {
                *number = to;
            }
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

/// A host function's answer: a value or an error number for the guest, or the guest's end.
pub(super) type Answer<T> = wasmtime::Result<Result<T, Errno>>;

/// Reads what is there into `buffer`, waiting for at least a byte; 0 at the end of the input.
pub(super) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Answer<usize> {
    patiently(fd, PollFlags::IN, || rustix::io::read(fd, &mut *buffer))
}

/// Writes the guest's buffers that begin in `memory` at `vector`, `count` of them: as much as one system call takes.
pub(super) fn write(fd: BorrowedFd<'_>, memory: &[u8], vector: u32, count: u32) -> Answer<usize> {
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
    match &buffers[..used] {
        [] => Ok(Ok(0)),
        [one] => patiently(fd, PollFlags::OUT, || rustix::io::write(fd, one)),
        several => patiently(fd, PollFlags::OUT, || rustix::io::writev(fd, several)),
    }
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
fn buffers_at(
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

/// Makes a call until it comes neither too early nor to a stop by a harmless signal.
fn patiently<T>(fd: BorrowedFd<'_>, ready: PollFlags, mut call: impl FnMut() -> rustix::io::Result<T>) -> Answer<T> {
    loop {
        match unless_interrupted(&mut call)? {
            Err(Errno::AGAIN) => wait(&mut [PollFd::from_borrowed_fd(fd, ready)], None)?,
            other => return Ok(other),
        }
    }
}

/// Makes a call until no harmless signal interrupts it.
pub(super) fn unless_interrupted<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> Answer<T> {
    loop {
        match call() {
            Err(Errno::INTR) => unless_expired()?,
            other => return Ok(other),
        }
    }
}

/// Waits until one of `fds` is ready, or for `timeout`; returns early where a harmless signal came.
pub(super) fn wait(fds: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> wasmtime::Result<()> {
    match poll(fds, timeout) {
        Ok(_) => Ok(()),
        Err(Errno::INTR) => Ok(unless_expired()?),
        Err(errno) => Err(io::Error::from(errno).into()),
    }
}

fn unless_expired() -> Result<(), Interrupted> {
    match timer::expired() {
        Some(_) => Err(Interrupted),
        None => Ok(()),
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
        assert_eq!(error.downcast_ref(), Some(&BadPointer { call: "fd_write" }));
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
        assert_eq!(read(reader.as_fd(), &mut [0; 8]).unwrap(), Ok(0));
    }

    #[test]
    fn a_pipe_that_does_not_block_is_waited_for() {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap();
        let writing = std::thread::spawn(move || rustix::io::write(&writer, b"late").unwrap());
        let mut buffer = [0; 8];
        assert_eq!(read(reader.as_fd(), &mut buffer).unwrap(), Ok(4));
        writing.join().unwrap();
    }

    #[test]
    fn a_renumbered_stream_keeps_its_meaning() {
        let mut stdio = Stdio::new();
        stdio.renumbered(1, 2);
        assert_eq!((stdio.stream(1), stdio.stream(2)), (None, Some(Stream::Out)));
        stdio.renumbered(2, 2);
        assert_eq!(stdio.stream(2), Some(Stream::Out));
        stdio.renumbered(7, 2);
        assert_eq!(stdio.stream(2), None);
        stdio.closed(0);
        assert_eq!(stdio.stream(0), None);
    }
}
