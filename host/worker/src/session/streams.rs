//! A child's piped streams.

use super::conversation::Session;
use super::error::Error;
use super::source::{Source, Until};
use rustix::buffer::spare_capacity;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::retry_on_intr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Most bytes of one read: what a pipe holds unless somebody makes it larger.
const READ: usize = 64 << 10;

/// Every wait has its time: a call on such a stream comes back at once.
///
/// # Errors
/// [`Error::Quota`], with what fcntl(2) says.
pub(super) fn never_block(stream: &OwnedFd) -> Result<(), Error> {
    let flags = fcntl_getfl(stream)?;
    Ok(fcntl_setfl(stream, flags | OFlags::NONBLOCK)?)
}

/// Writes some of the bytes. SIGPIPE is ignored here, as the standard library leaves it.
///
/// # Errors
/// [`Error::Closed`], [`Error::WouldBlock`], [`Error::Quota`].
pub(crate) fn write(stream: BorrowedFd<'_>, bytes: &[u8]) -> Result<u64, Error> {
    let written = retry_on_intr(|| rustix::io::write(stream, bytes))?;
    Ok(written as u64)
}

impl Session {
    /// Reads some bytes, at least one and at most `max`.
    ///
    /// # Errors
    /// [`Error::Closed`] at the end, and as [`Session::wait`].
    pub(crate) fn read(&mut self, stream: &OwnedFd, max: u64, until: Until) -> Result<Vec<u8>, Error> {
        let max = usize::try_from(max).unwrap_or(READ).min(READ);
        if max == 0 {
            return Err(Error::Invalid("a read of no bytes".to_owned()));
        }
        self.patiently(Source::Readable(stream.as_fd()), until, || {
            let mut bytes = Vec::with_capacity(max);
            let read = retry_on_intr(|| rustix::io::read(stream, spare_capacity(&mut bytes)))?;
            if read == 0 { Err(Error::Closed) } else { Ok(bytes) }
        })
    }
}
