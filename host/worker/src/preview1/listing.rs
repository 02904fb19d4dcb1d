//! Where a guest is in a directory that it lists.
//!
//! A cookie is the kernel's own position in the directory (`d_off` of getdents64(2)), moved by two: 0 and 1 stand for `.` and
//! `..`, which come first whatever the file system does with them, and 2 for the kernel's beginning. So a cookie stays good
//! while names come and go: how far is the file system's word, as for readdir(3). A listing that goes on where it was goes on
//! in the kernel, without a seek: what has been removed meanwhile moves nothing.
//!
//! Names that are not UTF-8 can't be told in WASI 0.1: they are left out.

use super::{filetype::filetype, resolve::status_of};
use rustix::{
    fs::{FileType, RawDir, SeekFrom, seek},
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
pub(super) const DOT: u64 = 0;
pub(super) const DOT_DOT: u64 = 1;
pub(super) const BEGINNING: u64 = 2;

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
    /// From the beginning of a directory that is open to be read.
    pub(super) fn new(fd: Arc<OwnedFd>) -> Self {
        Self { fd, batch: Vec::new(), at: 0, cookie: BEGINNING }
    }

    /// Forgets its place: whoever begins anew sees what is there now.
    pub(super) fn begin_anew(&mut self) {
        self.cookie = DOT;
    }

    /// Goes to `cookie`, unless it is there.
    ///
    /// # Errors
    /// INVAL where the kernel knows no such place.
    pub(super) fn go_to(&mut self, cookie: u64) -> rustix::io::Result<()> {
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
    pub(super) fn entry(&mut self) -> rustix::io::Result<Option<&[u8]>> {
        if self.at == self.batch.len() {
            (self.batch, self.at) = (batch(self.fd.as_fd())?, 0);
        }
        let rest = &self.batch[self.at..];
        Ok(name_length(rest).map(|length| &rest[..HEADER + length]))
    }

    /// The guest has seen that entry as a whole.
    pub(super) fn advance(&mut self) {
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
    if kind != FileType::Unknown {
        return kind;
    }
    status_of(directory, name).map_or(kind, |status| FileType::from_raw_mode(status.stx_mode.into()))
}

/// Adds an entry, as the guest reads it.
pub(super) fn append(entries: &mut Vec<u8>, next: u64, inode: u64, kind: FileType, name: &str) {
    // A name is at most 255 bytes long, NAME_MAX of `linux/limits.h`.
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
    entries.extend_from_slice(&next.to_le_bytes());
    entries.extend_from_slice(&inode.to_le_bytes());
    entries.extend_from_slice(&length.to_le_bytes());
    entries.extend_from_slice(&u32::from(filetype(kind)).to_le_bytes());
    entries.extend_from_slice(name.as_bytes());
}
