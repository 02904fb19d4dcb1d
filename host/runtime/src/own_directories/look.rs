//! Looks at directories: device and inode of each on the way there and of each above, and the mounts that they are in.

use super::relation::{Grant, Inode, Kind, Location, Own};
use crate::mounts::{Mount, Mounts, path_of};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawMode, StatxFlags, open, openat, readlinkat, statx};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// Directories above one another that are looked at; a path of 4096 bytes (PATH_MAX) has 2048 names at most, links more.
const DEEPEST: usize = 4096;

/// Links in one path; as many as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A directory and the mount by which it is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    inode: Inode,
    mount: u64,
}

/// An own directory, or where it will be made.
struct Found {
    directory: OwnedFd,
    exists: bool,
    /// It and all above it.
    up: Vec<Step>,
    way: Vec<Step>,
}

/// The mounts, and the own directories at these paths.
///
/// # Errors
/// One that is there can't be looked at.
pub(super) fn own(paths: &[(Kind, PathBuf)]) -> io::Result<(Mounts, Vec<Own>)> {
    let found: Vec<_> = paths.iter().map(|(_, path)| find(path)).collect::<io::Result<_>>()?;
    // After everything was opened, so that all of it is listed.
    let mounts = Mounts::now()?;
    let own = paths.iter().zip(found).map(|((kind, path), found)| {
        let mut crossed: Vec<Mount> = Vec::new();
        for step in &found.way {
            if crossed.iter().all(|mount| mount.id != step.mount) {
                crossed.push(mounts.get(step.mount)?.clone());
            }
        }
        let way = found.way.iter().map(|step| step.inode).collect();
        Ok(Own { kind: *kind, path: path.clone(), way, crossed, locations: locations(&found, &mounts)? })
    });
    let own = own.collect::<io::Result<_>>()?;
    Ok((mounts, own))
}

/// A granted directory.
///
/// # Errors
/// It can't be looked at, or is in no mount of this process's.
pub(super) fn grant(directory: BorrowedFd<'_>, mounts: &Mounts) -> io::Result<Grant> {
    let step = look(directory)?.0;
    let mount = mounts.get(step.mount)?.clone();
    let inside = mount.inside(&path_of(directory)?)?;
    let up = chain(directory)?.iter().map(|step| step.inode).collect();
    Ok(Grant { itself: step.inode, up, mount, inside })
}

/// Where an own directory lies, and what is mounted below it.
fn locations(found: &Found, mounts: &Mounts) -> io::Result<Vec<Location>> {
    let path = path_of(found.directory.as_fd())?;
    let mount = mounts.get(look(found.directory.as_fd())?.0.mount)?;
    let within = found.up.iter().take_while(|step| step.mount == mount.id).map(|step| step.inode).collect();
    let itself = Location { exists: found.exists, within, mount: mount.clone(), inside: mount.inside(&path)? };
    let mounted = mounts.below(&path).filter(|_| found.exists).map(|mount| {
        // A file may be mounted as well, and another mount may hide this one: its root is known all the same.
        let step = open(&mount.point, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).ok();
        let step = step.and_then(|directory| Some(look(directory.as_fd()).ok()?.0));
        let within = step.filter(|step| step.mount == mount.id).map(|step| step.inode).into_iter().collect();
        Location { exists: true, within, mount: mount.clone(), inside: mount.root.clone() }
    });
    Ok(std::iter::once(itself).chain(mounted).collect())
}

/// The directory at a path, or the last one on the way there.
fn find(path: &Path) -> io::Result<Found> {
    // First by the kernel, which mounts what is mounted at the first look.
    let opened = open(path, DIRECTORY, Mode::empty());
    let (last, mut way) = walk(path)?;
    let (directory, exists) = match opened {
        Ok(directory) => (directory, true),
        Err(errno) if is_absence(errno) => (last, false),
        Err(errno) => return Err(errno.into()),
    };
    let up = chain(directory.as_fd())?;
    way.extend(&up);
    Ok(Found { directory, exists, up, way })
}

/// It is not there, or this person can't reach it: then no job of theirs can either.
fn is_absence(errno: Errno) -> bool {
    [Errno::NOENT, Errno::NOTDIR, Errno::ACCESS, Errno::LOOP, Errno::NAMETOOLONG].contains(&errno)
}

/// Every directory on the way along a path, links included, as far as there are any; and the last one.
fn walk(path: &Path) -> io::Result<(OwnedFd, Vec<Step>)> {
    let mut at = open(".", DIRECTORY, Mode::empty())?;
    let mut way = if path.is_absolute() { Vec::new() } else { chain(at.as_fd())? };
    let mut left = names(path);
    let mut links = 0;
    while let Some(name) = left.pop() {
        let next = match openat(&at, &name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Ok(next) => next,
            Err(errno) if is_absence(errno) => break,
            Err(errno) => return Err(errno.into()),
        };
        match look(next.as_fd())? {
            (step, FileType::Directory) => {
                way.push(step);
                at = next;
            }
            (_, FileType::Symlink) if links < LINKS => {
                links += 1;
                let target = readlinkat(&next, "", Vec::new())?;
                left.extend(names(Path::new(&OsString::from_vec(target.into_bytes()))));
            }
            _ => break,
        }
    }
    Ok((at, way))
}

/// The names of a path, the last one first; that of the root is its own.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().filter(|part| *part != Component::CurDir);
    let mut names: Vec<_> = names.map(|part| OsStr::to_owned(part.as_os_str())).collect();
    names.reverse();
    names
}

/// A directory and all above it, up to the root or to one that this person can't search.
fn chain(directory: BorrowedFd<'_>) -> io::Result<Vec<Step>> {
    let mut steps = vec![look(directory)?.0];
    let mut at: Option<OwnedFd> = None;
    while steps.len() < DEEPEST {
        let from = at.as_ref().map_or(directory, AsFd::as_fd);
        let up = match openat(from, "..", DIRECTORY, Mode::empty()) {
            Ok(up) => up,
            Err(Errno::ACCESS) => return Ok(steps),
            Err(errno) => return Err(errno.into()),
        };
        let step = look(up.as_fd())?.0;
        if steps.last() == Some(&step) {
            return Ok(steps);
        }
        steps.push(step);
        at = Some(up);
    }
    Err(io::Error::other(format!("it lies in more than {DEEPEST} directories")))
}

fn look(file: BorrowedFd<'_>) -> io::Result<(Step, FileType)> {
    let wanted = StatxFlags::TYPE | StatxFlags::INO | StatxFlags::MNT_ID;
    let status = statx(file, "", AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT, wanted)?;
    if !StatxFlags::from_bits_retain(status.stx_mask).contains(wanted) {
        return Err(io::Error::other("the kernel does not tell which mount it is in"));
    }
    let device = (status.stx_dev_major, status.stx_dev_minor);
    let inode = Inode { device, number: status.stx_ino };
    let kind = FileType::from_raw_mode(RawMode::from(status.stx_mode));
    Ok((Step { inode, mount: status.stx_mnt_id }, kind))
}
