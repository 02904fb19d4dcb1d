//! A file that is written whole or not at all: beside its place, then renamed. What is no regular file is written to.

use rustix::fs::{Access, AtFlags, Mode, OFlags, accessat, open, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Most names tried for the file beside it: more than a name that a killed command left behind is never in the way.
const NAMES: u32 = 16;

/// Where something is to be written to.
#[derive(Debug)]
pub enum Target {
    /// A regular file, or none yet; the file that a link leads to, not the link.
    Whole(WholeFile),
    /// A device, a FIFO, a descriptor: replacing it would take it away from everybody.
    Straight(File),
}

impl Target {
    /// Finds out whether it can be written; leaves no trace.
    ///
    /// # Errors
    /// As [`WholeFile::at`]; EISDIR where it is a directory.
    pub fn find(path: &Path) -> io::Result<Self> {
        match std::fs::metadata(path) {
            Ok(status) if status.is_dir() => Err(Errno::ISDIR.into()),
            Ok(status) if status.is_file() => Ok(Self::Whole(WholeFile::at(&std::fs::canonicalize(path)?)?)),
            Ok(_) => Ok(Self::Straight(File::options().append(true).open(path)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
                Ok(Self::Whole(WholeFile::at(path)?))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes what `fill` does.
    ///
    /// # Errors
    /// As [`WholeFile::write`].
    pub fn write(&mut self, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::Whole(file) => file.write(fill),
            Self::Straight(file) => fill(file),
        }
    }
}

/// The place of a file.
#[derive(Debug)]
pub struct WholeFile {
    directory: OwnedFd,
    name: OsString,
}

impl WholeFile {
    /// Finds out whether the directory is there and can be written; leaves no trace.
    ///
    /// # Errors
    /// As open(2), faccessat(2); EISDIR where the path has no name at its end.
    pub fn at(path: &Path) -> io::Result<Self> {
        let directory = open(parent(path), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        accessat(&directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::empty())?;
        let name = path.file_name().ok_or(Errno::ISDIR)?.to_owned();
        Ok(Self { directory, name })
    }

    /// Puts what `fill` writes in the place of what was there.
    ///
    /// # Errors
    /// Of `fill`, and as rename(2); what was there before is then still there.
    pub fn write(&self, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
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
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_no_file_is_written_to_and_stays_what_it_is() {
        let mut target = Target::find(Path::new("/dev/null")).unwrap();
        assert!(matches!(target, Target::Straight(_)));
        target.write(|file| file.write_all(b"x")).unwrap();
        assert!(!Path::new("/dev/null").metadata().unwrap().is_file());
        assert_eq!(Target::find(Path::new("/tmp")).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        std::fs::write(&file, "old").unwrap();
        symlink("file", &link).unwrap();
        Target::find(&link).unwrap().write(|file| file.write_all(b"new")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
    }
}
