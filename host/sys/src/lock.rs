//! Locks on ranges of bytes of a file, owned by the open file description (fcntl(2), "Open file description
//! locks"): whoever inherits the descriptor shares the lock, and the kernel drops it with the last copy.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The structure has shorts where the header has its constants as ints.
#[expect(clippy::cast_possible_truncation, reason = "the constants of fcntl(2) that are passed here are below 10")]
const fn short(constant: libc::c_int) -> libc::c_short {
    constant as libc::c_short
}

fn whole(start: u64, length: u64) -> io::Result<libc::flock> {
    let number = |n: u64| libc::off_t::try_from(n).map_err(io::Error::other);
    // SAFETY: a plain C structure for which zero bytes are a valid value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = short(libc::F_WRLCK);
    lock.l_whence = short(libc::SEEK_SET);
    (lock.l_start, lock.l_len) = (number(start)?, number(length)?);
    Ok(lock)
}

fn call(file: BorrowedFd<'_>, command: i32, lock: &mut libc::flock) -> io::Result<()> {
    // SAFETY: the pointer is to a live structure of the type that these commands take; l_pid is 0, as they demand.
    if unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut *lock) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Takes the range if nobody has any of it; false where somebody has. The file must be open for writing.
pub fn try_lock(file: BorrowedFd<'_>, start: u64, length: u64) -> io::Result<bool> {
    match call(file, libc::F_OFD_SETLK, &mut whole(start, length)?) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits for the range, without a limit: only for a thread that can be left behind.
pub fn lock(file: BorrowedFd<'_>, start: u64, length: u64) -> io::Result<()> {
    loop {
        match call(file, libc::F_OFD_SETLKW, &mut whole(start, length)?) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}

/// Gives the range back.
pub fn unlock(file: BorrowedFd<'_>, start: u64, length: u64) -> io::Result<()> {
    let mut range = whole(start, length)?;
    range.l_type = short(libc::F_UNLCK);
    call(file, libc::F_OFD_SETLK, &mut range)
}

/// The first byte of the range behind the lock of somebody else that is in the way; `None` where the range is free.
pub fn end_of_conflict(file: BorrowedFd<'_>, start: u64, length: u64) -> io::Result<Option<u64>> {
    let mut range = whole(start, length)?;
    call(file, libc::F_OFD_GETLK, &mut range)?;
    if range.l_type == short(libc::F_UNLCK) {
        return Ok(None);
    }
    Ok(Some((range.l_start + range.l_len).cast_unsigned()))
}
