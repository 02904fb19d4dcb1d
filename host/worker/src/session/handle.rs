//! Sockets of TCP in a guest's hands: those on which it listens, what it accepts from them, and what other jobs pass on.
//!
//! Must not: wait (`accept` does), or know who may have which. The connection by which one comes does.

use super::error::Error;
use crate::sockets::{self, Kind};
use rustix::io::Errno;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

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

/// INVAL says that a socket was shut down on which clients were accepted.
pub(super) fn failed(errno: Errno) -> Error {
    match errno {
        Errno::INVAL | Errno::NOTCONN => Error::Closed,
        errno => errno.into(),
    }
}
