//! The worker's own stream socket: requests go out, replies and descriptors come in.

use super::Error;
use crate::ipc::{FrameBuffer, send_encoded};
use crate::sys::last_words;
use rustix::net::RecvFlags;
use sandhog_protocol::frame;
use sandhog_protocol::request::{Reply, Request};
use sandhog_protocol::worker::{FromWorker, ToWorker};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The socket, and what has been read of it.
pub(super) struct Control {
    socket: OwnedFd,
    buffer: FrameBuffer,
    /// What came beside the bytes, in its order. All of it belongs to the answer of the one spawn that can be asked for at a
    /// time: nothing else has descriptors.
    fds: Vec<OwnedFd>,
}

impl Control {
    pub(super) const fn new(socket: OwnedFd, buffer: FrameBuffer) -> Self {
        Self { socket, buffer, fds: Vec::new() }
    }

    /// Says it, and waits for room in the socket where there is none: this is what slows a guest down that says too much.
    ///
    /// # Errors
    /// [`Error::Gone`]; [`Error::Invalid`] where it does not fit into one frame.
    pub(super) fn ask(&self, request: Request) -> Result<(), Error> {
        // Before the hold: running out of memory is told by last words.
        let frame = frame::encode(&FromWorker::Asks(request)).map_err(|error| Error::Invalid(error.to_string()))?;
        last_words::hold_while(|| send_encoded(&self.socket, &frame)).map_err(|_| Error::Gone)
    }

    /// Waits for what the coordinator says next.
    pub(super) fn next(&mut self) -> Result<Reply, Error> {
        loop {
            if let Some(reply) = self.take()? {
                return Ok(reply);
            }
            self.read(RecvFlags::empty())?;
        }
    }

    /// Reads what is there; whether there was something.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub(super) fn read_now(&mut self) -> Result<bool, Error> {
        self.read(RecvFlags::DONTWAIT)
    }

    /// The descriptors that came with the answer to a spawn.
    pub(super) fn take_fds(&mut self) -> Vec<OwnedFd> {
        mem::take(&mut self.fds)
    }

    /// The next of what has been read.
    ///
    /// # Errors
    /// [`Error::Gone`] where it is nothing that a guest's worker is told.
    pub(super) fn take(&mut self) -> Result<Option<Reply>, Error> {
        match self.buffer.next() {
            Ok(Some(ToWorker::Tells(reply))) => Ok(Some(reply)),
            Ok(None) => Ok(None),
            Ok(Some(ToWorker::Hello { .. } | ToWorker::Go(_))) | Err(_) => Err(Error::Gone),
        }
    }

    /// Reads once; whether there was something.
    fn read(&mut self, flags: RecvFlags) -> Result<bool, Error> {
        match self.buffer.fill_with_fds(&self.socket, flags, &mut self.fds) {
            Ok(0) => Err(Error::Gone),
            Ok(_) => Ok(true),
            Err(error) if error.would_block() => Ok(false),
            Err(_) => Err(Error::Gone),
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
