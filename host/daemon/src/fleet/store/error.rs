//! What can go wrong with the file of the state.

use sandhog_spec::text::escape;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to open the daemon's state {path:?} (set SANDHOG_STATE_DIR to a directory that you can write)")]
    Open {
        path: PathBuf,
        #[source]
        cause: Arc<io::Error>,
    },
    #[error("the daemon's state {path:?} can't be used")]
    Use {
        path: PathBuf,
        #[source]
        cause: Arc<rusqlite::Error>,
    },
    #[error("the daemon's state {path:?} is in use: another daemon, or a program that looks into it; end that first")]
    Busy { path: PathBuf },
    #[error(
        "the daemon's state {path:?} is damaged ({}): put a copy from before in its place, or move it away with the files \
         beside it, start the daemon and give it the jobs again by `sandhog up`",
        escape(what)
    )]
    Damaged { path: PathBuf, what: String },
    #[error(
        "the daemon's state {path:?} was written by a newer sandhog (version {found}, this one knows {known}): \
         use that one, or another SANDHOG_STATE_DIR"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "{path:?} is a database, but not one of sandhog's: move it away, or set SANDHOG_STATE_DIR to another directory"
    )]
    Foreign { path: PathBuf },
    #[error("failed to write the daemon's state {path:?} (it is tried again until it succeeds)")]
    Write {
        path: PathBuf,
        #[source]
        cause: Arc<rusqlite::Error>,
    },
    #[error("nobody writes the daemon's state {path:?} any more: a fault of sandhog's; start the daemon again")]
    Ended { path: PathBuf },
}
