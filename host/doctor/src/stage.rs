//! What probes are let loose on: files that are there to be stolen, a port that listens, a directory to be granted.
//! All of it goes when the stage is dropped; what a killed doctor left goes with the next one's start.

use rustix::fs::{FlockOperation, Mode, OFlags};
use sandhog_probes::{FILE, SETUID};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to make a directory for the probes; set TMPDIR to one that can be written")]
    Directory(#[source] io::Error),
    #[error("failed to make the file {path:?} for the probes")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to listen on 127.0.0.1 for the probes")]
    Listen(#[source] io::Error),
    #[error("failed to open the probes' directory")]
    Open(#[source] io::Error),
}

/// A prefix of names that nobody else uses.
const PREFIX: &str = "sandhog-doctor-";
/// overlayfs, which can't map ids (linux/magic.h).
const OVERLAYFS: i64 = 0x794c_7630;

pub struct Stage {
    directory: PathBuf,
    /// Says that the directory is in use, for as long as this process lives.
    _lock: OwnedFd,
    listener: TcpListener,
}

impl Stage {
    /// Makes a directory of its own where temporary files go, on a file system that can map ids if there is one.
    pub fn new() -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Listen)?;
        let base = base();
        sweep(&base);
        let (directory, lock) = make_directory(&base).map_err(Error::Directory)?;
        let stage = Self { directory, _lock: lock, listener };
        stage.fill()?;
        Ok(stage)
    }

    fn fill(&self) -> Result<(), Error> {
        let granted = self.directory.join("granted");
        DirBuilder::new().mode(0o755).create(&granted).map_err(Error::Directory)?;
        // The mask of the shell must not decide who may read what.
        fs::set_permissions(&granted, Permissions::from_mode(0o755)).map_err(Error::Directory)?;
        let setuid = granted.join(SETUID.to_string_lossy().as_ref());
        let files = [(self.public(), 0o644), (self.private(), 0o600), (granted.join(FILE), 0o644), (setuid, 0o4755)];
        files.into_iter().try_for_each(|(path, mode)| make_file(&path, mode))
    }

    /// A file that everybody may read.
    pub fn public(&self) -> PathBuf {
        self.directory.join("public")
    }

    /// A file that only the person may read.
    pub fn private(&self) -> PathBuf {
        self.directory.join("private")
    }

    /// A port of 127.0.0.1 that listens.
    pub fn port(&self) -> u16 {
        self.listener.local_addr().map_or(0, |address| address.port())
    }

    /// The directory that is granted, read-only.
    pub fn granted(&self) -> Result<OwnedFd, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(self.directory.join("granted"), flags, Mode::empty())
            .map_err(|errno| Error::Open(errno.into()))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Where it can't be removed any more, somebody else has removed it.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A directory that everybody may enter, and the lock on it.
fn make_directory(base: &Path) -> io::Result<(PathBuf, OwnedFd)> {
    let mut chance = [0; 8];
    rustix::rand::getrandom(&mut chance, rustix::rand::GetRandomFlags::empty())?;
    let path = base.join(format!("{PREFIX}{:016x}", u64::from_ne_bytes(chance)));
    // Fails where there is such a name already, whatever it is. Of another mode until the lock is held: a
    // sweep leaves alone what has that mode.
    DirBuilder::new().mode(0o700).create(&path)?;
    let lock = lock(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    Ok((path, lock))
}

/// Removes what doctors of the same person left here when they were killed: what is finished and not locked.
fn sweep(base: &Path) {
    let me = rustix::process::geteuid().as_raw();
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())) {
        let path = entry.path();
        let stale = fs::symlink_metadata(&path)
            .is_ok_and(|status| status.is_dir() && status.uid() == me && status.mode() & 0o777 == 0o755);
        if stale && let Ok(_lock) = lock(&path) {
            // What can't be removed now is tried by the next one.
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// EWOULDBLOCK where somebody else holds it.
fn lock(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
    Ok(directory)
}

/// Where temporary files go; memory where that is an overlay, as in a container.
fn base() -> PathBuf {
    let temporary = std::env::temp_dir();
    let memory = Path::new("/dev/shm");
    if is_overlay(&temporary) && memory.is_dir() && !is_overlay(memory) { memory.into() } else { temporary }
}

fn is_overlay(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|status| status.f_type == OVERLAYFS)
}

fn make_file(path: &Path, mode: u32) -> Result<(), Error> {
    let made = fs::write(path, "the doctor's\n").and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)));
    made.map_err(|source| Error::File { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_leaves_nothing_behind() {
        let stage = Stage::new().unwrap();
        let directory = stage.directory.clone();
        assert!(stage.public().is_file() && stage.port() != 0);
        assert_eq!(fs::metadata(stage.private()).unwrap().permissions().mode() & 0o777, 0o600);
        drop(stage);
        assert!(!directory.exists());
    }
}
