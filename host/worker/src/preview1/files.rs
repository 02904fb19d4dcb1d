//! Open files and streams: reading, writing, positions, sizes. Bytes go straight between the guest's memory and the system
//! call, several buffers in one call.

use super::{
    Guest,
    errno::{Errno, Failure},
    memory::{self, put_size},
    table::{Entry, File, allows_writing},
};
use crate::stdio::{self, Stream};
use rustix::{
    fs::{Advice, SeekFrom, fadvise, fdatasync, fsync, ftruncate, seek as lseek},
    io::retry_on_intr,
};
use std::num::NonZeroU64;

/// `fd_read`
pub(super) fn read(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    vector: u32,
    count: u32,
    result: u32,
) -> Result<(), Failure> {
    let length = match guest.table.get(number)? {
        Entry::Stream(Stream::In) => guest.stdio.read(memory::first(memory, vector, count)?)?,
        Entry::Stream(Stream::Out | Stream::Err) | Entry::Directory(_) => return Err(Errno::Badf.into()),
        Entry::Socket(_) => guest.table.client(number)?.receive(memory::first(memory, vector, count)?, false)?,
        Entry::File(File { fd, .. }) => memory::to_fill(memory, (vector, count), |buffers| match buffers {
            [] => retry_on_intr(|| rustix::io::read(fd, &mut [0; 0])),
            [one] => retry_on_intr(|| rustix::io::read(fd, &mut **one)),
            several => retry_on_intr(|| rustix::io::readv(fd, several)),
        })?,
    };
    put_size(memory, result, length)
}

/// `fd_pread`
pub(super) fn pread(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    vector: u32,
    count: u32,
    offset: u64,
    result: u32,
) -> Result<(), Failure> {
    let length = match guest.table.get(number)? {
        Entry::Stream(Stream::In) | Entry::Socket(_) => return Err(Errno::Spipe.into()),
        Entry::Stream(Stream::Out | Stream::Err) | Entry::Directory(_) => return Err(Errno::Badf.into()),
        Entry::File(File { fd, .. }) => memory::to_fill(memory, (vector, count), |buffers| match buffers {
            [] => retry_on_intr(|| rustix::io::pread(fd, &mut [0; 0], offset)),
            [one] => retry_on_intr(|| rustix::io::pread(fd, &mut **one, offset)),
            several => retry_on_intr(|| rustix::io::preadv(fd, several, offset)),
        })?,
    };
    put_size(memory, result, length)
}

/// `fd_write`. In append mode, and only there, the kernel looks for the end of the file.
pub(super) fn write(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    vector: u32,
    count: u32,
    result: u32,
) -> Result<(), Failure> {
    let length = match guest.table.get(number)? {
        Entry::Stream(stream @ (Stream::Out | Stream::Err)) => {
            memory::to_write(memory, (vector, count), |buffers| stdio::write(guest.stdio.fd(*stream), buffers))?
        }
        Entry::Stream(Stream::In) | Entry::Directory(_) => return Err(Errno::Badf.into()),
        Entry::Socket(_) => {
            let client = guest.table.client(number)?;
            memory::to_write(memory, (vector, count), |buffers| client.transmit(buffers))?
        }
        Entry::File(File { fd, .. }) => memory::to_write(memory, (vector, count), |buffers| match buffers {
            [] => retry_on_intr(|| rustix::io::write(fd, &[])),
            [one] => retry_on_intr(|| rustix::io::write(fd, one)),
            several => retry_on_intr(|| rustix::io::writev(fd, several)),
        })?,
    };
    put_size(memory, result, length)
}

/// `fd_pwrite`. In append mode the offset means nothing, as with pwrite(2).
pub(super) fn pwrite(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    vector: u32,
    count: u32,
    offset: u64,
    result: u32,
) -> Result<(), Failure> {
    let length = match guest.table.get(number)? {
        Entry::Stream(Stream::Out | Stream::Err) | Entry::Socket(_) => return Err(Errno::Spipe.into()),
        Entry::Stream(Stream::In) | Entry::Directory(_) => return Err(Errno::Badf.into()),
        Entry::File(File { fd, .. }) => memory::to_write(memory, (vector, count), |buffers| match buffers {
            [] => retry_on_intr(|| rustix::io::pwrite(fd, &[], offset)),
            [one] => retry_on_intr(|| rustix::io::pwrite(fd, one, offset)),
            several => retry_on_intr(|| rustix::io::pwritev(fd, several, offset)),
        })?,
    };
    put_size(memory, result, length)
}

/// `fd_seek`
pub(super) fn seek(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    offset: i64,
    whence: u32,
    result: u32,
) -> Result<(), Failure> {
    let file = guest.table.seekable(number)?;
    // `typenames.witx`, `whence`.
    let to = match whence {
        0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Err(Errno::Inval.into()),
    };
    memory::put(memory, result, lseek(&file.fd, to)?.to_le_bytes())
}

/// `fd_tell`
pub(super) fn tell(guest: &mut Guest, memory: &mut [u8], number: u32, result: u32) -> Result<(), Failure> {
    let file = guest.table.seekable(number)?;
    memory::put(memory, result, lseek(&file.fd, SeekFrom::Current(0))?.to_le_bytes())
}

/// `fd_sync`
pub(super) fn sync(guest: &mut Guest, _: &mut [u8], number: u32) -> Result<(), Failure> {
    let file = guest.table.file(number)?;
    Ok(retry_on_intr(|| fsync(&file.fd))?)
}

/// `fd_datasync`
pub(super) fn datasync(guest: &mut Guest, _: &mut [u8], number: u32) -> Result<(), Failure> {
    let file = guest.table.file(number)?;
    Ok(retry_on_intr(|| fdatasync(&file.fd))?)
}

/// `fd_filestat_set_size`
pub(super) fn set_size(guest: &mut Guest, _: &mut [u8], number: u32, size: u64) -> Result<(), Failure> {
    let file = guest.table.file(number)?;
    allows_writing(file.access)?;
    Ok(retry_on_intr(|| ftruncate(&file.fd, size))?)
}

/// `fd_advise`
pub(super) fn advise(
    guest: &mut Guest,
    _: &mut [u8],
    number: u32,
    offset: u64,
    length: u64,
    advice: u32,
) -> Result<(), Failure> {
    let file = guest.table.file(number)?;
    // `typenames.witx`, `advice`.
    let advice = match advice {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::Inval.into()),
    };
    Ok(fadvise(&file.fd, offset, NonZeroU64::new(length), advice)?)
}

/// `fd_allocate`: programs do without, and fallocate(2) is on no list of calls.
pub(super) fn allocate(guest: &mut Guest, _: &mut [u8], number: u32, _: u64, _: u64) -> Result<(), Failure> {
    guest.table.file(number)?;
    Err(Errno::Notsup.into())
}
