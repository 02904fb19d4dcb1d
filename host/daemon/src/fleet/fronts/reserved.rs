//! Sockets that the daemon has had from its start, for jobs that are to listen where it may not by itself: bound before privilege
//! went, or passed by systemd.

use rustix::net::{Shutdown, listen, shutdown};
use sandhog_serve::listener::{ListenError, Listener};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

/// As of [`Listener::bind`].
const BACKLOG: i32 = 65_535;

/// All of them.
#[derive(Debug, Default)]
pub struct Reserved(Vec<Place>);

#[derive(Debug)]
struct Place {
    address: SocketAddr,
    socket: OwnedFd,
    /// systemd's own as well: it listens whether or not a job is up.
    is_passed: bool,
}

impl Reserved {
    /// Takes an address, before privilege goes. Clients are refused there until a job listens.
    ///
    /// # Errors
    /// Why that can't be, and what to do.
    pub fn bind(&mut self, address: SocketAddr) -> Result<(), ListenError> {
        let listener = Listener::bind(address)?;
        let failed = |cause| ListenError::Listen { address, cause };
        pause(&listener).map_err(failed)?;
        self.keep(&listener, false).map_err(failed)
    }

    /// A socket that whoever started this process listens on already.
    ///
    /// # Errors
    /// It is no TCP socket that listens.
    pub fn pass(&mut self, socket: OwnedFd) -> Result<(), ListenError> {
        let listener = Listener::inherited(socket)?;
        let address = listener.address();
        self.keep(&listener, true).map_err(|cause| ListenError::Listen { address, cause })
    }

    fn keep(&mut self, listener: &Listener, is_passed: bool) -> io::Result<()> {
        let socket = listener.as_fd().try_clone_to_owned()?;
        self.0.push(Place { address: listener.address(), socket, is_passed });
        Ok(())
    }

    /// The socket of this address, listening; None: there is none.
    pub(super) fn open(&self, address: SocketAddr) -> Option<Result<Listener, ListenError>> {
        let place = self.find(address)?;
        let failed = |cause| ListenError::Listen { address, cause };
        let socket = listen(&place.socket, BACKLOG).map_err(io::Error::from).and_then(|()| place.socket.try_clone());
        Some(socket.map_err(failed).and_then(Listener::inherited))
    }

    /// Whether clients are to be refused there while no job listens.
    pub(super) fn is_paused_between(&self, address: SocketAddr) -> bool {
        self.find(address).is_some_and(|place| !place.is_passed)
    }

    fn find(&self, address: SocketAddr) -> Option<&Place> {
        self.0.iter().find(|place| place.address == address)
    }
}

/// The socket keeps its address and refuses clients (tcp(7); `listen` ends that).
pub(super) fn pause(socket: &impl AsFd) -> io::Result<()> {
    shutdown(socket, Shutdown::Both).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn an_address_is_kept_and_clients_are_refused_until_somebody_listens() {
        let free = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = free.address();
        drop(free);
        let mut reserved = Reserved::default();
        reserved.bind(address).unwrap();
        for _ in 0..3 {
            assert!(TcpStream::connect(address).is_err());
            let listener = reserved.open(address).unwrap().unwrap();
            assert_eq!(listener.address(), address);
            TcpStream::connect(address).unwrap();
            pause(&listener).unwrap();
        }
        assert!(reserved.open("127.0.0.1:1".parse().unwrap()).is_none());
        assert!(reserved.is_paused_between(address));
    }

    #[test]
    fn a_socket_that_was_passed_listens_all_the_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut reserved = Reserved::default();
        reserved.pass(listener.into()).unwrap();
        drop(reserved.open(address).unwrap().unwrap());
        TcpStream::connect(address).unwrap();
        assert!(!reserved.is_paused_between(address));
    }
}
