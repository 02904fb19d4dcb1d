//! The worker's own stream socket: requests go out, replies and descriptors come in.

use super::error::Error;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use sandhog_ipc::{FrameBuffer, send_encoded};
use sandhog_protocol::causes;
use sandhog_protocol::frame;
use sandhog_protocol::request::{Reply, Request};
use sandhog_protocol::worker::{FromWorker, ToWorker};
use sandhog_sys::last_words;
use std::collections::VecDeque;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The socket, and what has been read of it. Its clones are one.
#[derive(Clone)]
pub(crate) struct Control {
    socket: Arc<OwnedFd>,
    incoming: Arc<Mutex<Incoming>>,
}

struct Incoming {
    buffer: FrameBuffer,
    /// What came beside the bytes, in its order. All of it belongs to the answer of the one request that can be under way, for a
    /// child or an object: nothing else has descriptors.
    fds: Vec<OwnedFd>,
    /// What was heard while only the news of stdin was wanted.
    told: VecDeque<Reply>,
    /// Why stdin has ended, where that is not its end.
    input_failed: Option<Errno>,
    /// The worker is that of a core module: its filter has no recvmsg(2), and it is sent no descriptors.
    plain: bool,
}

impl Control {
    /// `socket` leads to the coordinator and is blocking; what `buffer` holds has come by it already.
    pub(crate) fn new(socket: OwnedFd, buffer: FrameBuffer) -> Self {
        Self::of(socket, buffer, false)
    }

    /// The same for the worker of a core module, which only looks and never waits.
    pub(crate) fn of_core(socket: OwnedFd, buffer: FrameBuffer) -> Self {
        Self::of(socket, buffer, true)
    }

    fn of(socket: OwnedFd, buffer: FrameBuffer, plain: bool) -> Self {
        let incoming = Incoming { buffer, fds: Vec::new(), told: VecDeque::new(), input_failed: None, plain };
        Self { socket: Arc::new(socket), incoming: Arc::new(Mutex::new(incoming)) }
    }

    fn incoming(&self) -> MutexGuard<'_, Incoming> {
        // Nothing panics while it holds this, and what it holds is whole after every statement.
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says it, and waits for room in the socket where there is none: this is what slows a guest down that says too much.
    ///
    /// # Errors
    /// [`Error::Gone`]; [`Error::Invalid`] where it does not fit into one frame.
    pub(super) fn ask(&self, request: Request) -> Result<(), Error> {
        // Before the hold: running out of memory is told by last words.
        let frame =
            frame::encode(&FromWorker::Asks(request)).map_err(|error| Error::Invalid(causes::one_line(&error)))?;
        last_words::hold_while(|| send_encoded(&self.socket, &frame)).map_err(|_| Error::Gone)
    }

    /// Waits for what the coordinator says next.
    pub(super) fn next(&self) -> Result<Reply, Error> {
        let mut incoming = self.incoming();
        loop {
            if let Some(reply) = incoming.take()? {
                return Ok(reply);
            }
            incoming.read(&self.socket, RecvFlags::empty())?;
        }
    }

    /// Reads what is there; whether there was something.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub(super) fn read_now(&self) -> Result<bool, Error> {
        self.incoming().read(&self.socket, RecvFlags::DONTWAIT)
    }

    /// The descriptors that came with the last answer.
    pub(super) fn take_fds(&self) -> Vec<OwnedFd> {
        mem::take(&mut self.incoming().fds)
    }

    /// The next of what has been read.
    ///
    /// # Errors
    /// [`Error::Gone`] where it is nothing that a guest's worker is told.
    pub(super) fn take(&self) -> Result<Option<Reply>, Error> {
        self.incoming().take()
    }

    /// Why stdin has ended, as far as the coordinator has said so; what else it has said stays.
    pub(super) fn input_failed(&self) -> Option<Errno> {
        let mut incoming = self.incoming();
        // Where the coordinator has gone, there is no reason to be had.
        while let Ok(true) = incoming.read(&self.socket, RecvFlags::DONTWAIT) {}
        while let Ok(Some(reply)) = incoming.decode() {
            incoming.told.push_back(reply);
        }
        incoming.input_failed
    }
}

impl Incoming {
    fn take(&mut self) -> Result<Option<Reply>, Error> {
        match self.told.pop_front() {
            Some(reply) => Ok(Some(reply)),
            None => self.decode(),
        }
    }

    /// The next reply among the bytes. The news of stdin is for whoever reads that.
    fn decode(&mut self) -> Result<Option<Reply>, Error> {
        loop {
            match self.buffer.take_frame() {
                Ok(Some(ToWorker::Tells(Reply::InputFailed { errno }))) => {
                    self.input_failed = Some(Errno::from_raw_os_error(errno));
                }
                Ok(Some(ToWorker::Tells(reply))) => return Ok(Some(reply)),
                Ok(None) => return Ok(None),
                Ok(Some(ToWorker::Hello { .. } | ToWorker::Go(_) | ToWorker::Keeper(_))) | Err(_) => {
                    return Err(Error::Gone);
                }
            }
        }
    }

    /// Reads once; whether there was something.
    fn read(&mut self, socket: &OwnedFd, flags: RecvFlags) -> Result<bool, Error> {
        let filled = match self.plain {
            true => self.buffer.fill_now(socket),
            false => self.buffer.fill_with_fds(socket, flags, &mut self.fds),
        };
        match filled {
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
