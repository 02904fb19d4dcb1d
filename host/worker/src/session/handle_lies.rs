//! What a worker that was taken over sends in a socket's place, or does to one that it sends, for tests. The words of the message
//! say what.

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sandhog_protocol::message::{Format, Head};
use sandhog_sys::descriptors::StandardStream;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

/// `lie:stream`: its stdout; `lie:twice`: two of the socket; `lie:many`: a hundred; `lie:none`: no descriptor; `lie:bare`: the socket
/// beside a message that says nothing of one. `lie:waits`: what it sends is the socket, of which it has tried to make one whose calls
/// wait. None: there is no lie in what is sent.
pub(super) fn tell(
    connection: BorrowedFd<'_>,
    format: Format,
    body: &[u8],
    socket: BorrowedFd<'_>,
) -> Option<rustix::io::Result<()>> {
    let is = |word: &str| body.ends_with(word.as_bytes());
    if is("lie:waits") {
        // Whether it could is for whoever has the socket as well to say.
        let _ = fcntl_setfl(socket, OFlags::empty());
        return None;
    }
    let beside = match () {
        () if is("lie:stream") => vec![StandardStream::Stdout.borrow()],
        () if is("lie:twice") => vec![socket; 2],
        () if is("lie:many") => vec![socket; 100],
        () if is("lie:none") => Vec::new(),
        () if is("lie:bare") => vec![socket],
        () => return None,
    };
    let head = if is("lie:bare") { Head::alone(format, body.len()) } else { Head::with_handle(format, body.len()) };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(100))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !beside.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&beside));
    }
    let parts = [IoSlice::new(head.as_bytes()), IoSlice::new(body)];
    Some(sendmsg(connection, &parts, &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).map(drop))
}
