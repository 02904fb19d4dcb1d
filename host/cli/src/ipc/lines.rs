//! The descriptors of a bridge: lines in, bytes out. Whoever started the command may have made them non-blocking, which
//! is a property of the open file and so theirs to choose; they are waited for all the same.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use sandhog_protocol::limits;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest line of `--ipc`, in bytes: a message of the largest size in base64, and what is around it.
pub(crate) const LONGEST: usize = limits::MESSAGE / 3 * 4 + (64 << 10);

/// Read and written at once, in bytes: as much as a pipe holds (pipe(7)).
pub(crate) const CHUNK: usize = 64 << 10;

/// Memory for lines that is kept from one to the next, in bytes.
const KEPT: usize = 1 << 20;

/// Lines, one after the other.
pub(crate) struct LineReader<R> {
    input: BufReader<R>,
    longest: usize,
    line: Vec<u8>,
    number: u64,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// Without its end. The last one may have had none.
    Line(&'a [u8]),
    TooLong,
    End,
}

impl<R: Read> LineReader<R> {
    pub(crate) fn new(input: R, longest: usize) -> Self {
        Self { input: BufReader::with_capacity(CHUNK, input), longest, line: Vec::new(), number: 0 }
    }

    /// The next line. Of one that is too long no more is read than may be.
    ///
    /// # Errors
    /// As read(2).
    pub(crate) fn next(&mut self) -> io::Result<Next<'_>> {
        self.line.clear();
        self.line.shrink_to(KEPT);
        self.number += 1;
        let mut bounded = (&mut self.input).take(self.longest as u64 + 1);
        let read = bounded.read_until(b'\n', &mut self.line)?;
        if self.line.pop_if(|last| *last == b'\n').is_none() && read > self.longest {
            return Ok(Next::TooLong);
        }
        if read == 0 { Ok(Next::End) } else { Ok(Next::Line(&self.line)) }
    }

    /// Of the line read last; the first is 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether another line is here already.
    pub(crate) fn has_line(&self) -> bool {
        self.input.buffer().contains(&b'\n')
    }
}

/// Where lines come from.
pub(crate) struct Input(pub OwnedFd);

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        when_ready(&self.0, PollFlags::IN, || rustix::io::read(&self.0, &mut *into))
    }
}

/// Where lines go to.
pub(crate) struct Output {
    pub fd: OwnedFd,
    /// How many bytes it took so far.
    pub written: Arc<AtomicU64>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = when_ready(&self.fd, PollFlags::OUT, || rustix::io::write(&self.fd, bytes))?;
        self.written.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn when_ready<T>(fd: &OwnedFd, events: PollFlags, mut call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    loop {
        match retry_on_intr(&mut call) {
            Err(Errno::AGAIN) => {
                retry_on_intr(|| poll(&mut [PollFd::new(fd, events)], None))?;
            }
            answer => return Ok(answer?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_and_without_an_end() {
        let mut reader = LineReader::new(&b"one\n\ntwo"[..], 10);
        assert_eq!(reader.next().unwrap(), Next::Line(b"one"));
        assert!(reader.has_line());
        assert_eq!(reader.next().unwrap(), Next::Line(b""));
        assert!(!reader.has_line());
        assert_eq!(reader.next().unwrap(), Next::Line(b"two"));
        assert_eq!(reader.number(), 3);
        assert_eq!(reader.next().unwrap(), Next::End);
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
        for text in [&b"12345"[..], b"12345\n", b"12345\n6"] {
            assert_eq!(LineReader::new(text, 5).next().unwrap(), Next::Line(b"12345"));
        }
        for text in [&b"123456"[..], b"123456\n"] {
            assert_eq!(LineReader::new(text, 5).next().unwrap(), Next::TooLong);
        }
        let endless = LineReader::new(io::repeat(b'x'), 1 << 20).next().map(|next| next == Next::TooLong);
        assert!(endless.unwrap());
    }

    #[test]
    fn the_largest_message_fits_a_line() {
        let base64 = limits::MESSAGE.div_ceil(3) * 4;
        assert!(base64 + r#"{"$bytes":""}"#.len() < LONGEST);
    }
}
