//! The guest's side of one child: its connection, its streams, its end.

use super::connection::Connection;
use super::ended::Ended;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A child whose handle the guest has.
pub(super) struct Child {
    pub(super) attempt: String,
    pub(super) connection: Option<Connection>,
    /// Stdin, stdout, stderr: where they are piped, until the guest takes them.
    pub(super) streams: [Option<OwnedFd>; 3],
    pub(super) ended: Option<Arc<Ended>>,
}

impl Child {
    pub(super) fn end(&mut self, ended: Ended) {
        self.ended = Some(Arc::new(ended));
    }
}
