//! What a client is told that no worker took.
//!
//! Must not: look at what it has sent.

use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use std::os::fd::OwnedFd;

/// The same for everybody. A client of HTTP/2 sees that this is not what it speaks.
pub(super) const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n\
    Connection: close\r\n\r\n";

/// Most of what a client has sent that is thrown away: as much as one sends before it waits for an answer. What is left makes
/// the kernel reset the connection, and some clients never see the answer then.
const THROWN_AWAY: usize = 4;

/// Answers and closes. The socket does not block, and has room for the answer: nothing was sent through it yet.
pub(super) fn refuse(client: OwnedFd) {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let _ = send(&client, ANSWER, flags);
    let _ = shutdown(&client, Shutdown::Write);
    // The kernel drops it without giving it to us (tcp(7), MSG_TRUNC).
    let mut room = [0_u8; 16 << 10];
    for _ in 0..THROWN_AWAY {
        match recv(&client, &mut room[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            Ok((_, bytes)) if bytes > 0 => {}
            Ok(_) | Err(_) => break,
        }
    }
}
