//! This person's commands that have a pool or serve HTTP, each asked how it is.
//!
//! Must not: believe a line because of where it comes from, or wait for a command that does not answer.

use super::embedded::Failure;
use sandhog_dirs::pools::{Holder, holders};
use sandhog_protocol::pool_status::{Command, LINE, PoolStatus};
use sandhog_protocol::serve_status::ServeStatus;
use sandhog_runtime::privilege;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// How long all of them together may take: each answers at once, unless it is stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// Connections at the same time: far below every limit of descriptors.
const AT_ONCE: usize = 64;

/// A command that can be asked.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    pub pid: u32,
    /// None: it gave no answer, or none that is one.
    #[serde(flatten)]
    pub status: Option<Status>,
}

/// What a command says of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Status {
    Pool(PoolStatus),
    Serve(ServeStatus),
}

/// By which they are told apart.
#[derive(Deserialize)]
struct Which {
    command: Command,
}

/// All of them, by their numbers.
///
/// # Errors
/// There is no place for a runtime directory, or no event loop.
pub(super) fn ask() -> Result<Vec<Asked>, Failure> {
    let holders = holders(&privilege::who(), |name| std::env::var_os(name)).map_err(|error| Failure::of(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of(&error))?;
    Ok(runtime.block_on(ask_all(holders)))
}

async fn ask_all(holders: Vec<Holder>) -> Vec<Asked> {
    let (places, end) = (Arc::new(Semaphore::new(AT_ONCE)), Instant::now() + PATIENCE);
    let mut answers = JoinSet::new();
    for Holder { pid, socket } in holders {
        let places = Arc::clone(&places);
        answers.spawn(async move {
            let asked = async {
                let _place = places.acquire().await;
                heard(&socket).await
            };
            Asked { pid, status: timeout_at(end, asked).await.ok().flatten() }
        });
    }
    let mut all = answers.join_all().await;
    all.sort_unstable_by_key(|asked| asked.pid);
    all
}

/// What the first bytes say, up to the longest line, if they are one.
async fn heard(socket: &Path) -> Option<Status> {
    let mut line = Vec::new();
    let stream = UnixStream::connect(socket).await.ok()?;
    stream.take(LINE as u64 + 1).read_to_end(&mut line).await.ok()?;
    if line.len() > LINE {
        return None;
    }
    read(&line).ok()
}

fn read(line: &[u8]) -> serde_json::Result<Status> {
    match serde_json::from_slice::<Which>(line)?.command {
        Command::Serve => serde_json::from_slice(line).map(Status::Serve),
        Command::Pool | Command::Map | Command::Unknown(_) => serde_json::from_slice(line).map(Status::Pool),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::thread;

    /// Somebody who answers everybody with these bytes, and then hangs up or does not.
    fn answers(folder: &Path, pid: u32, bytes: Vec<u8>, hangs_up: bool) -> Holder {
        let socket: PathBuf = folder.join(format!("{pid}.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.write_all(&bytes);
                kept.extend((!hangs_up).then_some(stream));
            }
        });
        Holder { pid, socket }
    }

    #[test]
    fn lines_that_are_none_are_no_answer_and_nobody_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let status = PoolStatus { job: "web".into(), busy: 3, ..PoolStatus::default() };
        let line = serde_json::to_vec(&status).unwrap();
        let serves = ServeStatus { command: Command::Serve, workers: 2, ..ServeStatus::default() };
        let nested = "[".repeat(LINE - 1).into_bytes();
        let holders = vec![
            answers(folder.path(), 9, line.clone(), true),
            answers(folder.path(), 1, nested, true),
            answers(folder.path(), 2, vec![b' '; 1 << 20], false),
            answers(folder.path(), 3, line, false),
            answers(folder.path(), 4, Vec::new(), true),
            answers(folder.path(), 5, b"{\"command\": \"pool\", \"busy\": -1}".to_vec(), true),
            answers(folder.path(), 7, b"{\"command\": \"serve\", \"workers\": \"2\"}".to_vec(), true),
            answers(folder.path(), 8, serde_json::to_vec(&serves).unwrap(), true),
            Holder { pid: 6, socket: folder.path().join("nobody") },
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = runtime.block_on(ask_all(holders));
        let told = [(8, Some(Status::Serve(serves))), (9, Some(Status::Pool(status)))];
        let expected: Vec<_> = (1..=7).map(|pid| (pid, None)).chain(told).collect();
        assert_eq!(asked.into_iter().map(|asked| (asked.pid, asked.status)).collect::<Vec<_>>(), expected);
    }
}
