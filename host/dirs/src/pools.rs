//! Where commands that hold a pool can be asked how it is: in one directory below the runtime directory, a socket for each
//! (`PID.sock`), and a lock beside it (`PID.lock`) that is held for as long as its command lives. Whoever meets a lock that
//! nobody holds removes both: their command was killed.
//!
//! Must not: know what is said.

use super::paths::{self, RUNTIME_VARIABLE};
use super::person::Person;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "pools";
const SOCKET: &str = "sock";
const LOCK: &str = "lock";

/// How often a place is tried for: whoever looks at the same moment may remove what has just been made.
const TRIES: u32 = 3;

/// Most files that are looked at: two of each command. A machine has some ten thousand processes.
const FILES_MAX: usize = 20_000;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Paths(#[from] paths::Error),
    #[error("failed to make a place to be asked at in {path:?}")]
    Place {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// This command's place: what is removed in the end, under the lock. It is gone with this.
pub struct Place {
    directory: PathBuf,
    name: String,
    _lock: OwnedFd,
}

/// A command that holds a pool, and where it listens.
#[derive(Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    pub socket: PathBuf,
}

impl Place {
    /// A place for this process, and what listens there, which does not block.
    ///
    /// # Errors
    /// The runtime directory can't be used.
    pub fn take(person: &Person, variable: impl Fn(&str) -> Option<OsString>) -> Result<(UnixListener, Self), Error> {
        let runtime = paths::runtime(person, variable)?;
        paths::make_private(&runtime, RUNTIME_VARIABLE)?;
        Self::take_in(&runtime.join(DIRECTORY), std::process::id())
    }

    fn take_in(directory: &Path, pid: u32) -> Result<(UnixListener, Self), Error> {
        let mut failed = Error::Place { path: directory.into(), cause: io::ErrorKind::WouldBlock.into() };
        for _ in 0..TRIES {
            paths::make_private(directory, RUNTIME_VARIABLE)?;
            match Self::try_take(directory, &pid.to_string()) {
                Ok(Some(place)) => return Ok(place),
                Ok(None) => {}
                Err(cause) => failed = Error::Place { path: directory.into(), cause },
            }
        }
        Err(failed)
    }

    /// None: somebody has removed it meanwhile.
    fn try_take(directory: &Path, name: &str) -> io::Result<Option<(UnixListener, Self)>> {
        let path = directory.join(name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = open(path.with_extension(LOCK), flags, Mode::RUSR | Mode::WUSR)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        if fstat(&lock)?.st_nlink == 0 {
            return Ok(None);
        }
        let place = Self { directory: directory.into(), name: name.into(), _lock: lock };
        let socket = path.with_extension(SOCKET);
        // Of a process that had the same number.
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        listener.set_nonblocking(true)?;
        Ok(Some((listener, place)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        remove(&self.directory, &self.name);
    }
}

/// Of one command; the lock last, and the directory where nobody else has anything there.
fn remove(directory: &Path, name: &str) {
    let path = directory.join(name);
    let _ = fs::remove_file(path.with_extension(SOCKET));
    let _ = fs::remove_file(path.with_extension(LOCK));
    let _ = fs::remove_dir(directory);
}

/// Who holds a pool, by their numbers; what was left behind is removed.
///
/// # Errors
/// There is no place for a runtime directory. None at that place: nobody holds one.
pub fn holders(person: &Person, variable: impl Fn(&str) -> Option<OsString>) -> Result<Vec<Holder>, paths::Error> {
    let runtime = paths::runtime(person, variable)?;
    // Where others may write, nothing is believed, and nothing removed.
    let is_own = paths::check_private(&runtime, RUNTIME_VARIABLE).is_ok();
    Ok(if is_own { holders_in(&runtime.join(DIRECTORY)) } else { Vec::new() })
}

fn holders_in(directory: &Path) -> Vec<Holder> {
    if paths::check_private(directory, RUNTIME_VARIABLE).is_err() {
        return Vec::new();
    }
    let files = fs::read_dir(directory).into_iter().flatten().take(FILES_MAX);
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let locks = names.filter_map(|name| name.strip_suffix(LOCK)?.strip_suffix('.')?.parse::<u32>().ok());
    let mut pids: Vec<u32> = locks.collect();
    pids.sort_unstable();
    let live = |pid: &u32| is_held(directory, &pid.to_string());
    let holder = |pid: u32| Holder { pid, socket: directory.join(pid.to_string()).with_extension(SOCKET) };
    pids.into_iter().filter(live).map(holder).collect()
}

/// Whether a command lives. What one has left is removed.
fn is_held(directory: &Path, name: &str) -> bool {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(lock) = open(directory.join(name).with_extension(LOCK), flags, Mode::empty()) else { return false };
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            remove(directory, name);
            false
        }
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_place_is_found_while_it_is_held_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let pools = folder.path().join(DIRECTORY);
        assert_eq!(holders_in(&pools), []);
        let (one, other) = (Place::take_in(&pools, 9).unwrap(), Place::take_in(&pools, 10).unwrap());
        assert_eq!(holders_in(&pools).iter().map(|holder| holder.pid).collect::<Vec<_>>(), [9, 10]);
        UnixStream::connect(&holders_in(&pools)[0].socket).unwrap();
        drop(one);
        assert_eq!(holders_in(&pools).len(), 1);
        drop(other);
        assert_eq!((holders_in(&pools), pools.exists()), (Vec::new(), false));
    }

    #[test]
    fn what_a_killed_command_left_is_removed_by_whoever_looks() {
        let folder = tempfile::tempdir().unwrap();
        let pools = folder.path().join(DIRECTORY);
        let held = Place::take_in(&pools, 1).unwrap();
        fs::write(pools.join("2.lock"), "").unwrap();
        drop(UnixListener::bind(pools.join("2.sock")).unwrap());
        fs::write(pools.join("other"), "").unwrap();
        fs::write(pools.join("x.lock"), "").unwrap();
        assert_eq!(holders_in(&pools).len(), 1);
        assert_eq!(names(&pools), ["1.lock", "1.sock", "other", "x.lock"], "nothing but ours");
        drop(held);
    }

    #[test]
    fn a_number_that_is_held_is_not_taken_twice_and_one_that_is_free_again_is() {
        let folder = tempfile::tempdir().unwrap();
        let pools = folder.path().join(DIRECTORY);
        let held = Place::take_in(&pools, 7).unwrap();
        assert!(Place::take_in(&pools, 7).is_err());
        assert_eq!(holders_in(&pools).len(), 1, "whoever was refused has removed nothing");
        drop(held);
        Place::take_in(&pools, 7).unwrap();
    }

    #[test]
    fn a_directory_that_others_may_write_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let pools = folder.path().join(DIRECTORY);
        fs::create_dir(&pools).unwrap();
        fs::set_permissions(&pools, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Place::take_in(&pools, 7), Err(Error::Paths(paths::Error::Shared { .. }))));
        assert_eq!(names(&pools), Vec::<String>::new());
    }
}
