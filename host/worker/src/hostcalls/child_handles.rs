//! What a guest's handles of children stand for.

use sandhog_protocol::request::ChildId;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A handle to a child: its number.
pub(super) struct Child(pub(super) ChildId);

/// The end of a child's stdin.
pub(super) struct Writer(pub(super) Arc<OwnedFd>);

/// The end of a child's stdout or stderr.
pub(super) struct Reader(pub(super) OwnedFd);
