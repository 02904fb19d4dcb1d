//! What outlives the daemon: which jobs there are, which of their instances are wanted, counters, how attempts ended. One
//! SQLite file; one thread writes it, so that a slow disk makes nobody wait but who asks for it ([`Store::kept`]).
//!
//! Must not: know what a job means. It keeps what it is given, and gives it back.

mod error;
mod file;
mod ids;
mod pending;
mod rows;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod writer;

pub(super) use error::Error;
pub(super) use rows::{InstanceRow, Stored, StoredInstance, StoredJob};

use ids::Ids;
use pending::Change;
use rusqlite::Connection;
use sandhog_protocol::control::{EndedAttempt, GroupSpec, JobSpec};
use sandhog_runtime::granted::{Record, WasWritable};
use serde::Serialize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use writer::Shared;

/// The way to the thread that writes. What is put is on its way at once, and is there when [`Store::kept`] has.
/// What is newer takes the place of what has not been written yet, so that a disk that is full or slow costs no memory.
pub(super) struct Store {
    shared: Arc<Shared>,
    /// None: it is being closed, or has not begun.
    thread: Option<JoinHandle<()>>,
    ids: Ids,
}

impl Store {
    /// Opens the state, making it where it is missing, and reads all of it. Blocks, but not for long.
    pub(super) fn open(path: &Path) -> Result<(Self, Stored), Error> {
        Self::start(path, file::open(path)?)
    }

    fn start(path: &Path, mut connection: Connection) -> Result<(Self, Stored), Error> {
        let (mut store, stored) = Self::read(path, &mut connection)?;
        let thread = writer::start(store.shared.clone(), connection)
            .map_err(|cause| Error::Open { path: path.into(), cause: Arc::new(cause) })?;
        store.thread = Some(thread);
        Ok((store, stored))
    }

    /// Nobody writes yet.
    fn read(path: &Path, connection: &mut Connection) -> Result<(Self, Stored), Error> {
        let (stored, next_id) = file::load(connection).map_err(|cause| file::failed(path, cause))?;
        let mut store = Self { shared: Arc::new(Shared::new(path, next_id)), thread: None, ids: Ids::new(next_id) };
        // Most of those who ask later find some.
        store.reserve_ids(0);
        Ok((store, stored))
    }

    /// What is put while this lives is in the file as a whole or not at all. Not to be kept while something is awaited.
    pub(super) fn together(&self) -> Together {
        self.shared.hold();
        Together(Arc::clone(&self.shared))
    }

    pub(super) fn put_group(&self, group: &GroupSpec) {
        if let Some(spec) = self.text(group) {
            self.shared.put(Change::PutGroup { name: group.name.clone(), spec });
        }
    }

    pub(super) fn delete_group(&self, name: &str) {
        self.shared.put(Change::DeleteGroup { name: name.to_owned() });
    }

    /// `order`: its place among the jobs.
    pub(super) fn put_job(&self, job: &JobSpec, source: Option<&str>, order: u64) {
        if let Some(spec) = self.text(job) {
            let source = source.map(str::to_owned);
            self.shared.put(Change::PutJob { name: job.name.clone(), spec, source, order });
        }
    }

    /// With all its instances.
    pub(super) fn delete_job(&self, name: &str) {
        self.shared.put(Change::DeleteJob { name: name.to_owned() });
    }

    /// What the job was granted.
    pub(super) fn put_granted(&self, job: &str, record: &Record) {
        if let Some(record) = self.text(record) {
            self.shared.put(Change::PutGranted { job: job.to_owned(), record });
        }
    }

    /// A directory that jobs could write.
    pub(super) fn put_was_writable(&self, directory: &WasWritable) {
        if let Some(text) = self.text(directory) {
            self.shared.put(Change::PutWasWritable { path: directory.path.clone(), directory: text });
        }
    }

    pub(super) fn delete_was_writable(&self, path: &str) {
        self.shared.put(Change::DeleteWasWritable { path: path.to_owned() });
    }

    /// When a run of the job was due last, by its schedule.
    pub(super) fn put_last_due(&self, job: &str, at_ms: u64) {
        self.shared.put(Change::PutDue { job: job.to_owned(), at_ms });
    }

    pub(super) fn put_instance(&self, job: &str, row: InstanceRow) {
        self.shared.put(Change::PutInstance { job: job.to_owned(), row });
    }

    pub(super) fn delete_instance(&self, id: u64) {
        self.shared.put(Change::DeleteInstance { id });
    }

    /// The last [`rows::ENDED`] of each instance are kept.
    pub(super) fn add_ended(&self, id: u64, ended: &EndedAttempt) {
        if let Some(ended) = self.text(ended) {
            self.shared.put(Change::AddEnded { id, ended: [ended].into() });
        }
    }

    /// A sign of life, from time to time: the next daemon learns from it since when none ran.
    pub(super) fn put_alive(&self, at_ms: u64) {
        self.shared.put(Change::PutNumber { key: file::ALIVE, value: at_ms });
    }

    /// This many ids that no instance has ever had, whatever becomes of this process: none is given that is not reserved on
    /// disk. None: not enough are; see [`Self::reserve_ids`].
    pub(super) fn take_ids(&mut self, count: u64) -> Option<Range<u64>> {
        let ids = self.ids.take(count, self.shared.reserved())?;
        // The next one is to find some, too.
        self.reserve_ids(0);
        Some(ids)
    }

    /// Has this many reserved, and some more. They are there to be taken when [`Self::kept`] says so.
    pub(super) fn reserve_ids(&mut self, count: u64) {
        if let Some(value) = self.ids.ask(count) {
            self.shared.put(Change::PutNumber { key: file::NEXT_ID, value });
        }
    }

    /// Done when everything that was put by now is on the disk, so that it is there after a kill of this process and after a
    /// loss of power; or when that has failed: then it is tried again all the same. Holds no part of the store.
    pub(super) fn kept(&self) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        self.shared.written()
    }

    /// Why what was put last could not be written; once for each kind of failure in a row.
    pub(super) fn problem(&self) -> Option<Error> {
        self.shared.problem()
    }

    /// Writes everything, gives back the ids that were reserved, and closes the file.
    pub(super) async fn close(mut self) -> Result<(), Error> {
        self.give_ids_back();
        let written = self.kept().await;
        self.shared.end();
        if let Some(thread) = self.thread.take() {
            // It has ended, however it did.
            let _ = tokio::task::spawn_blocking(|| thread.join()).await;
        }
        written
    }

    fn give_ids_back(&self) {
        self.shared.put(Change::PutNumber { key: file::NEXT_ID, value: self.ids.next() });
    }

    /// None: it can't be said in JSON. The problem tells.
    fn text(&self, value: &impl Serialize) -> Option<String> {
        let text = serde_json::to_string(value);
        text.map_err(|cause| self.shared.unwritable(rusqlite::Error::ToSqlConversionFailure(Box::new(cause)))).ok()
    }
}

/// See [`Store::together`].
#[must_use]
pub(super) struct Together(Arc<Shared>);

impl Drop for Together {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.end();
    }
}
