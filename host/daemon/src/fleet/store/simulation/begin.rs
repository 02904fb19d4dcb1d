//! How the daemon begins, is killed and ends, and how that is compared with what was asked for.

use super::disk::Loss;
use super::fleet;
use super::vfs::{self, of};
use super::world::{Daemon, Seen, World};
use crate::fleet::store::error::Error;
use crate::fleet::store::{Store, Stored, file};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

/// Where the state is, on the disk.
const STATE: &str = "state.db";

impl World {
    /// Tries it until the power lasts.
    pub(super) fn start(&mut self) {
        loop {
            match self.open() {
                Ok((daemon, stored)) => {
                    self.check_found(stored);
                    self.daemon = Some(daemon);
                    return;
                }
                Err(error) => {
                    assert!(of(&self.disk).is_off(), "a state can't be opened: {error:?}");
                    self.tell(|| "the power goes while the state is opened".into());
                    self.saw(Seen::WhileOpening);
                    self.come_back();
                }
            }
        }
    }

    fn open(&mut self) -> Result<(Daemon, Stored), Error> {
        let path = Path::new(STATE);
        let failed = |cause| file::failed(path, cause);
        of(&self.disk).open(STATE, true).map_err(|cause| Error::Open { path: path.into(), cause: Arc::new(cause) })?;
        let connection = Connection::open_with_flags_and_vfs(path, file::FLAGS, vfs::NAME).map_err(failed)?;
        let mut connection = file::opened(connection, path)?;
        // The log is copied into the file now and then, and not after thousands of changes.
        let pages = [3, 20, 1000][self.rng.below(3) as usize];
        connection.pragma_update(None, "wal_autocheckpoint", pages).map_err(failed)?;
        let (store, stored) = Store::read(path, &mut connection)?;
        Ok((Daemon { store, connection, answers: Vec::new() }, stored))
    }

    fn check_found(&mut self, stored: Stored) {
        let found = self.asked.find(&stored);
        self.tell(|| format!("the state is opened: it is number {found:?} of {}", self.asked.last()));
        let Some(found) = found else {
            self.tell(|| format!("this is found: {stored:?}"));
            self.tell(|| format!("and this was asked for last: {:?}", self.asked.now().stored()));
            panic!("a state that was never asked for");
        };
        let is_cut = std::mem::take(&mut self.is_cut);
        assert!(found >= self.asked.promised, "an answer is forgotten: {found} of {}", self.asked.promised);
        assert!(is_cut || found >= self.asked.committed, "a kill takes back what was committed: {found}");
        fleet::check(stored, self.asked.state(found));
        if found < self.asked.last() {
            self.saw(Seen::Earlier);
        }
        self.asked.begin_with(found, is_cut);
    }

    /// The daemon has no more say in what is on the disk.
    pub(super) fn kill(&mut self) {
        of(&self.disk).turn_off();
        self.daemon = None;
        self.free.clear();
        self.come_back();
    }

    /// After a kill all is as it was left; after a loss of power it is not.
    fn come_back(&mut self) {
        self.events += std::mem::take(&mut of(&self.disk).changes);
        if self.rng.one_in(3) {
            self.tell(|| "killed".into());
            self.saw(Seen::Kill);
        } else {
            self.lose_power();
        }
        of(&self.disk).turn_on();
        self.may_light_fuse();
    }

    fn lose_power(&mut self) {
        let loss = [Loss::All, Loss::Tail, Loss::Any][self.rng.below(3) as usize];
        self.tell(|| format!("the power is lost: {loss:?}"));
        self.saw(Seen::Loss);
        self.is_cut = true;
        of(&self.disk).lose_power(loss, &self.rng);
    }

    /// So that the next one does not get far, either.
    fn may_light_fuse(&mut self) {
        if self.rng.one_in(4) {
            let changes = self.rng.below(12);
            of(&self.disk).light_fuse(changes);
        }
    }

    pub(super) fn close(&mut self) {
        self.tell(|| "the daemon ends".into());
        self.daemon().store.give_ids_back();
        self.ask_for_answer();
        if !self.write_whole() {
            return self.start();
        }
        let is_kept = self.asked.promised == self.asked.last();
        self.daemon = None;
        self.free.clear();
        if of(&self.disk).is_off() {
            self.saw(Seen::WhileClosing);
            self.come_back();
        } else {
            self.events += std::mem::take(&mut of(&self.disk).changes);
            assert!(is_kept || self.seen.contains_key(&Seen::Full), "a daemon ends with everything kept");
            self.saw(Seen::Closed);
            if self.rng.one_in(2) {
                self.lose_power();
            }
            of(&self.disk).turn_on();
            self.may_light_fuse();
        }
        self.start();
    }
}
