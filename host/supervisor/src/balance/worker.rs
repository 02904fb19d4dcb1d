//! One worker, with the connections that it has.

use super::message::Breach;
use sandhog_protocol::http::ConnectionId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) struct Worker {
    pub(super) phase: Phase,
    /// Given, and not read yet.
    unread: BTreeMap<ConnectionId, Patience>,
    read: BTreeSet<ConnectionId>,
    /// When it was last given one, counted in connections: of those with the same load the one that waits longest is next.
    pub(super) turn: u64,
    /// Connections that it was ever given.
    given: u64,
    said: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is not ready.
    Joined,
    Open,
    /// It has declined one, and is given none until then.
    Resting {
        until: Duration,
    },
    /// Its socket has no room.
    Full,
    /// It has been given as many as it may, and has not been told to finish: it ends with them.
    Spent,
    /// It is given none any more.
    Finishing,
    /// It broke the rules.
    Broken,
}

/// What comes once.
#[derive(Default)]
struct Said {
    accepts: bool,
    retires: bool,
}

/// What is known of a connection that nobody has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// Since when it has waited for a worker, or had waited when it was given to one.
    pub(super) since: Duration,
    /// Workers that had it and did not read it.
    pub(super) handed_over: u32,
}

impl Worker {
    pub(super) fn new() -> Self {
        let (unread, read) = (BTreeMap::new(), BTreeSet::new());
        Self { phase: Phase::Joined, unread, read, turn: 0, given: 0, said: Said::default() }
    }

    /// Connections that it has.
    pub(super) fn load(&self) -> usize {
        self.unread.len() + self.read.len()
    }

    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    pub(super) fn has(&self, connection: ConnectionId) -> bool {
        self.read.contains(&connection) || self.unread.contains_key(&connection)
    }

    /// Whether it may be given a connection some time.
    pub(super) fn has_a_future(&self) -> bool {
        match self.phase {
            Phase::Joined | Phase::Open | Phase::Resting { .. } | Phase::Full => true,
            Phase::Spent | Phase::Finishing | Phase::Broken => false,
        }
    }

    /// `in_all`: as many as it may ever have.
    pub(super) fn give(&mut self, connection: ConnectionId, patience: Patience, in_all: Option<u64>) {
        self.unread.insert(connection, patience);
        self.given += 1;
        if in_all.is_some_and(|in_all| self.given >= in_all) {
            self.phase = Phase::Spent;
        }
    }

    /// Its socket had no room for the last one.
    pub(super) fn take_back(&mut self) {
        self.given = self.given.saturating_sub(1);
        match self.phase {
            Phase::Open | Phase::Resting { .. } | Phase::Spent => self.phase = Phase::Full,
            Phase::Joined | Phase::Full | Phase::Finishing | Phase::Broken => {}
        }
    }

    /// # Errors
    /// It has said so before.
    pub(super) fn accepts(&mut self) -> Result<(), Breach> {
        if std::mem::replace(&mut self.said.accepts, true) {
            return Err(Breach::Twice);
        }
        if self.phase == Phase::Joined {
            self.phase = Phase::Open;
        }
        Ok(())
    }

    /// # Errors
    /// It has said so before.
    pub(super) fn retires(&mut self) -> Result<(), Breach> {
        if std::mem::replace(&mut self.said.retires, true) { Err(Breach::Twice) } else { Ok(()) }
    }

    /// # Errors
    /// It does not have it, or has read it before.
    pub(super) fn reads(&mut self, connection: ConnectionId) -> Result<(), Breach> {
        self.take_unread(connection)?;
        self.read.insert(connection);
        Ok(())
    }

    /// Takes one back that it has not read.
    ///
    /// # Errors
    /// It does not have it, or has read it.
    pub(super) fn take_unread(&mut self, connection: ConnectionId) -> Result<Patience, Breach> {
        let is_read = self.read.contains(&connection);
        let missing = if is_read { Breach::ReadBefore } else { Breach::NotIts };
        self.unread.remove(&connection).ok_or(missing)
    }

    /// Whether it had read it.
    ///
    /// # Errors
    /// It does not have it.
    pub(super) fn closed(&mut self, connection: ConnectionId) -> Result<bool, Breach> {
        if self.read.remove(&connection) {
            return Ok(true);
        }
        self.unread.remove(&connection).map(|_| false).ok_or(Breach::NotIts)
    }

    /// What it leaves: those that it has read, and those that it has not, the oldest first.
    pub(super) fn leave(self) -> (BTreeSet<ConnectionId>, BTreeMap<ConnectionId, Patience>) {
        (self.read, self.unread)
    }
}
