//! Room in a socket that was found full.
//!
//! Must not: send anything.

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

/// Waits for room; for ever where nothing waits for it.
///
/// # Errors
/// The runtime ends.
pub(super) async fn is_there(room: Option<&AsyncFd<OwnedFd>>) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
    match room {
        Some(room) => room.writable().await,
        None => std::future::pending().await,
    }
}
