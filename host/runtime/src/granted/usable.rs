//! All that one job may use of the file system, opened.

use crate::error::Error;
use crate::module::Module;
use crate::reopen::for_reading;
use rustix::fs::FileType;
use sandhog_sys::descriptors::StandardStream;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All that one job may use of the file system, opened.
#[derive(Clone)]
pub struct Granted {
    pub module: Arc<Module>,
    /// In the order of the job's grants.
    pub directories: Vec<Arc<OwnedFd>>,
    /// What it may start, by the names that it knows.
    pub modules: BTreeMap<String, Arc<Module>>,
    pub input: Input,
}

/// Where stdin comes from.
#[derive(Clone)]
pub enum Input {
    /// The command's own.
    Inherit,
    /// A file, which each attempt reads from its start; opened with `O_PATH`, so that a FIFO has no reader between attempts.
    File { path: PathBuf, file: Arc<OwnedFd> },
    /// It ends at once.
    None,
}

impl Input {
    /// What one attempt reads; `None`: it ends at once.
    ///
    /// # Errors
    /// The file can't be read (any more).
    pub fn open(&self) -> Result<Option<OwnedFd>, Error> {
        match self {
            Self::None => Ok(None),
            // One that was closed is empty: the standard library opens /dev/null in its place.
            Self::Inherit => Ok(Some(StandardStream::Stdin.borrow().try_clone_to_owned()?)),
            Self::File { path, file } => reader(path, file).map(Some),
        }
    }
}

/// A FIFO that nobody writes to yet would be waited for here, and nothing else would go on; whoever reads it waits.
pub(super) fn reader(path: &Path, file: &OwnedFd) -> Result<OwnedFd, Error> {
    let fail = |cause| Error::Stdin { path: path.into(), cause };
    let reader = for_reading(file).map_err(fail)?;
    let status = rustix::fs::fstat(&reader).map_err(|errno| fail(errno.into()))?;
    if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
        return Err(fail(io::ErrorKind::IsADirectory.into()));
    }
    Ok(reader)
}
