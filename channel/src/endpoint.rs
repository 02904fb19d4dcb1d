use crate::inbox::{Handles, Inbox, Incoming};
use crate::wait::Wait;
use crate::{Error, Timeout, large};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, sendmsg,
    shutdown, socketpair, sockopt,
};
use sandhog_protocol::limits;
use sandhog_protocol::message::{self, Format, Head, Message, next_piece};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The two ends of a new connection, [`bound`]. Neither is passed on to a program that is started.
///
/// # Errors
/// The system has no more descriptors or memory.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let ends = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    bound(ends.0.as_fd())?;
    bound(ends.1.as_fd())?;
    Ok(ends)
}

/// Has this end hold [`limits::SOCKET_BUFFER`] of what it sends, whatever the machine or its maker gave it. A sealed worker can't
/// change it any more.
///
/// # Errors
/// It is no socket.
pub fn bound(end: BorrowedFd<'_>) -> io::Result<()> {
    // The kernel doubles it, for its own part of each packet (socket(7)).
    Ok(sockopt::set_socket_send_buffer_size(end, limits::SOCKET_BUFFER / 2)?)
}

/// How an end sends a message that is larger than a packet; either is received by any end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Large {
    /// In memory of its own, sealed, which both hold until it is received: there as soon as a packet has room. For whoever
    /// may have as much memory as they like, or whose memory a cgroup counts.
    Memory,
    /// Through the socket, piece by piece: it is there when the receiver has taken the last one. No more of it than
    /// [`limits::SOCKET_BUFFER`] and a packet is ever on its way. While this end waits for room it takes in what has come, up
    /// to one message: two ends that send to each other do not wait for each other for ever. So it must be the only one of its
    /// socket.
    Pieces,
}

/// How much of one message has gone, where a call of [`Endpoint::send_on`] could not wait until all had.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: usize,
}

/// One end of a connection.
///
/// For one thread to send and another to receive, duplicate the descriptor and make an end of each; nothing is shared
/// between them but the socket. Only one of them may receive: another one would get pieces of its messages.
#[derive(Debug)]
pub struct Endpoint {
    socket: OwnedFd,
    inbox: Inbox,
    large: Large,
    /// How much has gone of a message that has not gone as a whole.
    begun: Option<usize>,
    /// That which came with the message that was received last.
    handle: Option<OwnedFd>,
    /// What was found when nobody was receiving.
    found: Option<Error>,
    /// A call would come back without a message, which was found when nobody was receiving: the other end sends no more.
    ended: bool,
    disconnected: bool,
    /// It may be shut down by a call, so that the other end hears of its end before it is dropped.
    shuts: bool,
    received: u64,
    sent: u64,
}

impl AsFd for Endpoint {
    /// Readable: something has come, or nothing will. Look at [`Endpoint::has_message`] first; whether what has come is a whole
    /// message, [`Endpoint::look`] says.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Endpoint {
    /// The end that `socket` is: a connected `SOCK_SEQPACKET` socket, such as [`pair`] makes.
    ///
    /// `max`: the largest message that is taken, in bytes. A larger one is known by its first packet; nothing is allocated for
    /// it, and the connection closes. At most [`limits::MESSAGE`], which is as much as anybody may send. What it sends itself
    /// goes as [`Large::Memory`].
    #[must_use]
    pub const fn new(socket: OwnedFd, max: usize) -> Self {
        Self {
            socket,
            inbox: Inbox::new(max),
            large: Large::Memory,
            begun: None,
            handle: None,
            found: None,
            ended: false,
            disconnected: false,
            shuts: true,
            received: 0,
            sent: 0,
        }
    }

    /// How it sends what is larger than a packet, from now on.
    #[must_use]
    pub fn sending(self, large: Large) -> Self {
        Self { large, ..self }
    }

    /// What it does with handles that come, from now on; [`Handles::Breach`] where nothing is said.
    #[must_use]
    pub fn handling(self, handles: Handles) -> Self {
        Self { inbox: self.inbox.handling(handles), ..self }
    }

    /// For a process that may not shut sockets down: the other end hears of the end of this one when it is dropped, and of nothing
    /// else.
    #[must_use]
    pub fn without_shutdown(self) -> Self {
        Self { shuts: false, ..self }
    }

    /// How it sends what is larger than a packet.
    #[must_use]
    pub const fn large(&self) -> Large {
        self.large
    }

    /// The largest message that is taken from now on, in bytes, those that have come already and wait here included.
    pub const fn limit(&mut self, max: usize) {
        self.inbox.limit(max);
    }

    /// Sends one message: waits for room, then sends it at once. Up to [`limits::INLINE_PAYLOAD`] by one system call.
    ///
    /// # Errors
    /// Nothing was sent. [`Error::TooLarge`]: over [`limits::MESSAGE`], or over what this process may write.
    pub fn send(&mut self, format: Format, body: &[u8], timeout: Timeout) -> Result<(), Error> {
        self.send_on(&mut Progress::default(), format, body, timeout)
    }

    /// As [`Self::send`], and where the time is over before all pieces have gone, another call with the same message and the same
    /// progress goes on where this one stopped. Without that call nothing was sent: before anything else the receiver is told.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_on(
        &mut self,
        progress: &mut Progress,
        format: Format,
        body: &[u8],
        timeout: Timeout,
    ) -> Result<(), Error> {
        if body.len() > limits::MESSAGE {
            return Err(Error::TooLarge { max: limits::MESSAGE });
        }
        message::check(format, body).map_err(Error::Invalid)?;
        let mut wait = Wait::new(timeout);
        if body.len() <= limits::INLINE_PAYLOAD {
            let head = Head::alone(format, body.len());
            self.send_packet(&[IoSlice::new(head.as_bytes()), IoSlice::new(body)], &mut wait)?;
        } else {
            match self.large {
                Large::Memory => self.send_memory(format, body, &mut wait)?,
                Large::Pieces => self.send_pieces(progress, format, body, &mut wait)?,
            }
        }
        self.sent += 1;
        Ok(())
    }

    /// Sends one message of at most [`limits::INLINE_PAYLOAD`], and a handle with it: a duplicate of this descriptor, for whoever
    /// receives it. Which it may be is their business.
    ///
    /// # Errors
    /// Nothing was sent. [`Error::TooLarge`]; [`Error::Invalid`]: a failure.
    pub fn send_with(
        &mut self,
        format: Format,
        body: &[u8],
        handle: BorrowedFd<'_>,
        timeout: Timeout,
    ) -> Result<(), Error> {
        if body.len() > limits::INLINE_PAYLOAD {
            return Err(Error::TooLarge { max: limits::INLINE_PAYLOAD });
        }
        message::check_with_handle(format).map_err(Error::Invalid)?;
        let (head, mut wait) = (Head::with_handle(format, body.len()), Wait::new(timeout));
        self.give_up_begun(&mut wait)?;
        self.transmit(&[IoSlice::new(head.as_bytes()), IoSlice::new(body)], Some(handle), &mut wait)?;
        self.sent += 1;
        Ok(())
    }

    /// The handle that came with the message that was received last, once. What nobody takes is closed by the next receive.
    #[must_use]
    pub const fn take_handle(&mut self) -> Option<OwnedFd> {
        self.handle.take()
    }

    /// Sends many messages by one system call; see [`message::Batch`]. All of them go, or none.
    ///
    /// # Errors
    /// Nothing was sent. [`Error::TooLarge`]: over [`limits::INLINE_PAYLOAD`]; [`Error::Invalid`]: no batch.
    pub fn send_batch(&mut self, batch: &[u8], timeout: Timeout) -> Result<(), Error> {
        if batch.len() > limits::INLINE_PAYLOAD {
            return Err(Error::TooLarge { max: limits::INLINE_PAYLOAD });
        }
        let count = message::check_batch(batch).map_err(Error::Invalid)?;
        self.send_packet(&[IoSlice::new(batch)], &mut Wait::new(timeout))?;
        self.sent += count as u64;
        Ok(())
    }

    /// A packet that is no piece.
    fn send_packet(&mut self, parts: &[IoSlice<'_>], wait: &mut Wait) -> Result<(), Error> {
        self.give_up_begun(wait)?;
        self.transmit(parts, None, wait)
    }

    /// Tells the receiver that the pieces of a message, which it has, are nothing.
    fn give_up_begun(&mut self, wait: &mut Wait) -> Result<(), Error> {
        if self.begun.is_some() {
            self.transmit(&[IoSlice::new(Head::given_up().as_bytes())], None, wait)?;
            self.begun = None;
        }
        Ok(())
    }

    fn send_memory(&mut self, format: Format, body: &[u8], wait: &mut Wait) -> Result<(), Error> {
        self.check_connected()?;
        self.give_up_begun(wait)?;
        // The memory for the rest is not taken before there is room for its packet.
        let events = wait.until(self.socket.as_fd(), PollFlags::OUT)?;
        if events.contains(PollFlags::HUP) {
            return Err(Error::Closed);
        }
        let (first, rest) = body.split_at(limits::INLINE_PAYLOAD);
        let memfd = large::seal(rest)?;
        let head = Head::first(format, body.len(), first.len());
        self.transmit(&[IoSlice::new(head.as_bytes()), IoSlice::new(first)], Some(memfd.as_fd()), wait)
    }

    fn send_pieces(
        &mut self,
        progress: &mut Progress,
        format: Format,
        body: &[u8],
        wait: &mut Wait,
    ) -> Result<(), Error> {
        if progress.bytes == 0 || self.begun != Some(progress.bytes) {
            progress.bytes = 0;
            self.give_up_begun(wait)?;
        }
        while progress.bytes < body.len() {
            let piece = &body[progress.bytes..][..next_piece(body.len(), progress.bytes)];
            let head = match progress.bytes {
                0 => Head::begin(format, body.len()),
                _ => Head::piece(piece.len()),
            };
            self.transmit_between(&[IoSlice::new(head.as_bytes()), IoSlice::new(piece)], wait)?;
            progress.bytes += piece.len();
            self.begun = Some(progress.bytes);
        }
        self.begun = None;
        Ok(())
    }

    /// One packet, as soon as there is room. Between two attempts what has come is taken in.
    fn transmit_between(&mut self, parts: &[IoSlice<'_>], wait: &mut Wait) -> Result<(), Error> {
        loop {
            match self.transmit(parts, None, &mut Wait::new(Timeout::Now)) {
                Err(Error::WouldBlock) => {}
                other => return other,
            }
            self.look();
            self.check_connected()?;
            let more = if self.takes_in() { PollFlags::IN } else { PollFlags::empty() };
            wait.until_again(self.socket.as_fd(), PollFlags::OUT | more)?;
        }
    }

    /// One packet, as soon as there is room.
    fn transmit(&self, parts: &[IoSlice<'_>], beside: Option<BorrowedFd<'_>>, wait: &mut Wait) -> Result<(), Error> {
        self.check_connected()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if let Some(beside) = &beside {
            control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(beside)));
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
    /// [`Error::Closed`]: the other end has gone, and there is no more. [`Error::Broken`]: it broke the rules, and the connection
    /// is closed now; a message that is larger than is taken is among that. Else nothing was taken.
    pub fn recv(&mut self, timeout: Timeout) -> Result<Message, Error> {
        self.fill(timeout)?;
        if let Some(large) = self.inbox.take_large() {
            let format = large.format();
            return Ok(Message { format, body: self.read_large(large, &[])? });
        }
        self.handle = self.inbox.take_handle();
        let item = self.inbox.next_item()?;
        self.received += 1;
        Ok(Message { format: item.format, body: item.body.to_vec() })
    }

    /// The next message, shown to `see` where it lies.
    ///
    /// # Errors
    /// As [`Self::recv`]; `see` has seen nothing then.
    pub fn recv_with<R>(&mut self, timeout: Timeout, see: impl FnOnce(Format, &[u8]) -> R) -> Result<R, Error> {
        self.fill(timeout)?;
        if let Some(large) = self.inbox.take_large() {
            let format = large.format();
            return Ok(see(format, &self.read_large(large, &[])?));
        }
        self.handle = self.inbox.take_handle();
        let item = self.inbox.next_item()?;
        self.received += 1;
        Ok(see(item.format, item.body))
    }

    /// What has arrived together, at least one message, as one MessagePack array of `bin` and `ext` (types 1 and 2). A
    /// large message is alone in its array.
    ///
    /// # Errors
    /// As [`Self::recv`].
    pub fn recv_batch(&mut self, timeout: Timeout) -> Result<Vec<u8>, Error> {
        self.fill(timeout)?;
        if let Some(large) = self.inbox.take_large() {
            let head = Head::alone(large.format(), large.length());
            return self.read_large(large, head.as_bytes());
        }
        self.handle = self.inbox.take_handle();
        let (count, batch) = self.inbox.take_batch()?;
        self.received += count as u64;
        Ok(batch)
    }

    /// For an event loop: receives at most one packet, without waiting; none where no message is whole by it. A message that is
    /// larger than `keep` is taken, and its body is dropped. A large one that is kept is read by whoever has it, elsewhere.
    ///
    /// # Errors
    /// As [`Self::recv`]; [`Error::WouldBlock`]: no packet is there.
    pub fn step(&mut self, keep: usize) -> Result<Option<Incoming>, Error> {
        self.check_open()?;
        let stepped = self.inbox.step(self.socket.as_fd(), &mut Wait::new(Timeout::Now), keep);
        if !self.closing(stepped)? {
            return Ok(None);
        }
        self.handle = self.inbox.take_handle();
        let taken = self.inbox.take(keep)?;
        self.received += 1;
        Ok(Some(taken))
    }

    /// Takes in what has come, without waiting, up to one message: whether a call would come back at once, with a message or
    /// without.
    pub fn look(&mut self) -> bool {
        if self.is_due() {
            return true;
        }
        match self.fill(Timeout::Now) {
            Ok(()) => true,
            Err(Error::WouldBlock) => false,
            Err(error) => {
                match error {
                    // What is told once is told to whoever receives.
                    error @ (Error::Broken(_) | Error::HandleRefused | Error::NoRoomForHandle) => {
                        self.found = Some(error);
                    }
                    // Whoever receives meets it again.
                    Error::Closed
                    | Error::TimedOut
                    | Error::WouldBlock
                    | Error::TooLarge { .. }
                    | Error::Invalid(_)
                    | Error::System { .. } => self.ended = true,
                }
                true
            }
        }
    }

    /// Whether the next message is here already: to get it needs no system call.
    #[must_use]
    pub const fn has_message(&self) -> bool {
        self.inbox.has_message()
    }

    /// Whether a call would come back at once by what is known already: with a message, or without since none will come.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        self.disconnected || self.ended || self.found.is_some() || self.has_message()
    }

    /// Whether it is one that takes in what comes while it waits for room, by [`Self::look`], and has room for more.
    #[must_use]
    pub fn takes_in(&self) -> bool {
        self.large == Large::Pieces && !self.is_due()
    }

    /// Closes both directions. What has been sent still arrives; what has not been received is gone.
    pub fn disconnect(&mut self) {
        self.disconnected = true;
        self.inbox.clear();
        if self.shuts {
            // Fails only if the other end did it first.
            let _ = shutdown(&self.socket, Shutdown::Both);
        }
    }

    /// Closes the direction away from here: the other end receives what was sent, then hears that this was all. What it
    /// sends still arrives.
    pub fn finish_sending(&mut self) {
        // Fails only if the connection is closed already.
        let _ = shutdown(&self.socket, Shutdown::Write);
    }

    /// Whether nothing goes through it any more, by [`Self::disconnect`] or since the other end broke the rules.
    #[must_use]
    pub const fn is_disconnected(&self) -> bool {
        self.disconnected
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

    /// Bytes of all packets that came in, since this end was made.
    #[must_use]
    pub const fn bytes_received(&self) -> u64 {
        self.inbox.bytes()
    }

    /// What it holds for what comes, in bytes.
    #[cfg(test)]
    fn memory(&self) -> usize {
        self.inbox.memory()
    }

    const fn check_connected(&self) -> Result<(), Error> {
        if self.disconnected { Err(Error::Closed) } else { Ok(()) }
    }

    /// As [`Self::check_connected`]; what was found when nobody was receiving is told once.
    fn check_open(&mut self) -> Result<(), Error> {
        self.handle = None;
        match self.found.take() {
            Some(error) => Err(error),
            None => self.check_connected(),
        }
    }

    /// Until a message is there.
    fn fill(&mut self, timeout: Timeout) -> Result<(), Error> {
        self.check_open()?;
        let filled = self.inbox.fill(self.socket.as_fd(), &mut Wait::new(timeout), usize::MAX);
        self.ended &= filled.is_err();
        self.closing(filled)
    }

    /// Closes the connection where the other end has broken the rules, or a packet is lost.
    fn closing<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if matches!(&result, Err(Error::Broken(_))) || self.inbox.is_torn() {
            self.disconnect();
        }
        result
    }

    /// All of a large message, behind `head`.
    fn read_large(&mut self, large: Incoming, head: &[u8]) -> Result<Vec<u8>, Error> {
        let read = large.read_behind(head);
        if read.is_err() {
            // Its packet has been taken: without it the order would have a gap.
            self.disconnect();
        }
        self.received += u64::from(read.is_ok());
        read
    }
}

#[cfg(test)]
mod tests;
