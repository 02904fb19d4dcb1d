//! Messages and file descriptors over a socket, and messages as JSON. Knows frames and packets; what they mean is for its callers.

#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

mod connection;
pub mod json;
pub mod value;

pub use connection::{
    Closed, Error, FrameBuffer, Received, pair, recv_frame, recv_frame_with_fds, recv_packet, send_encoded, send_frame,
    send_packet, send_some,
};
