use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use sandhog_protocol::{frame, limits};
use serde::{Serialize, de::DeserializeOwned};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Why a message could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to use the socket")]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] frame::Error),
    #[error("packet of more than {limit} bytes", limit = limits::PACKET)]
    PacketTooLarge,
    #[error("file descriptors where none are allowed, or more than {limit}", limit = limits::FDS)]
    SurplusFds,
    #[error("the other end closed in the middle of a message")]
    Torn,
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Socket(errno.into())
    }
}

impl Error {
    /// The other end has closed.
    pub fn is_gone(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
        matches!(self, Self::Socket(error) if matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected))
    }

    /// Nothing is there yet, or nothing can be sent yet: ask again when the socket is ready.
    pub fn would_block(&self) -> bool {
        matches!(self, Self::Socket(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The other end has closed, between two messages.
#[derive(Debug)]
pub struct Closed;

/// A message with what travelled beside it.
pub struct Received<T> {
    pub message: T,
    pub fds: Vec<OwnedFd>,
}

/// Two ends of a new socket, closed on exec, blocking.
///
/// # Errors
/// As socketpair(2): EMFILE.
pub fn pair(kind: SocketType) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

/// Sends one packet with its fds, whole or not at all.
pub fn send_packet<T: Serialize>(socket: impl AsFd, message: &T, fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
    let body = frame::encode_body(message)?;
    if body.len() > limits::PACKET {
        return Err(Error::PacketTooLarge);
    }
    if fds.len() > limits::FDS {
        return Err(Error::SurplusFds);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limits::FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Error::SurplusFds);
    }
    rustix::io::retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(&body)], &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives one packet; `Err(Closed)` inside where the other end has closed.
pub fn recv_packet<T: DeserializeOwned>(socket: impl AsFd) -> Result<Result<Received<T>, Closed>, Error> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limits::FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut body = vec![0; packet_length(&socket)?];
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(&socket, &mut [IoSliceMut::new(&mut body)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(Error::SurplusFds);
    }
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(Error::PacketTooLarge);
    }
    // Our messages are never empty, so an empty read is the end.
    if received.bytes == 0 {
        return Ok(Err(Closed));
    }
    Ok(Ok(Received { message: frame::decode_body(&body[..received.bytes])?, fds }))
}

/// Waits for the next packet and asks for its length, so that the buffer need not be as large as any may be: fresh
/// pages cost more than the call. At least 1, so that an empty read is the end of the stream.
fn packet_length(socket: impl AsFd) -> Result<usize, Error> {
    let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
    let (_, length) = rustix::io::retry_on_intr(|| rustix::net::recv(&socket, &mut [0_u8; 0][..], flags))?;
    if length > limits::PACKET { Err(Error::PacketTooLarge) } else { Ok(length.max(1)) }
}

/// Sends one frame on a blocking stream socket.
pub fn send_frame<T: Serialize>(socket: impl AsFd, message: &T) -> Result<(), Error> {
    send_encoded(socket, &frame::encode(message)?)
}

/// Sends a frame that is encoded already.
pub fn send_encoded(socket: impl AsFd, mut rest: &[u8]) -> Result<(), Error> {
    while !rest.is_empty() {
        let sent = rustix::io::retry_on_intr(|| rustix::net::send(&socket, rest, SendFlags::NOSIGNAL))?;
        rest = &rest[sent..];
    }
    Ok(())
}

/// Sends some of `bytes` on a stream socket that does not block, and `fds` with the first of them.
///
/// # Errors
/// [`Error::would_block`] where there is no room: nothing was sent then.
pub fn send_some(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize, Error> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limits::FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Error::SurplusFds);
    }
    Ok(rustix::io::retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL))?)
}

/// Waits for one frame on a blocking stream socket, from somebody who is trusted: for a worker, whose filter has no
/// recvmsg(2).
pub fn recv_frame<T: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut FrameBuffer,
) -> Result<Result<T, Closed>, Error> {
    loop {
        if let Some(message) = buffer.take_frame()? {
            return Ok(Ok(message));
        }
        let (bytes, ()) = buffer.read_with(|room| Ok((rustix::net::recv(&socket, room, RecvFlags::empty())?.0, ())))?;
        if bytes == 0 {
            return if buffer.is_empty() { Ok(Err(Closed)) } else { Err(Error::Torn) };
        }
    }
}

/// The same from somebody who sends descriptors along: they are added to `fds` in their order. With the frame that this is
/// about all those have come that were sent with it, those behind them perhaps as well.
///
/// # Errors
/// As [`recv_frame`].
pub fn recv_frame_with_fds<T: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut FrameBuffer,
    fds: &mut Vec<OwnedFd>,
) -> Result<Result<T, Closed>, Error> {
    loop {
        if let Some(message) = buffer.take_frame()? {
            return Ok(Ok(message));
        }
        if buffer.fill_with_fds(&socket, RecvFlags::empty(), fds)? == 0 {
            return if buffer.is_empty() { Ok(Err(Closed)) } else { Err(Error::Torn) };
        }
    }
}

/// Bytes of a stream on their way to frames. Holds at most one frame and one read more.
#[derive(Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    start: usize,
    /// They come from a worker.
    hostile: bool,
}

impl FrameBuffer {
    /// For what a worker sends.
    pub fn of_worker() -> Self {
        Self { hostile: true, ..Self::default() }
    }

    /// What one read asks for: a small frame comes whole.
    const READ: usize = 4 << 10;

    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Reads once from somebody who is not trusted; 0 at the end of the stream.
    ///
    /// # Errors
    /// [`Error::SurplusFds`] where descriptors came along: the kernel has closed them already.
    pub fn fill(&mut self, socket: impl AsFd) -> Result<usize, Error> {
        let received = self.read_with(|room| {
            let received = recvmsg(
                &socket,
                &mut [IoSliceMut::new(room)],
                &mut RecvAncillaryBuffer::default(),
                RecvFlags::CMSG_CLOEXEC,
            )?;
            Ok((received.bytes, received.flags))
        });
        match received {
            Ok((_, flags)) if flags.contains(ReturnFlags::CTRUNC) => Err(Error::SurplusFds),
            Ok((bytes, _)) => Ok(bytes),
            // It has ended without reading all that we sent: an end like any other.
            Err(Errno::CONNRESET) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Reads once from somebody who is trusted, with the descriptors that came along, in their order; 0 at the end of the
    /// stream. They arrive no later than the first byte that was sent with them, and never with bytes that were sent after
    /// those: the kernel ends a read behind them. Where this process may have no more files, the rest of them is missing.
    ///
    /// # Errors
    /// What recvmsg(2) says; [`Error::would_block`] with `MSG_DONTWAIT`.
    pub fn fill_with_fds(
        &mut self,
        socket: impl AsFd,
        flags: RecvFlags,
        fds: &mut Vec<OwnedFd>,
    ) -> Result<usize, Error> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limits::FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = self.read_with(|room| {
            let buffers = &mut [IoSliceMut::new(room)];
            Ok((recvmsg(&socket, buffers, &mut control, flags | RecvFlags::CMSG_CLOEXEC)?.bytes, ()))
        });
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        match received {
            Ok((bytes, ())) => Ok(bytes),
            Err(Errno::CONNRESET) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Reads what is there without waiting, from somebody who is trusted and sends no descriptors: for a worker, whose filter
    /// has no recvmsg(2), and no flag for recvfrom(2). Nothing else may read the socket.
    ///
    /// # Errors
    /// What the calls say; [`Error::would_block`] where nothing is there.
    pub fn fill_now(&mut self, socket: impl AsFd) -> Result<usize, Error> {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&now))? == 0 {
            return Err(Errno::AGAIN.into());
        }
        let (bytes, ()) = self.read_with(|room| Ok((rustix::net::recv(&socket, room, RecvFlags::empty())?.0, ())))?;
        Ok(bytes)
    }

    /// Makes room, reads into it, and keeps what has come.
    fn read_with<F>(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> Result<(usize, F), Errno>,
    ) -> Result<(usize, F), Errno> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let had = self.bytes.len();
        self.bytes.resize(had + Self::READ, 0);
        let answer = rustix::io::retry_on_intr(|| read(&mut self.bytes[had..]));
        self.bytes.truncate(had + answer.as_ref().map_or(0, |(bytes, _)| *bytes));
        answer
    }

    /// The next whole frame's message, if it is there.
    pub fn take_frame<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let rest = &self.bytes[self.start..];
        let Some((header, body)) = rest.split_first_chunk::<{ frame::HEADER }>() else { return Ok(None) };
        let length = frame::body_length(*header)?;
        let Some(body) = body.get(..length) else { return Ok(None) };
        let message = if self.hostile { frame::decode_hostile(body)? } else { frame::decode_body(body)? };
        self.start += frame::HEADER + length;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::worker::FromWorker;

    #[test]
    fn a_packet_carries_its_fds() {
        let (here, there) = pair(SocketType::SEQPACKET).unwrap();
        send_packet(&here, &"hello", &[here.as_fd(), there.as_fd()]).unwrap();
        let received = recv_packet::<String>(&there).unwrap().unwrap();
        assert_eq!((received.message.as_str(), received.fds.len()), ("hello", 2));
    }

    #[test]
    fn a_closed_socket_is_no_error_between_packets() {
        let (here, there) = pair(SocketType::SEQPACKET).unwrap();
        drop(here);
        assert!(matches!(recv_packet::<String>(&there), Ok(Err(Closed))));
    }

    #[test]
    fn frames_come_out_whole_however_they_arrive() {
        let (here, there) = pair(SocketType::STREAM).unwrap();
        let frame = frame::encode(&FromWorker::Hello { version: 9 }).unwrap();
        let mut buffer = FrameBuffer::default();
        for byte in &frame[..frame.len() - 1] {
            rustix::io::write(&here, &[*byte]).unwrap();
            buffer.fill(&there).unwrap();
            assert_eq!(buffer.take_frame::<FromWorker>().unwrap(), None);
        }
        rustix::io::write(&here, &frame[frame.len() - 1..]).unwrap();
        assert_eq!(recv_frame::<FromWorker>(&there, &mut buffer).unwrap().unwrap(), FromWorker::Hello { version: 9 });
    }

    #[test]
    fn a_descriptor_on_a_stream_is_a_breach() {
        let (here, there) = pair(SocketType::STREAM).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [here.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&here, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        assert!(matches!(FrameBuffer::default().fill(&there), Err(Error::SurplusFds)));
    }

    #[test]
    fn descriptors_are_there_with_the_frame_that_they_were_sent_with() {
        let (here, there) = pair(SocketType::STREAM).unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        let frame = |version| frame::encode(&FromWorker::Hello { version }).unwrap();
        send_some(&here, &frame(1), &[]).unwrap();
        send_some(&here, &frame(2), &[read.as_fd(), write.as_fd()]).unwrap();
        send_some(&here, &frame(3), &[write.as_fd()]).unwrap();
        drop(here);
        let (mut buffer, mut fds) = (FrameBuffer::default(), Vec::new());
        let mut next = |fds: &mut Vec<OwnedFd>| recv_frame_with_fds::<FromWorker>(&there, &mut buffer, fds).unwrap();
        assert!(next(&mut fds).is_ok());
        assert_eq!(next(&mut fds).ok(), Some(FromWorker::Hello { version: 2 }));
        assert_eq!(fds.len(), 2);
        assert!(next(&mut fds).is_ok());
        assert_eq!(fds.len(), 3);
        assert!(next(&mut fds).is_err());
    }

    #[test]
    fn a_stream_that_ends_in_a_frame_is_torn() {
        let (here, there) = pair(SocketType::STREAM).unwrap();
        rustix::io::write(&here, &[5, 0, 0, 0, 1]).unwrap();
        drop(here);
        assert!(matches!(recv_frame::<FromWorker>(&there, &mut FrameBuffer::default()), Err(Error::Torn)));
    }
}
