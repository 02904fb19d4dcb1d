//! Why what a job was granted is not opened again.

use std::path::PathBuf;

/// Why a path of a job is not opened again. The verb that accepts it is told where the job's name is known.
#[derive(Debug, thiserror::Error)]
pub enum Guarded {
    #[error("{what} {path:?} leads through the link {at:?}, and a job may write {through:?}, where that link lies")]
    Link { what: &'static str, path: PathBuf, at: PathBuf, through: PathBuf },
    #[error(
        "the {what} {path:?} is not the one that was granted: another {what} lies there now, and a job may write \
         {through:?}, where it lies"
    )]
    Replaced { what: &'static str, path: PathBuf, through: PathBuf },
    #[error(
        "the module {path:?} is not the one that was granted: its bytes are others now, and a job may write {through:?}, \
         where it lies"
    )]
    Changed { path: PathBuf, through: PathBuf },
}
