//! Names below the guest's directories. A path is resolved by the kernel alone, with openat2(2), and never leaves the
//! directory that it starts from: `..`, links and absolute paths that would are refused.
//!
//! What is done to a name is done in two steps: its directory is opened that way, and the last name is handed to a call that
//! follows no link in it. That name holds no slash, for behind a slash the kernel follows links whatever it was told.

use super::{
    Guest,
    errno::{Errno, Failure},
    memory::{self, put_size, text},
};
use rustix::{
    fs::{
        AtFlags, Mode, OFlags, ResolveFlags, Statx, StatxFlags, linkat, mkdirat, openat2, readlinkat_raw, renameat,
        statx, symlinkat, unlinkat,
    },
    io::Errno as Kernel,
};
use std::{
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// How often a path is asked for before it is refused. With RESOLVE_BENEATH openat2(2) answers EAGAIN for a path with `..` in
/// it whenever anything is renamed or mounted anywhere on the machine meanwhile: nobody's fault, and no reason to end or to
/// refuse anything. One round takes some 10 microseconds and loses against a rename within them; a thousand lost rounds are
/// no rename any more.
pub const TRIES: u32 = 1000;

/// PATH_MAX, `linux/limits.h`: the longest text of a link.
const LINK: usize = 4096;

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
        _ => Ok(super::status::of(named(start, path, links)?)?),
    }
}

/// The same for a name in an open directory; no link is followed.
pub(super) fn status_of(directory: BorrowedFd<'_>, name: &str) -> rustix::io::Result<Statx> {
    statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)
}

/// A name in a directory.
struct Place<'a> {
    start: BorrowedFd<'a>,
    /// Its directory; None: it is right at the start.
    opened: Option<OwnedFd>,
    /// Holds no slash.
    name: &'a str,
}

impl<'a> Place<'a> {
    /// Where `path` lies.
    fn of(start: BorrowedFd<'a>, path: &'a str) -> Result<Self, Errno> {
        let (directory, name) = split(path).ok_or(Errno::Noent)?;
        let opened = match directory {
            "" => None,
            directory => Some(open(start, directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?),
        };
        Ok(Self { start, opened, name })
    }

    fn directory(&self) -> BorrowedFd<'_> {
        self.opened.as_ref().map_or(self.start, AsFd::as_fd)
    }

    /// # Errors
    /// NOTDIR where it is something else; a link is.
    fn is_directory(&self) -> Result<(), Errno> {
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

/// A new or an old name of a directory may end in slashes, which say no more than that it is one.
fn without_slashes(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => &path[..path.len().min(1)],
        trimmed => trimmed,
    }
}

/// `path_create_directory`
pub(super) fn create_directory(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    path: u32,
    length: u32,
) -> Result<(), Failure> {
    let directory = guest.table.directory(number)?;
    let path = text(memory, path, length)?;
    let place = Place::of(directory.writable()?.fd(), without_slashes(path))?;
    Ok(mkdirat(place.directory(), place.name, Mode::from_raw_mode(0o777))?)
}

/// `path_remove_directory`
pub(super) fn remove_directory(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    path: u32,
    length: u32,
) -> Result<(), Failure> {
    let directory = guest.table.directory(number)?;
    let path = text(memory, path, length)?;
    let place = Place::of(directory.writable()?.fd(), without_slashes(path))?;
    Ok(unlinkat(place.directory(), place.name, AtFlags::REMOVEDIR)?)
}

/// `path_unlink_file`
pub(super) fn unlink_file(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    path: u32,
    length: u32,
) -> Result<(), Failure> {
    let directory = guest.table.directory(number)?;
    let path = text(memory, path, length)?;
    let place = Place::of(directory.writable()?.fd(), path)?;
    Ok(unlinkat(place.directory(), place.name, AtFlags::empty())?)
}

/// `path_rename`
#[expect(clippy::too_many_arguments, reason = "the call has them")]
pub(super) fn rename(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    old: u32,
    old_length: u32,
    new_number: u32,
    new: u32,
    new_length: u32,
) -> Result<(), Failure> {
    let (from, to) = (guest.table.directory(number)?, guest.table.directory(new_number)?);
    let (old, new) = (text(memory, old, old_length)?, text(memory, new, new_length)?);
    let from = Place::of(from.writable()?.fd(), without_slashes(old))?;
    let to = Place::of(to.writable()?.fd(), without_slashes(new))?;
    if old.ends_with('/') || new.ends_with('/') {
        from.is_directory()?;
    }
    Ok(renameat(from.directory(), from.name, to.directory(), to.name)?)
}

/// `path_link`: a second name of a file, or of a link itself.
#[expect(clippy::too_many_arguments, reason = "the call has them")]
pub(super) fn link(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    flags: u32,
    old: u32,
    old_length: u32,
    new_number: u32,
    new: u32,
    new_length: u32,
) -> Result<(), Failure> {
    let (from, to) = (guest.table.directory(number)?, guest.table.directory(new_number)?);
    let (old, new) = (text(memory, old, old_length)?, text(memory, new, new_length)?);
    let (from, to) = (from.writable()?, to.writable()?);
    if Links::asked(flags)? == Links::Followed {
        return Err(Errno::Inval.into());
    }
    let (from, to) = (Place::of(from.fd(), old)?, Place::of(to.fd(), new)?);
    Ok(linkat(from.directory(), from.name, to.directory(), to.name, AtFlags::empty())?)
}

/// `path_symlink`. A link that begins at a root is refused: the guest has none.
pub(super) fn symlink(
    guest: &mut Guest,
    memory: &mut [u8],
    old: u32,
    old_length: u32,
    number: u32,
    new: u32,
    new_length: u32,
) -> Result<(), Failure> {
    let directory = guest.table.directory(number)?;
    let (content, new) = (text(memory, old, old_length)?, text(memory, new, new_length)?);
    let start = directory.writable()?.fd();
    if content.starts_with('/') {
        return Err(Errno::Perm.into());
    }
    let place = Place::of(start, new)?;
    Ok(symlinkat(content, place.directory(), place.name)?)
}

/// `path_readlink`. One that begins at a root of the host's is not told.
#[expect(clippy::too_many_arguments, reason = "the call has them")]
pub(super) fn readlink(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    path: u32,
    length: u32,
    buffer: u32,
    room: u32,
    result: u32,
) -> Result<(), Failure> {
    let directory = guest.table.directory(number)?;
    let place = Place::of(directory.fd(), text(memory, path, length)?)?;
    let mut content = [MaybeUninit::uninit(); LINK];
    let (content, _) = readlinkat_raw(place.directory(), place.name, &mut content)?;
    if std::str::from_utf8(content).is_err() {
        return Err(Errno::Ilseq.into());
    }
    if content.starts_with(b"/") {
        return Err(Errno::Perm.into());
    }
    let content = &content[..content.len().min(room as usize)];
    let used = u32::try_from(content.len()).map_err(|_| Errno::Overflow)?;
    memory::bytes_mut(memory, buffer, used)?.copy_from_slice(content);
    put_size(memory, result, content.len())
}
