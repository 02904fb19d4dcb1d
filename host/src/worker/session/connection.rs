//! A guest's end of a connection, shared by all handles to it.

use super::Error;
use sandhog_channel::{Endpoint, Timeout};
use sandhog_protocol::message::{Format, Message};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// One end; it closes with its last handle. Nothing here waits unless it is told to: [`Error::WouldBlock`] says that it would.
///
/// A worker has one thread, so the lock is never contended: it is there because the engine wants a guest's state to be one
/// that could move between threads.
#[derive(Clone)]
pub(crate) struct Connection(Arc<RwLock<End>>);

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
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

pub(super) struct End {
    /// None: disconnected from this side.
    endpoint: Option<Endpoint>,
    /// As they were when it was disconnected.
    counts: Counts,
    /// Answers to tasks that are still to come.
    owed: u64,
}

impl Connection {
    pub(super) fn new(socket: OwnedFd) -> Self {
        let endpoint = Some(Endpoint::new(socket));
        Self(Arc::new(RwLock::new(End { endpoint, counts: Counts::default(), owed: 0 })))
    }

    /// # Errors
    /// [`Error::Closed`], [`Error::WouldBlock`], [`Error::TooLarge`], [`Error::Quota`].
    pub(crate) fn send(&self, format: Format, body: &[u8]) -> Result<(), Error> {
        self.write().open()?.send(format, body, Timeout::Now)?;
        Ok(())
    }

    /// # Errors
    /// As [`Self::send`]; [`Error::Invalid`] where it is no batch.
    pub(crate) fn send_batch(&self, batch: &[u8]) -> Result<(), Error> {
        self.write().open()?.send_batch(batch, Timeout::Now)?;
        Ok(())
    }

    /// # Errors
    /// [`Error::Closed`], [`Error::WouldBlock`], [`Error::Quota`]; [`Error::Invalid`] where the other end breaks the rules.
    pub(super) fn recv(&self, patience: Patience) -> Result<Message, Error> {
        self.write().receive(|endpoint| endpoint.recv(patience.into()))
    }

    /// # Errors
    /// As [`Self::recv`].
    pub(super) fn recv_batch(&self, patience: Patience) -> Result<Vec<u8>, Error> {
        self.write().receive(|endpoint| endpoint.recv_batch(patience.into()))
    }

    /// Closes both directions, for all handles.
    pub(crate) fn disconnect(&self) {
        let mut end = self.write();
        end.counts = end.counts();
        end.endpoint = None;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.read().counts()
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
        self.endpoint.as_ref().is_none_or(Endpoint::has_message)
    }

    /// None: disconnected.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.endpoint.as_ref().map(AsFd::as_fd)
    }

    fn open(&mut self) -> Result<&mut Endpoint, Error> {
        self.endpoint.as_mut().ok_or(Error::Closed)
    }

    /// Receives, and crosses the answers off that came by it.
    fn receive<T>(
        &mut self,
        receive: impl FnOnce(&mut Endpoint) -> Result<T, sandhog_channel::Error>,
    ) -> Result<T, Error> {
        let endpoint = self.open()?;
        let before = endpoint.received();
        let received = receive(endpoint)?;
        let more = endpoint.received() - before;
        self.owed = self.owed.saturating_sub(more);
        Ok(received)
    }

    fn counts(&self) -> Counts {
        match &self.endpoint {
            Some(endpoint) => Counts { received: endpoint.received(), sent: endpoint.sent() },
            None => self.counts,
        }
    }
}
