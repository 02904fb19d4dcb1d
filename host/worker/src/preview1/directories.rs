//! `fd_readdir`, and what granted directories are called.

use super::{
    Guest,
    errno::{Errno, Failure},
    listing::{self, BEGINNING, DOT, DOT_DOT, Listing},
    memory::{self, bytes_mut, put_size},
    resolve,
    table::{Directory, Entry},
};
use rustix::{
    fs::{FileType, Mode, OFlags},
    io::Errno as Kernel,
};
use std::sync::Arc;

/// `fd_readdir`: as many entries as fit; one that does not fit as a whole is cut off, which says that there are more.
pub(super) fn read(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    buffer: u32,
    capacity: u32,
    from: u64,
    result: u32,
) -> Result<(), Failure> {
    let directory = guest.table.directory_mut(number)?;
    let mut listing = match directory.listing.take() {
        Some(listing) => listing,
        None => beginning(directory)?,
    };
    let space = bytes_mut(memory, buffer, capacity)?;
    let filled = fill(directory, &mut listing, from, space);
    directory.listing = Some(listing);
    put_size(memory, result, filled?)
}

/// A listing from its beginning. A granted directory is open to be named only, so it is opened once more.
fn beginning(directory: &Directory) -> Result<Listing, Errno> {
    let fd = if directory.granted_as.is_some() {
        Arc::new(resolve::open(directory.fd(), ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?)
    } else {
        Arc::clone(&directory.fd)
    };
    Ok(Listing::new(fd))
}

/// Says how much of `space` it has filled.
fn fill(directory: &Directory, listing: &mut Listing, from: u64, space: &mut [u8]) -> Result<usize, Errno> {
    let mut space = Buffer { bytes: space, used: 0 };
    if from < BEGINNING {
        listing.begin_anew();
        let own = resolve::status_of_open(directory.fd())?.stx_ino;
        let mut dots = Vec::new();
        for (name, at) in [(".", DOT), ("..", DOT_DOT)].into_iter().filter(|(_, at)| *at >= from) {
            listing::append(&mut dots, at + 1, own, FileType::Directory, name);
        }
        if !space.take(&dots) {
            return Ok(space.used);
        }
    }
    match listing.go_to(from.max(BEGINNING)) {
        // Nothing is behind a place that does not exist.
        Err(Kernel::INVAL) => return Ok(space.used),
        other => other?,
    }
    while let Some(entry) = listing.entry()? {
        if !space.take(entry) {
            break;
        }
        listing.advance();
    }
    Ok(space.used)
}

/// What is left of the guest's buffer.
struct Buffer<'a> {
    bytes: &'a mut [u8],
    used: usize,
}

impl Buffer<'_> {
    /// Takes as much of `entry` as fits, and says whether it was all of it.
    fn take(&mut self, entry: &[u8]) -> bool {
        let free = &mut self.bytes[self.used..];
        let length = entry.len().min(free.len());
        free[..length].copy_from_slice(&entry[..length]);
        self.used += length;
        length == entry.len()
    }
}

/// `prestat` of a socket. WASI 0.1 has no kind for one, and C libraries look for directories up to the first number that is
/// none at all: they pass over a kind that they do not know.
const NO_DIRECTORY: u64 = 1;

/// `fd_prestat_get`
pub(super) fn prestat(guest: &mut Guest, memory: &mut [u8], number: u32, result: u32) -> Result<(), Failure> {
    if guest.table.socket(number).is_ok() {
        return memory::put(memory, result, NO_DIRECTORY.to_le_bytes());
    }
    let Entry::Directory(Directory { granted_as: Some(name), .. }) = guest.table.get(number)? else {
        return Err(Errno::Badf.into());
    };
    // `typenames.witx`, `prestat`: the kind of a directory is 0.
    let length = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
    memory::put(memory, result, (u64::from(length) << 32).to_le_bytes())
}

/// `fd_prestat_dir_name`
pub(super) fn prestat_name(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    buffer: u32,
    capacity: u32,
) -> Result<(), Failure> {
    let Entry::Directory(Directory { granted_as: Some(name), .. }) = guest.table.get(number)? else {
        return Err(Errno::Notdir.into());
    };
    let length = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
    if length > capacity {
        return Err(Errno::NameTooLong.into());
    }
    bytes_mut(memory, buffer, length)?.copy_from_slice(name.as_bytes());
    Ok(())
}
