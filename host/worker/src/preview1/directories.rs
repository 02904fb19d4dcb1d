//! `fd_readdir`, and what granted directories are called.
//!
//! A cookie is the kernel's own position in the directory (`d_off` of getdents64(2)), moved by two: 0 and 1 stand for `.` and
//! `..`, which come first whatever the file system does with them, and 2 for the kernel's beginning. So a cookie stays good
//! while names come and go: how far is the file system's word, as for readdir(3). A listing that goes on where it was goes on
//! in the kernel, without a seek: what has been removed meanwhile moves nothing.
//!
//! Names that are not UTF-8 can't be told in WASI 0.1: they are left out.

use super::{
    Guest,
    errno::{Errno, Failure},
    memory::{self, bytes_mut, put_size},
    paths,
    rights::filetype,
    status,
    table::{Directory, Entry},
};
use rustix::{
    fs::{FileType, Mode, OFlags, RawDir, SeekFrom, seek},
    io::Errno as Kernel,
};
use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

/// How much of a directory is read at once, in bytes: some 250 names. Each descriptor that lists holds as much.
const BATCH: usize = 8192;

/// `typenames.witx`, `dirent`, in bytes; the name follows.
const HEADER: usize = 24;

/// Cookies that are ours.
const DOT: u64 = 0;
const DOT_DOT: u64 = 1;
const BEGINNING: u64 = 2;

/// Where a guest is in a directory.
#[derive(Debug)]
pub(super) struct Listing {
    fd: Arc<OwnedFd>,
    /// Entries as the guest gets them, one behind the other, which the kernel has told and the guest may not have seen.
    batch: Vec<u8>,
    /// Where in `batch` the entry of `cookie` begins.
    at: usize,
    cookie: u64,
}

impl Listing {
    /// Of a directory from its beginning. A granted directory is open to be named only, so it is opened once more.
    fn of(directory: &Directory) -> Result<Self, Errno> {
        let fd = if directory.granted_as.is_some() {
            Arc::new(paths::open(directory.fd(), ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?)
        } else {
            Arc::clone(&directory.fd)
        };
        Ok(Self { fd, batch: Vec::new(), at: 0, cookie: BEGINNING })
    }

    /// Goes to `cookie`, unless it is there.
    ///
    /// # Errors
    /// INVAL where the kernel knows no such place.
    fn go_to(&mut self, cookie: u64) -> rustix::io::Result<()> {
        if cookie == self.cookie {
            return Ok(());
        }
        (self.batch, self.at) = (Vec::new(), 0);
        // Not where it was, even if the kernel refuses.
        self.cookie = DOT;
        seek(&self.fd, SeekFrom::Start(position(cookie)))?;
        self.cookie = cookie;
        Ok(())
    }

    /// The entry of `cookie`: header and name. None: the end.
    fn entry(&mut self) -> rustix::io::Result<Option<&[u8]>> {
        if self.at == self.batch.len() {
            (self.batch, self.at) = (batch(self.fd.as_fd())?, 0);
        }
        let rest = &self.batch[self.at..];
        Ok(name_length(rest).map(|length| &rest[..HEADER + length]))
    }

    /// The guest has seen that entry as a whole.
    fn advance(&mut self) {
        let rest = &self.batch[self.at..];
        if let (Some(length), Some(next)) = (name_length(rest), rest.first_chunk()) {
            self.cookie = u64::from_le_bytes(*next);
            self.at += HEADER + length;
        }
    }
}

/// The kernel's position that a cookie means. Two below zero are positions that no file system has.
fn position(cookie: u64) -> u64 {
    cookie.wrapping_sub(BEGINNING)
}

fn cookie(position: u64) -> u64 {
    position.wrapping_add(BEGINNING)
}

fn name_length(entry: &[u8]) -> Option<usize> {
    let length = entry.get(16..20)?.first_chunk()?;
    Some(u32::from_le_bytes(*length) as usize)
}

/// The next entries that can be told; empty at the end.
fn batch(fd: BorrowedFd<'_>) -> rustix::io::Result<Vec<u8>> {
    let (mut buffer, mut entries) = (Vec::with_capacity(BATCH), Vec::new());
    let mut raw = RawDir::new(fd, buffer.spare_capacity_mut());
    loop {
        match raw.next() {
            // A directory that has been removed says ENOENT: it has no entry.
            None | Some(Err(Kernel::NOENT)) => return Ok(entries),
            Some(Err(Kernel::INTR)) => {}
            Some(Err(errno)) => return Err(errno),
            Some(Ok(entry)) => {
                if let Ok(name) = entry.file_name().to_str()
                    && !matches!(name, "." | "..")
                {
                    let kind = known(fd, name, entry.file_type());
                    append(&mut entries, cookie(entry.next_entry_cookie()), entry.ino(), kind, name);
                }
            }
        }
        if raw.is_buffer_empty() && !entries.is_empty() {
            return Ok(entries);
        }
    }
}

/// Some file systems do not tell an entry's kind.
fn known(directory: BorrowedFd<'_>, name: &str, kind: FileType) -> FileType {
    match kind {
        FileType::Unknown => paths::status_of(directory, name)
            .map_or(FileType::Unknown, |status| FileType::from_raw_mode(status.stx_mode.into())),
        kind => kind,
    }
}

fn append(entries: &mut Vec<u8>, next: u64, inode: u64, kind: FileType, name: &str) {
    // A name is at most 255 bytes long, NAME_MAX of `linux/limits.h`.
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
    entries.extend_from_slice(&next.to_le_bytes());
    entries.extend_from_slice(&inode.to_le_bytes());
    entries.extend_from_slice(&length.to_le_bytes());
    entries.extend_from_slice(&u32::from(filetype(kind)).to_le_bytes());
    entries.extend_from_slice(name.as_bytes());
}

/// `fd_readdir`: as many entries as fit; one that does not fit as a whole is cut off, which says that there are more.
pub(super) fn read(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    buffer: u32,
    room: u32,
    from: u64,
    result: u32,
) -> Result<(), Failure> {
    let directory = guest.table.directory_mut(number)?;
    let mut listing = match directory.listing.take() {
        Some(listing) => listing,
        None => Listing::of(directory)?,
    };
    let room = bytes_mut(memory, buffer, room)?;
    let filled = fill(directory, &mut listing, from, room);
    directory.listing = Some(listing);
    put_size(memory, result, filled?)
}

/// Says how much of `room` it has filled.
fn fill(directory: &Directory, listing: &mut Listing, from: u64, room: &mut [u8]) -> Result<usize, Errno> {
    let mut room = Room { bytes: room, used: 0 };
    if from < BEGINNING {
        // Whoever begins anew sees what is there now.
        listing.cookie = DOT;
        let own = status::of(directory.fd())?.stx_ino;
        let mut dots = Vec::new();
        for (name, at) in [(".", DOT), ("..", DOT_DOT)].into_iter().filter(|(_, at)| *at >= from) {
            append(&mut dots, at + 1, own, FileType::Directory, name);
        }
        if !room.take(&dots) {
            return Ok(room.used);
        }
    }
    match listing.go_to(from.max(BEGINNING)) {
        // Nothing is behind a place that does not exist.
        Err(Kernel::INVAL) => return Ok(room.used),
        other => other?,
    }
    while let Some(entry) = listing.entry()? {
        if !room.take(entry) {
            break;
        }
        listing.advance();
    }
    Ok(room.used)
}

/// What is left of the guest's buffer.
struct Room<'a> {
    bytes: &'a mut [u8],
    used: usize,
}

impl Room<'_> {
    /// Takes as much of `entry` as fits, and says whether it was all of it.
    fn take(&mut self, entry: &[u8]) -> bool {
        let free = &mut self.bytes[self.used..];
        let length = entry.len().min(free.len());
        free[..length].copy_from_slice(&entry[..length]);
        self.used += length;
        length == entry.len()
    }
}

/// `fd_prestat_get`
pub(super) fn prestat(guest: &mut Guest, memory: &mut [u8], number: u32, result: u32) -> Result<(), Failure> {
    let Entry::Directory(Directory { granted_as: Some(name), .. }) = guest.table.get(number)? else {
        return Err(Errno::Badf.into());
    };
    // `typenames.witx`, `prestat`: the only kind is 0.
    let length = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
    memory::put(memory, result, (u64::from(length) << 32).to_le_bytes())
}

/// `fd_prestat_dir_name`
pub(super) fn prestat_name(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    buffer: u32,
    room: u32,
) -> Result<(), Failure> {
    let Entry::Directory(Directory { granted_as: Some(name), .. }) = guest.table.get(number)? else {
        return Err(Errno::Notdir.into());
    };
    let length = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
    if length > room {
        return Err(Errno::NameTooLong.into());
    }
    bytes_mut(memory, buffer, length)?.copy_from_slice(name.as_bytes());
    Ok(())
}
