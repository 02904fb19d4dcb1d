//! Paths below the guest's directories. A path is resolved by the kernel alone, with openat2(2), and never leaves the
//! directory that it starts from: `..`, links and absolute paths that would are refused.
//!
//! Must not: walk a path name by name, or know a guest.

use super::errno::Errno;
use rustix::{
    fs::{AtFlags, Mode, OFlags, ResolveFlags, Statx, StatxFlags, openat2, statx},
    io::Errno as Kernel,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How often a path is asked for before it is refused. With RESOLVE_BENEATH openat2(2) answers EAGAIN for a path with `..` in
/// it whenever anything is renamed or mounted anywhere on the machine meanwhile: nobody's fault, and no reason to end or to
/// refuse anything. One round takes some 10 microseconds and loses against a rename within them; a thousand lost rounds are
/// no rename any more.
pub(crate) const TRIES: u32 = 1000;

/// `typenames.witx`, `lookupflags`.
const FOLLOW: u32 = 1;

/// Whether a link in a path's last name is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    Followed,
    Kept,
}

impl Links {
    pub(super) fn asked(flags: u32) -> Result<Self, Errno> {
        match flags {
            0 => Ok(Self::Kept),
            FOLLOW => Ok(Self::Followed),
            _ => Err(Errno::Inval),
        }
    }

    pub(super) fn flags(self) -> OFlags {
        match self {
            Self::Followed => OFlags::empty(),
            Self::Kept => OFlags::NOFOLLOW,
        }
    }
}

/// Opens what `path` leads to from `start`, without leaving it.
///
/// # Errors
/// PERM where the path leads out, or where the kernel does not come to an end with it ([`TRIES`]).
pub(super) fn open(start: BorrowedFd<'_>, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    for _ in 0..TRIES {
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match openat2(start, path, flags | OFlags::CLOEXEC, mode, beneath) {
            Err(Kernel::AGAIN | Kernel::INTR) => {}
            // How openat2(2) says that a path leads out.
            Err(Kernel::XDEV) => return Err(Errno::Perm),
            other => return Ok(other?),
        }
    }
    Err(Errno::Perm)
}

/// What `path` names, open for nothing but that.
pub(super) fn named(start: BorrowedFd<'_>, path: &str, links: Links) -> Result<OwnedFd, Errno> {
    open(start, path, OFlags::PATH | links.flags(), Mode::empty())
}

/// What the kernel says of what `path` names.
pub(super) fn status(start: BorrowedFd<'_>, path: &str, links: Links) -> Result<Statx, Errno> {
    match split(path) {
        Some(("", name)) if links == Links::Kept => Ok(status_of(start, name)?),
        _ => Ok(status_of_open(named(start, path, links)?)?),
    }
}

/// What the kernel says of an open file or a directory, of one that is only open to be named too.
pub(super) fn status_of_open(fd: impl AsFd) -> rustix::io::Result<Statx> {
    statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
}

/// The same for a name in an open directory; no link is followed.
pub(super) fn status_of(directory: BorrowedFd<'_>, name: &str) -> rustix::io::Result<Statx> {
    statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)
}

/// A name in a directory.
pub(super) struct Entry<'a> {
    start: BorrowedFd<'a>,
    /// Its directory; None: it is right at the start.
    opened: Option<OwnedFd>,
    /// Holds no slash.
    pub(super) name: &'a str,
}

impl<'a> Entry<'a> {
    /// Where `path` lies.
    pub(super) fn of(start: BorrowedFd<'a>, path: &'a str) -> Result<Self, Errno> {
        let (directory, name) = split(path).ok_or(Errno::Noent)?;
        let opened = match directory {
            "" => None,
            directory => Some(open(start, directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?),
        };
        Ok(Self { start, opened, name })
    }

    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.opened.as_ref().map_or(self.start, AsFd::as_fd)
    }

    /// # Errors
    /// NOTDIR where it is something else; a link is.
    pub(super) fn is_directory(&self) -> Result<(), Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY;
        open(self.directory(), self.name, flags, Mode::empty()).map(drop)
    }
}

/// The directory and the last name of a path, which may be `.`; None: there is no path.
fn split(path: &str) -> Option<(&str, &str)> {
    let (directory, name) = path.rsplit_once('/').map_or(("", path), |(before, name)| (&path[..=before.len()], name));
    match name {
        "" if path.is_empty() => None,
        // What it names is a directory, and only the kernel knows where: a link may stand before it.
        "" | "." | ".." => Some((path, ".")),
        name => Some((directory, name)),
    }
}
