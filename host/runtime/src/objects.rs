//! Objects that the jobs of one group share: names, rights, lifetimes. One group for each command with all that it starts, and one
//! for each group of jobs that a daemon keeps up.
//!
//! A [`Group`] is the way to a task that owns all of it. It makes the memory of each object and hands it out; a keeper, a sealed
//! process that it starts with the first object, allocates it and recovers what the dead have held.
//!
//! Must not: map or read any of the memory, or wait for a disk.

mod actor;
pub(crate) mod asked;
mod book;
mod deadlock;
mod expected;
mod group;
mod keeper;
mod message;
mod patience;
pub(crate) mod requests;
mod row;
mod running;
mod segments;
mod stock;
mod survey;
mod watch;

pub use asked::{Deadlock, Link, Teller, Who};
pub use group::Group;
pub use row::Row;
