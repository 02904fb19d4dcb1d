//! The worker's end of the connection to the owner of the sockets: packets, each whole or not at all.
//!
//! Must not: know what a packet means for anybody.

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, recvmsg, send};
use sandhog_protocol::frame;
use sandhog_protocol::http::{FromServer, PACKET, ToServer};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The owner has gone, or says what no owner says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the owner of the connections has gone")]
pub(super) struct Gone;

/// See the module.
pub(super) struct Link(AsyncFd<OwnedFd>);

impl Link {
    /// To be called in the runtime.
    ///
    /// # Errors
    /// What epoll_ctl(2) says.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        watched(socket, Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    /// The next packet, with what is beside it.
    ///
    /// # Errors
    /// [`Gone`].
    pub(super) async fn next(&self) -> Result<(ToServer, Option<OwnedFd>), Gone> {
        loop {
            let mut ready = self.0.readable().await.map_err(|_| Gone)?;
            if let Ok(received) = ready.try_io(|socket| receive(socket.get_ref())) {
                return received.map_err(|_| Gone);
            }
        }
    }

    /// Sends it, and waits for room where there is none.
    ///
    /// # Errors
    /// [`Gone`].
    pub(super) async fn send(&self, packet: &[u8]) -> Result<(), Gone> {
        loop {
            match self.send_now(packet) {
                Err(Errno::AGAIN) => {}
                other => return other.map_err(|_| Gone),
            }
            let mut ready = self.0.writable().await.map_err(|_| Gone)?;
            if let Ok(sent) = ready.try_io(|_| Ok(self.send_now(packet)?)) {
                return sent.map_err(|_| Gone);
            }
        }
    }

    fn send_now(&self, packet: &[u8]) -> rustix::io::Result<()> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::io::retry_on_intr(|| send(self.0.get_ref(), packet, flags)).map(drop)
    }
}

/// A descriptor that the runtime's event loop waits for.
///
/// # Errors
/// As [`Link::new`].
pub(super) fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "what could be wrong with it can't be with a descriptor that is owned and never replaced"
    )]
    AsyncFd::with_interest(fd, interest)
}

fn receive(socket: &OwnedFd) -> io::Result<(ToServer, Option<OwnedFd>)> {
    let (mut packet, mut space) = ([0; PACKET], [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))]);
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received =
        rustix::io::retry_on_intr(|| recvmsg(socket, &mut [IoSliceMut::new(&mut packet)], &mut beside, flags))?;
    let fd = beside
        .drain()
        .find_map(|message| if let RecvAncillaryMessage::ScmRights(mut fds) = message { fds.next() } else { None });
    // The kernel gives no more descriptors than the process may have: what stands beside nothing is declined.
    if received.bytes == 0 || received.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let bytes = packet.get(..received.bytes).unwrap_or_default();
    Ok((frame::decode_body(bytes).map_err(io::Error::other)?, fd))
}

/// A packet, where it fits into one.
pub(super) fn encoded(told: &FromServer) -> Option<Vec<u8>> {
    frame::encode_body(told).ok().filter(|packet| packet.len() <= PACKET)
}
