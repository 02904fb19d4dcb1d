//! Which build an executable belongs to. `sandhog`, `sandhog-worker` and `sandhog-compiler` speak to each other in words that
//! no other build need understand, so each knows the id of its build.
//!
//! Absent from here: whatever only the command does. A change in it gives no new id, for nothing between the executables
//! changes with it.

/// A hash, in hexadecimal digits, of the sources of all that is sealed and of what it says to others, and of the versions of all
/// libraries: see `build.rs`.
pub const ID: &str = env!("SANDHOG_BUILD_ID");

/// What `sandhog --version` says: the package's version and the id.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (build ", env!("SANDHOG_BUILD_ID"), ")");
