//! Messages and file descriptors over a socket. Knows frames and packets; what they mean is for its callers.

mod connection;

pub(crate) use connection::{
    Closed, Error, FrameBuffer, Received, pair, recv_frame, recv_packet, send_encoded, send_frame, send_packet,
    send_some,
};
