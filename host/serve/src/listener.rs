//! Sockets that listen: bound here, or inherited from whoever started this process.
//!
//! Must not: know who serves what comes.

pub mod inherited;

use rustix::io::{Errno, FdFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Connections that the kernel keeps until they are accepted. It takes no more than `net.core.somaxconn`, 4096 on common systems.
const BACKLOG: i32 = 65_535;

/// Ports below need a privilege on common systems (`net.ipv4.ip_unprivileged_port_start`).
const PRIVILEGED: u16 = 1024;

/// Why there is no socket to listen on. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("the port of {address} is taken: another program listens there; end that one, or choose another port")]
    Taken { address: SocketAddr },
    #[error(
        "this machine does not have the address of {address}: 127.0.0.1 is its own, 0.0.0.0 stands for all that it has"
    )]
    NotHere { address: SocketAddr },
    #[error(
        "to listen on {address} takes a privilege, as for each port below 1024: choose a higher one, start it as root, or \
         let systemd pass the socket"
    )]
    Privilege { address: SocketAddr },
    #[error("this machine does not speak the protocol of {address}")]
    NoProtocol { address: SocketAddr },
    #[error("failed to listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
    #[error("the inherited descriptor {fd} is no socket that listens for streams: {what}")]
    Inherited { fd: i32, what: String },
}

/// A socket that listens, non-blocking, closed on exec.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    address: SocketAddr,
}

impl Listener {
    /// Listens at an address; port 0: any that is free. Another one may listen there as soon as this one has ended, whatever
    /// connections are left (`SO_REUSEADDR`); at the same time, nobody.
    ///
    /// # Errors
    /// Why that can't be, and what to do.
    pub fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let socket = bound(address).map_err(|errno| refused(address, errno))?;
        let address = local(&socket).map_err(|cause| ListenError::Listen { address, cause })?;
        Ok(Self { socket, address })
    }

    /// A socket that whoever started this process listens on already.
    ///
    /// # Errors
    /// It is no TCP socket that listens.
    pub fn inherited(fd: OwnedFd) -> Result<Self, ListenError> {
        let number = fd.as_raw_fd();
        let wrong = |what: String| ListenError::Inherited { fd: number, what };
        let kind = sockopt::socket_type(&fd).map_err(|errno| wrong(io::Error::from(errno).to_string()))?;
        if kind != SocketType::STREAM {
            return Err(wrong("it is a socket of another kind".into()));
        }
        if !sockopt::socket_acceptconn(&fd).map_err(|errno| wrong(io::Error::from(errno).to_string()))? {
            return Err(wrong("it does not listen".into()));
        }
        let address = local(&fd).map_err(|error| wrong(error.to_string()))?;
        // Nothing that this process starts is to have it.
        let flags = rustix::io::fcntl_setfd(&fd, FdFlags::CLOEXEC).and_then(|()| rustix::io::ioctl_fionbio(&fd, true));
        flags.map_err(|errno| wrong(io::Error::from(errno).to_string()))?;
        Ok(Self { socket: fd, address })
    }

    /// Where it listens: with the port that it was given where any was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket for jobs that accept clients themselves. What they send goes at once, however little it is: a connection has this
    /// option of the socket that it was accepted from.
    ///
    /// # Errors
    /// As setsockopt(2).
    pub fn for_job(self) -> Result<Arc<OwnedFd>, ListenError> {
        let failed = |errno: Errno| ListenError::Listen { address: self.address, cause: errno.into() };
        sockopt::set_tcp_nodelay(&self.socket, true).map_err(failed)?;
        Ok(Arc::new(self.socket))
    }

    /// The socket by itself.
    #[must_use]
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn bound(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn local(socket: &OwnedFd) -> io::Result<SocketAddr> {
    let address = rustix::net::getsockname(socket)?;
    SocketAddr::try_from(address).map_err(|_| io::Error::other("it has no address of the internet"))
}

fn refused(address: SocketAddr, errno: Errno) -> ListenError {
    match errno {
        Errno::ADDRINUSE => ListenError::Taken { address },
        Errno::ADDRNOTAVAIL => ListenError::NotHere { address },
        Errno::ACCESS if address.port() < PRIVILEGED => ListenError::Privilege { address },
        Errno::AFNOSUPPORT => ListenError::NoProtocol { address },
        errno => ListenError::Listen { address, cause: errno.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[test]
    fn port_0_becomes_one_that_clients_reach() {
        let listener = Listener::bind(any()).unwrap();
        assert_ne!(listener.address().port(), 0);
        TcpStream::connect(listener.address()).unwrap();
    }

    #[test]
    fn ipv6_is_as_good() {
        let listener = match Listener::bind("[::1]:0".parse().unwrap()) {
            Ok(listener) => listener,
            // A machine without IPv6 says so.
            Err(error @ (ListenError::NotHere { .. } | ListenError::NoProtocol { .. })) => {
                return println!("not tried: {error}");
            }
            Err(error) => panic!("{error}"),
        };
        TcpStream::connect(listener.address()).unwrap();
    }

    #[test]
    fn a_port_that_is_taken_is_called_so() {
        let first = Listener::bind(any()).unwrap();
        let error = Listener::bind(first.address()).unwrap_err();
        assert!(matches!(error, ListenError::Taken { address } if address == first.address()), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_is_called_so() {
        // 192.0.2.0/24 is nobody's (RFC 5737).
        let error = Listener::bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(matches!(error, ListenError::NotHere { .. }), "{error}");
    }

    #[test]
    fn what_the_kernel_says_of_a_low_port_is_put_into_words() {
        let low = "0.0.0.0:80".parse().unwrap();
        assert!(matches!(refused(low, Errno::ACCESS), ListenError::Privilege { .. }));
        assert!(matches!(refused("0.0.0.0:8080".parse().unwrap(), Errno::ACCESS), ListenError::Listen { .. }));
    }

    #[test]
    fn an_inherited_socket_listens_on() {
        let listener = std::net::TcpListener::bind(any()).unwrap();
        let address = listener.local_addr().unwrap();
        let inherited = Listener::inherited(listener.into()).unwrap();
        assert_eq!(inherited.address(), address);
        TcpStream::connect(address).unwrap();
        assert!(rustix::fs::fcntl_getfl(&inherited).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
    }

    #[test]
    fn what_does_not_listen_for_streams_is_not_inherited() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let number = file.as_raw_fd();
        let error = Listener::inherited(file.into()).unwrap_err();
        assert!(matches!(&error, ListenError::Inherited { fd, .. } if *fd == number), "{error}");
        let udp = std::net::UdpSocket::bind(any()).unwrap();
        assert!(Listener::inherited(udp.into()).unwrap_err().to_string().ends_with("a socket of another kind"));
        let listener = std::net::TcpListener::bind(any()).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(Listener::inherited(client.into()).unwrap_err().to_string().ends_with("it does not listen"));
    }

    #[test]
    fn what_a_job_accepts_sends_at_once() {
        let listener = Listener::bind(any()).unwrap();
        let address = listener.address();
        let socket = listener.for_job().unwrap();
        let _client = TcpStream::connect(address).unwrap();
        rustix::io::ioctl_fionbio(&socket, false).unwrap();
        let accepted = rustix::net::accept(&socket).unwrap();
        assert_eq!(sockopt::tcp_nodelay(&accepted), Ok(true));
    }
}
