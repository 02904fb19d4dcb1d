//! Who runs this, and where Sandhog keeps things of theirs: cache, state, runtime directory, and the locks in them.
//!
//! Must not: change who this process is, or know what is kept there.

pub(crate) mod lock;
pub(crate) mod person;
pub(crate) mod places;
