//! The ends of a child's streams, as `std::io` knows streams.

use crate::abi::sandhog::job::children as host;
use crate::error::{Error, Result};
use crate::{Patience, nanoseconds};
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Duration;

/// The end of a child's stdin. The child reads its end when this one, with all its clones, is dropped.
///
/// `std::io::Write` works on it; nothing is buffered. Nobody reads any more: [`io::ErrorKind::BrokenPipe`].
#[derive(Clone, Debug)]
pub struct Writer {
    end: Rc<host::Writer>,
    patience: Patience,
}

impl Writer {
    pub(crate) fn new(end: host::Writer) -> Self {
        Self { end: Rc::new(end), patience: None }
    }

    /// The same end, which does not wait longer than this: [`io::ErrorKind::TimedOut`], or
    /// [`io::ErrorKind::WouldBlock`] where this is zero.
    pub fn within(&self, patience: Duration) -> Self {
        Self { end: Rc::clone(&self.end), patience: Some(patience) }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let written = self.end.write(bytes, nanoseconds(self.patience)).map_err(Error::from)?;
        Ok(usize::try_from(written).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The end of a child's stdout or stderr. The child finds nobody who reads when this one, with all its clones, is dropped.
///
/// `std::io::Read` works on it; put a `std::io::BufReader` around it to read lines.
#[derive(Clone, Debug)]
pub struct Reader {
    end: Rc<host::Reader>,
    patience: Patience,
}

impl Reader {
    pub(crate) fn new(end: host::Reader) -> Self {
        Self { end: Rc::new(end), patience: None }
    }

    pub(crate) fn end(&self) -> &host::Reader {
        &self.end
    }

    /// The same end, which does not wait longer than this: [`io::ErrorKind::TimedOut`], or
    /// [`io::ErrorKind::WouldBlock`] where this is zero.
    pub fn within(&self, patience: Duration) -> Self {
        Self { end: Rc::clone(&self.end), patience: Some(patience) }
    }

    /// What is there, at most this many bytes and at most 1 MiB; waits for the first. [`Error::Closed`]: that was all.
    pub fn read_some(&self, max: usize) -> Result<Vec<u8>> {
        Ok(self.end.read(max as u64, nanoseconds(self.patience))?)
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_with(buffer, |max| self.read_some(max))
    }
}

/// `Read::read` by a function that gives what is there, at most so many bytes. [`Error::Closed`] is the end.
pub(crate) fn read_with(buffer: &mut [u8], read_some: impl FnOnce(usize) -> Result<Vec<u8>>) -> io::Result<usize> {
    if buffer.is_empty() {
        return Ok(0);
    }
    match read_some(buffer.len()) {
        Ok(bytes) => {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
        Err(Error::Closed) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
