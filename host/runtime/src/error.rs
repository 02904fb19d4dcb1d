//! Why there is no attempt at all: what was asked for can't be opened, or this process is at its limits.

use super::granted::Guarded;
use super::{module, own_directories};
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Module(#[from] module::Error),
    #[error("failed to open the directory {path:?} of --dir")]
    Directory {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(transparent)]
    Own(#[from] own_directories::Error),
    #[error("failed to open {path:?} of --stdin")]
    Stdin {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(transparent)]
    Guarded(#[from] Guarded),
    #[error("--user {given}: only root may give a worker another identity; leave --user away")]
    User { given: &'static str },
    #[error("failed to start")]
    Start(#[source] io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Start(error)
    }
}
