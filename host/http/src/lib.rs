//! A small server of HTTP/1.1: routes of `axum` on connections that have a bound on everything that a client may take.
//!
//! [`serve`] accepts by an [`Accept`], at most so many connections at once. [`body`] takes bodies in, within [`Room`]; a
//! request that comes to nothing is [`Refused`], in JSON. An address of the network for [`numbers`] has one route.
//!
//! Must not: know a route but that one, or whose jobs they are.

mod accept;
pub mod body;
mod connection;
mod limits;
pub mod numbers;
mod patient;
mod refused;
mod server;

pub use accept::{Accept, Accepted, Closing};
pub use body::Room;
pub use connection::Follows;
pub use limits::Patience;
pub use refused::{Refused, shown};
pub use server::serve;

#[cfg(test)]
mod tests;
