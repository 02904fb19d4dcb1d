//! The locks of a daemon, as everybody reads them: who holds one, where that listens, and when it has gone.

use super::paths;
use super::person::Person;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use sandhog_spec::text::escape;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The name of the lock, in the state directory and in the runtime directory: one daemon to each.
pub const NAME: &str = "daemon.lock";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Paths(#[from] paths::Error),
    #[error("failed to lock {path:?}")]
    Lock {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The socket of the daemon that holds a lock, and how it names itself.
pub fn holder(path: &Path) -> Option<(PathBuf, String)> {
    /// A process's number, the longest path of a socket, and some words.
    const MAX: u64 = 256;
    let mut name = String::new();
    std::fs::File::open(path).ok()?.take(MAX).read_to_string(&mut name).ok()?;
    let (_, socket) = name.trim_end().split_once(", at ")?;
    Some((socket.into(), escape(name.trim_end()).into_owned()))
}

/// Waits until the person's daemon has gone, and all that it had.
///
/// # Errors
/// Its lock can't be waited for.
pub fn wait_for_end(person: &Person) -> Result<(), Error> {
    let path = paths::state(person, |name| std::env::var_os(name))?.join(NAME);
    let failed = |errno: Errno| Error::Lock { path: path.clone(), source: errno.into() };
    let file = open(&path, OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockShared)).map_err(failed)
}

/// Where the daemon of this state directory listens, if one does.
pub fn socket_of(state: &Path) -> Option<PathBuf> {
    holder(&state.join(NAME)).map(|(socket, _)| socket)
}
