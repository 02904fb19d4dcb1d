//! A message between two attempts, and the packets in which messages travel.
//!
//! A connection is a `SOCK_SEQPACKET` socketpair of its own, one end for each side: the kernel keeps the borders of
//! packets, makes a sender wait whose receiver does not read, and tells each side that the other has gone. No message
//! passes through the coordinator unless the coordinator is one of the sides.
//!
//! A packet is one MessagePack array:
//!
//! ```text
//! [ item, item, … ]          messages, each whole: an item is `bin` or `ext`, its type says the format
//! [ length, item ] + fd      one message of `length` bytes; `item` holds its first bytes, and the sealed memfd beside
//!                            the packet the rest, from its start
//! ```
//!
//! Why the first bytes of a large message are in its packet: a socket's buffer counts bytes, not descriptors. This way no
//! more than a few large messages are ever on their way, and a sender waits as with small ones.

use serde::{Deserialize, Serialize};

/// What a message's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One MessagePack value. On the wire: `ext`, type 1.
    Value,
    /// Bytes that mean something to both ends alone. On the wire: `bin`.
    Bytes,
    /// A handler's error, as text in UTF-8. On the wire: `ext`, type 2.
    Failure,
}

/// What goes through a connection, whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub format: Format,
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}
