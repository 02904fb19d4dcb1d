//! A module's file: opened, checked, read once for all that start it, and copied for a compiler.

use super::cache::{self, Turn};
use super::granted::FileId;
use super::reopen::{FromStart, for_reading};
use rustix::fs::{MemfdFlags, Mode, OFlags};
use sandhog_protocol::causes;
use sandhog_protocol::limits;
use sandhog_protocol::verdict::LostCause;
use sandhog_supervisor::outcome::Cause;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no module at {path:?}")]
    NotFound { path: PathBuf },
    #[error("failed to read the module {path:?}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path:?} is a directory; a module is a file (.wasm or .wat)")]
    Directory { path: PathBuf },
    #[error("{path:?} is no regular file (a pipe, socket or device); copy the module into a file first")]
    NotAFile { path: PathBuf },
    #[error("the module {path:?} has {bytes} bytes, more than the limit of {limit}", limit = limits::MODULE)]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("the module {path:?} has been changed since it was named; start it again")]
    Changed { path: PathBuf },
}

/// A module's file, open, and its hash once it has been read. Many attempts may share it, and start at the same time: none
/// of them moves a position in the file, and one of them reads it for all.
pub struct Module {
    path: PathBuf,
    file: File,
    hash: OnceLock<blake3::Hash>,
    /// Held by the thread that reads it.
    turn: Arc<Turn>,
}

impl Module {
    /// Opens a module; it is read later, while its zygote starts.
    pub fn open(path: &Path) -> Result<Self, Error> {
        // Without waiting: opening a pipe for reading would, for its other end.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| Error::of(path, errno.into()))?;
        Ok(Self::of_file(path, checked(path, opened.into())?))
    }

    /// One that is found already (with `O_PATH`), whatever its path leads to.
    pub(super) fn of_opened(path: &Path, opened_path: &OwnedFd) -> Result<Self, Error> {
        let opened = for_reading(opened_path).map_err(|cause| Error::of(path, cause))?;
        Ok(Self::of_file(path, checked(path, opened.into())?))
    }

    /// One that is open already; `path` is what it is called.
    pub fn of_file(path: &Path, file: File) -> Self {
        Self { path: path.into(), file, hash: OnceLock::new(), turn: Arc::default() }
    }

    /// Whether this is the file.
    pub(super) fn is_at(&self, id: FileId) -> bool {
        self.stamp().is_ok_and(|stamp| stamp.id == id)
    }

    /// Where this is as it was, the bytes are.
    pub(super) fn stamp(&self) -> Result<Stamp, Error> {
        let status = self.file.metadata().map_err(|cause| Error::of(&self.path, cause))?;
        Ok(Stamp {
            id: FileId { device: status.dev(), inode: status.ino() },
            bytes: status.len(),
            changed: (status.ctime(), status.ctime_nsec()),
        })
    }

    /// Takes over what is known of it, if that was of this file as it is.
    pub(super) fn assume(&self, hash: &str, known: &Stamp) {
        if let (Ok(stamp), Ok(hash)) = (self.stamp(), blake3::Hash::from_hex(hash))
            && stamp == *known
        {
            let _ = self.hash.set(hash);
        }
    }

    /// Reads it at the first call. Blocks.
    pub(super) fn hash_now(&self) -> Result<blake3::Hash, Error> {
        if let Some(hash) = self.hash.get() {
            return Ok(*hash);
        }
        let hash = hash_into(&self.file, &self.path, io::sink())?;
        // Whoever was quicker has said what it is.
        let _ = self.hash.set(hash);
        Ok(self.hash.get().copied().unwrap_or(hash))
    }

    /// Reads it at the first call. Who calls meanwhile waits for that, and whoever gives up leaves no second reader behind.
    pub(super) async fn hash(self: &Arc<Self>) -> Result<blake3::Hash, Cause> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if let Some(hash) = self.hash.get() {
            return Ok(*hash);
        }
        let module = Arc::clone(self);
        let read = move || {
            let hash = hash_into(&module.file, &module.path, io::sink())?;
            drop(turn);
            Ok(*module.hash.get_or_init(|| hash))
        };
        let read: Result<_, Error> = if is_small(&self.file) { read() } else { blocking(read).await? };
        read.map_err(|error| Cause::Refused(causes::one_line(&error)))
    }

    /// `None`: it was never read.
    pub(super) fn known_hash(&self) -> Option<&blake3::Hash> {
        self.hash.get()
    }

    /// As verdicts name it; `None` where it was never read.
    pub fn name(&self) -> Option<String> {
        self.hash.get().map(|hash| format!("blake3:{}", hash.to_hex()))
    }
}

/// What tells a file with these bytes from one with others: every change of a file sets its time of change (inode(7)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    id: FileId,
    bytes: u64,
    /// `ctime`: seconds and nanoseconds.
    changed: (i64, i64),
}

impl Error {
    pub(super) fn of(path: &Path, cause: io::Error) -> Self {
        let path = path.into();
        if cause.kind() == io::ErrorKind::NotFound { Self::NotFound { path } } else { Self::Read { path, cause } }
    }
}

/// The file, if it can be a module.
fn checked(path: &Path, file: File) -> Result<File, Error> {
    let status = file.metadata().map_err(|cause| Error::of(path, cause))?;
    if status.is_dir() {
        return Err(Error::Directory { path: path.into() });
    }
    if !status.is_file() {
        return Err(Error::NotAFile { path: path.into() });
    }
    if status.len() > limits::MODULE {
        return Err(Error::TooLarge { path: path.into(), bytes: status.len() });
    }
    Ok(file)
}

/// Hashes the file from its start, and copies it; at most one byte over the limit is read.
fn hash_into(file: &File, path: &Path, copy: impl Write) -> Result<blake3::Hash, Error> {
    let fail = |cause| Error::Read { path: path.into(), cause };
    let mut hasher = blake3::Hasher::new();
    let mut bounded = Tee { from: FromStart::new(file), copy }.take(limits::MODULE + 1);
    let bytes = cache::copy_into(&mut hasher, &mut bounded).map_err(fail)?;
    if bytes > limits::MODULE {
        return Err(Error::TooLarge { path: path.into(), bytes });
    }
    Ok(hasher.finalize())
}

/// Whatever is read is also written to the copy.
struct Tee<'a, W> {
    from: FromStart<'a>,
    copy: W,
}

impl<W: Write> Read for Tee<'_, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.copy.write_all(&buffer[..read])?;
        Ok(read)
    }
}

/// Files up to this length are read and hashed at once: that takes some 100 µs at the most, and another thread's start
/// as long.
const SMALL: u64 = 256 << 10;

pub(super) fn is_small(file: &File) -> bool {
    file.metadata().is_ok_and(|status| status.len() <= SMALL)
}

/// The module in memory that nobody can change any more, and that is what was hashed: each compiler has one of its own.
pub(super) fn copy_of(module: &Module) -> Result<OwnedFd, Error> {
    let path = &module.path;
    let fail = |errno: rustix::io::Errno| Error::Read { path: path.clone(), cause: errno.into() };
    let memory = rustix::fs::memfd_create("module", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(fail)?;
    let mut memory = File::from(memory);
    let hash = hash_into(&module.file, path, &mut memory)?;
    // Where it was not asked for before, nothing depends on what it was.
    if module.hash.get().is_some_and(|known| *known != hash) {
        return Err(Error::Changed { path: path.clone() });
    }
    memory.rewind().map_err(|cause| Error::Read { path: path.clone(), cause })?;
    use rustix::fs::SealFlags;
    rustix::fs::fcntl_add_seals(&memory, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
        .map_err(fail)?;
    Ok(memory.into())
}

/// Does what may wait for a disk in a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Cause> {
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

/// A fault of ours or of the machine's.
pub(super) fn failed(error: impl std::fmt::Display) -> Cause {
    Cause::Failed(LostCause::Machine, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_module_that_many_start_at_once_is_read_once_and_is_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("module");
        let bytes: Vec<u8> = (0..16 * SMALL as u32).map(|number| number.to_le_bytes()[number as usize % 3]).collect();
        std::fs::write(&path, &bytes).unwrap();
        let module = Arc::new(Module::open(&path).unwrap());
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let four = || {
            runtime().block_on(async {
                let mut all = tokio::task::JoinSet::new();
                for number in 0..4 {
                    let module = Arc::clone(&module);
                    all.spawn(async move {
                        // Some hash it, some copy it for a compiler.
                        if number == 0 {
                            let copied = Arc::clone(&module);
                            let copy = blocking(move || copy_of(&copied)).await.unwrap().unwrap();
                            hash_into(&copy.into(), &module.path, io::sink()).unwrap()
                        } else {
                            module.hash().await.unwrap()
                        }
                    });
                }
                all.join_all().await
            })
        };
        let all: Vec<_> = std::thread::scope(|threads| {
            let starters = [(); 4].map(|()| threads.spawn(four));
            starters.into_iter().flat_map(|starter| starter.join().unwrap()).collect()
        });
        assert_eq!(all, vec![blake3::hash(&bytes); 16]);
        // From now on it is what it was.
        std::fs::write(&path, b"another one").unwrap();
        assert_eq!(runtime().block_on(module.hash()).unwrap(), blake3::hash(&bytes));
        assert!(matches!(copy_of(&module), Err(Error::Changed { .. })));
    }
}
