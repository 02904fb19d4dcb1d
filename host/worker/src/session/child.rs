//! The guest's side of one child: its connection, its streams.

use super::connection::Connection;
use std::os::fd::OwnedFd;

/// A child whose handle the guest has.
pub(super) struct Child {
    pub(super) attempt: String,
    pub(super) connection: Option<Connection>,
    /// Stdin, stdout, stderr: where they are piped, until the guest takes them.
    pub(super) streams: [Option<OwnedFd>; 3],
}
