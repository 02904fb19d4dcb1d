//! Directories that jobs may write: none of what lies below them is what it was only because it has the same name.

use crate::mounts::{Mounts, path_of};
use rustix::fs::{AtFlags, FileType, StatxFlags, statx};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What tells one file or directory from all others, and which mount it was reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub id: FileId,
    pub is_link: bool,
    pub is_directory: bool,
    /// `mnt_id` of statx(2), as in the first column of mountinfo.
    pub mount: u64,
}

/// Device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl Status {
    /// # Errors
    /// As statx(2).
    pub(super) fn of(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
        let found = statx(fd, "", AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT, wanted)?;
        let kind = FileType::from_raw_mode(found.stx_mode.into());
        Ok(Self {
            id: FileId { device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino },
            is_link: kind == FileType::Symlink,
            is_directory: kind == FileType::Directory,
            mount: found.stx_mnt_id,
        })
    }
}

/// Whether two descriptors are of one directory, seen by one mount.
pub(super) fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let status = |fd: &OwnedFd| Status::of(fd.as_fd()).ok().map(|status| (status.id, status.mount));
    status(one).is_some_and(|one| status(other) == Some(one))
}

/// All directories that jobs may write, or could.
#[derive(Debug, Default)]
pub struct Writable {
    directories: HashMap<FileId, Entry>,
    /// Where those lie that were found: the mount, and the path by which they were.
    locations: Vec<(FileId, u64, PathBuf)>,
    /// Mounts of something below one of them: who comes by such a mount never passes the directory.
    mounts: HashMap<u64, FileId>,
}

#[derive(Debug)]
struct Entry {
    /// For sentences.
    path: PathBuf,
    until: Until,
}

/// Until when jobs could write a directory, counted as [`super::Record::settled`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Until {
    Then(u64),
    /// They can.
    Now,
}

impl Writable {
    pub(super) fn add(&mut self, path: &Path, id: FileId, until: Until) {
        let entry = self.directories.entry(id).or_insert_with(|| Entry { path: path.into(), until });
        entry.until = entry.until.max(until);
    }

    /// One that is open.
    ///
    /// # Errors
    /// It can't be told where it lies.
    pub(super) fn add_open(&mut self, path: &Path, directory: BorrowedFd<'_>, until: Until) -> io::Result<()> {
        let status = Status::of(directory)?;
        self.add(path, status.id, until);
        self.locations.push((status.id, status.mount, path_of(directory)?));
        Ok(())
    }

    /// Finds the mounts of what lies below them. To be called when all have been added.
    ///
    /// # Errors
    /// The mounts can't be read.
    pub(super) fn see_through(&mut self, mounts: &Mounts) -> io::Result<()> {
        for (id, mount, path) in &self.locations {
            let mount = mounts.get(*mount)?;
            let inside = mount.inside(path)?;
            self.mounts.extend(mounts.showing(mount, &inside).map(|shown| (shown.id, *id)));
        }
        Ok(())
    }

    /// The one by which a name in this directory may have been put there after `settled`.
    pub(super) fn holding(&self, directory: &Status, settled: u64) -> Option<&Path> {
        let by_mount = || self.directories.get(self.mounts.get(&directory.mount)?);
        let found = self.directories.get(&directory.id).or_else(by_mount)?;
        (found.until > Until::Then(settled)).then_some(found.path.as_path())
    }
}
