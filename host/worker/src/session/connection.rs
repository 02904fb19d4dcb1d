//! A guest's end of a connection, shared by all handles to it.

use super::error::Error;
use super::handle::Handle;
use super::pipe_end::PipeEnd;
use rustix::io::Errno;
use sandhog_channel::{Endpoint, Handles, Large, Progress, Timeout};
use sandhog_protocol::limits;
use sandhog_protocol::message::{Format, Message};
use sandhog_protocol::objects::{ObjectId, Right};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// One end; it closes with its last handle. Nothing here waits unless it is told to: [`Error::WouldBlock`] says that it would.
///
/// A worker has one thread, so the lock is never contended: it is there because the engine wants a guest's state to be one
/// that could move between threads.
#[derive(Clone)]
pub(crate) struct Connection(Arc<RwLock<End>>);

/// How all connections of an attempt are used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    /// How large messages go.
    pub(super) large: Large,
    /// It may use sockets. Its filter has no shutdown(2) then.
    pub(super) sockets: bool,
    /// It may take those that come.
    pub(super) takes: bool,
}

/// Who is at the other end, as far as handles are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Another job. Whether it may take any is for itself to say.
    Job,
    /// A child that may take none.
    WithoutRight,
    /// A program outside, or a daemon.
    Outside,
}

/// Whether a call may wait.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    None,
    Endless,
}

impl From<Patience> for Timeout {
    fn from(patience: Patience) -> Self {
        match patience {
            Patience::None => Self::Now,
            Patience::Endless => Self::Never,
        }
    }
}

/// How many messages went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub received: u64,
    pub sent: u64,
}

pub(super) struct End {
    /// None: disconnected from this side.
    endpoint: Option<Endpoint>,
    /// As they were when it was disconnected.
    counts: Counts,
    /// Answers to tasks that are still to come.
    owed: u64,
    /// Of a pipe: until it is closed or handed on.
    pipe: Option<PipeEnd>,
    /// Something went through it, or may have been taken in.
    is_used: bool,
    peer: Peer,
    /// That which came with the message that was received last.
    handle: Option<Handle>,
}

impl Connection {
    /// Takes messages of any size until [`Self::limit`].
    pub(super) fn new(socket: OwnedFd, ways: Ways, peer: Peer) -> Self {
        Self::of(socket, ways, peer, None)
    }

    /// The same for an end of a pipe.
    pub(super) fn of_pipe(socket: OwnedFd, ways: Ways, pipe: PipeEnd) -> Self {
        Self::of(socket, ways, Peer::Job, Some(pipe))
    }

    fn of(socket: OwnedFd, ways: Ways, peer: Peer, pipe: Option<PipeEnd>) -> Self {
        let handles = if ways.takes { Handles::Take } else { Handles::Refuse };
        let endpoint = Endpoint::new(socket, limits::MESSAGE).sending(ways.large).handling(handles);
        let endpoint = Some(if ways.sockets { endpoint.without_shutdown() } else { endpoint });
        let counts = Counts::default();
        Self(Arc::new(RwLock::new(End { endpoint, counts, owed: 0, pipe, is_used: false, peer, handle: None })))
    }

    /// Which end of a pipe it is that a child can be handed.
    ///
    /// # Errors
    /// [`Error::Invalid`]: none, or not any more. What was taken in here and not received would be lost with it, and of what was
    /// sent in part the child knows nothing.
    pub(crate) fn to_hand_on(&self) -> Result<(ObjectId, Right), Error> {
        let end = self.read();
        match &end.pipe {
            Some(pipe) if !end.is_used => Ok(pipe.name()),
            Some(_) => Err(Error::Invalid("an end of a pipe through which something went here already".to_owned())),
            None => Err(Error::Invalid("no end of a pipe, or one that was handed on or closed".to_owned())),
        }
    }

    /// It is a child's now: closed here, for all handles.
    pub(super) fn hand_on(&self) {
        let pipe = self.write().pipe.take();
        if let Some(pipe) = pipe {
            pipe.hand_on();
            self.disconnect();
        }
    }

    /// The largest message that is taken from now on, in bytes; of one that is larger the connection closes.
    pub(crate) fn limit(&self, max: u64) {
        if let Some(endpoint) = &mut self.write().endpoint {
            endpoint.limit(usize::try_from(max).unwrap_or(usize::MAX));
        }
    }

    /// Goes on from `progress` with the same message, where it has said [`Error::WouldBlock`].
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::WouldBlock`], [`Error::TooLarge`], [`Error::Quota`].
    pub(crate) fn send(&self, progress: &mut Progress, format: Format, body: &[u8]) -> Result<(), Error> {
        self.write().used()?.send_on(progress, format, body, Timeout::Now)?;
        Ok(())
    }

    /// Sends a message and a duplicate of the socket with it. Whether it went: not while as many sockets are on their way as the
    /// kernel lets an attempt have there, whoever is to receive them. Nobody tells when that is over.
    ///
    /// # Errors
    /// As [`Self::send`], and nothing was sent; [`Error::Denied`] where the other end can't have any.
    pub(crate) fn send_with(&self, format: Format, body: &[u8], handle: BorrowedFd<'_>) -> Result<bool, Error> {
        let mut end = self.write();
        #[cfg(feature = "hostile")]
        if let Some(lied) = super::handle_lies::tell(end.used()?.as_fd(), format, body, handle) {
            return Ok(lied.map(|()| true)?);
        }
        match end.peer {
            Peer::Job => {}
            Peer::WithoutRight => {
                return Err(Error::Denied("the child was not given the right to take sockets (passed)".to_owned()));
            }
            Peer::Outside => {
                return Err(Error::Denied("a program outside takes no sockets; only jobs do".to_owned()));
            }
        }
        match end.used()?.send_with(format, body, handle, Timeout::Now) {
            Ok(()) => Ok(true),
            Err(sandhog_channel::Error::System { source, .. })
                if source.raw_os_error() == Some(Errno::TOOMANYREFS.raw_os_error()) =>
            {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// That which came with the message that was received last, once.
    pub(crate) fn take_handle(&self) -> Option<Handle> {
        self.write().handle.take()
    }

    /// # Errors
    /// As [`Self::send`]; [`Error::Invalid`] where it is no batch.
    pub(crate) fn send_batch(&self, batch: &[u8]) -> Result<(), Error> {
        self.write().used()?.send_batch(batch, Timeout::Now)?;
        Ok(())
    }

    /// # Errors
    /// [`Error::Closed`], [`Error::WouldBlock`], [`Error::Quota`]; [`Error::Invalid`] where the other end breaks the rules, and
    /// [`Error::TooLarge`] where its message is larger than is taken: the connection is closed then.
    pub(super) fn recv(&self, patience: Patience) -> Result<Message, Error> {
        self.write().receive(|endpoint| endpoint.recv(patience.into()))
    }

    /// # Errors
    /// As [`Self::recv`].
    pub(super) fn recv_batch(&self, patience: Patience) -> Result<Vec<u8>, Error> {
        self.write().receive(|endpoint| endpoint.recv_batch(patience.into()))
    }

    /// Whether what has come, by what the kernel says, is a whole message or the end. Where messages go in pieces they are taken in
    /// for it, up to one message. Where they don't nobody who keeps to the rules sends any, and nothing is taken in: the
    /// memory beside a packet would take a descriptor for as long as it waits here.
    pub(super) fn look(&self) -> bool {
        let mut end = self.write();
        let Some(endpoint) = &mut end.endpoint else { return true };
        match endpoint.large() {
            Large::Memory => true,
            Large::Pieces => {
                let is_there = endpoint.look();
                end.is_used = true;
                is_there
            }
        }
    }

    /// Closes both directions, for all handles.
    pub(crate) fn disconnect(&self) {
        self.write().disconnect();
    }

    pub(crate) fn counts(&self) -> Counts {
        self.read().counts()
    }

    /// A descriptor of its socket. None: it is disconnected, or the attempt may have no file more.
    pub(super) fn descriptor(&self) -> Option<OwnedFd> {
        self.read().socket()?.try_clone_to_owned().ok()
    }

    pub(super) fn is_disconnected(&self) -> bool {
        self.read().endpoint.is_none()
    }

    /// A task has been sent.
    pub(crate) fn owes_answer(&self) {
        self.write().owed += 1;
    }

    /// Answers to tasks that are still to come.
    pub(super) fn owed(&self) -> u64 {
        self.read().owed
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, End> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, End> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    /// Something can be received without asking the kernel: a message, or that there will be none.
    pub(super) fn is_due(&self) -> bool {
        self.endpoint.as_ref().is_none_or(Endpoint::is_due)
    }

    /// Whether it takes in what comes while it waits for room.
    pub(super) fn takes_in(&self) -> bool {
        self.endpoint.as_ref().is_some_and(Endpoint::takes_in)
    }

    /// None: disconnected.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.endpoint.as_ref().map(AsFd::as_fd)
    }

    /// For something that is to go through it.
    fn used(&mut self) -> Result<&mut Endpoint, Error> {
        self.is_used = true;
        self.endpoint.as_mut().ok_or(Error::Closed)
    }

    /// Receives, and crosses the answers off that came by it.
    fn receive<T>(
        &mut self,
        receive: impl FnOnce(&mut Endpoint) -> Result<T, sandhog_channel::Error>,
    ) -> Result<T, Error> {
        self.handle = None;
        let endpoint = self.used()?;
        let before = endpoint.received();
        let received = receive(endpoint);
        let more = endpoint.received() - before;
        let handle = endpoint.take_handle();
        let is_broken = endpoint.is_disconnected();
        self.owed = self.owed.saturating_sub(more);
        if is_broken {
            // It was closed from this side: nobody has died, and no verdict is on its way.
            self.disconnect();
        }
        if let Some(handle) = handle {
            self.handle = Some(Handle::of(handle).inspect_err(|_| self.disconnect())?);
        }
        Ok(received?)
    }

    fn disconnect(&mut self) {
        self.counts = self.counts();
        self.endpoint = None;
        self.pipe = None;
        self.handle = None;
    }

    fn counts(&self) -> Counts {
        match &self.endpoint {
            Some(endpoint) => Counts { received: endpoint.received(), sent: endpoint.sent() },
            None => self.counts,
        }
    }
}
