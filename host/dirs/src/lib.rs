//! Who runs this, and where Sandhog keeps things of theirs: cache, state, runtime directory, and the locks in them; where pools can be asked; and where its executables lie.
//!
//! Must not: change who this process is, or know what is kept there.

pub mod accounts;
pub mod executables;
pub mod lock;
pub mod paths;
pub mod person;
pub mod pools;
