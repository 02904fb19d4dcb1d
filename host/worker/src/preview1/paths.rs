//! Calls on names below the guest's directories: `path_…`.
//!
//! Each has two steps: the name's directory is opened ([`super::resolve`]), and the last name is handed to a call that
//! follows no link in it. That name holds no slash, for behind a slash the kernel follows links whatever it was told.

use super::{
    Guest,
    errno::{Errno, Failure},
    memory::{self, put_size, text},
    resolve::{Entry, Links},
};
use rustix::fs::{AtFlags, Mode, linkat, mkdirat, readlinkat_raw, renameat, symlinkat, unlinkat};
use std::mem::MaybeUninit;

/// PATH_MAX, `linux/limits.h`: the longest text of a link.
const LINK: usize = 4096;

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
    let entry = Entry::of(directory.writable()?.fd(), without_slashes(path))?;
    Ok(mkdirat(entry.directory(), entry.name, Mode::from_raw_mode(0o777))?)
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
    let entry = Entry::of(directory.writable()?.fd(), without_slashes(path))?;
    Ok(unlinkat(entry.directory(), entry.name, AtFlags::REMOVEDIR)?)
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
    let entry = Entry::of(directory.writable()?.fd(), path)?;
    Ok(unlinkat(entry.directory(), entry.name, AtFlags::empty())?)
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
    let from = Entry::of(from.writable()?.fd(), without_slashes(old))?;
    let to = Entry::of(to.writable()?.fd(), without_slashes(new))?;
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
    let (from, to) = (Entry::of(from.fd(), old)?, Entry::of(to.fd(), new)?);
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
    let entry = Entry::of(start, new)?;
    Ok(symlinkat(content, entry.directory(), entry.name)?)
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
    capacity: u32,
    result: u32,
) -> Result<(), Failure> {
    let directory = guest.table.directory(number)?;
    let entry = Entry::of(directory.fd(), text(memory, path, length)?)?;
    let mut content = [MaybeUninit::uninit(); LINK];
    let (content, _) = readlinkat_raw(entry.directory(), entry.name, &mut content)?;
    if std::str::from_utf8(content).is_err() {
        return Err(Errno::Ilseq.into());
    }
    if content.starts_with(b"/") {
        return Err(Errno::Perm.into());
    }
    let content = &content[..content.len().min(capacity as usize)];
    let used = u32::try_from(content.len()).map_err(|_| Errno::Overflow)?;
    memory::bytes_mut(memory, buffer, used)?.copy_from_slice(content);
    put_size(memory, result, content.len())
}
