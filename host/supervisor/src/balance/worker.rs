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
    /// Those of whoever keeps it up, and whether it has read them.
    own: BTreeMap<ConnectionId, bool>,
    /// When it was last given one, counted in connections: of those with the same load the one that waits longest is next.
    pub(super) turn: u64,
    /// Connections that it was ever given.
    given: u64,
    /// As many as it may ever be given.
    in_all: Option<u64>,
    /// It may have no clients yet.
    held: bool,
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

/// What a connection was to its worker that is over there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Read,
    Unread(Patience),
    Own,
}

/// What a worker leaves.
pub(super) struct Left {
    pub(super) read: BTreeSet<ConnectionId>,
    pub(super) unread: BTreeMap<ConnectionId, Patience>,
    pub(super) own: BTreeSet<ConnectionId>,
}

impl Worker {
    pub(super) fn new(in_all: Option<u64>, held: bool) -> Self {
        let (unread, read, own) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let said = Said::default();
        Self { phase: Phase::Joined, unread, read, own, turn: 0, given: 0, in_all, held, said }
    }

    /// Connections that it has.
    pub(super) fn load(&self) -> usize {
        self.unread.len() + self.read.len()
    }

    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    pub(super) fn has(&self, connection: ConnectionId) -> bool {
        self.read.contains(&connection) || self.unread.contains_key(&connection) || self.own.contains_key(&connection)
    }

    /// Whether it may be given a connection some time.
    pub(super) fn has_a_future(&self) -> bool {
        match self.phase {
            Phase::Joined | Phase::Open | Phase::Resting { .. } | Phase::Full => true,
            Phase::Spent | Phase::Finishing | Phase::Broken => false,
        }
    }

    pub(super) fn give(&mut self, connection: ConnectionId, patience: Patience) {
        self.unread.insert(connection, patience);
        self.given += 1;
        if self.in_all.is_some_and(|in_all| self.given >= in_all) {
            self.phase = Phase::Spent;
        }
    }

    /// Gives it one of whoever keeps it up; whether it can have that.
    pub(super) fn ask(&mut self, connection: ConnectionId) -> bool {
        let takes = match self.phase {
            Phase::Joined | Phase::Open | Phase::Resting { .. } => self.said.accepts,
            Phase::Full | Phase::Spent | Phase::Finishing | Phase::Broken => false,
        };
        if takes {
            self.own.insert(connection, false);
        }
        takes
    }

    /// One of whoever keeps it up is over; whether it was there.
    pub(super) fn forget(&mut self, connection: ConnectionId) -> bool {
        self.own.remove(&connection).is_some()
    }

    /// Its socket had no room for the last one of a client.
    pub(super) fn take_back(&mut self) {
        self.given = self.given.saturating_sub(1);
        match self.phase {
            Phase::Open | Phase::Resting { .. } | Phase::Spent => self.phase = Phase::Full,
            Phase::Joined | Phase::Full | Phase::Finishing | Phase::Broken => {}
        }
    }

    /// Its socket had no room for a question. One that is given no clients at the moment is not watched for room either.
    pub(super) fn fill_up(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Full;
        }
    }

    /// # Errors
    /// It has said so before.
    pub(super) fn accepts(&mut self) -> Result<(), Breach> {
        if std::mem::replace(&mut self.said.accepts, true) {
            return Err(Breach::Twice);
        }
        self.open();
        Ok(())
    }

    pub(super) fn admit(&mut self) {
        self.held = false;
        self.open();
    }

    fn open(&mut self) {
        if self.phase == Phase::Joined && self.said.accepts && !self.held {
            self.phase = Phase::Open;
        }
    }

    /// # Errors
    /// It has said so before.
    pub(super) fn retires(&mut self) -> Result<(), Breach> {
        if std::mem::replace(&mut self.said.retires, true) { Err(Breach::Twice) } else { Ok(()) }
    }

    /// # Errors
    /// It does not have it, or has read it before.
    pub(super) fn reads(&mut self, connection: ConnectionId) -> Result<(), Breach> {
        if let Some(is_read) = self.own.get_mut(&connection) {
            return if std::mem::replace(is_read, true) { Err(Breach::ReadBefore) } else { Ok(()) };
        }
        self.take_unread(connection)?;
        self.read.insert(connection);
        Ok(())
    }

    /// Takes one back that it declines.
    ///
    /// # Errors
    /// It does not have it, or has read it.
    pub(super) fn declines(&mut self, connection: ConnectionId) -> Result<Over, Breach> {
        match self.own.get(&connection) {
            Some(true) => Err(Breach::ReadBefore),
            Some(false) => {
                self.forget(connection);
                Ok(Over::Own)
            }
            None => self.take_unread(connection).map(Over::Unread),
        }
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

    /// What it was.
    ///
    /// # Errors
    /// It does not have it.
    pub(super) fn closed(&mut self, connection: ConnectionId) -> Result<Over, Breach> {
        if self.read.remove(&connection) {
            return Ok(Over::Read);
        }
        if self.forget(connection) {
            return Ok(Over::Own);
        }
        self.unread.remove(&connection).map(Over::Unread).ok_or(Breach::NotIts)
    }

    /// What it leaves, the oldest first.
    pub(super) fn leave(self) -> Left {
        Left { read: self.read, unread: self.unread, own: self.own.into_keys().collect() }
    }
}
