//! Objects that jobs share, in memory that several processes have; and the keeper that recovers them.
//!
//! `sandhog-objects-model` defines the operations; this crate has the memory that they work on.
//!
//! Must not: know names or rights, which are the coordinator's.

#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

pub mod keeper;
mod page;
mod segment;
#[cfg(test)]
mod tests;

pub use page::{Page, Waits};
pub use segment::{Segment, now_ns};
