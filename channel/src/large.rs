//! The rest of a large message: a memfd that nobody can change any more.

use crate::{Broken, Error};
use rustix::buffer::spare_capacity;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create};
use rustix::io::{Errno, pread, retry_on_intr, write};
use sandhog_protocol::limits;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Its bytes and its length stay as they are, and so do the seals.
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// A sealed memfd with these bytes.
///
/// # Errors
/// [`Error::TooLarge`] where the process's own limit of a file's size (RLIMIT_FSIZE, which a memfd counts towards)
/// is below: `max` is what would have gone.
pub(crate) fn seal(rest: &[u8]) -> Result<OwnedFd, Error> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memfd = match memfd_create(c"message", flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => memfd_create(c"message", flags),
        other => other,
    };
    let memfd = memfd.map_err(Error::system("make a memfd for a large message"))?;
    let mut left = rest;
    while !left.is_empty() {
        match retry_on_intr(|| write(&memfd, left)) {
            Ok(written) => left = &left[written..],
            Err(Errno::FBIG) => {
                return Err(Error::TooLarge { max: limits::INLINE_PAYLOAD + rest.len() - left.len() });
            }
            Err(errno) => return Err(Error::system("write a large message")(errno)),
        }
    }
    fcntl_add_seals(&memfd, SEALS).map_err(Error::system("seal a large message"))?;
    Ok(memfd)
}

/// `start` and all of a memfd of `length` bytes that came from the other end, which are at most
/// [`limits::MESSAGE`]. Nothing is allocated before the memfd is what it should be; reading one never waits.
pub(crate) fn read(memfd: BorrowedFd<'_>, start: &[&[u8]], length: usize) -> Result<Vec<u8>, Error> {
    // No other kind of file has seals.
    match fcntl_get_seals(memfd) {
        Ok(seals) if seals.contains(SEALS) => {}
        Ok(_) | Err(_) => return Err(Broken::NotSealed.into()),
    }
    let found = fstat(memfd).map_err(Error::system("look at a large message"))?.st_size;
    if usize::try_from(found) != Ok(length) {
        return Err(Broken::Size { expected: length, found }.into());
    }
    let total = length + start.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Vec::new();
    let short = |_| Error::system("find memory for a large message")(Errno::NOMEM);
    bytes.try_reserve_exact(total).map_err(short)?;
    start.iter().for_each(|part| bytes.extend_from_slice(part));
    let first = bytes.len();
    while bytes.len() < total {
        let offset = (bytes.len() - first) as u64;
        let read = retry_on_intr(|| pread(memfd, spare_capacity(&mut bytes), offset));
        if read.map_err(Error::system("read a large message"))? == 0 {
            return Err(Broken::Size { expected: length, found: offset.cast_signed() }.into());
        }
    }
    Ok(bytes)
}
