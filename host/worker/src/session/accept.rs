//! Clients that a guest accepts, and what it reads from them.
//!
//! Must not: know where its sockets come from.

use super::conversation::Session;
use super::error::Error;
use super::handle::{Socket, failed};
use super::source::{Source, Until};
use crate::sockets;
use rustix::io::Errno;
use std::os::fd::AsFd;

/// Most bytes of one read.
const READ: usize = 64 << 10;

impl Session {
    /// Sockets on which it listens, in the order of its grants; the same at each call.
    pub(crate) fn listeners(&self) -> &[Socket] {
        &self.listeners
    }

    /// The next client. It counts as listening for a request to stop: once there was one nobody is accepted any more, and those who
    /// wait are left for others who have the socket.
    ///
    /// # Errors
    /// [`Error::Stopping`]; [`Error::Closed`]: the socket was ended for all who have it; [`Error::Quota`]: no more files; and as
    /// [`Session::wait`].
    pub(crate) fn accept(&mut self, listener: &Socket, until: Until) -> Result<Socket, Error> {
        loop {
            if self.hears_of_stop()? {
                return Err(Error::Stopping);
            }
            match sockets::accept(listener.as_fd()) {
                Ok(client) => return Ok(Socket::new(client)),
                Err(Errno::AGAIN) => until.go_on()?,
                Err(errno) => return Err(failed(errno)),
            }
            self.wait(&[Source::Readable(listener.as_fd()), Source::Stopping], until)?;
        }
    }

    /// Reads some bytes, at least one and at most `max`.
    ///
    /// # Errors
    /// [`Error::Closed`] at the end, and as [`Session::wait`].
    pub(crate) fn read_socket(&mut self, stream: &Socket, max: u64, until: Until) -> Result<Vec<u8>, Error> {
        let max = usize::try_from(max).unwrap_or(READ).min(READ);
        if max == 0 {
            return Err(Error::Invalid("a read of no bytes".to_owned()));
        }
        self.patiently(Source::Readable(stream.as_fd()), until, || {
            let mut bytes = vec![0; max];
            let read = sockets::receive(stream.as_fd(), &mut bytes, false).map_err(failed)?;
            bytes.truncate(read);
            if read == 0 { Err(Error::Closed) } else { Ok(bytes) }
        })
    }
}
