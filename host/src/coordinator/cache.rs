//! Compiled modules, kept by what they were made from. Only the coordinator writes here, and it believes nothing that
//! it reads: an entry is as long as it says and has the hash that it says, or it is made again.

use super::places;
use crate::sys::lock;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use rustix::fs::{AtFlags, Mode, OFlags};
use sandhog_protocol::plan::Kind;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What a compiled module is made from: the module's bytes and the engine with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(blake3::Hash);

impl Key {
    pub(crate) fn new(module: &blake3::Hash, settings: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(module.as_bytes());
        hasher.update(settings.as_bytes());
        Self(hasher.finalize())
    }

    fn file_name(&self) -> String {
        format!("{}.compiled", self.0.to_hex())
    }

    /// A byte of the lock file; two keys on one byte only wait for each other.
    fn lock_byte(&self) -> u64 {
        let [a, b, c, d, ..] = *self.0.as_bytes();
        u32::from_le_bytes([a, b, c, d]).into()
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Place(#[from] places::Error),
    #[error("the cache {path:?} can't be used: {cause}; set SANDHOG_CACHE_DIR to a directory that you can write")]
    Use { path: PathBuf, cause: io::Error },
    #[error(
        "no room for the compiled module in the cache {path:?}: {cause}; make room, or set SANDHOG_CACHE_DIR to another disk"
    )]
    Full { path: PathBuf, cause: io::Error },
    #[error(
        "the file system of the cache {path:?} has no unnamed files (O_TMPFILE): set SANDHOG_CACHE_DIR to a directory on a local disk"
    )]
    Unsuitable { path: PathBuf, cause: io::Error },
}

/// The last bytes of an entry: what marks it and says its kind, the length and the hash of what stands before.
const MARK: [u8; 7] = *b"sandhog";
const FOOTER: usize = MARK.len() + 1 + 8 + blake3::OUT_LEN;

/// The cache's directory, open.
pub(crate) struct Cache {
    path: PathBuf,
    dir: Dir,
}

/// Held while one module is compiled; given back when it is dropped, or by the kernel.
pub(crate) struct Guard {
    _file: File,
}

impl Cache {
    /// Opens the cache, making it where it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        places::make_private(path, "SANDHOG_CACHE_DIR")?;
        let dir = Dir::open_ambient_dir(path, ambient_authority())
            .map_err(|cause| Error::Use { path: path.into(), cause })?;
        Ok(Self { path: path.into(), dir })
    }

    /// The entry, if it is there and whole; positioned at its start.
    pub(crate) fn find(&self, key: &Key) -> Option<(OwnedFd, Kind)> {
        self.open_entry(key).and_then(whole)
    }

    /// The entry, if it is there; nothing is known of what is in it.
    pub(crate) fn open_entry(&self, key: &Key) -> Option<File> {
        Some(self.dir.open(key.file_name()).ok()?.into_std())
    }

    /// Removes an entry that can't be used.
    pub(crate) fn remove(&self, key: &Key) {
        // Where it can't be removed it can't be replaced either, and that will be said.
        let _ = self.dir.remove_file(key.file_name());
    }

    /// Waits until nobody else compiles this module. Blocks: for a thread of its own.
    pub(crate) fn lock(&self, key: &Key) -> Result<Guard, Error> {
        let file = self
            .dir
            .open_with("lock", OpenOptions::new().read(true).write(true).create(true))
            .map_err(|cause| self.failed(cause))?;
        let file = file.into_std();
        lock::lock(file.as_fd(), key.lock_byte(), 1).map_err(|cause| self.failed(cause))?;
        Ok(Guard { _file: file })
    }

    /// A file without a name for the compiler to write to: whatever gets killed, nothing of it stays.
    pub(crate) fn unnamed(&self) -> Result<File, Error> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.dir, ".", flags, Mode::RUSR | Mode::WUSR);
        opened.map(File::from).map_err(|errno| match errno {
            rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR => {
                Error::Unsuitable { path: self.path.clone(), cause: errno.into() }
            }
            errno => self.failed(errno.into()),
        })
    }

    /// Gives a compiled module of this length its footer and its name. The caller holds the key's [`Guard`].
    pub(crate) fn keep(&self, key: &Key, mut file: File, length: u64, kind: Kind) -> Result<(OwnedFd, Kind), Error> {
        let sealed = seal(&mut file, length, kind).and_then(|()| self.name(key, &file));
        sealed.map_err(|cause| self.failed(cause))?;
        self.find(key).ok_or_else(|| self.failed(io::Error::other("what was written can't be read back")))
    }

    /// linkat(2) by way of /proc, as its manual says for a file without a name.
    fn name(&self, key: &Key, file: &File) -> io::Result<()> {
        self.remove(key);
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(rustix::fs::linkat(rustix::fs::CWD, path, &self.dir, key.file_name(), AtFlags::SYMLINK_FOLLOW)?)
    }

    pub(crate) fn failed(&self, cause: io::Error) -> Error {
        let path = self.path.clone();
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Error::Full { path, cause }
            }
            _ => Error::Use { path, cause },
        }
    }
}

/// Hashes what the compiler wrote and puts the footer behind it.
fn seal(file: &mut File, length: u64, kind: Kind) -> io::Result<()> {
    if file.metadata()?.len() != length {
        return Err(io::Error::other("the compiler's report does not fit what it wrote"));
    }
    let hash = hash_of(file, length, kind)?;
    file.seek(SeekFrom::Start(length))?;
    let footer = [MARK.as_slice(), &[digit(kind)], &length.to_le_bytes(), hash.as_bytes()].concat();
    file.write_all(&footer)
}

/// The entry, if it is whole; positioned at its start.
pub(crate) fn whole(mut file: File) -> Option<(OwnedFd, Kind)> {
    let kind = kind_if_whole(&mut file).ok()??;
    Some((file.into(), kind))
}

const fn digit(kind: Kind) -> u8 {
    match kind {
        Kind::Core => b'1',
        Kind::Component => b'2',
        Kind::Concurrent => b'3',
    }
}

fn kind_if_whole(file: &mut File) -> io::Result<Option<Kind>> {
    let Some(length) = file.metadata()?.len().checked_sub(FOOTER as u64) else { return Ok(None) };
    let mut footer = [0; FOOTER];
    file.seek(SeekFrom::Start(length))?;
    file.read_exact(&mut footer)?;
    let told = u64::from_le_bytes(footer[8..16].try_into().map_err(io::Error::other)?);
    let kind = [Kind::Core, Kind::Component, Kind::Concurrent].into_iter().find(|kind| digit(*kind) == footer[7]);
    let is_marked = footer[..7] == MARK && told == length;
    let Some(kind) = kind.filter(|_| is_marked) else { return Ok(None) };
    let is_whole = hash_of(file, length, kind)?.as_bytes().as_slice() == &footer[16..];
    Ok(is_whole.then_some(kind))
}

fn hash_of(file: &mut File, length: u64, kind: Kind) -> io::Result<blake3::Hash> {
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = blake3::Hasher::new();
    copy_into(&mut hasher, &mut file.take(length))?;
    hasher.update(&[digit(kind)]);
    file.seek(SeekFrom::Start(0))?;
    Ok(hasher.finalize())
}

/// In pieces that are large enough for the hash to use wide registers, small enough for a processor's cache.
pub(crate) fn copy_into(hasher: &mut blake3::Hasher, from: &mut impl Read) -> io::Result<u64> {
    let mut piece = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(total),
            Ok(read) => {
                hasher.update(&piece[..read]);
                total += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(name: &str) -> Cache {
        Cache::open(&std::env::temp_dir().join(format!("sandhog-cache-{name}-{}", std::process::id()))).unwrap()
    }

    fn kept(cache: &Cache, key: &Key) {
        let mut file = cache.unnamed().unwrap();
        file.write_all(b"compiled").unwrap();
        cache.keep(key, file, 8, Kind::Core).unwrap();
    }

    #[test]
    fn an_entry_is_found_until_a_single_bit_of_it_changes() {
        let cache = cache("damage");
        let key = Key::new(&blake3::hash(b"module"), "engine 1");
        assert!(cache.find(&key).is_none());
        kept(&cache, &key);
        assert!(cache.find(&key).is_some());
        let path = cache.path.join(key.file_name());
        let bytes = std::fs::read(&path).unwrap();
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert!(cache.find(&key).is_none(), "byte {place}");
            std::fs::write(&path, &bytes[..place]).unwrap();
            assert!(cache.find(&key).is_none(), "cut at {place}");
        }
        kept(&cache, &key);
        assert!(cache.find(&key).is_some(), "a damaged entry is replaced");
        std::fs::remove_dir_all(&cache.path).unwrap();
    }

    #[test]
    fn other_settings_are_another_entry() {
        let module = blake3::hash(b"module");
        assert_ne!(Key::new(&module, "engine 1"), Key::new(&module, "engine 2"));
    }

    #[test]
    fn a_directory_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("sandhog-cache-shared-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Cache::open(&path), Err(Error::Place(places::Error::Shared { .. }))));
        std::fs::remove_dir(path).unwrap();
    }
}
