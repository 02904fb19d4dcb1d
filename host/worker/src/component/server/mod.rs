//! Serving HTTP: connections of clients in, requests to the guest's instances, answers out.
//!
//! ```text
//! owner ──link──▶ worker: client ──hyper──▶ request ──gate──▶ instances ──▶ guest
//!   ◀────told──────────────────────────────────┘ its end
//! ```
//!
//! One task for each connection, all in the worker's one thread. A guest that computes yields with each tick of the epoch
//! ([`epochs`]), so that the others have their turn and its own time can end it. Everything that clients send is hostile, and so
//! is what the guest answers: hyper parses and writes both, inside of this process and nowhere else.
//!
//! Must not: accept, connect or open anything; keep what is told, or what clients send, without a bound; decide who gets a
//! connection (the owner of the sockets does).

mod answers;
mod body;
mod call;
mod chunks;
mod client;
mod concurrent;
mod ended;
mod epochs;
#[cfg(any(test, feature = "exercise"))]
mod exercise;
mod framing;
mod gate;
mod heads;
mod instances;
mod link;
#[cfg(any(test, feature = "exercise"))]
mod made;
mod makings;
mod plain;
mod record;
mod request;
mod serve;
mod socket;
mod state;
mod told;
mod watch;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "exercise"))]
pub use exercise::{Exercised, exercise};
#[cfg(any(test, feature = "exercise"))]
pub use made::Seen;
pub(super) use serve::serve;
