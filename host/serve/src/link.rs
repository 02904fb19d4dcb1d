//! The owner's end of one worker's connection: packets out, and in from somebody who is hostile.
//!
//! Must not: know what a word means for a connection; that is the dispatcher's and the balance's business.

use crate::dispatcher::{News, Socket};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use sandhog_protocol::frame;
use sandhog_protocol::http::{FromServer, METHOD, PACKET, REQUESTS, TARGET, ToServer};
use sandhog_supervisor::balance::{Breach, WorkerId};
use sandhog_sys::ready;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What may still lie in the socket of a worker that has ended, in packets. It holds 208 KiB of them
/// (`sandhog_protocol::limits::SOCKET_BUFFER`), each of which the kernel counts as more than 512 bytes.
const LEFT: usize = 512;

/// Where the kernel is short of something that no socket tells of, it is asked again after so long.
const SHORT: Duration = Duration::from_millis(10);

/// Puts the end into the event loop.
///
/// # Errors
/// It is no socket.
pub(crate) fn open(ours: OwnedFd) -> io::Result<Socket> {
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok(Arc::new(ready::watch_reading(ours)?))
}

/// Why a packet was not sent. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The worker has not taken what it was sent before.
    Full,
    /// The kernel is short of something.
    Short,
    /// Nothing will ever be sent.
    HungUp,
}

/// Sends one packet, with the client's socket beside it where it is about one.
pub(crate) fn send(socket: &Socket, message: &ToServer, client: Option<BorrowedFd<'_>>) -> Result<(), Unsent> {
    // Our own messages are short: this does not fail.
    let body = frame::encode_body(message).map_err(|_| Unsent::HungUp)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if let Some(client) = &client {
        control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(client)));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let sent = rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(socket.get_ref(), &[IoSlice::new(&body)], &mut control, flags)
    });
    match sent {
        Ok(_) => Ok(()),
        Err(Errno::AGAIN) => Err(Unsent::Full),
        // The last: descriptors of this user that nobody has received yet (unix(7)).
        Err(Errno::NOBUFS | Errno::NOMEM | Errno::TOOMANYREFS) => Err(Unsent::Short),
        Err(_) => Err(Unsent::HungUp),
    }
}

/// Waits until it is worth another try.
pub(crate) async fn room(socket: Socket, why: Unsent, worker: WorkerId, news: mpsc::Sender<News>) {
    let waited = async {
        let room = ready::watch_room(socket.get_ref())?;
        room.writable().await.map(drop)
    };
    if why != Unsent::Full || waited.await.is_err() {
        tokio::time::sleep(SHORT).await;
    }
    let _ = news.send(News::Room { worker }).await;
}

/// Hears what a worker says, until `ended` says that it has been reaped; what it had said by then is heard as well.
pub(crate) async fn hear(socket: Socket, worker: WorkerId, mut ended: oneshot::Receiver<()>, news: mpsc::Sender<News>) {
    let mut is_over = false;
    while !is_over {
        let heard = tokio::select! {
            _ = &mut ended => break,
            heard = next(&socket) => heard,
        };
        is_over = !matches!(heard, Heard::Said(_));
        if news.send(heard.told_of(worker)).await.is_err() {
            return;
        }
    }
    if is_over {
        let _ = ended.await;
    } else {
        for _ in 0..LEFT {
            let Ok(heard) = receive(&socket) else { break };
            is_over = !matches!(heard, Heard::Said(_));
            if is_over || news.send(heard.told_of(worker)).await.is_err() {
                break;
            }
        }
    }
    let _ = news.send(News::Gone { worker }).await;
}

/// What came of it.
#[derive(Debug, PartialEq)]
enum Heard {
    Said(FromServer),
    Broke(Breach),
    HungUp,
}

impl Heard {
    fn told_of(self, worker: WorkerId) -> News {
        match self {
            Self::Said(said) => News::Said { worker, said },
            Self::Broke(breach) => News::Broke { worker, breach },
            Self::HungUp => News::HungUp { worker },
        }
    }
}

async fn next(socket: &Socket) -> Heard {
    loop {
        let Ok(mut ready) = socket.readable().await else { return Heard::HungUp };
        match receive(socket) {
            Ok(heard) => return heard,
            Err(Nothing) => ready.clear_ready(),
        }
    }
}

/// Nothing is there.
struct Nothing;

/// One packet, checked before anything of it is made.
fn receive(socket: &Socket) -> Result<Heard, Nothing> {
    // A byte more than any may have: one that is longer shows.
    let mut body = [0; PACKET + 1];
    let mut receive = || {
        rustix::io::retry_on_intr(|| {
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
            let mut none = RecvAncillaryBuffer::default();
            rustix::net::recvmsg(socket.get_ref(), &mut [IoSliceMut::new(&mut body)], &mut none, flags)
        })
    };
    // One that died without having received all is a reset, of which the kernel tells once, before all that is still to be
    // heard.
    let received = match receive() {
        Err(Errno::CONNRESET) => receive(),
        received => received,
    };
    let received = match received {
        Ok(received) => received,
        Err(Errno::AGAIN) => return Err(Nothing),
        Err(_) => return Ok(Heard::HungUp),
    };
    // The kernel has closed them already.
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Ok(Heard::Broke(Breach::Descriptor));
    }
    if received.flags.contains(ReturnFlags::TRUNC) || received.bytes > PACKET {
        return Ok(Heard::Broke(Breach::Packet));
    }
    if received.bytes == 0 {
        return Ok(empty(socket));
    }
    Ok(match frame::decode_hostile(&body[..received.bytes]) {
        Ok(said) if is_bounded(&said) => Heard::Said(said),
        Ok(_) => Heard::Broke(Breach::TooMuch),
        Err(_) => Heard::Broke(Breach::Packet),
    })
}

/// An empty packet is none of ours, and looks like the end of all packets.
fn empty(socket: &Socket) -> Heard {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut ends = [PollFd::from_borrowed_fd(socket.get_ref().as_fd(), PollFlags::RDHUP)];
    match poll(&mut ends, Some(&now)) {
        Ok(0) => Heard::Broke(Breach::Packet),
        _ => Heard::HungUp,
    }
}

fn is_bounded(said: &FromServer) -> bool {
    let FromServer::Requests { ended, .. } = said else { return true };
    ended.len() <= REQUESTS
        && ended.iter().all(|request| request.method.len() <= METHOD && request.target.len() <= TARGET)
}
