//! Directories and files of a hierarchy: every access is relative to a directory that is open already.

use super::error::Error;
use super::name::{HOME, is_name};
use super::settings::Setting;
use rustix::{
    fs::{Dir, Mode, OFlags},
    io::Errno,
};
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    path::Path,
};

/// The most that is read of a file of the kernel's, in bytes: the pids of as many tasks as a cgroup of ours may
/// ever have, and mountinfo of a machine with ten thousand mounts.
const LONGEST_FILE: usize = 4 << 20;

/// Opens our directory in a hierarchy; makes it where it is not there.
pub(super) fn make_home(mount: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(mount, HOME, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => open_directory(mount, Path::new(HOME)),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn open_directory(at: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::openat(at, path, flags, Mode::empty())?)
}

/// The directories in a directory.
pub(super) fn children(directory: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        if entry.file_type() == rustix::fs::FileType::Directory && is_name(&name) {
            names.push(name.into_owned());
        }
    }
    Ok(names)
}

pub(super) fn write_setting(directory: BorrowedFd<'_>, setting: &Setting) -> io::Result<()> {
    match write_file(directory, setting.file, &setting.value) {
        Err(error) if setting.optional && error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Writes a value into a file of the kernel's, which takes it whole or not at all.
pub(super) fn write_file(directory: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let opened = rustix::fs::openat(directory, file, flags, Mode::empty())?;
    let written = rustix::io::retry_on_intr(|| rustix::io::write(&opened, value.as_bytes()))?;
    if written == value.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

pub(super) fn read_file(directory: BorrowedFd<'_>, file: &str) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    read_to_end(&rustix::fs::openat(directory, file, flags, Mode::empty())?)
}

pub(super) fn read_path(path: impl AsRef<Path>) -> Result<String, Error> {
    let path = path.as_ref();
    let opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let content = opened.map_err(io::Error::from).and_then(|file| read_to_end(&file));
    content.map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// Files of the kernel's have no size to be asked for. Only mount points can be anything but ASCII, and one that is
/// not UTF-8 is not where cgroups are.
fn read_to_end(file: &OwnedFd) -> io::Result<String> {
    let mut content = Vec::new();
    let mut buffer = [0; 4096];
    while content.len() < LONGEST_FILE {
        let length = rustix::io::retry_on_intr(|| rustix::io::read(file, &mut buffer))?;
        if length == 0 {
            return Ok(String::from_utf8_lossy(&content).into_owned());
        }
        content.extend_from_slice(&buffer[..length]);
    }
    Err(io::ErrorKind::FileTooLarge.into())
}
