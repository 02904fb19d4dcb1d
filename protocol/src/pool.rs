//! The messages between a program and `sandhog pool`; `docs/pool-protocol.md` describes them for people.
//!
//! Each message is one MessagePack map (`body`). It travels in a frame, or as a line of JSON by the mapping of `--ipc`, so
//! that there is one protocol with two forms.
//!
//! Must not: know what carries a message, or what a pool does about it.

mod body;
mod from;
mod id;
mod octets;
mod to;

pub use body::{Error, frame, frame_length};
pub use from::{Ended, FromPool, Kind, NotRun, Refusal, Statistics};
pub use id::Id;
pub use octets::Octets;
pub use to::{Task, ToPool};

use crate::limits;

/// The protocol's version, which both sides say first.
pub const VERSION: u32 = 1;

/// Room for what is around a task's value or an answer's: arguments ([`limits::ARGUMENTS`]), a verdict, names.
const AROUND: usize = 2 << 20;

/// Largest body of a message to a pool, in bytes: a value or a stdin of the largest size, and what is around it.
pub const TO_POOL: usize = limits::MESSAGE + AROUND;

/// Most bytes of stdout and stderr of one task together: they travel in one message.
pub const OUTPUT: usize = limits::MESSAGE;

/// Largest body of a message from a pool, in bytes: an answer of the largest size, the output, and what is around them.
pub const FROM_POOL: usize = limits::MESSAGE + OUTPUT + AROUND;

/// Longest line of JSON to a pool, in bytes: the largest body, its bytes in base64.
pub const LINE: usize = TO_POOL / 3 * 4 + (64 << 10);

/// Deepest nesting of a message: what common readers of JSON take. The message itself is one level.
pub const NESTING: usize = 128;

/// Most values around a task's own: each argument is one. A byte on the wire, an empty text, becomes 24 in memory.
const VALUES: usize = limits::VALUES;

#[cfg(test)]
mod tests;
