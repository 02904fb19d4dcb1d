//! `path_open`: how a file or a directory is opened.

use super::{
    Guest,
    errno::{Errno, Failure},
    memory::{self, text},
    resolve::{self, Links},
    rights::{self, FD_READ, FD_WRITE},
    table::{Directory, Entry, File, allows_writing},
};
use rustix::fs::{FileType, Mode, OFlags};
use sandhog_protocol::plan::Access;
use std::sync::Arc;

/// How the name is looked for, `typenames.witx`, `oflags`.
const CREATE: u32 = 1;
const DIRECTORY: u32 = 2;
const EXCLUSIVE: u32 = 4;
const TRUNCATE: u32 = 8;

/// `path_open`
#[expect(clippy::too_many_arguments, reason = "the call has them")]
pub(super) fn open(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    links: u32,
    path: u32,
    length: u32,
    how: u32,
    wanted: u64,
    _inherited: u64,
    flags: u32,
    result: u32,
) -> Result<(), Failure> {
    let path = text(memory, path, length)?;
    let links = Links::asked(links)?;
    let start = match guest.table.get(number)? {
        Entry::Directory(directory) => directory,
        Entry::File(_) => return Err(Errno::Notdir.into()),
        Entry::Stream(_) | Entry::Socket(_) => return Err(Errno::Badf.into()),
    };
    let (flags, mode) = asked(how, wanted, flags, start.access)?;
    let access = start.access;
    let fd = resolve::open(start.fd(), path, flags | links.flags(), mode)
        .map_err(|errno| if is_kept_link(start, path, links, errno) { Errno::Loop } else { errno })?;
    let status = resolve::status_of_open(&fd)?;
    let entry = if FileType::from_raw_mode(status.stx_mode.into()) == FileType::Directory {
        Entry::Directory(Directory { fd: Arc::new(fd), access, granted_as: None, listing: None })
    } else {
        Entry::File(File { fd, access, blocks: !flags.contains(OFlags::NONBLOCK) })
    };
    let opened = guest.table.insert(entry)?;
    memory::put(memory, result, opened.to_le_bytes())
}

/// Whether a link that is not followed is why no directory was found. The kernel says NOTDIR then, and LOOP of everything
/// else that is not followed; programs look for LOOP.
fn is_kept_link(start: &Directory, path: &str, links: Links, errno: Errno) -> bool {
    errno == Errno::Notdir
        && links == Links::Kept
        && resolve::status(start.fd(), path, links)
            .is_ok_and(|status| FileType::from_raw_mode(status.stx_mode.into()).is_symlink())
}

/// How the kernel is asked. What is neither to be read nor written is opened to be read.
fn asked(how: u32, wanted: u64, flags: u32, access: Access) -> Result<(OFlags, Mode), Errno> {
    if how & !(CREATE | DIRECTORY | EXCLUSIVE | TRUNCATE) != 0 {
        return Err(Errno::Inval);
    }
    let modes = rights::opened_with(flags)?;
    let (creates, truncates) = (how & CREATE != 0, how & TRUNCATE != 0);
    if how & DIRECTORY != 0 && how & (CREATE | EXCLUSIVE | TRUNCATE) != 0 {
        return Err(Errno::Inval);
    }
    let writes = wanted & FD_WRITE != 0;
    let reads = wanted & FD_READ != 0 || !writes;
    let changes = writes || creates || truncates;
    if changes {
        allows_writing(access)?;
    }
    let mut flags = modes
        | OFlags::NOCTTY
        | match (reads, changes) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            (_, false) => OFlags::RDONLY,
        };
    flags.set(OFlags::CREATE, creates);
    flags.set(OFlags::EXCL, creates && how & EXCLUSIVE != 0);
    flags.set(OFlags::TRUNC, truncates);
    flags.set(OFlags::DIRECTORY, how & DIRECTORY != 0);
    // openat2(2) takes a mode for a new file only.
    Ok((flags, if creates { Mode::from_raw_mode(0o666) } else { Mode::empty() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(how: u32, wanted: u64) -> Result<OFlags, Errno> {
        asked(how, wanted, 0, Access::ReadWrite).map(|(flags, _)| flags & !OFlags::NOCTTY)
    }

    #[test]
    fn a_file_is_opened_for_what_is_wanted_of_it() {
        assert_eq!(flags(0, 0), Ok(OFlags::RDONLY));
        assert_eq!(flags(0, FD_READ), Ok(OFlags::RDONLY));
        assert_eq!(flags(0, FD_WRITE), Ok(OFlags::WRONLY));
        assert_eq!(flags(0, FD_READ | FD_WRITE), Ok(OFlags::RDWR));
        assert_eq!(flags(CREATE, 0), Ok(OFlags::RDWR | OFlags::CREATE));
        assert_eq!(flags(TRUNCATE | EXCLUSIVE, FD_WRITE), Ok(OFlags::WRONLY | OFlags::TRUNC));
        assert_eq!(flags(CREATE | EXCLUSIVE, FD_WRITE), Ok(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL));
    }

    #[test]
    fn a_read_only_grant_opens_nothing_that_changes() {
        for (how, wanted) in [(CREATE, FD_READ), (TRUNCATE, FD_READ), (0, FD_WRITE)] {
            assert_eq!(asked(how, wanted, 0, Access::ReadOnly), Err(Errno::Perm));
        }
        assert!(asked(DIRECTORY, FD_READ, 0, Access::ReadOnly).is_ok());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert_eq!(flags(DIRECTORY | CREATE, 0), Err(Errno::Inval));
        assert_eq!(flags(16, 0), Err(Errno::Inval));
        assert_eq!(asked(0, 0, 1 << 31, Access::ReadWrite), Err(Errno::Inval));
    }
}
