//! A sealed process for each connection: workers out of a warm pool, each of which takes one connection and ends with it.
//!
//! A [`Place`] has one such worker after the other, each handed to the dispatcher as soon as the pool has one that is ready. As
//! many connections are served at once as there are places: [`Fresh`] has them for a command, a daemon has one for each instance.
//!
//! Must not: decide who gets which connection, or how workers are kept ready.

mod place;
mod places;
mod told;

pub use place::Place;
pub use places::{Fresh, settings};
pub use told::{FreshTold, Wish};
