use crate::wait::Wait;
use crate::{Broken, Error, Timeout, large};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, shutdown, socketpair,
};
use sandhog_protocol::limits;
use sandhog_protocol::message::{self, Format, Head, Item, Message, Packet};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The two ends of a new connection. Neither is passed on to a program that is started.
///
/// # Errors
/// The system has no more descriptors or memory.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// One end of a connection.
///
/// For one thread to send and another to receive, duplicate the descriptor and make an end of each; nothing is shared
/// between them but the socket. Two receivers would share the messages out among them.
#[derive(Debug)]
pub struct Endpoint {
    socket: OwnedFd,
    /// [`limits::MESSAGE_PACKET`] bytes from the first packet on.
    buffer: Vec<u8>,
    /// What of the last packet has not been handed out: where it lies, how many messages it is.
    rest: Range<usize>,
    waiting: usize,
    disconnected: bool,
    received: u64,
    sent: u64,
}

/// What a packet that came in is, beside messages that are now waiting.
struct Large {
    format: Format,
    length: usize,
    first: Range<usize>,
    memfd: OwnedFd,
}

/// How many descriptors came with a packet: none, the one that may, or how many too many.
enum Beside {
    None,
    One(OwnedFd),
    More(usize),
}

impl AsFd for Endpoint {
    /// Readable: [`Endpoint::recv`] has something, or knows that nothing will come. Look at [`Endpoint::has_message`] first.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Endpoint {
    /// The end that `socket` is: a connected `SOCK_SEQPACKET` socket, such as [`pair`] makes.
    #[must_use]
    pub const fn new(socket: OwnedFd) -> Self {
        Self { socket, buffer: Vec::new(), rest: 0..0, waiting: 0, disconnected: false, received: 0, sent: 0 }
    }

    /// Sends one message: waits for room, then sends it at once. Up to [`limits::INLINE_PAYLOAD`] by one system call.
    ///
    /// # Errors
    /// Nothing was sent. [`Error::TooLarge`]: over [`limits::MESSAGE`], or over what this process may write.
    pub fn send(&mut self, format: Format, body: &[u8], timeout: Timeout) -> Result<(), Error> {
        if body.len() > limits::MESSAGE {
            return Err(Error::TooLarge { most: limits::MESSAGE });
        }
        message::check(format, body).map_err(Error::Invalid)?;
        if body.len() > limits::INLINE_PAYLOAD {
            self.send_large(format, body, timeout)?;
        } else {
            let head = Head::alone(format, body.len());
            let parts = [IoSlice::new(head.as_bytes()), IoSlice::new(body)];
            self.transmit(&parts, None, &mut Wait::new(timeout))?;
        }
        self.sent += 1;
        Ok(())
    }

    /// Sends many messages by one system call; see [`message::Batch`]. All of them go, or none.
    ///
    /// # Errors
    /// Nothing was sent. [`Error::TooLarge`]: over [`limits::INLINE_PAYLOAD`]; [`Error::Invalid`]: no batch.
    pub fn send_batch(&mut self, batch: &[u8], timeout: Timeout) -> Result<(), Error> {
        if batch.len() > limits::INLINE_PAYLOAD {
            return Err(Error::TooLarge { most: limits::INLINE_PAYLOAD });
        }
        let count = message::check_batch(batch).map_err(Error::Invalid)?;
        self.transmit(&[IoSlice::new(batch)], None, &mut Wait::new(timeout))?;
        self.sent += count as u64;
        Ok(())
    }

    fn send_large(&mut self, format: Format, body: &[u8], timeout: Timeout) -> Result<(), Error> {
        let mut wait = Wait::new(timeout);
        self.check_connected()?;
        // The memory for the rest is not taken before there is room for its packet.
        let events = wait.until(self.socket.as_fd(), PollFlags::OUT)?;
        if events.contains(PollFlags::HUP) {
            return Err(Error::Closed);
        }
        let (first, rest) = body.split_at(limits::INLINE_PAYLOAD);
        let memfd = large::seal(rest)?;
        let head = Head::first(format, body.len(), first.len());
        self.transmit(&[IoSlice::new(head.as_bytes()), IoSlice::new(first)], Some(memfd.as_fd()), &mut wait)
    }

    /// One packet, as soon as there is room.
    fn transmit(&self, parts: &[IoSlice<'_>], memfd: Option<BorrowedFd<'_>>, wait: &mut Wait) -> Result<(), Error> {
        self.check_connected()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if let Some(memfd) = &memfd {
            control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(memfd)));
        }
        let flags = if wait.is_endless() { SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL | SendFlags::DONTWAIT };
        loop {
            match sendmsg(&self.socket, parts, &mut control, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait.until_again(self.socket.as_fd(), PollFlags::OUT)?,
                // The second: it went without reading all.
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Error::Closed),
                Err(errno) => return Err(Error::system("send a message")(errno)),
            }
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// Nothing was taken, but for [`Error::Broken`], after which the connection is closed.
    pub fn recv(&mut self, timeout: Timeout) -> Result<Message, Error> {
        if let Some(large) = self.fill(timeout)? {
            let (format, body) = (large.format, self.read_large(&large, &[])?);
            return Ok(Message { format, body });
        }
        let item = self.next_item()?;
        Ok(Message { format: item.format, body: item.body.to_vec() })
    }

    /// The next message, shown to `see` where it lies.
    ///
    /// # Errors
    /// As [`Self::recv`]; `see` has seen nothing then.
    pub fn recv_with<R>(&mut self, timeout: Timeout, see: impl FnOnce(Format, &[u8]) -> R) -> Result<R, Error> {
        if let Some(large) = self.fill(timeout)? {
            return Ok(see(large.format, &self.read_large(&large, &[])?));
        }
        let item = self.next_item()?;
        Ok(see(item.format, item.body))
    }

    /// What has arrived together, at least one message, as one MessagePack array of `bin` and `ext` (types 1 and 2). A
    /// large message is alone in its array.
    ///
    /// # Errors
    /// As [`Self::recv`].
    pub fn recv_batch(&mut self, timeout: Timeout) -> Result<Vec<u8>, Error> {
        if let Some(large) = self.fill(timeout)? {
            return self.read_large(&large, Head::alone(large.format, large.length).as_bytes());
        }
        let count = std::mem::take(&mut self.waiting);
        self.received += count as u64;
        let items = &self.buffer[std::mem::take(&mut self.rest)];
        Ok([Head::array(count).as_bytes(), items].concat())
    }

    /// Whether the next message is here already: to get it needs no system call.
    #[must_use]
    pub const fn has_message(&self) -> bool {
        self.waiting > 0
    }

    /// Closes both directions. What has been sent still arrives; what has not been received is gone.
    pub fn disconnect(&mut self) {
        self.disconnected = true;
        self.waiting = 0;
        self.rest = 0..0;
        self.buffer = Vec::new();
        // Fails only if the other end did it first.
        let _ = shutdown(&self.socket, Shutdown::Both);
    }

    /// Closes the direction away from here: the other end receives what was sent, then hears that this was all. What it
    /// sends still arrives.
    pub fn finish_sending(&mut self) {
        // Fails only if the connection is closed already.
        let _ = shutdown(&self.socket, Shutdown::Write);
    }

    /// How many messages were handed out, since this end was made.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// How many messages were sent, since this end was made.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    const fn check_connected(&self) -> Result<(), Error> {
        if self.disconnected { Err(Error::Closed) } else { Ok(()) }
    }

    /// The first of the waiting messages. `fill` has checked them.
    fn next_item(&mut self) -> Result<Item<'_>, Error> {
        let bytes = &self.buffer[self.rest.clone()];
        let (item, after) = Item::read(bytes).map_err(Broken::Packet)?;
        self.rest.start = self.rest.end - after.len();
        self.waiting -= 1;
        self.received += 1;
        Ok(item)
    }

    /// Makes at least one message wait, or has a large one.
    fn fill(&mut self, timeout: Timeout) -> Result<Option<Large>, Error> {
        self.check_connected()?;
        if self.has_message() {
            return Ok(None);
        }
        self.buffer.resize(limits::MESSAGE_PACKET, 0);
        let accepted = self.receive(&mut Wait::new(timeout)).and_then(|(length, beside)| self.accept(length, beside));
        self.closing(accepted)
    }

    /// Closes the connection where the other end has broken the rules.
    fn closing<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Broken(_)) = &result {
            self.disconnect();
        }
        result
    }

    /// The next packet, into the buffer: its length and what came beside it.
    fn receive(&mut self, wait: &mut Wait) -> Result<(usize, Beside), Error> {
        let flags = if wait.is_endless() { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        loop {
            // Rounded up there is room for two or three descriptors, which are counted.
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut into = [IoSliceMut::new(&mut self.buffer)];
            match recvmsg(&self.socket, &mut into, &mut control, flags | RecvFlags::CMSG_CLOEXEC) {
                Ok(packet) => {
                    // All are taken out, and so closed, whatever is wrong.
                    let beside = beside(&mut control);
                    if packet.flags.contains(ReturnFlags::CTRUNC) {
                        return Err(Broken::TooManyDescriptors.into());
                    }
                    if packet.flags.contains(ReturnFlags::TRUNC) {
                        return Err(Broken::Truncated.into());
                    }
                    return self.check_end(packet.bytes).map(|()| (packet.bytes, beside));
                }
                // The other end went without reading all. The kernel says so once, before what it had sent.
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Err(Errno::AGAIN) => wait.until_again(self.socket.as_fd(), PollFlags::IN)?,
                Err(errno) => return Err(Error::system("receive a message")(errno)),
            }
        }
    }

    /// No bytes: the end, or a packet without any.
    fn check_end(&self, bytes: usize) -> Result<(), Error> {
        if bytes > 0 {
            return Ok(());
        }
        match Wait::new(Timeout::Now).until(self.socket.as_fd(), PollFlags::RDHUP) {
            Ok(_) => Err(Error::Closed),
            Err(Error::WouldBlock) => Err(Broken::NoBytes.into()),
            Err(error) => Err(error),
        }
    }

    /// What the packet in the buffer is.
    fn accept(&mut self, length: usize, beside: Beside) -> Result<Option<Large>, Error> {
        let found = match &beside {
            Beside::None => 0,
            Beside::One(_) => 1,
            Beside::More(count) => *count,
        };
        match (Packet::parse(&self.buffer[..length]).map_err(Broken::Packet)?, beside) {
            (Packet::Messages { count, items }, Beside::None) => {
                (self.waiting, self.rest) = (count, items);
                Ok(None)
            }
            (Packet::First { length, format, body: first }, Beside::One(memfd)) => {
                Ok(Some(Large { format, length, first, memfd }))
            }
            (Packet::Messages { .. }, _) => Err(Broken::Descriptors { expected: 0, found }.into()),
            (Packet::First { .. }, _) => Err(Broken::Descriptors { expected: 1, found }.into()),
        }
    }

    /// All of a large message, behind `head`.
    fn read_large(&mut self, large: &Large, head: &[u8]) -> Result<Vec<u8>, Error> {
        let first = &self.buffer[large.first.clone()];
        let bytes = large::read(large.memfd.as_fd(), &[head, first], large.length - first.len());
        let checked = bytes.and_then(|bytes| {
            message::check(large.format, &bytes[head.len()..]).map_err(Broken::Packet)?;
            Ok(bytes)
        });
        if checked.is_err() {
            // Its packet has been taken: without it the order would have a gap.
            self.disconnect();
        }
        self.received += u64::from(checked.is_ok());
        checked
    }
}

/// Takes what came beside a packet. What is surplus is closed.
fn beside(control: &mut RecvAncillaryBuffer<'_>) -> Beside {
    let mut fds = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect::<Vec<_>>(),
        // Nothing else was asked for.
        _ => Vec::new(),
    });
    match (fds.next(), fds.next()) {
        (None, _) => Beside::None,
        (Some(fd), None) => Beside::One(fd),
        (Some(_), Some(_)) => Beside::More(2 + fds.count()),
    }
}

#[cfg(test)]
mod tests;
