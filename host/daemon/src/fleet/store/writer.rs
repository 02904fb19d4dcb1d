//! The thread that writes: all that is pending at once, in one transaction; tried again where it fails.
//!
//! Whoever waits is told when it is on the disk, where a loss of power leaves it. That takes the disk some milliseconds, so
//! changes that nobody waits for are only handed to the system; the next flush is theirs as well.

use super::error::Error;
use super::file::{self, Flush};
use super::pending::{Change, Pending};
use super::rows::ENDED;
use rusqlite::{Connection, params};
use sandhog_protocol::causes;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Between two tries where the first failed: often enough for whoever made room on the disk.
const PAUSE: Duration = Duration::from_secs(1);

/// What the thread and the rest of the daemon share.
pub(super) struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    /// Something is to be written, or it is the end.
    wake: Condvar,
}

#[derive(Default)]
struct State {
    pending: Pending,
    waiting: Vec<Waiting>,
    /// So many are putting something that belongs together.
    holds: usize,
    ends: bool,
    /// Nobody writes any more.
    is_over: bool,
    problem: Option<Error>,
    /// What was reported last, until writing succeeds again.
    reported: Option<String>,
    /// Something was committed that a loss of power would take back.
    is_unflushed: bool,
    /// Ids below this are reserved on disk.
    reserved: u64,
}

type Waiting = oneshot::Sender<Result<(), Error>>;

/// What is written at once, and who is told.
pub(super) struct Batch {
    pending: Pending,
    waiting: Vec<Waiting>,
    flush: Flush,
    /// Something that was committed before is flushed with it.
    catches_up: bool,
    /// Nothing comes after it.
    is_last: bool,
}

impl Batch {
    fn of(state: &mut State) -> Self {
        let (pending, waiting) = (std::mem::take(&mut state.pending), std::mem::take(&mut state.waiting));
        // An id is not given before its mark is safe: none would be waited for else.
        let is_awaited = !waiting.is_empty() || pending.reserves() || state.ends;
        let flush = if is_awaited { Flush::Yes } else { Flush::No };
        Self { pending, waiting, flush, catches_up: flush == Flush::Yes && state.is_unflushed, is_last: state.ends }
    }

    /// As a whole or not at all.
    pub(super) fn write(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        if self.pending.is_empty() && !self.catches_up {
            return Ok(());
        }
        file::set_flush(connection, self.flush)?;
        let transaction = connection.transaction()?;
        for change in self.pending.changes() {
            write_one(&transaction, change)?;
        }
        // A row that is put again as it is changes nothing, and where nothing has changed SQLite flushes nothing.
        if self.catches_up {
            file::touch(&transaction)?;
        }
        transaction.commit()
    }
}

pub(super) fn start(shared: Arc<Shared>, connection: Connection) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("store".into()).spawn(move || shared.run(connection))
}

impl Shared {
    pub(super) fn new(path: &Path, reserved: u64) -> Self {
        // What a daemon that was killed has committed is there, but may not be flushed.
        let state = Mutex::new(State { reserved, is_unflushed: true, ..State::default() });
        Self { path: path.into(), state, wake: Condvar::new() }
    }

    pub(super) fn put(&self, change: Change) {
        self.state().pending.put(change);
        self.wake.notify_one();
    }

    pub(super) fn hold(&self) {
        self.state().holds += 1;
    }

    pub(super) fn let_go(&self) {
        self.state().holds -= 1;
        self.wake.notify_one();
    }

    /// Of what was put before this call, not before its first poll.
    pub(super) fn written(&self) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let (done, is_done) = oneshot::channel();
        let path = self.path.clone();
        let mut state = self.state();
        // Where nobody writes any more it is dropped, and heard of at once.
        if !state.is_over {
            // Who has gone does not count: however long the disk takes, no more wait than are there to be told.
            state.waiting.retain(|waits| !waits.is_closed());
            state.waiting.push(done);
        }
        drop(state);
        self.wake.notify_one();
        async move { is_done.await.unwrap_or_else(|_| Err(Error::Ended { path })) }
    }

    /// Ids below this are reserved on disk.
    pub(super) fn reserved(&self) -> u64 {
        self.state().reserved
    }

    pub(super) fn end(&self) {
        self.state().ends = true;
        self.wake.notify_one();
    }

    pub(super) fn problem(&self) -> Option<Error> {
        self.state().problem.take()
    }

    #[cfg(test)]
    pub(super) fn pending(&self) -> usize {
        self.state().pending.len()
    }

    /// This will never be written.
    pub(super) fn unwritable(&self, cause: rusqlite::Error) {
        self.report(&self.error(cause));
    }

    fn run(&self, mut connection: Connection) {
        let _over = Over(self);
        loop {
            let batch = self.next();
            let written = batch.write(&mut connection);
            let (is_last, failed) = (batch.is_last, written.is_err());
            self.settle(batch, written);
            if is_last {
                return;
            }
            if failed {
                self.pause();
            }
        }
    }

    /// Waits for something to write.
    fn next(&self) -> Batch {
        let waited = self.wake.wait_while(self.state(), |state| state.has_nothing());
        Batch::of(&mut waited.unwrap_or_else(PoisonError::into_inner))
    }

    /// What is to be written at this moment.
    #[cfg(test)]
    pub(super) fn next_if_any(&self) -> Option<Batch> {
        let mut state = self.state();
        (!state.has_nothing()).then(|| Batch::of(&mut state))
    }

    /// It was written, or is to be tried again. Tells those who wait.
    pub(super) fn settle(&self, batch: Batch, written: rusqlite::Result<()>) {
        let Batch { pending, waiting, flush, catches_up: _, is_last: _ } = batch;
        let outcome = written.map_err(|cause| self.error(cause));
        match &outcome {
            Ok(()) => self.is_written(&pending, flush),
            Err(error) => {
                self.report(error);
                self.put_back(pending);
            }
        }
        for one in waiting {
            // It may have stopped waiting.
            let _ = one.send(outcome.clone());
        }
    }

    fn is_written(&self, pending: &Pending, flush: Flush) {
        let mut state = self.state();
        state.reported = None;
        match flush {
            Flush::Yes => state.is_unflushed = false,
            Flush::No => state.is_unflushed |= !pending.is_empty(),
        }
        for change in pending.changes() {
            if let Change::PutNumber { key: file::NEXT_ID, value } = change {
                state.reserved = *value;
            }
        }
    }

    fn put_back(&self, mut earlier: Pending) {
        let mut state = self.state();
        earlier.then(std::mem::take(&mut state.pending));
        state.pending = earlier;
    }

    /// Until it is time to try again, or somebody asks for it.
    fn pause(&self) {
        let nobody = |state: &mut State| state.waiting.is_empty() && !state.ends;
        drop(self.wake.wait_timeout_while(self.state(), PAUSE, nobody));
    }

    fn report(&self, error: &Error) {
        let mut state = self.state();
        let text = causes::one_line(error);
        if state.reported.as_ref() != Some(&text) {
            state.problem = Some(error.clone());
            state.reported = Some(text);
        }
    }

    fn error(&self, cause: rusqlite::Error) -> Error {
        Error::Write { path: self.path.clone(), cause: Arc::new(cause) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// To be written, for now.
    fn has_nothing(&self) -> bool {
        self.holds > 0 || (self.pending.is_empty() && self.waiting.is_empty() && !self.ends)
    }
}

/// The thread's end, however it comes: nobody is to wait for it any more.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_over = true;
        state.waiting.clear();
    }
}

fn write_one(to: &Connection, change: &Change) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| to.prepare_cached(sql)?.execute(values).map(drop);
    match change {
        Change::PutGroup { name, spec } => run("INSERT OR REPLACE INTO job_group VALUES (?1, ?2)", params![name, spec]),
        Change::DeleteGroup { name } => run("DELETE FROM job_group WHERE name = ?1", params![name]),
        Change::PutJob { name, spec, source, order } => {
            run("INSERT OR REPLACE INTO job VALUES (?1, ?2, ?3, ?4)", params![name, signed(*order), source, spec])
        }
        Change::DeleteJob { name } => {
            run("DELETE FROM ended WHERE id IN (SELECT id FROM instance WHERE job = ?1)", params![name])?;
            run("DELETE FROM instance WHERE job = ?1", params![name])?;
            run("DELETE FROM due WHERE job = ?1", params![name])?;
            run("DELETE FROM granted WHERE job = ?1", params![name])?;
            run("DELETE FROM job WHERE name = ?1", params![name])
        }
        Change::PutGranted { job, record } => {
            run("INSERT OR REPLACE INTO granted VALUES (?1, ?2)", params![job, record])
        }
        Change::PutWasWritable { path, directory } => {
            run("INSERT OR REPLACE INTO was_writable VALUES (?1, ?2)", params![path, directory])
        }
        Change::DeleteWasWritable { path } => run("DELETE FROM was_writable WHERE path = ?1", params![path]),
        Change::PutDue { job, at_ms } => {
            run("INSERT OR REPLACE INTO due VALUES (?1, ?2)", params![job, signed(*at_ms)])
        }
        Change::PutInstance { job, row } => {
            let (id, restarts) = (signed(row.id), signed(row.restarts));
            let values = params![id, job, row.instance, row.wanted, row.failed, row.finished, row.attempt, restarts];
            run("INSERT OR REPLACE INTO instance VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", values)
        }
        Change::DeleteInstance { id } => {
            run("DELETE FROM ended WHERE id = ?1", params![signed(*id)])?;
            run("DELETE FROM instance WHERE id = ?1", params![signed(*id)])
        }
        Change::AddEnded { id, ended } => {
            let last = "(SELECT coalesce(max(number), 0) FROM ended WHERE id = ?1)";
            for ended in ended {
                run(&format!("INSERT INTO ended VALUES (?1, {last} + 1, ?2)"), params![signed(*id), ended])?;
            }
            let old = format!("DELETE FROM ended WHERE id = ?1 AND number <= {last} - {ENDED}");
            run(&old, params![signed(*id)])
        }
        Change::PutNumber { key, value } => {
            run("INSERT OR REPLACE INTO number VALUES (?1, ?2)", params![key, signed(*value)])
        }
    }
}

/// SQLite's numbers are signed; none of ours comes near the half that it lacks.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
