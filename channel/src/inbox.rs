//! Received packets of a socket that have not been passed on.
//!
//! Must not: allocate for a message before it is known that as much is taken, nor more than has come of one in pieces.

use crate::haste::{Haste, LOOK, Next};
use crate::wait::Wait;
use crate::{Broken, Error, large, processors};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use sandhog_protocol::limits;
use sandhog_protocol::message::{self, Format, Head, Item, Message, Packet, next_piece};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

/// How many bytes a packet in the buffer has, and what came beside it.
type Received = (usize, Beside);

#[derive(Debug)]
pub(crate) struct Inbox {
    /// Of the largest message that is taken, in bytes.
    max: usize,
    /// [`limits::MESSAGE_PACKET`] bytes from the first packet on.
    buffer: Vec<u8>,
    /// What of the last packet has not been handed out: where it lies, how many messages it is.
    rest: Range<usize>,
    waiting: usize,
    /// A message that is larger than a packet, from the first that has come of it on.
    large: Option<Large>,
    /// In all packets so far.
    bytes: u64,
    /// A packet was taken and could not be kept: without it the order would have a gap.
    torn: bool,
    haste: Haste,
    handles: Handles,
    /// That which came with the message that waits.
    handle: Option<OwnedFd>,
}

/// What an end does with a handle that comes with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handles {
    /// It breaks the rules.
    Breach,
    /// It is closed, and its message with it is none: [`Error::HandleRefused`].
    Refuse,
    /// [`crate::Endpoint::take_handle`] has it. It may be anything that the other end had open.
    Take,
}

#[derive(Debug)]
enum Large {
    /// The beginning lies in the buffer.
    Memory {
        format: Format,
        length: usize,
        first: Range<usize>,
        memfd: OwnedFd,
    },
    Pieces(Pieces),
}

#[derive(Debug)]
struct Pieces {
    format: Format,
    length: usize,
    come: usize,
    /// None where nobody wants them.
    bytes: Option<Vec<u8>>,
}

/// How many descriptors came with a packet: none, the one that may, or how many too many.
enum Beside {
    None,
    One(OwnedFd),
    More(usize),
    /// More than there was room for, here or in this process. None of them is left.
    Lost,
}

/// A message that has come. Of a large one the body is somewhere else still, until it is read.
#[derive(Debug)]
pub struct Incoming {
    format: Format,
    length: usize,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Here(Vec<u8>),
    Memory { first: Vec<u8>, memfd: OwnedFd },
    Dropped,
}

impl Incoming {
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Of its body, in bytes, whether that was dropped or not.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// The message; none where its body was dropped. Never waits, but takes as long as it takes to copy so much.
    ///
    /// # Errors
    /// [`Error::Broken`]: it is not what its packet said. The connection is to be closed then.
    pub fn read(self) -> Result<Option<Message>, Error> {
        let body = match self.body {
            Body::Here(body) => body,
            Body::Dropped => return Ok(None),
            Body::Memory { first, memfd } => large::read(memfd.as_fd(), &[&first], self.length - first.len())?,
        };
        message::check(self.format, &body).map_err(Broken::Packet)?;
        Ok(Some(Message { format: self.format, body }))
    }

    /// As [`Self::read`] where nothing is dropped, behind `head`.
    pub(crate) fn read_behind(self, head: &[u8]) -> Result<Vec<u8>, Error> {
        let (format, length) = (self.format, self.length);
        let bytes = match self.body {
            Body::Memory { first, memfd } => large::read(memfd.as_fd(), &[head, &first], length - first.len())?,
            Body::Here(mut bytes) => {
                bytes.try_reserve_exact(head.len()).map_err(no_memory)?;
                bytes.splice(..0, head.iter().copied());
                bytes
            }
            Body::Dropped => head.to_vec(),
        };
        message::check(format, &bytes[head.len()..]).map_err(Broken::Packet)?;
        Ok(bytes)
    }
}

fn no_memory<E>(_: E) -> Error {
    Error::system("find memory for a large message")(Errno::NOMEM)
}

impl Pieces {
    /// Another piece.
    fn push(&mut self, piece: &[u8]) -> Result<(), Error> {
        let expected = next_piece(self.length, self.come);
        if piece.len() != expected {
            return Err(Broken::Packet(message::Breach::Piece { expected, found: piece.len() }).into());
        }
        self.come += piece.len();
        let Some(bytes) = &mut self.bytes else { return Ok(()) };
        if bytes.capacity() < self.come {
            // Twice what has come, and never more than the message.
            let room = (2 * self.come).min(self.length);
            bytes.try_reserve_exact(room - bytes.len()).map_err(no_memory)?;
        }
        bytes.extend_from_slice(piece);
        Ok(())
    }

    const fn is_whole(&self) -> bool {
        self.come == self.length
    }
}

impl Inbox {
    pub(crate) const fn new(max: usize) -> Self {
        let (rest, haste, handles) = (0..0, Haste::new(), Handles::Breach);
        let (large, handle) = (None, None);
        Self { max, buffer: Vec::new(), rest, waiting: 0, large, bytes: 0, torn: false, haste, handles, handle }
    }

    pub(crate) fn handling(self, handles: Handles) -> Self {
        Self { handles, ..self }
    }

    /// That which came with the message that is there.
    pub(crate) const fn take_handle(&mut self) -> Option<OwnedFd> {
        self.handle.take()
    }

    pub(crate) const fn limit(&mut self, max: usize) {
        self.max = max;
    }

    /// In all packets so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it holds, in bytes.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        let large = match &self.large {
            Some(Large::Pieces(Pieces { bytes: Some(bytes), .. })) => bytes.capacity(),
            Some(Large::Pieces(Pieces { bytes: None, .. }) | Large::Memory { .. }) | None => 0,
        };
        self.buffer.capacity() + large
    }

    /// Whether a packet was taken and could not be kept.
    pub(crate) const fn is_torn(&self) -> bool {
        self.torn
    }

    pub(crate) const fn has_message(&self) -> bool {
        match &self.large {
            Some(Large::Memory { .. }) => true,
            Some(Large::Pieces(pieces)) => pieces.is_whole(),
            None => self.waiting > 0,
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        (self.waiting, self.rest, self.buffer, self.large) = (0, 0..0, Vec::new(), None);
        self.handle = None;
    }

    /// Receives until a message is there. What has come of one stays, whatever the error.
    pub(crate) fn fill(&mut self, socket: BorrowedFd<'_>, wait: &mut Wait, keep: usize) -> Result<(), Error> {
        loop {
            self.check()?;
            if self.has_message() {
                return Ok(());
            }
            self.take_packet(socket, wait, keep)?;
        }
    }

    /// Receives one packet, if there is no message; whether there is one now. What is larger than `keep` is dropped.
    pub(crate) fn step(&mut self, socket: BorrowedFd<'_>, wait: &mut Wait, keep: usize) -> Result<bool, Error> {
        if !self.has_message() {
            self.take_packet(socket, wait, keep)?;
        }
        self.check()?;
        Ok(self.has_message())
    }

    /// Whether the next message is one that is taken.
    fn check(&self) -> Result<(), Error> {
        let length = match &self.large {
            Some(Large::Memory { length, .. } | Large::Pieces(Pieces { length, .. })) => *length,
            None if self.waiting > 0 => {
                Item::read(&self.buffer[self.rest.clone()]).map_err(Broken::Packet)?.0.body.len()
            }
            None => return Ok(()),
        };
        self.check_length(length)
    }

    const fn check_length(&self, length: usize) -> Result<(), Error> {
        if length > self.max { Err(Error::Broken(Broken::TooLarge { length, max: self.max })) } else { Ok(()) }
    }

    /// The large message that is there.
    pub(crate) fn take_large(&mut self) -> Option<Incoming> {
        if !self.has_message() {
            return None;
        }
        Some(match self.large.take()? {
            Large::Memory { format, length, first, memfd } => {
                Incoming { format, length, body: Body::Memory { first: self.buffer[first].to_vec(), memfd } }
            }
            Large::Pieces(Pieces { format, length, bytes, .. }) => {
                Incoming { format, length, body: bytes.map_or(Body::Dropped, Body::Here) }
            }
        })
    }

    /// The message that is there; its body is dropped where it is larger than `keep`.
    pub(crate) fn take(&mut self, keep: usize) -> Result<Incoming, Error> {
        match self.take_large() {
            Some(Incoming { format, length, .. }) if length > keep => {
                Ok(Incoming { format, length, body: Body::Dropped })
            }
            Some(large) => Ok(large),
            None => {
                let Item { format, body } = self.next_item()?;
                let length = body.len();
                let body = if length > keep { Body::Dropped } else { Body::Here(body.to_vec()) };
                Ok(Incoming { format, length, body })
            }
        }
    }

    /// The first of the small messages that are there. [`Self::fill`] has checked them.
    pub(crate) fn next_item(&mut self) -> Result<Item<'_>, Error> {
        let bytes = &self.buffer[self.rest.clone()];
        let (item, after) = Item::read(bytes).map_err(Broken::Packet)?;
        self.rest.start = self.rest.end - after.len();
        self.waiting -= 1;
        Ok(item)
    }

    /// The small messages that are there, up to the first that is larger than is taken: how many, and as one array.
    pub(crate) fn take_batch(&mut self) -> Result<(usize, Vec<u8>), Error> {
        let (start, before) = (self.rest.start, self.waiting);
        if self.max >= limits::INLINE_PAYLOAD {
            (self.rest.start, self.waiting) = (self.rest.end, 0);
        }
        while self.waiting > 0 {
            let (item, after) = Item::read(&self.buffer[self.rest.clone()]).map_err(Broken::Packet)?;
            if item.body.len() > self.max {
                break;
            }
            self.rest.start = self.rest.end - after.len();
            self.waiting -= 1;
        }
        let count = before - self.waiting;
        Ok((count, [Head::array(count).as_bytes(), &self.buffer[start..self.rest.start]].concat()))
    }

    fn take_packet(&mut self, socket: BorrowedFd<'_>, wait: &mut Wait, keep: usize) -> Result<(), Error> {
        self.buffer.resize(limits::MESSAGE_PACKET, 0);
        let (length, beside) = self.receive(socket, wait)?;
        self.bytes += length as u64;
        let accepted = self.accept(length, beside, keep);
        // One that is refused is no gap: whoever receives is told of it in its place.
        self.torn |= matches!(&accepted, Err(error) if !matches!(error, Error::HandleRefused | Error::NoRoomForHandle));
        accepted
    }

    /// The next packet, into the buffer.
    fn receive(&mut self, socket: BorrowedFd<'_>, wait: &mut Wait) -> Result<Received, Error> {
        if !wait.is_long() || !processors::are_several() {
            return self.sleep(socket, wait);
        }
        match self.haste.next() {
            Next::Look => match self.look(socket)? {
                Some(received) => Ok(received),
                None => self.sleep(socket, wait),
            },
            Next::Measure => {
                let start = Instant::now();
                let received = self.sleep(socket, wait)?;
                self.haste.came_after(start.elapsed());
                Ok(received)
            }
            Next::Sleep => self.sleep(socket, wait),
        }
    }

    /// The next packet, as soon as it is there: none if that takes longer than [`LOOK`].
    fn look(&mut self, socket: BorrowedFd<'_>) -> Result<Option<Received>, Error> {
        if let Some(received) = self.attempt(socket, RecvFlags::DONTWAIT)? {
            self.haste.found();
            return Ok(Some(received));
        }
        let start = Instant::now();
        loop {
            let received = self.attempt(socket, RecvFlags::DONTWAIT)?;
            // A packet that was found too late counts as missed: this end, or the other one, had to wait for a processor.
            if start.elapsed() > LOOK {
                self.haste.missed();
                return Ok(received);
            }
            if received.is_some() {
                self.haste.found();
                return Ok(received);
            }
        }
    }

    /// The next packet, however long that takes.
    fn sleep(&mut self, socket: BorrowedFd<'_>, wait: &mut Wait) -> Result<Received, Error> {
        let flags = if wait.is_endless() { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        loop {
            match self.attempt(socket, flags)? {
                Some(received) => return Ok(received),
                None => wait.until_again(socket, PollFlags::IN)?,
            }
        }
    }

    /// By one system call, or some more where it is interrupted; none if it would have to wait.
    fn attempt(&mut self, socket: BorrowedFd<'_>, flags: RecvFlags) -> Result<Option<Received>, Error> {
        loop {
            // Rounded up there is room for two or three descriptors, which are counted.
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut into = [IoSliceMut::new(&mut self.buffer)];
            match recvmsg(socket, &mut into, &mut control, flags | RecvFlags::CMSG_CLOEXEC) {
                Ok(packet) => {
                    // All are taken out, and so closed, whatever is wrong.
                    let mut beside = beside(&mut control);
                    if packet.flags.contains(ReturnFlags::CTRUNC) {
                        beside = Beside::Lost;
                    }
                    if packet.flags.contains(ReturnFlags::TRUNC) {
                        return Err(Broken::Truncated.into());
                    }
                    return check_end(socket, packet.bytes).map(|()| Some((packet.bytes, beside)));
                }
                // The other end went without reading all. The kernel says so once, before what it had sent.
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => return Err(Error::system("receive a message")(errno)),
            }
        }
    }

    /// What the packet in the buffer is.
    fn accept(&mut self, length: usize, beside: Beside, keep: usize) -> Result<(), Error> {
        let parsed = Packet::parse(&self.buffer[..length]);
        if let (Ok(Packet::WithHandle { item }), None) = (&parsed, &self.large) {
            return self.accept_handle(item.clone(), beside);
        }
        if matches!(beside, Beside::Lost) {
            return Err(Broken::TooManyDescriptors.into());
        }
        let packet = parsed.map_err(Broken::Packet)?;
        let expected = usize::from(matches!(packet, Packet::First { .. }));
        let (memfd, found) = match beside {
            Beside::None => (None, 0),
            Beside::One(memfd) => (Some(memfd), 1),
            Beside::More(count) => (None, count),
            Beside::Lost => return Err(Broken::TooManyDescriptors.into()),
        };
        if found != expected {
            return Err(Broken::Descriptors { expected, found }.into());
        }
        match (packet, memfd, self.large.take()) {
            (Packet::Messages { count, items }, _, None) => (self.waiting, self.rest) = (count, items),
            (Packet::First { length, format, body }, Some(memfd), None) => {
                self.check_length(length)?;
                self.large = Some(Large::Memory { format, length, first: body, memfd });
            }
            (Packet::Begin { length, format, body }, _, None) => {
                self.check_length(length)?;
                let bytes = (length <= keep).then(Vec::new);
                self.go_on(Pieces { format, length, come: 0, bytes }, body)?;
            }
            (Packet::Piece { body }, _, Some(Large::Pieces(pieces))) => self.go_on(pieces, body)?,
            (Packet::GivenUp, _, Some(Large::Pieces(_))) => {}
            (
                Packet::Messages { .. }
                | Packet::WithHandle { .. }
                | Packet::First { .. }
                | Packet::Begin { .. }
                | Packet::Piece { .. }
                | Packet::GivenUp,
                ..,
            ) => return Err(Broken::Order.into()),
        }
        Ok(())
    }

    /// One message with a handle. What is not taken is closed here.
    fn accept_handle(&mut self, item: Range<usize>, beside: Beside) -> Result<(), Error> {
        match (self.handles, beside) {
            (Handles::Breach, _) => Err(Broken::Handle.into()),
            (_, Beside::None) => Err(Broken::Descriptors { expected: 1, found: 0 }.into()),
            (_, Beside::More(found)) => Err(Broken::Descriptors { expected: 1, found }.into()),
            (Handles::Refuse, Beside::One(_) | Beside::Lost) => Err(Error::HandleRefused),
            (Handles::Take, Beside::Lost) => Err(Error::NoRoomForHandle),
            (Handles::Take, Beside::One(handle)) => {
                (self.waiting, self.rest, self.handle) = (1, item, Some(handle));
                Ok(())
            }
        }
    }

    fn go_on(&mut self, mut pieces: Pieces, piece: Range<usize>) -> Result<(), Error> {
        pieces.push(&self.buffer[piece])?;
        self.large = Some(Large::Pieces(pieces));
        Ok(())
    }
}

/// No bytes: the end, or a packet without any.
fn check_end(socket: BorrowedFd<'_>, bytes: usize) -> Result<(), Error> {
    if bytes > 0 {
        return Ok(());
    }
    match Wait::new(crate::Timeout::Now).until(socket, PollFlags::RDHUP) {
        Ok(_) => Err(Error::Closed),
        Err(Error::WouldBlock) => Err(Broken::NoBytes.into()),
        Err(error) => Err(error),
    }
}

/// Takes what came beside a packet. What is surplus is closed.
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else was asked for")]
fn beside(control: &mut RecvAncillaryBuffer<'_>) -> Beside {
    let mut fds = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    match (fds.next(), fds.next()) {
        (None, _) => Beside::None,
        (Some(fd), None) => Beside::One(fd),
        (Some(_), Some(_)) => Beside::More(2 + fds.count()),
    }
}
