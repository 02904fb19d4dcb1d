//! Tells whoever asks how the pool of this command is: `sandhog ps --all` connects, gets one line, and is hung up on.
//!
//! Must not: read anything, keep a connection, or wake up for a pool that nobody asks about; or fail the command.

use rustix::net::{SendFlags, send};
use sandhog_dirs::pools::Place;
use sandhog_protocol::pool::Kind;
use sandhog_protocol::pool_status::{Command, PoolStatus, TEXT};
use sandhog_runtime::pool::{Pool, Statistics, WorkerKind};
use sandhog_runtime::privilege;
use sandhog_spec::job::Job;
use sandhog_sys::clock;
use std::io;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

/// After a connection that could not be taken, such as for want of descriptors.
const REST: Duration = Duration::from_secs(1);

/// Somebody may ask for as long as this is there.
pub(super) struct Listening {
    task: JoinHandle<()>,
    _place: Place,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Lets this pool be asked about. None: there is no place for it, which is no reason not to have one.
pub(super) fn listen(pool: &Pool, command: Command, job: &Job) -> Option<Listening> {
    let (listener, place) = Place::take(&privilege::who(), |name| std::env::var_os(name)).ok()?;
    let listener = UnixListener::from_std(listener).ok()?;
    let common = PoolStatus {
        command,
        job: shortened(job.name.clone()),
        module: shortened(job.module.to_string_lossy().into_owned()),
        kind: match pool.kind() {
            WorkerKind::Handler => Kind::Handler,
            WorkerKind::Command => Kind::Command,
        },
        since_ms: clock::now_ms(),
        ..PoolStatus::default()
    };
    let task = tokio::spawn(answer(listener, pool.clone(), common));
    Some(Listening { task, _place: place })
}

async fn answer(listener: UnixListener, pool: Pool, common: PoolStatus) {
    loop {
        match listener.accept().await {
            // A socket that is new has room for a line. Whoever has gone is not told.
            Ok((stream, _)) => {
                let line = line(&of_now(&common, &pool.statistics()));
                let _ = send(&stream, &line, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

fn of_now(common: &PoolStatus, statistics: &Statistics) -> PoolStatus {
    let Statistics { counts, start_p50, start_p99 } = statistics;
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    PoolStatus {
        idle: counts.idle.into(),
        busy: counts.busy.into(),
        starting: counts.starting.into(),
        waiting: counts.waiting as u64,
        started: counts.started,
        recycled: counts.recycled,
        start_us_p50: start_p50.map(micros),
        start_us_p99: start_p99.map(micros),
        ..common.clone()
    }
}

fn line(status: &PoolStatus) -> Vec<u8> {
    let mut line = serde_json::to_vec(status).unwrap_or_default();
    line.push(b'\n');
    line
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::pool_status::LINE;

    #[test]
    fn the_longest_line_is_below_the_limit_whatever_is_in_its_texts() {
        let text = shortened("\u{1}".repeat(2 * TEXT));
        let most = Some(u64::MAX);
        let status = PoolStatus {
            job: text.clone(),
            module: text,
            kind: Kind::Command,
            since_ms: u64::MAX,
            idle: u64::MAX,
            busy: u64::MAX,
            starting: u64::MAX,
            waiting: u64::MAX,
            started: u64::MAX,
            recycled: u64::MAX,
            start_us_p50: most,
            start_us_p99: most,
            ..PoolStatus::default()
        };
        assert!(line(&status).len() <= LINE, "{}", line(&status).len());
        assert_eq!(shortened("\u{e4}".repeat(TEXT)).len(), TEXT);
    }
}
