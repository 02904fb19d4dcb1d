//! SQLite's way to the disk of chance. Nothing here may panic: SQLite is between it and whoever would catch that.

use super::disk::{Disk, FileId};
use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenKind, OpenOptions, Vfs, wip};
use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

/// As SQLite knows it.
pub(super) const NAME: &str = "sandhog-simulation";

pub(super) type SharedDisk = Arc<Mutex<Disk>>;

thread_local! {
    /// On which files are opened: each world has a thread and a disk.
    static HERE: RefCell<Option<SharedDisk>> = const { RefCell::new(None) };
}

/// From now on this thread's files are on that disk.
pub(super) fn mount(disk: &SharedDisk) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| sqlite_vfs::register(NAME, Mounted, false).expect("SQLite takes another file system"));
    HERE.set(Some(Arc::clone(disk)));
}

pub(super) fn of(disk: &SharedDisk) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Mounted;

impl Mounted {
    fn on_disk<T>(act: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        HERE.with_borrow(|disk| act(&mut of(disk.as_ref().ok_or_else(|| io::Error::other("no disk"))?)))
    }
}

impl Vfs for Mounted {
    type Handle = File;

    fn open(&self, name: &str, options: OpenOptions) -> io::Result<File> {
        let creates = match options.access {
            OpenAccess::Create | OpenAccess::CreateNew => true,
            OpenAccess::Read | OpenAccess::Write => false,
        };
        // As SQLite's own file system does it with what it may have made.
        let flushes_directory = creates && matches!(options.kind, OpenKind::MainJournal | OpenKind::Wal);
        let id = Self::on_disk(|disk| disk.open(name, creates))?;
        let disk = HERE.with_borrow(Clone::clone).ok_or_else(|| io::Error::other("no disk"))?;
        Ok(File { disk, id, flushes_directory, lock: LockKind::None })
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        Self::on_disk(|disk| disk.delete(name))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        Self::on_disk(|disk| Ok(disk.exists(name)))
    }

    fn temporary_name(&self) -> String {
        "temporary".into()
    }

    fn random(&self, buffer: &mut [i8]) {
        buffer.fill(0);
    }

    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }
}

struct File {
    disk: SharedDisk,
    id: FileId,
    /// With its next flush.
    flushes_directory: bool,
    /// One process alone has it.
    lock: LockKind,
}

impl DatabaseHandle for File {
    type WalIndex = NoIndex;

    fn size(&self) -> io::Result<u64> {
        Ok(of(&self.disk).length(self.id) as u64)
    }

    fn read_exact_at(&mut self, into: &mut [u8], at: u64) -> io::Result<()> {
        let count = of(&self.disk).read(self.id, at as usize, into)?;
        // SQLite asks for that.
        into[count..].fill(0);
        if count < into.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        of(&self.disk).write(self.id, at as usize, bytes)
    }

    fn sync(&mut self, _data_only: bool) -> io::Result<()> {
        of(&self.disk).flush(self.id, std::mem::take(&mut self.flushes_directory))
    }

    /// SQLite's own file system takes no hint of how long a file is going to be, either.
    fn set_len(&mut self, length: u64) -> io::Result<()> {
        let mut disk = of(&self.disk);
        if length as usize >= disk.length(self.id) { Ok(()) } else { disk.cut(self.id, length as usize) }
    }

    fn lock(&mut self, lock: LockKind) -> io::Result<bool> {
        self.lock = lock;
        Ok(true)
    }

    fn reserved(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn current_lock(&self) -> io::Result<LockKind> {
        Ok(self.lock)
    }

    fn wal_index(&self, _readonly: bool) -> io::Result<NoIndex> {
        Err(io::Error::other("the state is opened by one process alone"))
    }
}

/// Of a log that several processes read.
struct NoIndex;

impl wip::WalIndex for NoIndex {
    fn enabled() -> bool {
        false
    }

    fn map(&mut self, _region: u32) -> io::Result<[u8; 32768]> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn lock(&mut self, _locks: Range<u8>, _lock: wip::WalIndexLock) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn delete(self) -> io::Result<()> {
        Ok(())
    }
}
