//! Objects that jobs share, in memory that several processes have; and the keeper that recovers them.
//!
//! What an operation does is in `sandhog-objects-model`; here is the memory that it does it to.
//!
//! Must not: know names or rights, which are the coordinator's.

pub mod keeper;
mod page;
mod segment;
#[cfg(test)]
mod tests;

pub use page::{Page, Waits};
pub use segment::{Segment, now_ns};
