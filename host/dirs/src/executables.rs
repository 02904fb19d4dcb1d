//! The executables that `sandhog` starts: where they lie, and whether they may be trusted.
//!
//! An installation has them in `libexec/sandhog/BUILD-ID/` beside `bin/`, wherever that is: below `/usr`, in somebody's home, in a
//! virtual environment. So the old and the new version lie side by side during an upgrade. In the folder of a build they lie
//! beside `sandhog` itself.

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Runs guests.
const WORKER: &str = "sandhog-worker";
/// Looks at modules and compiles them.
const COMPILER: &str = "sandhog-compiler";

/// Others than the owner may write it. Source: inode(7).
const WRITABLE: Mode = Mode::WGRP.union(Mode::WOTH);

/// Why an executable can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to find the running executable")]
    Own(#[source] io::Error),
    #[error("{name} is not where it belongs: neither {} nor {}", .installed.display(), .beside.display())]
    Missing { name: &'static str, installed: PathBuf, beside: PathBuf },
    #[error("failed to open {}", .path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is no file", .path.display())]
    NoFile { path: PathBuf },
    #[error("{} belongs to user {uid}: it has to belong to root, or to the owner of sandhog", .path.display())]
    Owner { path: PathBuf, uid: u32 },
    #[error("{} can be written by others than its owner", .path.display())]
    Writable { path: PathBuf },
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Own(_) | Self::Open { .. } => "see that /proc is mounted and that the files can be read",
            Self::Missing { .. } | Self::NoFile { .. } => {
                "install sandhog as a whole (./just install); its parts are not to be moved one by one"
            }
            Self::Owner { .. } => "chown it to root, or install sandhog again",
            Self::Writable { .. } => "take that right away: chmod go-w",
        }
    }
}

/// What a spawner starts zygotes from, open for reading.
pub struct Executables {
    pub worker: OwnedFd,
    pub compiler: OwnedFd,
    /// The build that they have to belong to.
    pub build: &'static str,
}

static BUILD: OnceLock<&str> = OnceLock::new();

/// Says which build this process belongs to; once, before [`find`].
pub fn belong_to(build: &'static str) {
    BUILD.get_or_init(|| build);
}

/// Opens the executables of this process's build. Whoever calls this has not given up any privilege yet.
///
/// # Errors
/// One is missing, or somebody could have written it who can't write `sandhog` itself.
pub fn find() -> Result<Executables, Error> {
    let build = BUILD.get().copied().unwrap_or_default();
    let own = std::env::current_exe().map_err(Error::Own)?;
    let owner = open("/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).and_then(fstat);
    let owner = owner.map_err(|errno| Error::Own(errno.into()))?.st_uid;
    let find = |name| find_one(&own, owner, build, name);
    Ok(Executables { worker: find(WORKER)?, compiler: find(COMPILER)?, build })
}

fn find_one(own: &Path, owner: u32, build: &str, name: &'static str) -> Result<OwnedFd, Error> {
    let [installed, beside] = candidates(own, build, name);
    for path in [&installed, &beside] {
        let Some(file) = open_there(path)? else { continue };
        let checked =
            |file: &OwnedFd| fstat(file).map_err(|errno| Error::Open { path: path.clone(), source: errno.into() });
        check(path, owner, &checked(&file)?, FileType::RegularFile)?;
        // Whoever may write the directory may put another file in its place.
        let folder = path.parent().unwrap_or(Path::new("/"));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = open(folder, flags, Mode::empty());
        let opened = opened.map_err(|errno| Error::Open { path: folder.into(), source: errno.into() })?;
        check(folder, owner, &checked(&opened)?, FileType::Directory)?;
        return Ok(file);
    }
    Err(Error::Missing { name, installed, beside })
}

/// Where an executable may lie: in an installation, and in the folder of a build.
fn candidates(own: &Path, build: &str, name: &str) -> [PathBuf; 2] {
    let folder = own.parent().unwrap_or(Path::new("/"));
    let prefix = folder.parent().unwrap_or(Path::new("/"));
    [prefix.join("libexec/sandhog").join(build).join(name), folder.join(name)]
}

fn open_there(path: &Path) -> Result<Option<OwnedFd>, Error> {
    match open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(Error::Open { path: path.into(), source: errno.into() }),
    }
}

fn check(path: &Path, owner: u32, found: &Stat, kind: FileType) -> Result<(), Error> {
    if FileType::from_raw_mode(found.st_mode) != kind {
        return Err(Error::NoFile { path: path.into() });
    }
    if found.st_uid != 0 && found.st_uid != owner {
        return Err(Error::Owner { path: path.into(), uid: found.st_uid });
    }
    if Mode::from_raw_mode(found.st_mode).intersects(WRITABLE) {
        return Err(Error::Writable { path: path.into() });
    }
    Ok(())
}
