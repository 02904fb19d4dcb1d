//! Descriptors in tokio's event loop.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the runtime that this is called in.
///
/// # Errors
/// As epoll_ctl(2): EPERM for a regular file.
pub fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    watch_for(fd, Interest::READABLE | Interest::WRITABLE)
}

/// As [`watch`], for this news alone.
///
/// # Errors
/// As [`watch`].
pub fn watch_for(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, keeps its number, and is closed by nobody else for as long as the `AsyncFd` owns it.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}

/// Registers a socket for what there is to read alone. Of a socket that is watched for room as well each packet that its other
/// end takes is news, by which this process is woken for nothing: see [`watch_room`].
///
/// # Errors
/// As [`watch`].
pub fn watch_reading(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    watch_for(fd, Interest::READABLE)
}

/// Registers a socket that has been found full, until there is room.
///
/// # Errors
/// As [`watch`]; EMFILE.
pub fn watch_room(socket: impl AsFd) -> io::Result<AsyncFd<OwnedFd>> {
    watch_for(socket.as_fd().try_clone_to_owned()?, Interest::WRITABLE)
}
