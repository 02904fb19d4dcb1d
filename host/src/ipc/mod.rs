//! Messages and file descriptors over a socket, and messages as JSON. Knows frames and packets; what they mean is for its callers.

mod connection;
pub(crate) mod json;
pub(crate) mod value;

pub(crate) use connection::{
    Closed, Error, FrameBuffer, Received, pair, recv_frame, recv_packet, send_encoded, send_frame, send_packet,
    send_some,
};
