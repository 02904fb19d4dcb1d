//! The messages between a worker that serves HTTP and the owner of the listening sockets, over the attempt's connection.
//!
//! A packet is one MessagePack value, without a length, of at most [`PACKET`] bytes. Beside [`ToServer::Connection`] is one
//! descriptor, the accepted socket, beside all others none. The socket is non-blocking and sends without delay
//! (`TCP_NODELAY`), as whoever accepted it has set it.
//!
//! ```text
//! owner:  ────────────── Connection … ──────────────── Finish ──────────────▶
//! worker: Accepts ─────── Reads | Declined … Closed, Requests … Retires ─────▶ closes, and ends
//! ```
//!
//! The owner never reads what clients send. It keeps a duplicate of each socket until the worker says `Reads`, which the
//! worker says before it reads the first byte: so a connection that a worker took and did not read is another one's, if
//! that worker dies. Messages that a worker sent before its death can still be read.

use crate::worker::End;
use serde::{Deserialize, Serialize};

/// Largest packet, in bytes: two targets of requests, and room for the rest.
pub const PACKET: usize = 16 << 10;

/// Longest target and longest method of a request that is told of, in bytes; what is longer is cut.
pub const TARGET: usize = 2 << 10;
pub const METHOD: usize = 32;

/// Most requests in one packet. More go in several.
pub const REQUESTS: usize = 32;

/// A connection's number, given by the owner of the socket, unique for it and never used again.
pub type ConnectionId = u64;

/// What the owner says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToServer {
    /// A client; one fd. `peer` is its address as people write it: the worker can't ask for it.
    Connection { id: ConnectionId, peer: String },
    /// No more connections come. Those that are there end after the request that they are at, with `Connection: close` or
    /// GOAWAY; idle ones end at once. Then the worker ends.
    Finish,
}

/// What a worker says. It is hostile: a connection that it was not given, or that is over, is a breach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromServer {
    /// It takes connections from now on. Once.
    Accepts,
    /// Bytes of this connection are there, and it is about to read them. Once for each.
    Reads { connection: ConnectionId },
    /// It has not read this one and does not want it. In place of `Reads`.
    Declined { connection: ConnectionId },
    /// It is done with this one, after `Reads` or before (the client has gone). Its requests have been told of by then.
    Closed { connection: ConnectionId },
    /// It takes no more connections and is about to end: it has served as many requests as it may, or its guest wants it. The
    /// owner answers with [`ToServer::Finish`].
    Retires,
    /// Requests that have ended, at most [`REQUESTS`], and how many have not.
    Requests { ended: Vec<Request>, in_flight: u32 },
}

/// A request that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Counted from 1 for each attempt. With the attempt's id it names the request.
    pub number: u64,
    pub connection: ConnectionId,
    /// As the client wrote them, cut at [`METHOD`] and [`TARGET`] bytes. Empty: none could be read.
    pub method: String,
    pub target: String,
    pub version: Version,
    /// Of the answer. 0: none was sent.
    pub status: u16,
    /// Bytes of the bodies.
    pub received_bytes: u64,
    pub sent_bytes: u64,
    /// From the end of the request's head to the end of the answer, in microseconds.
    pub micros: u64,
    pub end: RequestEnd,
}

/// The version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    Http10,
    Http11,
    Http2,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestEnd {
    /// The guest's answer is with the client, whatever its status.
    Answered,
    /// The client went before it had the answer.
    Abandoned,
    /// What the client sent was refused before the guest saw it, or while it read: 400, 408, 413, 431.
    Refused,
    /// There was no place for it: 503.
    Overloaded,
    /// It took longer than a request may: 504, or a connection that breaks off where the answer had begun.
    Late,
    /// The guest itself failed: 500, or a connection that breaks off. It trapped, was out of memory, gave no answer, or one that
    /// is not HTTP.
    Failed(Box<End>),
}
