//! The messages between Sandhog's processes, as plain data: no I/O, no policy.
//!
//! Rules of the wire, in one page:
//!
//! - Between coordinator and worker runs one `AF_UNIX` stream socket. A frame is a length
//!   (`u32`, little-endian) and one MessagePack value with named fields; see [`frame`].
//! - Between a parent and its child, or a program and its job, runs a `SOCK_SEQPACKET` socket of messages; see [`message`].
//! - Between a program and `sandhog pool` run frames of their own, or lines; see [`pool`].
//! - Between whoever owns listening sockets and a worker that serves HTTP run packets of their own; see [`http`].
//! - A client that asks a command for the state of its pool, or of its service, gets one line; see [`pool_status`] and
//!   [`serve_status`].
//! - Between coordinator, spawner and zygote run `SOCK_SEQPACKET` sockets. A packet is one
//!   MessagePack value, without a length: the kernel keeps the borders.
//! - File descriptors travel beside a frame or a packet (`SCM_RIGHTS`); every message says in its
//!   documentation which ones, in which order. Any other number of them is a breach.
//! - Sizes and nesting are checked against [`limits`] before anything is allocated.
//! - The first message on a worker's channel carries [`VERSION`], both ways.
//! - An unknown message, or one that the state does not allow, ends the sender; it is never skipped.

#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

pub mod causes;
pub mod control;
#[cfg(any(test, feature = "examples"))]
pub mod examples;
pub mod exit_code;
pub mod frame;
pub mod http;
pub mod inspect;
pub mod kinds;
pub mod limits;
pub mod message;
pub mod objects;
#[cfg(feature = "openapi")]
mod openapi;
pub mod plan;
pub mod pool;
pub mod pool_status;
pub mod request;
pub mod serve_status;
pub mod serving;
pub mod sharing;
pub mod spawn;
pub mod start;
pub mod units;
pub mod usage;
pub mod verdict;
pub mod worker;

/// The protocol's version. Both ends come from one build, so any difference is an error.
pub const VERSION: u32 = 2;
