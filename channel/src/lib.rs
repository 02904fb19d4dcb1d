//! One end of a connection: what `wit/sandhog.wit` promises of `channel`, over the packets of
//! [`sandhog_protocol::message`].
//!
//! Must not: start a thread, need a runtime, keep a descriptor that came in and was not asked for, or trust the other end. A sealed worker uses
//! it as well as a program outside, so the system calls are few: sendmsg, recvmsg, ppoll, shutdown, close; for large
//! messages memfd_create, write, fcntl (seals), fstat, pread; and clock_gettime where a wait has an end, or is measured.
//!
//! - Whole or not at all: after any error of [`Endpoint::send`] nothing was sent.
//! - All that the other end sent before it went is received before [`Error::Closed`] is.
//! - A sender waits while the socket's buffer is full. Nothing is kept for a receiver that does not read.
//! - The receiver sets the maximum size of a message. A larger one costs the packet in which it begins, and the
//!   connection: its sender is told no more than that the other end has gone. One that is slow breaks no rule.
//! - A violation of the rules closes the connection: first with [`Error::Broken`], then with [`Error::Closed`].

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::cast_sign_loss))]

mod endpoint;
mod error;
mod haste;
mod inbox;
mod large;
mod processors;
mod wait;

pub use endpoint::{Endpoint, Large, Progress, bound, pair};
pub use error::{Broken, Error};
pub use inbox::{Handles, Incoming};
pub use processors::look_before_sleeping;
pub use sandhog_protocol::message::{Batch, Format, Message};
pub use wait::Timeout;
