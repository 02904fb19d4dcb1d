//! How a host function waits: in its system call, where the worker has one guest; or as a future, where others of the same worker
//! have to go on meanwhile.
//!
//! A future makes the attempt again and again, each time without waiting in it: nothing is half done between two attempts, so
//! a request that ends while it waits leaves nothing behind. A [`Bell`] says when the next one is worth while, and [`pace::Pace`]
//! when it is due without that.
//!
//! Must not: know what is waited for.

mod bell;
mod define;
mod left;
mod manner;
mod pace;

pub(super) use bell::Bell;
pub(super) use define::{Attempted, Store, Timed, define, wait};
pub(super) use left::{Left, Over};
pub(crate) use manner::Waiting;
