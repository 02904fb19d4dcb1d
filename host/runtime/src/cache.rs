//! Compiled modules, kept by what they were made from. Only the coordinator writes here, and it believes nothing that
//! it reads: an entry is as long as it says and was sealed for its key, with the secret of this state directory, or it is
//! made again.
//!
//! The seal is looked at before an entry is used, and its file is mapped afterwards: whoever has it open for writing could
//! change it in between. So an entry has one name, is of mode 600, and no guest is granted a directory that leads here
//! ([`super::own_directories`]).

mod secret;

use super::reopen::FromStart;
use rustix::fs::{AtFlags, MemfdFlags, Mode, OFlags, open, openat, unlinkat};
use sandhog_dirs::paths;
use sandhog_protocol::causes;
use sandhog_protocol::plan::Kind;
use sandhog_sys::lock;
use secret::Secret;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What a compiled module is made from: the module's bytes and the engine with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(blake3::Hash);

impl Key {
    pub fn new(module: &blake3::Hash, settings: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(module.as_bytes());
        hasher.update(settings.as_bytes());
        Self(hasher.finalize())
    }

    /// By the secret, so that two state directories with one cache don't replace each other's entries. A seal is a hash
    /// of more bytes than this.
    fn file_name(&self, secret: &Secret) -> String {
        format!("{}.compiled", secret.hasher().update(self.0.as_bytes()).finalize().to_hex())
    }

    /// A byte of the lock file; two keys on one byte only wait for each other.
    fn lock_byte(&self) -> u64 {
        let [a, b, c, d, ..] = *self.0.as_bytes();
        u32::from_le_bytes([a, b, c, d]).into()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Paths(#[from] paths::Error),
    #[error("the cache {path:?} can't be used (set SANDHOG_CACHE_DIR to a directory that you can write)")]
    Use {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(
        "no room for the compiled module in the cache {path:?} (make room, or set SANDHOG_CACHE_DIR to another disk)"
    )]
    Full {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(
        "the file system of the cache {path:?} has no unnamed files (O_TMPFILE): set SANDHOG_CACHE_DIR to a directory on a local disk"
    )]
    Unsuitable { path: PathBuf, cause: io::Error },
    #[error("no memory for a compiled module that is not kept")]
    Memory(#[source] io::Error),
}

/// Most that is kept in memory, in bytes: a hundred ordinary modules. What is beyond is compiled again at its next start.
const MEMORY_BYTES: u64 = 256 << 20;

/// The last bytes of an entry: what marks it and says its kind, the length and the seal of what stands before.
const MARK: [u8; 7] = *b"sandhog";
const FOOTER: usize = MARK.len() + 1 + 8 + blake3::OUT_LEN;

/// The cache's directory, open.
struct CacheDirectory {
    path: PathBuf,
    dir: OwnedFd,
}

/// Compiled modules, and where they are.
pub struct Cache {
    /// None: in memory alone.
    directory: Option<CacheDirectory>,
    secret: Secret,
    shelf: Shelf,
    turns: Mutex<HashMap<Key, Weak<Turn>>>,
}

/// Where entries are kept.
enum Shelf {
    /// In the directory, under their names.
    Directory,
    /// Without names, for as long as this process lives, for this reason: what was sealed with a secret that nobody keeps
    /// could never be used again.
    Memory { reason: String, entries: Mutex<HashMap<Key, OwnedFd>> },
}

/// Whose turn it is, of all in this process that want the [`Guard`] of one module: a thread waits for the others on this
/// machine, and no second one beside it.
pub type Turn = tokio::sync::Mutex<()>;

/// Held while one module is compiled; given back when it is dropped, or by the kernel.
pub struct Guard {
    /// None: nobody else can have the module of a cache in memory; see [`Turn`].
    _file: Option<File>,
}

impl Cache {
    /// Opens the cache, making it where it is missing. `state`: the state directory, which has its secret; where it can't
    /// be had, nothing is kept beyond this process ([`Self::forgets`]).
    pub fn open(path: &Path, state: Result<&Path, String>) -> Result<Self, Error> {
        paths::make_private(path, paths::CACHE_VARIABLE)?;
        let failed = |cause: io::Error| Error::Use { path: path.into(), cause };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let secret = state.and_then(|state| Secret::of_state(state).map_err(|error| causes::one_line(&error)));
        let (secret, shelf) = match secret {
            Ok(secret) => (secret, Shelf::Directory),
            Err(reason) => (Secret::random().map_err(failed)?, Shelf::Memory { reason, entries: Mutex::default() }),
        };
        let directory = Some(CacheDirectory { path: path.into(), dir });
        Ok(Self { directory, secret, shelf, turns: Mutex::default() })
    }

    /// One without a directory, for as long as this process lives: `reason` there is none.
    ///
    /// # Errors
    /// The machine has no random numbers.
    pub fn in_memory(reason: String) -> Result<Self, Error> {
        let secret = Secret::random().map_err(Error::Memory)?;
        Ok(Self {
            directory: None,
            secret,
            shelf: Shelf::Memory { reason, entries: Mutex::default() },
            turns: Mutex::default(),
        })
    }

    /// Why nothing is kept beyond this process.
    pub fn forgets(&self) -> Option<&str> {
        match &self.shelf {
            Shelf::Directory => None,
            Shelf::Memory { reason, .. } => Some(reason),
        }
    }

    /// The entry, if it is there and whole; positioned at its start.
    pub fn find(&self, key: &Key) -> Option<(OwnedFd, Kind)> {
        self.open_entry(key).and_then(|file| self.whole(key, file))
    }

    /// The entry, if it is there and nobody else's; nothing is known of what is in it.
    pub fn open_entry(&self, key: &Key) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match &self.shelf {
            Shelf::Directory => {
                let directory = self.directory.as_ref()?;
                File::from(openat(&directory.dir, key.file_name(&self.secret), flags, Mode::empty()).ok()?)
            }
            Shelf::Memory { entries, .. } => read_only(locked(entries).get(key)?).ok()?,
        };
        let status = file.metadata().ok()?;
        let names = if self.forgets().is_some() { 0 } else { 1 };
        let is_ours = status.uid() == rustix::process::geteuid().as_raw() && status.mode() & 0o022 == 0;
        (status.is_file() && is_ours && status.nlink() == names).then_some(file)
    }

    /// The entry, if it is whole and was sealed for this key; positioned at its start.
    pub fn whole(&self, key: &Key, file: File) -> Option<(OwnedFd, Kind)> {
        let kind = self.kind_if_whole(key, &file).ok()??;
        Some((file.into(), kind))
    }

    /// Removes an entry that can't be used.
    pub fn remove(&self, key: &Key) {
        match &self.shelf {
            // Where it can't be removed it can't be replaced either, and that will be said.
            Shelf::Directory => {
                let _ = self
                    .directory
                    .as_ref()
                    .map(|directory| unlinkat(&directory.dir, key.file_name(&self.secret), AtFlags::empty()));
            }
            Shelf::Memory { entries, .. } => drop(locked(entries).remove(key)),
        }
    }

    /// To be taken before [`Self::lock`], and held for as long as that waits.
    pub fn turn(&self, key: &Key) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(*key, Arc::downgrade(&turn));
        turn
    }

    /// Waits until nobody else compiles this module. Blocks: for a thread of its own, see [`Turn`].
    pub fn lock(&self, key: &Key) -> Result<Guard, Error> {
        let Some(directory) = &self.directory else { return Ok(Guard { _file: None }) };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&directory.dir, "lock", flags, Mode::RUSR | Mode::WUSR);
        let file = File::from(file.map_err(|errno| self.failed(errno.into()))?);
        lock::lock(file.as_fd(), key.lock_byte(), 1).map_err(|cause| self.failed(cause))?;
        Ok(Guard { _file: Some(file) })
    }

    /// A file without a name for the compiler to write to: whatever gets killed, nothing of it stays.
    pub fn unnamed(&self) -> Result<File, Error> {
        let Some(directory) = &self.directory else { return in_memory().map_err(Error::Memory) };
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&directory.dir, ".", flags, Mode::RUSR | Mode::WUSR);
        opened.map(File::from).map_err(|errno| match errno {
            rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR => {
                Error::Unsuitable { path: directory.path.clone(), cause: errno.into() }
            }
            errno => self.failed(errno.into()),
        })
    }

    /// Gives a compiled module of this length its footer and its place. The caller holds the key's [`Guard`].
    pub fn keep(&self, key: &Key, file: File, length: u64, kind: Kind) -> Result<(OwnedFd, Kind), Error> {
        let sealed = self.seal(key, &file, length, kind).and_then(|()| self.put(key, file));
        sealed.map_err(|cause| self.failed(cause))?;
        self.find(key).ok_or_else(|| self.failed(io::Error::other("what was written can't be read back")))
    }

    fn put(&self, key: &Key, file: File) -> io::Result<()> {
        match &self.shelf {
            Shelf::Directory => self.name(key, &file),
            Shelf::Memory { entries, .. } => {
                let mut entries = locked(entries);
                let bytes: u64 = entries
                    .values()
                    .filter_map(|entry| rustix::fs::fstat(entry).ok())
                    .map(|it| it.st_size.cast_unsigned())
                    .sum();
                if bytes + file.metadata()?.len() > MEMORY_BYTES {
                    entries.clear();
                }
                entries.insert(*key, read_only(&file.into())?.into());
                Ok(())
            }
        }
    }

    /// linkat(2) by way of /proc, as its manual says for a file without a name.
    fn name(&self, key: &Key, file: &File) -> io::Result<()> {
        self.remove(key);
        let directory = self.directory.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let (path, name) = (path_of(file.as_raw_fd()), key.file_name(&self.secret));
        Ok(rustix::fs::linkat(rustix::fs::CWD, path, &directory.dir, name, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Seals what the compiler wrote, and puts the footer behind it; by position, for the compiler had the same descriptor.
    fn seal(&self, key: &Key, file: &File, length: u64, kind: Kind) -> io::Result<()> {
        if file.metadata()?.len() != length {
            return Err(io::Error::other("the compiler's report does not fit what it wrote"));
        }
        let seal = self.seal_of(key, file, length, kind)?;
        let footer = [MARK.as_slice(), &[digit(kind)], &length.to_le_bytes(), seal.as_bytes()].concat();
        file.write_all_at(&footer, length)
    }

    fn kind_if_whole(&self, key: &Key, file: &File) -> io::Result<Option<Kind>> {
        let Some(length) = file.metadata()?.len().checked_sub(FOOTER as u64) else { return Ok(None) };
        let mut footer = [0; FOOTER];
        file.read_exact_at(&mut footer, length)?;
        let told = u64::from_le_bytes(footer[8..16].try_into().map_err(io::Error::other)?);
        let kind = [Kind::Core, Kind::Component, Kind::Concurrent].into_iter().find(|kind| digit(*kind) == footer[7]);
        let is_marked = footer[..7] == MARK && told == length;
        let Some(kind) = kind.filter(|_| is_marked) else { return Ok(None) };
        let seal = blake3::Hash::from_slice(&footer[16..]).map_err(io::Error::other)?;
        // A comparison that takes the same time whatever differs: blake3's.
        Ok((self.seal_of(key, file, length, kind)? == seal).then_some(kind))
    }

    /// A keyed hash of all that an entry says: its key, kind and length, which are of one size, and its bytes.
    fn seal_of(&self, key: &Key, file: &File, length: u64, kind: Kind) -> io::Result<blake3::Hash> {
        let mut hasher = self.secret.hasher();
        hasher.update(key.0.as_bytes()).update(&[digit(kind)]).update(&length.to_le_bytes());
        copy_into(&mut hasher, &mut FromStart::new(file).take(length))?;
        Ok(hasher.finalize())
    }

    pub fn failed(&self, cause: io::Error) -> Error {
        let Some(CacheDirectory { path, .. }) = &self.directory else { return Error::Memory(cause) };
        let path = path.clone();
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
        if full.contains(&cause.kind()) { Error::Full { path, cause } } else { Error::Use { path, cause } }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds the lock, and a table of descriptors is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that nobody else can reach, as [`Cache::open_entry`] takes one.
fn in_memory() -> io::Result<File> {
    let file = rustix::fs::memfd_create("compiled", MemfdFlags::CLOEXEC)?;
    rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    Ok(file.into())
}

fn path_of(fd: i32) -> String {
    format!("/proc/self/fd/{fd}")
}

/// The same file once more, with a position of its own, to be read only.
fn read_only(file: &OwnedFd) -> io::Result<File> {
    Ok(open(path_of(file.as_raw_fd()), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
}

const fn digit(kind: Kind) -> u8 {
    match kind {
        Kind::Core => b'1',
        Kind::Component => b'2',
        Kind::Concurrent => b'3',
    }
}

/// In pieces that are large enough for the hash to use wide registers, small enough for a processor's cache.
pub fn copy_into(hasher: &mut blake3::Hasher, from: &mut impl Read) -> io::Result<u64> {
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
    use std::io::Write;

    /// A cache with a state beside it.
    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache");
        let cache = Cache::open(&path, Ok(&path.join("state"))).unwrap();
        (directory, cache)
    }

    fn kept(cache: &Cache, key: &Key) {
        let mut file = cache.unnamed().unwrap();
        file.write_all(b"compiled").unwrap();
        cache.keep(key, file, 8, Kind::Core).unwrap();
    }

    #[test]
    fn an_entry_is_found_until_a_single_bit_of_it_changes() {
        let (_directory, cache) = cache();
        let key = Key::new(&blake3::hash(b"module"), "engine 1");
        assert!(cache.find(&key).is_none());
        kept(&cache, &key);
        assert!(cache.find(&key).is_some());
        let path = cache.path().join(key.file_name(&cache.secret));
        let bytes = std::fs::read(&path).unwrap();
        for offset in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[offset] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert!(cache.find(&key).is_none(), "byte {offset}");
            std::fs::write(&path, &bytes[..offset]).unwrap();
            assert!(cache.find(&key).is_none(), "cut at {offset}");
        }
        kept(&cache, &key);
        assert!(cache.find(&key).is_some(), "a damaged entry is replaced");
    }

    #[test]
    fn who_wants_one_module_has_one_turn_and_it_goes_with_the_last_of_them() {
        let (_directory, cache) = cache();
        let key = |module: &[u8]| Key::new(&blake3::hash(module), "engine 1");
        let (first, second) = (cache.turn(&key(b"one")), cache.turn(&key(b"one")));
        let held = first.clone().try_lock_owned().unwrap();
        assert!(second.try_lock().is_err() && cache.turn(&key(b"other")).try_lock().is_ok());
        drop((first, second));
        assert!(cache.turn(&key(b"one")).try_lock().is_err(), "a thread that waits holds it still");
        drop(held);
        assert!(cache.turn(&key(b"one")).try_lock().is_ok());
        assert_eq!(cache.turns.lock().unwrap().len(), 1);
    }

    #[test]
    fn an_entry_under_another_key_or_of_another_state_is_none() {
        let (_directory, cache) = cache();
        let [one, other] = [b"one", b"two"].map(|module| Key::new(&blake3::hash(module), "engine 1"));
        kept(&cache, &one);
        kept(&cache, &other);
        let path = |key: &Key| cache.path().join(key.file_name(&cache.secret));
        std::fs::copy(path(&one), path(&other)).unwrap();
        assert!(cache.find(&other).is_none() && cache.find(&one).is_some());
        let stranger = Cache::open(cache.path(), Ok(&cache.path().join("other-state"))).unwrap();
        assert!(stranger.find(&one).is_none());
        std::fs::copy(path(&one), cache.path().join(one.file_name(&stranger.secret))).unwrap();
        assert!(stranger.find(&one).is_none(), "not even under its name there");
    }

    #[test]
    fn an_entry_with_a_second_name_or_that_others_may_write_is_none() {
        use std::os::unix::fs::PermissionsExt;
        let (_directory, cache) = cache();
        let key = Key::new(&blake3::hash(b"module"), "engine 1");
        kept(&cache, &key);
        let path = cache.path().join(key.file_name(&cache.secret));
        std::fs::hard_link(&path, cache.path().join("second")).unwrap();
        assert!(cache.find(&key).is_none());
        kept(&cache, &key);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o620)).unwrap();
        assert!(cache.find(&key).is_none());
        kept(&cache, &key);
        std::fs::rename(&path, cache.path().join("third")).unwrap();
        std::os::unix::fs::symlink("third", &path).unwrap();
        assert!(cache.find(&key).is_none(), "through a link");
    }

    impl Cache {
        fn path(&self) -> &Path {
            &self.directory.as_ref().unwrap().path
        }
    }

    #[test]
    fn without_a_directory_entries_are_in_memory_and_read_only() {
        let cache = Cache::in_memory("no home".into()).unwrap();
        assert_eq!(cache.forgets(), Some("no home"));
        let key = Key::new(&blake3::hash(b"module"), "engine 1");
        assert!(cache.find(&key).is_none());
        let _guard = cache.lock(&key).unwrap();
        kept(&cache, &key);
        let (entry, _) = cache.find(&key).unwrap();
        assert!(rustix::io::write(&entry, b"x").is_err(), "it is read only");
        cache.remove(&key);
        assert!(cache.find(&key).is_none());
    }

    #[test]
    fn no_more_than_so_much_is_kept_in_memory() {
        let cache = Cache::in_memory("no home".into()).unwrap();
        let key = |number: u8| Key::new(&blake3::hash(&[number]), "engine 1");
        for number in 0..3 {
            let file = cache.unnamed().unwrap();
            // It takes no memory: nobody has written it.
            file.set_len(MEMORY_BYTES / 2 - 1024).unwrap();
            cache.put(&key(number), file).unwrap();
        }
        let kept = [0, 1, 2].map(|number| cache.open_entry(&key(number)).is_some());
        assert_eq!(kept, [false, false, true]);
    }

    #[test]
    fn without_a_state_entries_last_as_long_as_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache");
        let cache = Cache::open(&path, Err("no home".into())).unwrap();
        assert_eq!(cache.forgets(), Some("no home"));
        let key = Key::new(&blake3::hash(b"module"), "engine 1");
        kept(&cache, &key);
        let (entry, _) = cache.find(&key).unwrap();
        assert!(rustix::io::write(&entry, b"x").is_err(), "it is read only");
        cache.remove(&key);
        assert!(cache.find(&key).is_none());
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
    }

    #[test]
    fn other_settings_are_another_entry() {
        let module = blake3::hash(b"module");
        assert_ne!(Key::new(&module, "engine 1"), Key::new(&module, "engine 2"));
    }

    #[test]
    fn a_directory_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
        let state = path.join("state");
        assert!(matches!(Cache::open(path, Ok(&state)), Err(Error::Paths(paths::Error::Shared { .. }))));
    }
}
