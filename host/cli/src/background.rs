//! A daemon in the background, for the verbs that bring something up: where none runs, one is started. It has nothing of
//! whoever called for it but what its work needs: see [`environment`], and what it sheds by itself.

mod environment;

use super::client::Client;
use super::embedded::Failure;
use super::render::problem::Problem;
use super::render::progress::Progress;
use super::silence::Late;
use rustix::fs::{FlockOperation, flock};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Uid, getegid, geteuid, getgid, getuid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use sandhog_dirs::paths;
use sandhog_dirs::person::Person;
use sandhog_protocol::exit_code;
use sandhog_protocol::plan::Wall;
use sandhog_runtime::privilege;
use sandhog_sys::process::as_daemon;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where it is said, by `up` and `start`, that a daemon is ready.
pub(super) const READY: &str = "ready\n";

/// Held by the command that starts a daemon.
const START_LOCK: &str = "start.lock";

/// When it is said that a start takes long: some hundred milliseconds are usual, more where much is brought back.
const LATE: Duration = Duration::from_secs(10);

/// Most of what a daemon says of its start, or of the end of its log, that is shown: a screen.
const SAID_BYTES: u64 = 4096;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Paths(#[from] paths::Error),
    #[error("failed to take on the identity of the person behind sudo")]
    Identity(#[source] io::Error),
    #[error("failed to open {path:?}")]
    Open {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("failed to wait for another command that starts the daemon")]
    Lock(#[source] io::Error),
    #[error("failed to make a pipe for the daemon's word")]
    Pipe(#[source] io::Error),
    #[error("failed to start the daemon")]
    Start(#[source] io::Error),
    #[error("failed to hear whether the daemon is ready")]
    Hear(#[source] io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Paths(_) | Error::Open { .. } => exit_code::REFUSED,
            Error::Identity(_) | Error::Lock(_) | Error::Pipe(_) | Error::Start(_) | Error::Hear(_) => {
                exit_code::SANDHOG_FAILED
            }
        };
        Self { code, ..Self::of(&error) }
    }
}

/// The person's daemon: the one that runs, else a new one in the background, whose jobs may do without these walls.
pub(super) fn daemon(may_miss: &[Wall]) -> Result<Client, Failure> {
    if let Some(client) = Client::try_connect()? {
        return Ok(client);
    }
    let person = privilege::who();
    let state = paths::state(&person, |name| std::env::var_os(name)).map_err(Error::from)?;
    let files = as_person(&person, || Files::open(&state))?;
    // Two commands at once start one daemon: the second one waits here, and then finds it.
    files.wait_for_others().map_err(|errno| Error::Lock(errno.into()))?;
    if let Some(client) = Client::try_connect()? {
        return Ok(client);
    }
    let _line = Progress::start("starting the daemon");
    match start(&files, may_miss)? {
        None => Client::connect(),
        // Somebody may have started one by hand meanwhile.
        Some(problem) => Client::try_connect()?.ok_or(problem),
    }
}

/// What a start needs in the state directory.
struct Files {
    log: File,
    log_path: PathBuf,
    lock: File,
}

impl Files {
    fn open(state: &Path) -> Result<Self, Error> {
        paths::make_private(state, "SANDHOG_STATE_DIR")?;
        let open = |name: &str| {
            let path = state.join(name);
            let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
            let mut options = OpenOptions::new();
            let options = options.read(true).append(true).create(true).mode(0o600).custom_flags(flags);
            options.open(&path).map(|file| (file, path.clone())).map_err(|cause| Error::Open { path, cause })
        };
        let ((log, log_path), (lock, _)) = (open("daemon.log")?, open(START_LOCK)?);
        Ok(Self { log, log_path, lock })
    }

    fn wait_for_others(&self) -> rustix::io::Result<()> {
        if flock(&self.lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(());
        }
        let problem = Problem::new("another command starts the daemon, and has not come to its end yet; still waiting");
        let lock = self.log_path.with_file_name(START_LOCK);
        let hint = format!("it holds {}: end it where it hangs (fuser shows it)", lock.display());
        let _late = Late::says(problem.with_hint(hint), LATE);
        rustix::io::retry_on_intr(|| flock(&self.lock, FlockOperation::LockExclusive))
    }
}

/// Does something as the person behind sudo, in whose directories root is to make nothing of its own.
fn as_person<T>(person: &Person, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    if !person.behind_sudo {
        return work();
    }
    let (uid, gid) = (geteuid(), getegid());
    become_effective(Uid::from_raw(person.uid), Gid::from_raw(person.gid), uid, gid)?;
    let answer = work();
    // The user first: only root may change the group.
    set_thread_res_uid(getuid(), uid, uid).map_err(|errno| Error::Identity(errno.into()))?;
    set_thread_res_gid(getgid(), gid, gid).map_err(|errno| Error::Identity(errno.into()))?;
    answer
}

fn become_effective(to_uid: Uid, to_gid: Gid, uid: Uid, gid: Gid) -> Result<(), Error> {
    set_thread_res_gid(getgid(), to_gid, gid).map_err(|errno| Error::Identity(errno.into()))?;
    set_thread_res_uid(getuid(), to_uid, uid).map_err(|errno| Error::Identity(errno.into()))
}

/// Starts one and waits for its word; why it did not come up, where it did not.
fn start(files: &Files, may_miss: &[Wall]) -> Result<Option<Failure>, Failure> {
    let (hear, say) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| Error::Pipe(errno.into()))?;
    let log_length = files.log.metadata().map_or(0, |status| status.len());
    let child = spawn(files, &say, may_miss)?;
    // Ours would keep the pipe open when the daemon has died.
    drop(say);
    let problem = format!("the daemon, process {}, has not said that it is ready; still waiting", child.id());
    let hint = format!("its log is {}; Ctrl-C ends this command, and not the daemon", files.log_path.display());
    let late = Late::says(Problem::new(problem).with_hint(hint), LATE);
    let said = listen(hear.into()).map_err(Error::Hear)?;
    drop(late);
    if said == READY {
        return Ok(None);
    }
    Ok(Some(failed(child, &said, files, log_length)))
}

fn spawn(files: &Files, say: &OwnedFd, may_miss: &[Wall]) -> Result<Child, Error> {
    let log = || files.log.try_clone().map_err(Error::Start);
    let program = std::env::current_exe().map_err(Error::Start)?;
    let mut command = Command::new(program);
    command.args(["daemon", "--ready-fd", &say.as_raw_fd().to_string()]).current_dir("/");
    command.args(may_miss.iter().flat_map(|wall| ["--allow-missing", wall.name()]));
    command.env_clear().envs(environment::of(std::env::vars_os()));
    command.stdin(Stdio::null()).stdout(log()?).stderr(log()?);
    as_daemon(&mut command, say.as_fd());
    command.spawn().map_err(Error::Start)
}

/// What the daemon says, up to its word that it is ready, or its end.
fn listen(hear: File) -> io::Result<String> {
    let (mut said, mut hear) = (Vec::new(), hear.take(SAID_BYTES));
    let mut piece = [0; 512];
    while said != READY.as_bytes() {
        match hear.read(&mut piece)? {
            0 => break,
            length => said.extend_from_slice(&piece[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Why it did not come up: what it said, or how it ended, and the end of its log. It has ended, or is about to.
fn failed(mut child: Child, said: &str, files: &Files, log_length: u64) -> Failure {
    let ended = child.wait();
    // The daemon has sorted its reasons.
    let is_refused = ended.as_ref().is_ok_and(|status| status.code() == Some(exit_code::REFUSED.into()));
    let reason = if said.trim().is_empty() {
        ended.map_or_else(|error| error.to_string(), |status| format!("it ended with {status}"))
    } else {
        said.trim().trim_start_matches("sandhog: ").lines().collect::<Vec<_>>().join(": ")
    };
    let problem = Problem::new(format!("the daemon did not come up: {reason}"));
    let tail = tail(&files.log, log_length).unwrap_or_default();
    let problem = tail.lines().fold(problem, Problem::with_detail);
    let hint = format!("its log is {}; sandhog daemon runs one in the foreground", files.log_path.display());
    let code = if is_refused { exit_code::REFUSED } else { exit_code::SANDHOG_FAILED };
    Failure { problem: problem.with_hint(hint), code }
}

/// The end of what was written behind `from`.
fn tail(mut log: &File, from: u64) -> io::Result<String> {
    let end = log.seek(SeekFrom::End(0))?;
    log.seek(SeekFrom::Start(from.max(end.saturating_sub(SAID_BYTES)).min(end)))?;
    let mut bytes = Vec::new();
    log.take(SAID_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_daemon_is_ready_when_it_says_so_though_it_keeps_the_pipe() {
        let (hear, say) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut say = File::from(say);
        say.write_all(READY.as_bytes()).unwrap();
        assert_eq!(listen(hear.into()).unwrap(), READY);
        drop(say);
    }

    #[test]
    fn a_daemon_that_goes_without_a_word_has_said_nothing() {
        let (hear, say) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        drop(say);
        assert_eq!(listen(hear.into()).unwrap(), "");
    }

    #[test]
    fn what_a_daemon_says_is_taken_in_up_to_a_screen() {
        let (hear, say) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut say = File::from(say);
        say.write_all(&[b'x'; 8192]).unwrap();
        assert_eq!(listen(hear.into()).unwrap().len(), 4096);
        drop(say);
    }

    #[test]
    fn of_the_log_the_end_of_what_is_new_is_shown() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let options = || OpenOptions::new().read(true).append(true).create(true).open(&path).unwrap();
        let mut log = options();
        log.write_all(b"old\nnew\n").unwrap();
        assert_eq!(tail(&log, 4).unwrap(), "new\n");
        assert_eq!(tail(&log, 100).unwrap(), "");
        log.write_all(&[b'y'; 10_000]).unwrap();
        assert_eq!(tail(&log, 4).unwrap().len(), 4096);
    }
}
