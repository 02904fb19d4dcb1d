//! The file of `--coredump`: found to be writable before the job starts, written whole or not at all at its end. The worker
//! writes into a file without a name, so that whatever is killed, no half dump stays; its bytes are put in their place
//! by the command, with the identity of the person who asked, in the directory that was opened before.

use super::whole_file::{Target, parent};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use sandhog_protocol::worker::Coredump;
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Where a core dump goes.
#[derive(Debug)]
pub(crate) struct CoredumpFile {
    path: PathBuf,
    target: Target,
    dump: File,
}

/// There is no place for it.
#[derive(Debug, thiserror::Error)]
#[error("--coredump \"{}\": failed to open it for writing", .path.display())]
pub(crate) struct Error {
    path: PathBuf,
    source: io::Error,
}

impl CoredumpFile {
    /// Finds out whether it can be written; leaves no trace.
    ///
    /// # Errors
    /// Where the directory is missing or closed to us, or the path is a directory.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let opened = Target::find(path).and_then(|target| Ok((target, unnamed(path)?)));
        let (target, dump) = opened.map_err(|source| Error { path: path.into(), source })?;
        Ok(Self { path: path.into(), target, dump })
    }

    /// What the worker writes to.
    ///
    /// # Errors
    /// As dup(2).
    pub(crate) fn for_worker(&self) -> io::Result<OwnedFd> {
        Ok(self.dump.try_clone()?.into())
    }

    /// Puts in its place what the worker says that it has written; or why there is nothing, and what was there before is
    /// then still there.
    pub(crate) fn finish(mut self, dumped: Option<Coredump>) -> Result<PathBuf, String> {
        let bytes = match dumped {
            Some(Coredump::Written { bytes }) => bytes,
            Some(Coredump::Failed { reason }) => return Err(reason),
            None => return Err("the engine did not end the guest".to_owned()),
        };
        let written = self.dump.metadata().and_then(|status| {
            if status.len() != bytes {
                return Err(io::Error::other("it is not as long as its worker says"));
            }
            self.dump.rewind()?;
            self.target.write(|file| io::copy(&mut self.dump, file).map(drop))
        });
        written.map(|()| self.path).map_err(|error| format!("it could not be written: {error}"))
    }
}

/// A file without a name: beside its place, or where the file system has none of those, among the temporary ones.
fn unnamed(path: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    let at = |directory: &Path| open(directory, flags, Mode::RUSR | Mode::WUSR);
    let file = match at(parent(path)) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::ACCESS) => at(&std::env::temp_dir())?,
        other => other?,
    };
    Ok(file.into())
}
