//! The secret that entries of the cache are sealed with: 32 random bytes in the state directory, which no guest may read. It
//! binds an entry to its key and to this state directory: bytes that somebody else has written, or that were sealed for
//! another key, are found out, as damaged ones are.
//!
//! A person who can read the secret could write entries of their own. So a file that others may read, or that is not of
//! this person, is taken for no secret: it is made anew, and so is every entry, once.

use rustix::fs::{AtFlags, Mode, OFlags, linkat, open, openat, unlinkat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use sandhog_dirs::paths;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const LENGTH: usize = blake3::KEY_LEN;

/// Its file's name in the state directory.
const NAME: &str = "cache.key";

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Paths(#[from] paths::Error),
    #[error("failed to keep the cache's secret {path:?} (set SANDHOG_STATE_DIR to a directory that you can write)")]
    Keep {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// Bytes that only this person's Sandhog knows.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret([u8; LENGTH]);

/// What is found under the secret's name.
enum Found {
    Secret(Secret),
    Nothing,
    /// Nothing to be relied on, for this reason.
    Unfit,
}

impl Secret {
    /// That of a state directory; where there is none yet, it is made, and the directory as well. Several that make one
    /// at once have the same.
    ///
    /// # Errors
    /// The directory can't be written, or others may write it.
    pub(super) fn of_state(state: &Path) -> Result<Self, Error> {
        paths::make_private(state, paths::STATE_VARIABLE)?;
        let failed = |cause: io::Error| Error::Keep { path: state.join(NAME), cause };
        let directory = open(state, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let directory = directory.map_err(|errno| failed(errno.into()))?;
        match find(&directory).map_err(failed)? {
            Found::Secret(secret) => return Ok(secret),
            Found::Nothing => {}
            // Two that do this at once may end up with two secrets, of which one is lost: its entries are made again.
            Found::Unfit => match unlinkat(&directory, NAME, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed(errno.into())),
            },
        }
        let secret = Self::random().map_err(failed)?;
        match secret.keep(&directory) {
            Ok(()) => Ok(secret),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match find(&directory).map_err(failed)? {
                Found::Secret(secret) => Ok(secret),
                Found::Nothing | Found::Unfit => Err(failed(io::Error::other("somebody else changes it"))),
            },
            Err(error) => Err(failed(error)),
        }
    }

    /// A new one, for as long as this process lives.
    pub(super) fn random() -> io::Result<Self> {
        let mut bytes = [0; LENGTH];
        let mut rest = bytes.as_mut_slice();
        while !rest.is_empty() {
            let read = rustix::io::retry_on_intr(|| getrandom(&mut *rest, GetRandomFlags::empty()))?;
            rest = &mut rest[read..];
        }
        Ok(Self(bytes))
    }

    /// A hash that nobody else can make.
    pub(super) fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.0)
    }

    /// Puts it into the state directory, whole or not at all.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`]: somebody was faster.
    fn keep(&self, directory: &OwnedFd) -> io::Result<()> {
        let (mode, flags) = (Mode::RUSR | Mode::WUSR, OFlags::WRONLY | OFlags::CLOEXEC);
        match openat(directory, ".", flags | OFlags::TMPFILE, mode) {
            Ok(file) => {
                let file = self.write_to(file)?;
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                Ok(linkat(rustix::fs::CWD, path, directory, NAME, AtFlags::SYMLINK_FOLLOW)?)
            }
            // A file system without unnamed files (NFS). Somebody who reads half of it takes it for unfit.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let named = openat(directory, NAME, flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW, mode)?;
                self.write_to(named).map(drop)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// To the disk: after a loss of power, zeros would be a secret that everybody knows.
    fn write_to(&self, file: OwnedFd) -> io::Result<File> {
        let mut file = File::from(file);
        file.write_all(&self.0)?;
        file.sync_all()?;
        Ok(file)
    }
}

fn find(directory: &OwnedFd) -> io::Result<Found> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(directory, NAME, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(Found::Nothing),
        // A link, a socket, or one's own file without a right to read it.
        Err(Errno::LOOP | Errno::NXIO | Errno::ACCESS) => return Ok(Found::Unfit),
        Err(errno) => return Err(errno.into()),
    };
    let status = file.metadata()?;
    let is_ours = status.is_file() && status.uid() == rustix::process::geteuid().as_raw() && status.nlink() == 1;
    if !is_ours || status.mode() & 0o077 != 0 || status.len() != LENGTH as u64 {
        return Ok(Found::Unfit);
    }
    let mut bytes = Vec::with_capacity(LENGTH);
    file.take(LENGTH as u64).read_to_end(&mut bytes)?;
    Ok(match <[u8; LENGTH]>::try_from(bytes) {
        Ok(bytes) if bytes != [0; LENGTH] => Found::Secret(Secret(bytes)),
        Ok(_) | Err(_) => Found::Unfit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A directory for one test; gone with the value.
    struct State(tempfile::TempDir);

    impl State {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
            Self(directory)
        }

        fn file(&self) -> PathBuf {
            self.0.path().join(NAME)
        }

        fn secret(&self) -> Secret {
            Secret::of_state(self.0.path()).unwrap()
        }
    }

    #[test]
    fn a_secret_stays_and_is_its_owners_alone() {
        let state = State::new();
        let secret = state.secret();
        assert!(secret == state.secret());
        assert!(secret.0 != Secret::random().unwrap().0);
        let status = fs::metadata(state.file()).unwrap();
        assert_eq!((status.mode() & 0o7777, status.len()), (0o600, 32));
        assert_eq!(fs::read_dir(&state.0).unwrap().count(), 1);
    }

    #[test]
    fn many_that_make_it_at_once_have_the_same() {
        let state = State::new();
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| state.secret())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|secret| *secret == all[0] && *secret == state.secret()));
    }

    #[test]
    fn what_is_no_secret_of_ours_is_made_anew() {
        let state = State::new();
        let other = state.0.path().join("other");
        type Spoil<'a> = (&'a str, &'a dyn Fn(&Path));
        let spoils: [Spoil<'_>; 7] = [
            ("short", &|file| fs::write(file, [7; 31]).unwrap()),
            ("long", &|file| fs::write(file, [7; 33]).unwrap()),
            ("zeros, as after a loss of power", &|file| fs::write(file, [0; 32]).unwrap()),
            ("read by others", &|file| fs::set_permissions(file, Permissions::from_mode(0o640)).unwrap()),
            ("a link", &|file| {
                fs::rename(file, &other).unwrap();
                symlink(&other, file).unwrap();
            }),
            ("a second name", &|file| fs::hard_link(file, state.0.path().join("second")).unwrap()),
            ("a pipe", &|file| {
                fs::remove_file(file).unwrap();
                let fifo = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, file, fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            }),
        ];
        for (name, spoil) in spoils {
            let before = state.secret();
            spoil(&state.file());
            let after = state.secret();
            assert!(before != after, "{name}");
            assert!(after == state.secret(), "{name}: it stays then");
        }
    }

    #[test]
    fn a_directory_in_its_place_is_told() {
        let state = State::new();
        fs::create_dir(state.file()).unwrap();
        let error = Secret::of_state(state.0.path()).err().unwrap().to_string();
        assert!(error.contains("cache.key") && error.contains("SANDHOG_STATE_DIR"), "{error}");
    }
}
