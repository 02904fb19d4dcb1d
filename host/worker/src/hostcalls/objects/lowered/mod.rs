//! The functions as a core module has them: by the component model's lowered signatures, without a component around it. What is
//! called often costs a fraction of a component's call.
//!
//! A handle is the number of its place in the table, and one more, since no handle is 0. What a guest makes up is looked up
//! there, with the type that the function is about. An answer is written where the guest says; texts and lists go where its own
//! `cabi_realloc` makes room.
//!
//! Must not: know an operation.

mod answer;
mod flat;
mod link;
mod plain;
mod tell;

pub(super) use flat::Flat;
pub(super) use link::Lowered;
pub(super) use plain::Plain;
pub(super) use tell::Tell;
