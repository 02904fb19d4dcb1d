//! Sockets of TCP in a guest's hands: those on which it listens, what it accepts from them, and what other jobs pass on.
//!
//! Must not: know who may have which. The connection by which one comes does.

use super::conversation::Session;
use super::error::Error;
use super::source::{Source, Until};
use crate::sockets::{self, Kind};
use rustix::io::Errno;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Most bytes of one read.
const READ: usize = 64 << 10;

/// A socket, closed with the last of these.
#[derive(Clone, Debug)]
pub(crate) struct Socket(Arc<OwnedFd>);

/// A socket that came with a message.
#[derive(Debug)]
pub(crate) enum Handle {
    Listener(Socket),
    Stream(Socket),
}

impl Handle {
    /// # Errors
    /// [`Error::Invalid`]: it is no socket of TCP, and is closed now. No honest job sends anything else.
    pub(super) fn of(fd: OwnedFd) -> Result<Self, Error> {
        match sockets::kind(&fd) {
            Some(Kind::Listener) => Ok(Self::Listener(Socket::new(fd))),
            Some(Kind::Stream) => Ok(Self::Stream(Socket::new(fd))),
            None => Err(Error::Invalid("what came with a message is no socket of TCP".to_owned())),
        }
    }
}

impl Socket {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self(Arc::new(fd))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`Error::Quota`], with what the kernel says.
    pub(crate) fn address(&self) -> Result<SocketAddr, Error> {
        Ok(sockets::address(&self.0)?)
    }

    /// Who is at the other end.
    ///
    /// # Errors
    /// [`Error::Closed`]: nobody any more.
    pub(crate) fn peer(&self) -> Result<SocketAddr, Error> {
        sockets::peer(&self.0).map_err(failed)
    }

    /// Sends some of the bytes, at least one.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::WouldBlock`], [`Error::Quota`].
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<u64, Error> {
        let written = sockets::transmit(self.as_fd(), bytes).map_err(failed)?;
        Ok(written as u64)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

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

/// INVAL says that a socket was shut down on which clients were accepted.
fn failed(errno: Errno) -> Error {
    match errno {
        Errno::INVAL | Errno::NOTCONN => Error::Closed,
        errno => errno.into(),
    }
}
