//! A file that is written whole or not at all: beside its place, then renamed.

use rustix::fs::{Access, AtFlags, Mode, OFlags, accessat, open, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Most names tried for the file beside it: more than a name that a killed command left behind is never in the way.
const NAMES: u32 = 16;

/// The place of a file.
#[derive(Debug)]
pub(crate) struct WholeFile {
    directory: OwnedFd,
    name: OsString,
}

impl WholeFile {
    /// Finds out whether the directory is there and can be written; leaves no trace.
    ///
    /// # Errors
    /// As open(2), faccessat(2); EISDIR where the path has no name at its end.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let directory = open(parent(path), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        accessat(&directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::empty())?;
        let name = path.file_name().ok_or(Errno::ISDIR)?.to_owned();
        Ok(Self { directory, name })
    }

    /// Puts what `fill` writes in the place of what was there.
    ///
    /// # Errors
    /// Of `fill`, and as rename(2); what was there before is then still there.
    pub(crate) fn write(&self, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let (mut file, temporary) = self.create()?;
        let replaced =
            fill(&mut file).and_then(|()| Ok(renameat(&self.directory, &temporary, &self.directory, &self.name)?));
        if replaced.is_err() {
            // The first error is the one to tell.
            let _ = unlinkat(&self.directory, &temporary, AtFlags::empty());
        }
        replaced
    }

    /// A new file beside it, under a name that nobody else uses.
    fn create(&self) -> io::Result<(File, String)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        for number in 0..NAMES {
            let name = format!(".sandhog.{}.{number}", std::process::id());
            match openat(&self.directory, &name, flags, Mode::from_raw_mode(0o666)) {
                Ok(file) => return Ok((file.into(), name)),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }
}

/// The directory of a path.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
