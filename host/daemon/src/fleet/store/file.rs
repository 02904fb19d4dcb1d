//! The file: opened, checked, made where it is missing, read.

use super::error::Error;
use super::rows::{InstanceRow, Stored, StoredInstance, StoredJob};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use rustix::fs::{Mode, OFlags};
use sandhog_protocol::control::EndedAttempt;
use sandhog_runtime::granted::Record;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Version of what is below. Another one needs a way from this one to it.
const VERSION: i64 = 2;

/// Marks the file as ours ("sand"): SQLite's documentation, `PRAGMA application_id`.
const APPLICATION: i64 = 0x7361_6e64;

/// Keys of the numbers.
pub(super) const NEXT_ID: &str = "next_id";
pub(super) const ALIVE: &str = "alive_ms";

/// How SQLite opens it: one thread has it, and it is there.
pub(super) const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

const TABLES: &str = "
    CREATE TABLE job_group (name TEXT PRIMARY KEY, spec TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE job (name TEXT PRIMARY KEY, place INTEGER NOT NULL, source TEXT, spec TEXT NOT NULL) STRICT;
    CREATE TABLE due (job TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE instance (
        id INTEGER PRIMARY KEY, job TEXT NOT NULL, instance INTEGER NOT NULL, wanted INTEGER NOT NULL, failed TEXT,
        finished INTEGER NOT NULL, attempt TEXT, restarts INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX instance_of_job ON instance (job);
    CREATE TABLE ended (
        id INTEGER NOT NULL, number INTEGER NOT NULL, ended TEXT NOT NULL, PRIMARY KEY (id, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE number (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// Since version 2.
const GRANTS: &str = "
    CREATE TABLE granted (job TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE was_writable (path TEXT PRIMARY KEY, directory TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// Opens the file for its owner only, makes its tables if it is new, and has it checked.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| Error::Open { path: path.into(), cause: Arc::new(errno.into()) })?;
    let connection = Connection::open_with_flags(path, FLAGS).map_err(|cause| failed(path, cause))?;
    opened(connection, path)
}

/// The connection to a file that is there, empty or not.
pub(super) fn opened(mut connection: Connection, path: &Path) -> Result<Connection, Error> {
    prepare(&mut connection, path)?;
    match check(&connection).map_err(|cause| failed(path, cause))? {
        None => Ok(connection),
        Some(what) => Err(Error::Damaged { path: path.into(), what }),
    }
}

/// Nothing is changed in a file that is not ours.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let failed = |cause| failed(path, cause);
    // One process alone, from the first look on: then SQLite needs no memory to share, either. Nor is there anybody to
    // wait for.
    connection.busy_timeout(Duration::ZERO).map_err(failed)?;
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE").map_err(failed)?;
    let (application, version, tables) = marks(connection).map_err(failed)?;
    match (application, version, tables) {
        (APPLICATION, VERSION, _) => settle(connection).map_err(failed),
        (APPLICATION, 1, _) => settle(connection).and_then(|()| add(connection, GRANTS)).map_err(failed),
        (APPLICATION, found, _) if found > VERSION => Err(Error::Newer { path: path.into(), found, known: VERSION }),
        (0, 0, 0) => settle(connection).and_then(|()| add(connection, &[TABLES, GRANTS].concat())).map_err(failed),
        _ => Err(Error::Foreign { path: path.into() }),
    }
}

/// Whose file it is, of which version, and how many tables it has.
fn marks(connection: &Connection) -> rusqlite::Result<(i64, i64, i64)> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((number("application_id")?, number("user_version")?, tables))
}

/// The file is whole after a loss of power, and holds what was committed up to some moment: up to the last one of
/// [`Flush::Yes`], at the least.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    // What a burst has made of the log beside the file is given back.
    connection.execute_batch("PRAGMA journal_size_limit = 4194304")
}

/// How much a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// A kill of this process.
    No,
    /// A loss of power as well, with all that was committed before: a wait for the disk.
    Yes,
}

/// Of the commits from here on.
pub(super) fn set_flush(connection: &Connection, flush: Flush) -> rusqlite::Result<()> {
    // SQLite's documentation, `PRAGMA synchronous`: with a log, `NORMAL` flushes it before it is copied into the file only,
    // and `FULL` with each commit.
    connection.execute_batch(match flush {
        Flush::No => "PRAGMA synchronous = NORMAL",
        Flush::Yes => "PRAGMA synchronous = FULL",
    })
}

/// Changes nothing that anybody reads: so that there is something to be committed.
pub(super) fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", VERSION)
}

/// All at once: a daemon that is killed here leaves the file as it was.
fn add(connection: &mut Connection, tables: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(tables)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// What is wrong with the file.
fn check(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((said != "ok").then_some(said))
}

/// Everything, and the first id that is free.
pub(super) fn load(connection: &mut Connection) -> rusqlite::Result<(Stored, u64)> {
    // How an attempt ended may have come after its instance was deleted.
    connection.execute("DELETE FROM ended WHERE id NOT IN (SELECT id FROM instance)", [])?;
    let mut instances = load_instances(connection)?;
    let dues: HashMap<String, u64> =
        all(connection, "SELECT job, at_ms FROM due", |row| Ok((row.get(0)?, unsigned(row, 1)?)))?
            .into_iter()
            .collect();
    let granted = all(connection, "SELECT job, record FROM granted", |row| Ok((row.get(0)?, json(row, 1)?)))?;
    let mut granted: HashMap<String, Record> = granted.into_iter().collect();
    let jobs = all(connection, "SELECT name, source, spec FROM job ORDER BY place, name", |row| {
        let name: String = row.get(0)?;
        Ok(StoredJob {
            source: row.get(1)?,
            spec: json(row, 2)?,
            granted: granted.remove(&name),
            last_due_ms: dues.get(&name).copied(),
            instances: instances.remove(&name).unwrap_or_default(),
        })
    })?;
    let was_writable = all(connection, "SELECT directory FROM was_writable ORDER BY path", |row| json(row, 0))?;
    let groups = all(connection, "SELECT spec FROM job_group ORDER BY name", |row| json(row, 0))?;
    let numbers = all(connection, "SELECT name, value FROM number", |row| Ok((row.get(0)?, unsigned(row, 1)?)))?;
    let numbers: HashMap<String, u64> = numbers.into_iter().collect();
    let last: u64 = connection.query_row("SELECT coalesce(max(id), 0) FROM instance", [], |row| unsigned(row, 0))?;
    let next_id = numbers.get(NEXT_ID).copied().unwrap_or_default().max(last + 1);
    Ok((Stored { groups, jobs, was_writable, alive_ms: numbers.get(ALIVE).copied() }, next_id))
}

/// By their jobs.
fn load_instances(connection: &Connection) -> rusqlite::Result<HashMap<String, Vec<StoredInstance>>> {
    let mut ended: HashMap<u64, Vec<EndedAttempt>> = HashMap::new();
    for (id, one) in all(connection, "SELECT id, ended FROM ended ORDER BY id, number DESC", |row| {
        Ok((unsigned(row, 0)?, json(row, 1)?))
    })? {
        ended.entry(id).or_default().push(one);
    }
    let mut instances: HashMap<String, Vec<StoredInstance>> = HashMap::new();
    let sql = "SELECT job, id, instance, wanted, failed, finished, attempt, restarts FROM instance ORDER BY id";
    for (job, row) in all(connection, sql, |row| Ok((row.get(0)?, instance(row)?)))? {
        let ended = ended.remove(&row.id).unwrap_or_default();
        instances.entry(job).or_default().push(StoredInstance { row, ended });
    }
    Ok(instances)
}

fn instance(row: &Row<'_>) -> rusqlite::Result<InstanceRow> {
    Ok(InstanceRow {
        id: unsigned(row, 1)?,
        instance: row.get(2)?,
        wanted: row.get(3)?,
        failed: row.get(4)?,
        finished: row.get(5)?,
        attempt: row.get(6)?,
        restarts: unsigned(row, 7)?,
    })
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map([], read)?.collect()
}

/// SQLite's numbers are signed, ours are not.
fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|cause| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(cause))
    })
}

/// What SQLite says, as what it means for the state.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library has more errors from release to release")]
pub(super) fn failed(path: &Path, cause: rusqlite::Error) -> Error {
    let path = path.to_owned();
    match &cause {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => Error::Damaged { path, what: cause.to_string() },
        cause if matches!(cause.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => {
            Error::Damaged { path, what: cause.to_string() }
        }
        cause if matches!(cause.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
            Error::Busy { path }
        }
        _ => Error::Use { path, cause: Arc::new(cause) },
    }
}
