//! What descriptors say about themselves: kind, flags, rights. Rights are told, not kept: what a descriptor may do is the
//! kernel's and the grant's business, and no right can be given up (`fd_fdstat_set_rights` is NOTSUP).

use super::{
    Guest,
    errno::{Errno, Failure},
    filetype::{DIRECTORY, SOCKET_STREAM, filetype, stream_filetype},
    memory, resolve,
    table::Entry,
};
use crate::{sockets::Kind, stdio::Stream};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno as Kernel;
use std::os::fd::OwnedFd;

/// Flags of open files, `typenames.witx`, `fdflags`.
pub(super) const APPEND: u32 = 1;
const DSYNC: u32 = 2;
pub(super) const NONBLOCK: u32 = 4;
const RSYNC: u32 = 8;
const SYNC: u32 = 16;

/// Rights, `typenames.witx`, `rights`: a bit each, in the order of that list.
pub(super) const FD_READ: u64 = 1 << 1;
pub(super) const FD_WRITE: u64 = 1 << 6;
const FD_SEEK: u64 = 1 << 2;
const FD_READDIR: u64 = 1 << 14;
const POLL: u64 = 1 << 27;
const SOCK_ACCEPT: u64 = 1 << 29;
const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
const ALL: u64 = (1 << 30) - 1;

/// What C libraries expect of a granted directory: all `path_…` but setting a size, reading its entries, and its own status
/// and times (bits 9 to 18, 20, 21, 23 to 26).
const GRANTED: u64 = 0b0111_1011_0111_1111_1110_0000_0000;

/// And of what is opened in it: that, and what is done with files (bits 0 to 8, 22 and 27).
const GRANTED_INHERITED: u64 = GRANTED | 0b1000_0100_0000_0000_0001_1111_1111;

/// What a descriptor says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fdstat {
    filetype: u8,
    flags: u32,
    rights: u64,
    inherited: u64,
}

impl Fdstat {
    const fn with(filetype: u8, flags: u32, rights: u64) -> Self {
        Self { filetype, flags, rights, inherited: rights }
    }

    /// `typenames.witx`, `fdstat`.
    fn encoded(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[0] = self.filetype;
        bytes[2..4].copy_from_slice(&self.flags.to_le_bytes()[..2]);
        bytes[8..16].copy_from_slice(&self.rights.to_le_bytes());
        bytes[16..].copy_from_slice(&self.inherited.to_le_bytes());
        bytes
    }
}

/// `fd_fdstat_get`
pub(super) fn get(guest: &mut Guest, memory: &mut [u8], number: u32, result: u32) -> Result<(), Failure> {
    let stat = match guest.table.get(number)? {
        Entry::Stream(stream) => Fdstat::with(stream_filetype(&guest.stdio, *stream), 0, stream_rights(*stream)),
        Entry::Socket(socket) => {
            Fdstat::with(SOCKET_STREAM, if socket.blocks { 0 } else { NONBLOCK }, of_socket(socket.kind))
        }
        Entry::Directory(directory) if directory.granted_as.is_some() => {
            Fdstat { filetype: DIRECTORY, flags: 0, rights: GRANTED, inherited: GRANTED_INHERITED }
        }
        Entry::Directory(_) => Fdstat::with(DIRECTORY, 0, of_directory()),
        Entry::File(file) => {
            let status = resolve::status_of_open(&file.fd)?;
            let flags = fcntl_getfl(&file.fd)?;
            let kind = filetype(FileType::from_raw_mode(status.stx_mode.into()));
            Fdstat::with(kind, told(flags, file.blocks), of_file(flags))
        }
    };
    memory::put(memory, result, stat.encoded())
}

/// `fd_fdstat_set_flags`: append and non-blocking mode.
pub(super) fn set_flags(guest: &mut Guest, _: &mut [u8], number: u32, flags: u32) -> Result<(), Failure> {
    if guest.table.socket(number).is_ok() && flags & !NONBLOCK == 0 {
        return Ok(guest.table.set_blocks(number, flags & NONBLOCK == 0)?);
    }
    if flags & !(APPEND | NONBLOCK) != 0 || guest.table.socket(number).is_ok() {
        return Err(Errno::Inval.into());
    }
    let file = guest.table.file_mut(number)?;
    set_modes(&file.fd, modes(flags))?;
    file.blocks = flags & NONBLOCK == 0;
    Ok(())
}

/// PERM is the filter's: a worker with sockets never clears O_NONBLOCK, which it could do to a listener of others, too. A regular
/// file is the same with that flag; one that can only be appended to says PERM once more.
fn set_modes(fd: &OwnedFd, modes: OFlags) -> Result<(), Failure> {
    match fcntl_setfl(fd, modes) {
        Err(Kernel::PERM) if is_regular(fd)? => Ok(fcntl_setfl(fd, modes | OFlags::NONBLOCK)?),
        other => Ok(other?),
    }
}

fn is_regular(fd: &OwnedFd) -> Result<bool, Failure> {
    let status = resolve::status_of_open(fd)?;
    Ok(FileType::from_raw_mode(status.stx_mode.into()).is_file())
}

/// `fd_fdstat_set_rights`
pub(super) fn set_rights(guest: &mut Guest, _: &mut [u8], number: u32, _: u64, _: u64) -> Result<(), Failure> {
    match guest.table.get(number)? {
        Entry::Stream(_) => Err(Errno::Badf.into()),
        Entry::File(_) | Entry::Directory(_) | Entry::Socket(_) => Err(Errno::Notsup.into()),
    }
}

/// How a file is opened that the guest wants these flags of.
///
/// # Errors
/// INVAL for bits that are no flags, NOTSUP for writes that wait for the disk.
pub(super) fn opened_with(flags: u32) -> Result<OFlags, Errno> {
    if flags & !(APPEND | DSYNC | NONBLOCK | RSYNC | SYNC) != 0 {
        return Err(Errno::Inval);
    }
    if flags & (DSYNC | RSYNC | SYNC) != 0 {
        return Err(Errno::Notsup);
    }
    Ok(modes(flags))
}

fn modes(flags: u32) -> OFlags {
    let mut modes = OFlags::empty();
    modes.set(OFlags::APPEND, flags & APPEND != 0);
    modes.set(OFlags::NONBLOCK, flags & NONBLOCK != 0);
    modes
}

fn told(flags: OFlags, blocks: bool) -> u32 {
    let bit = |is_set, bit| if is_set { bit } else { 0 };
    bit(flags.contains(OFlags::APPEND), APPEND) | bit(!blocks, NONBLOCK)
}

/// The rights of a file that was opened like this.
fn of_file(flags: OFlags) -> u64 {
    let access = flags & OFlags::RWMODE;
    let reads = if access == OFlags::WRONLY { FD_READ | FD_READDIR } else { 0 };
    let writes = if access == OFlags::RDONLY { FD_WRITE } else { 0 };
    ALL & !reads & !writes
}

/// A directory is open to be read, and has neither content nor position nor size.
fn of_directory() -> u64 {
    ALL & !(FD_SEEK | FD_FILESTAT_SET_SIZE | PATH_FILESTAT_SET_SIZE | FD_WRITE)
}

fn of_socket(kind: Kind) -> u64 {
    match kind {
        Kind::Listener => POLL | SOCK_ACCEPT,
        Kind::Stream => POLL | FD_READ | FD_WRITE,
    }
}

fn stream_rights(stream: Stream) -> u64 {
    match stream {
        Stream::In => FD_READ,
        Stream::Out | Stream::Err => FD_WRITE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_rights_of_how_it_was_opened() {
        assert_eq!(of_file(OFlags::RDWR), ALL);
        assert_eq!(of_file(OFlags::RDONLY | OFlags::APPEND) & (FD_READ | FD_WRITE), FD_READ);
        assert_eq!(of_file(OFlags::WRONLY) & (FD_READ | FD_WRITE | FD_READDIR), FD_WRITE);
    }

    #[test]
    fn flags_are_told_as_they_were_asked_for() {
        for flags in [0, APPEND, NONBLOCK, APPEND | NONBLOCK] {
            let modes = opened_with(flags).unwrap();
            assert_eq!(told(modes, !modes.contains(OFlags::NONBLOCK)), flags);
        }
        assert_eq!(opened_with(SYNC), Err(Errno::Notsup));
        assert_eq!(opened_with(32), Err(Errno::Inval));
    }

    #[test]
    fn a_granted_directory_has_the_rights_that_programs_look_for() {
        let bits = |rights: u64| (0..30).filter(|bit| rights >> bit & 1 == 1).collect::<Vec<u32>>();
        assert_eq!(bits(GRANTED), [9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 23, 24, 25, 26]);
        assert_eq!(bits(GRANTED_INHERITED & !GRANTED), [0, 1, 2, 3, 4, 5, 6, 7, 8, 22, 27]);
    }
}
