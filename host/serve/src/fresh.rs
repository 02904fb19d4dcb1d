//! A sealed process for each connection: workers out of a warm pool, each of which takes one connection and ends with it.
//!
//! A [`Place`] has one such worker after the other, each handed to the dispatcher as soon as the pool has one that is ready. As
//! many connections are served at once as there are places: [`Fresh`] has them for a command, a daemon has one for each instance.
//!
//! A worker that takes connections proves that others can. Before that a place is on trial: see [`FreshTold::is_trial`]. One
//! whose workers end before they take a connection has the rules of a service: pauses, an intensity, and no further try of what
//! is refused.
//!
//! Must not: decide who gets which connection, or how workers are kept ready.

mod hearing;
mod place;
mod places;
mod told;

pub use place::Place;
pub use places::{Fresh, FreshSettings, settings};
pub use told::{FreshTold, Wish};
