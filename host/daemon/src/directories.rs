//! The directories of a daemon and their locks, and who clears away behind it whatever becomes of it.

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use sandhog_dirs::{lock, paths};
use sandhog_ipc as ipc;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::privilege;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long what the last daemon left may take to be cleared away: its spawner ends every worker, and waits for each.
const CLEARING: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Paths(#[from] paths::Error),
    #[error("a daemon runs already: {who}")]
    Runs { who: String },
    #[error(transparent)]
    Lock(#[from] lock::Error),
    #[error("failed to hand the locks to the spawner")]
    Guard(#[source] ipc::Error),
}

impl Error {
    /// Somebody has to do something about the machine or its settings.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Paths(_) | Self::Runs { .. } | Self::Lock(_) => true,
            Self::Guard(_) => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Runs { .. } => Some(
                "sandhog ps shows what it keeps up; another one beside it needs another SANDHOG_STATE_DIR and \
                 SANDHOG_RUNTIME_DIR",
            ),
            Self::Paths(_) | Self::Lock(_) | Self::Guard(_) => None,
        }
    }
}

/// Held for as long as the daemon lives, and by its spawner until everything has gone.
pub struct DaemonDirectories {
    pub state: PathBuf,
    pub socket: PathBuf,
    /// Whose daemon it is.
    pub uid: u32,
    _locks: [OwnedFd; 2],
}

/// Takes the directories for this daemon alone.
///
/// # Errors
/// Another daemon has them, or they can't be made.
pub async fn take(coordinator: &Arc<Coordinator>) -> Result<DaemonDirectories, Error> {
    let person = privilege::who();
    let variable = |name: &str| std::env::var_os(name);
    let (state, runtime) = (paths::state(&person, variable)?, paths::runtime(&person, variable)?);
    paths::make_private(&state, "SANDHOG_STATE_DIR")?;
    paths::make_private(&runtime, "SANDHOG_RUNTIME_DIR")?;
    let socket = paths::control_socket(&person, variable)?;
    let locks = [take_lock(&state.join(lock::NAME)).await?, take_lock(&runtime.join(lock::NAME)).await?];
    let name = format!("process {}, at {}\n", std::process::id(), socket.to_string_lossy());
    for lock in &locks {
        // Whoever meets the lock is told whose it is; where that can't be written, they are told its path.
        let _ = rustix::fs::ftruncate(lock, 0).and_then(|()| rustix::io::pwrite(lock, name.as_bytes(), 0));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = open(&runtime, flags, Mode::empty());
    let directory = directory.map_err(|errno| lock::Error::Lock { path: runtime, source: errno.into() })?;
    let fds = [locks[0].as_fd(), locks[1].as_fd(), directory.as_fd()];
    // Before there is a socket.
    coordinator.guard(&fds).await.map_err(Error::Guard)?;
    Ok(DaemonDirectories { state, socket, uid: person.uid, _locks: locks })
}

/// The lock, as soon as whoever clears away behind the last daemon has let it go.
async fn take_lock(path: &Path) -> Result<OwnedFd, Error> {
    let failed = |source: io::Error| Error::Lock(lock::Error::Lock { path: path.into(), source });
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| failed(errno.into()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => return Ok(file),
        Err(Errno::WOULDBLOCK) => {}
        Err(errno) => return Err(failed(errno.into())),
    }
    if let Some((socket, _)) = lock::holder(path)
        && is_listened_to(&socket).await
    {
        return Err(runs(path));
    }
    // A thread that still waits when the time is over ends with the process.
    let waits = tokio::task::spawn_blocking(move || flock(&file, FlockOperation::LockExclusive).map(|()| file));
    match tokio::time::timeout(CLEARING, waits).await {
        Ok(Ok(locked)) => locked.map_err(|errno| failed(errno.into())),
        Ok(Err(error)) => Err(failed(io::Error::other(error))),
        Err(_) => Err(runs(path)),
    }
}

fn runs(path: &Path) -> Error {
    Error::Runs { who: lock::holder(path).map_or_else(|| format!("its lock is {path:?}"), |(_, name)| name) }
}

/// A daemon that hangs listens, too, though all places for connections may be taken: nobody waits for one here.
async fn is_listened_to(socket: &Path) -> bool {
    match tokio::net::UnixStream::connect(socket).await {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Tells systemd, or whoever has started this as it does, how far it is: sd_notify(3). Without one, nothing.
pub fn tell_service_manager(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name),
        name => SocketAddrUnix::new(name),
    };
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None);
    if let (Ok(address), Ok(socket)) = (address, socket) {
        // Whoever does not listen is not told.
        let _ = rustix::net::sendto(&socket, state.as_bytes(), SendFlags::NOSIGNAL, &address);
    }
}
