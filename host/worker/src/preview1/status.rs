//! What files are: kind, size, times. Times before 1970 and after 2554 do not fit into WASI 0.1, which counts nanoseconds
//! from 1970 on in 64 bits: such a time is told as the nearest that fits.

use super::{
    Guest,
    errno::{Errno, Failure},
    filetype::{SOCKET_STREAM, filetype, stream_filetype},
    memory::{self, text},
    resolve::{self, Links, status_of_open},
    table::{Entry, allows_writing},
};
use rustix::fs::{AtFlags, FileType, Statx, StatxTimestamp, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
use std::os::fd::{AsFd, BorrowedFd};

const NANOSECONDS: u64 = 1_000_000_000;

/// Which times are set, `typenames.witx`, `fstflags`.
const ACCESS: u32 = 1;
const ACCESS_NOW: u32 = 2;
const CHANGE: u32 = 4;
const CHANGE_NOW: u32 = 8;

/// `fd_filestat_get`
pub(super) fn get(guest: &mut Guest, memory: &mut [u8], number: u32, result: u32) -> Result<(), Failure> {
    let status = match guest.table.get(number)? {
        Entry::Stream(stream) => Filestat { filetype: stream_filetype(&guest.stdio, *stream), ..Filestat::default() },
        Entry::Socket(_) => Filestat { filetype: SOCKET_STREAM, ..Filestat::default() },
        Entry::File(file) => Filestat::from(&status_of_open(&file.fd)?),
        Entry::Directory(directory) => Filestat::from(&status_of_open(directory.fd())?),
    };
    memory::put(memory, result, status.encoded())
}

/// `path_filestat_get`
pub(super) fn get_at(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    flags: u32,
    path: u32,
    length: u32,
    result: u32,
) -> Result<(), Failure> {
    let directory = guest.table.directory(number)?;
    let status = resolve::status(directory.fd(), text(memory, path, length)?, Links::asked(flags)?)?;
    memory::put(memory, result, Filestat::from(&status).encoded())
}

/// `fd_filestat_set_times`
pub(super) fn set_times(
    guest: &mut Guest,
    _: &mut [u8],
    number: u32,
    access: u64,
    change: u64,
    which: u32,
) -> Result<(), Failure> {
    let times = times(access, change, which)?;
    let (fd, allowed) = match guest.table.get(number)? {
        Entry::Stream(_) | Entry::Socket(_) => return Err(Errno::Badf.into()),
        Entry::File(file) => (file.fd.as_fd(), file.access),
        Entry::Directory(directory) => (directory.fd(), directory.access),
    };
    allows_writing(allowed)?;
    Ok(set(fd, &times)?)
}

/// `path_filestat_set_times`
#[expect(clippy::too_many_arguments, reason = "the call has them")]
pub(super) fn set_times_at(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    flags: u32,
    path: u32,
    length: u32,
    access: u64,
    change: u64,
    which: u32,
) -> Result<(), Failure> {
    let times = times(access, change, which)?;
    let directory = guest.table.directory(number)?;
    let (path, links) = (text(memory, path, length)?, Links::asked(flags)?);
    let named = resolve::named(directory.writable()?.fd(), path, links)?;
    Ok(set(named.as_fd(), &times)?)
}

/// For a file that is only open to be named, too.
fn set(fd: BorrowedFd<'_>, times: &Timestamps) -> rustix::io::Result<()> {
    utimensat(fd, "", times, AtFlags::EMPTY_PATH)
}

/// # Errors
/// INVAL where a time is to be two things at once.
fn times(access: u64, change: u64, which: u32) -> Result<Timestamps, Errno> {
    if which & !(ACCESS | ACCESS_NOW | CHANGE | CHANGE_NOW) != 0 {
        return Err(Errno::Inval);
    }
    Ok(Timestamps {
        last_access: time(access, which & ACCESS != 0, which & ACCESS_NOW != 0)?,
        last_modification: time(change, which & CHANGE != 0, which & CHANGE_NOW != 0)?,
    })
}

fn time(value: u64, set: bool, now: bool) -> Result<Timespec, Errno> {
    match (set, now) {
        (true, true) => Err(Errno::Inval),
        (true, false) => Ok(Timespec {
            // 2554 is far from the end of an i64.
            tv_sec: i64::try_from(value / NANOSECONDS).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(value % NANOSECONDS).unwrap_or_default(),
        }),
        (false, true) => Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_NOW }),
        (false, false) => Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }),
    }
}

/// `typenames.witx`, `filestat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Filestat {
    device: u64,
    inode: u64,
    filetype: u8,
    links: u64,
    size: u64,
    /// Of access, of content and of status, in nanoseconds since 1970.
    times: [u64; 3],
}

impl From<&Statx> for Filestat {
    fn from(status: &Statx) -> Self {
        Self {
            device: u64::from(status.stx_dev_major) << 32 | u64::from(status.stx_dev_minor),
            inode: status.stx_ino,
            filetype: filetype(FileType::from_raw_mode(status.stx_mode.into())),
            links: status.stx_nlink.into(),
            size: status.stx_size,
            times: [&status.stx_atime, &status.stx_mtime, &status.stx_ctime].map(told),
        }
    }
}

impl Filestat {
    fn encoded(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let [access, content, status] = self.times;
        let words = [self.device, self.inode, self.filetype.into(), self.links, self.size, access, content, status];
        for (slot, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *slot = word.to_le_bytes();
        }
        bytes
    }
}

fn told(time: &StatxTimestamp) -> u64 {
    nanoseconds(time.tv_sec, time.tv_nsec)
}

/// Since 1970, and the nearest that fits.
pub(super) fn nanoseconds(seconds: i64, rest: u32) -> u64 {
    let Ok(seconds) = u64::try_from(seconds) else {
        return 0;
    };
    seconds.saturating_mul(NANOSECONDS).saturating_add(rest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_does_not_fit_is_the_nearest_that_does() {
        assert_eq!(nanoseconds(-1, 999_999_999), 0);
        assert_eq!(nanoseconds(i64::MIN, 0), 0);
        assert_eq!(nanoseconds(1, 5), 1_000_000_005);
        assert_eq!(nanoseconds(18_446_744_073, 709_551_615), u64::MAX);
        assert_eq!(nanoseconds(18_446_744_073, 709_551_616), u64::MAX);
        assert_eq!(nanoseconds(i64::MAX, 999_999_999), u64::MAX);
    }

    #[test]
    fn a_time_is_set_to_one_thing() {
        assert!(times(5, 5, ACCESS | ACCESS_NOW).is_err() && times(5, 5, CHANGE | CHANGE_NOW).is_err());
        assert!(times(0, 0, 16).is_err());
        let set = times(u64::MAX, 7, ACCESS | CHANGE_NOW).unwrap();
        assert_eq!((set.last_access.tv_sec, set.last_access.tv_nsec), (18_446_744_073, 709_551_615));
        assert_eq!(set.last_modification.tv_nsec, UTIME_NOW);
        assert_eq!(times(0, 0, 0).unwrap().last_access.tv_nsec, UTIME_OMIT);
    }

    #[test]
    fn a_status_lies_as_the_guest_reads_it() {
        let status = Filestat { device: 1, inode: 2, filetype: 4, links: 5, size: 6, times: [7, 8, 9] };
        let words: Vec<u64> = status.encoded().as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        assert_eq!(words, [1, 2, 4, 5, 6, 7, 8, 9]);
    }
}
