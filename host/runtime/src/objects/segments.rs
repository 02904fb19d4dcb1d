//! The memory of objects, and the pages of members: unnamed files of a fixed size.
//!
//! Must not: map, read or write any of it. Members do that, and may have written anything.

use sandhog_protocol::objects::Kind;
use sandhog_sys::shared;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Size of a member's page, in bytes.
const PAGE: u64 = 4096;

/// Bytes of the memory of an object of this kind. None: there is none so large, or a pipe has none.
pub(super) fn bytes(kind: Kind) -> Option<u64> {
    sandhog_objects_model::Object::bytes(kind)
}

/// # Errors
/// As memfd_create(2): there are no descriptors left.
pub(super) fn of_object(bytes: u64) -> io::Result<OwnedFd> {
    shared::create(c"object", bytes)
}

/// # Errors
/// As [`of_object`].
pub(super) fn page() -> io::Result<OwnedFd> {
    shared::create(c"member", PAGE)
}

/// The same memory once more, for reading only where that is said: no mapping of it can be made writable then.
///
/// # Errors
/// As [`of_object`].
pub(super) fn again(memory: &OwnedFd, is_read_only: bool) -> io::Result<OwnedFd> {
    if is_read_only { shared::for_reading(memory.as_fd()) } else { memory.try_clone() }
}
