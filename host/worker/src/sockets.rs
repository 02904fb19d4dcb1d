//! Sockets of TCP that a guest was given or that others passed on: the few calls on them that its filter allows. Whether the
//! kernel's own flag says that a socket does not block means nothing here, for whoever else has it may set that.
//!
//! Must not: make a socket, change one, or end one for others who have it.

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, accept_with, getpeername, getsockname, ipproto, recv,
    send, sockopt,
};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What a socket is to a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Clients are accepted from it.
    Listener,
    /// A connection to a client.
    Stream,
}

/// What this is; none where it is no socket of TCP that a guest may have. Whoever sent it may have sent anything.
pub(crate) fn kind(fd: &OwnedFd) -> Option<Kind> {
    let of_the_internet = matches!(sockopt::socket_domain(fd), Ok(AddressFamily::INET | AddressFamily::INET6));
    let is_tcp = of_the_internet
        && sockopt::socket_type(fd) == Ok(SocketType::STREAM)
        && sockopt::socket_protocol(fd) == Ok(Some(ipproto::TCP));
    match (is_tcp, sockopt::socket_acceptconn(fd)) {
        (true, Ok(true)) => Some(Kind::Listener),
        (true, Ok(false)) => Some(Kind::Stream),
        (false, _) | (_, Err(_)) => None,
    }
}

/// The next client. A client that has gone meanwhile is none.
///
/// # Errors
/// AGAIN: none is there; and as accept4(2). INVAL: somebody has ended the socket for all who have it.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    loop {
        match accept_with(listener, SocketFlags::CLOEXEC) {
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            other => return other,
        }
    }
}

/// Some of what is there, without waiting; 0 at the end. `peek`: it stays there.
///
/// # Errors
/// AGAIN: nothing is there; and as recv(2).
pub(crate) fn receive(stream: BorrowedFd<'_>, bytes: &mut [u8], peek: bool) -> rustix::io::Result<usize> {
    let flags = if peek { RecvFlags::DONTWAIT | RecvFlags::PEEK } else { RecvFlags::DONTWAIT };
    retry_on_intr(|| recv(stream, &mut *bytes, flags)).map(|(length, _)| length)
}

/// Sends as much as there is room for, without waiting.
///
/// # Errors
/// AGAIN: there is no room; PIPE: nobody reads; and as send(2).
pub(crate) fn transmit(stream: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
    retry_on_intr(|| send(stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
}

/// Where it listens.
///
/// # Errors
/// As getsockname(2).
pub(crate) fn address(socket: &impl AsFd) -> rustix::io::Result<SocketAddr> {
    SocketAddr::try_from(getsockname(socket)?).map_err(|_| Errno::AFNOSUPPORT)
}

/// Who is at the other end.
///
/// # Errors
/// As getpeername(2): NOTCONN where it has gone.
pub(crate) fn peer(stream: &impl AsFd) -> rustix::io::Result<SocketAddr> {
    match getpeername(stream)? {
        Some(address) => SocketAddr::try_from(address).map_err(|_| Errno::AFNOSUPPORT),
        None => Err(Errno::NOTCONN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_is_no_socket_of_tcp_is_no_handle() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(kind(&listener.into()), Some(Kind::Listener));
        assert_eq!(kind(&stream.into()), Some(Kind::Stream));
        let six = TcpListener::bind("[::1]:0").unwrap();
        assert_eq!(kind(&six.into()), Some(Kind::Listener));
        let (unix, _other) = UnixStream::pair().unwrap();
        let others: [OwnedFd; 4] = [
            unix.into(),
            UdpSocket::bind("127.0.0.1:0").unwrap().into(),
            rustix::pipe::pipe().unwrap().0,
            std::fs::File::open("/dev/null").unwrap().into(),
        ];
        assert!(others.iter().all(|fd| kind(fd).is_none()));
    }

    #[test]
    fn nothing_waits_whatever_the_kernels_flag_says() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = accept(listener.as_fd()).unwrap();
        assert_eq!(peer(&stream).unwrap(), client.local_addr().unwrap());
        assert_eq!(address(&stream).unwrap(), listener.local_addr().unwrap());
        assert_eq!(receive(stream.as_fd(), &mut [0; 8], false), Err(Errno::AGAIN));
        let full = loop {
            if let Err(errno) = transmit(stream.as_fd(), &[0; 1 << 16]) {
                break errno;
            }
        };
        assert_eq!(full, Errno::AGAIN);
        std::io::Write::write_all(&mut client, b"ab").unwrap();
        let mut bytes = [0; 8];
        let wait = rustix::event::PollFd::new(&stream, rustix::event::PollFlags::IN);
        rustix::event::poll(&mut [wait], None).unwrap();
        assert_eq!(receive(stream.as_fd(), &mut bytes, true), Ok(2));
        assert_eq!(receive(stream.as_fd(), &mut bytes, false), Ok(2));
    }
}
