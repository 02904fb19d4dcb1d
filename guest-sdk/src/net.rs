//! Sockets of TCP: clients that this job accepts itself, and connections that jobs pass on to each other. What `net.Server` and
//! `subprocess.send(message, socket)` are in Node.
//!
//! A job listens where it is granted to: `sandhog run --net listen:127.0.0.1:9000`. It passes a connection on with a message
//! ([`Connection::send_with`](crate::Connection::send_with)), and whoever receives that takes it
//! ([`take_handle`](crate::Connection::take_handle)): a child that is given the right ([`Job::passed`](crate::Job::passed)), or
//! another job of the group with `--net passed`, by a pipe. A listener can be passed on as well. Nothing here connects.
//!
//! ```no_run
//! use sandhog::{Error, Job, net};
//!
//! #[sandhog::main]
//! fn main() -> sandhog::Result<()> {
//!     let listener = net::listeners().remove(0);
//!     let workers = [Job::new("answerer").connected().passed().spawn()?, Job::new("answerer").connected().passed().spawn()?];
//!     for worker in workers.iter().cycle() {
//!         match listener.accept() {
//!             // Dropped here once it is sent: the worker has it.
//!             Ok(client) => worker.send_with("yours", &client)?,
//!             Err(Error::Stopping) => break,
//!             Err(error) => return Err(error),
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! The worker:
//!
//! ```no_run
//! use sandhog::{channel, net::Handle};
//! use std::io::{Read, Write};
//!
//! #[sandhog::main]
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     while let Ok(word) = channel::recv::<String>() {
//!         let Some(Handle::Stream(mut client)) = channel::take_handle() else { continue };
//!         let mut request = [0; 1024];
//!         let length = client.read(&mut request)?;
//!         writeln!(client, "{word}: {length} bytes")?;
//!     }
//!     Ok(())
//! }
//! ```

use crate::abi::sandhog::job::sockets as host;
use crate::error::{Error, Result};
use crate::streams::read_with;
use crate::{Patience, nanoseconds};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// The places on which this job listens, in the order of its grants.
pub fn listeners() -> Vec<TcpListener> {
    host::listeners().into_iter().map(TcpListener::new).collect()
}

/// A place where clients connect. Clones are the same one; other jobs may have it as well, and each client goes to one of them.
#[derive(Clone, Debug)]
pub struct TcpListener {
    socket: Rc<host::TcpListener>,
    patience: Patience,
}

impl TcpListener {
    fn new(socket: host::TcpListener) -> Self {
        Self { socket: Rc::new(socket), patience: None }
    }

    pub(crate) fn socket(&self) -> &host::TcpListener {
        &self.socket
    }

    /// The same one, which does not wait longer than this for a client: [`Error::TimedOut`], or [`Error::WouldBlock`] where
    /// this is zero.
    pub fn within(&self, patience: Duration) -> Self {
        Self { socket: Rc::clone(&self.socket), patience: Some(patience) }
    }

    /// Waits for a client.
    ///
    /// [`Error::Stopping`]: this job was asked to stop; by the first call it listens for that, as by
    /// [`stopping`](crate::process::stopping). [`Error::Closed`]: whoever granted the place has closed it. [`Error::Quota`]: no
    /// more open files (`--max-files`).
    pub fn accept(&self) -> Result<TcpStream> {
        Ok(TcpStream::new(self.socket.accept(nanoseconds(self.patience))?))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        parsed(&self.socket.address()?)
    }
}

/// A connection to a client. Clones are the same one. It ends when each job that has it has dropped it.
///
/// `std::io::Read` and `std::io::Write` work on it; nothing is buffered.
#[derive(Clone, Debug)]
pub struct TcpStream {
    socket: Rc<host::TcpStream>,
    patience: Patience,
}

impl TcpStream {
    fn new(socket: host::TcpStream) -> Self {
        Self { socket: Rc::new(socket), patience: None }
    }

    pub(crate) fn socket(&self) -> &host::TcpStream {
        &self.socket
    }

    /// The same one, which waits no longer than this in each call: [`io::ErrorKind::TimedOut`], or
    /// [`io::ErrorKind::WouldBlock`] where this is zero.
    pub fn within(&self, patience: Duration) -> Self {
        Self { socket: Rc::clone(&self.socket), patience: Some(patience) }
    }

    /// What is there, at most this many bytes and at most 64 KiB; waits for the first. [`Error::Closed`]: the client has sent
    /// all, or has gone.
    pub fn read_some(&self, max: usize) -> Result<Vec<u8>> {
        Ok(self.socket.read(max as u64, nanoseconds(self.patience))?)
    }

    /// The client's address. [`Error::Closed`]: it has gone.
    pub fn peer_addr(&self) -> Result<SocketAddr> {
        parsed(&self.socket.peer()?)
    }
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_with(buffer, |max| self.read_some(max))
    }
}

impl Write for TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for &TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let written = self.socket.write(bytes, nanoseconds(self.patience)).map_err(Error::from)?;
        // No more than it was given.
        Ok(usize::try_from(written).map_or(bytes.len(), |written| written.min(bytes.len())))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What came with a message.
#[derive(Clone, Debug)]
pub enum Handle {
    /// A place to accept clients from.
    Listener(TcpListener),
    /// A connection to a client.
    Stream(TcpStream),
}

impl Handle {
    /// The connection, where it is one.
    pub fn stream(self) -> Option<TcpStream> {
        match self {
            Self::Stream(stream) => Some(stream),
            Self::Listener(_) => None,
        }
    }

    /// The listener, where it is one.
    pub fn listener(self) -> Option<TcpListener> {
        match self {
            Self::Listener(listener) => Some(listener),
            Self::Stream(_) => None,
        }
    }
}

impl From<host::Handle> for Handle {
    fn from(handle: host::Handle) -> Self {
        match handle {
            host::Handle::Listener(listener) => Self::Listener(TcpListener::new(listener)),
            host::Handle::Stream(stream) => Self::Stream(TcpStream::new(stream)),
        }
    }
}

/// What can be sent with a message: a [`TcpListener`] or a [`TcpStream`]. Whoever sends it has it still, and drops it when it is to
/// be the receiver's alone.
#[derive(Clone, Copy, Debug)]
pub enum Sent<'a> {
    /// A place to accept clients from.
    Listener(&'a TcpListener),
    /// A connection to a client.
    Stream(&'a TcpStream),
}

impl<'a> Sent<'a> {
    pub(crate) fn as_param(self) -> host::Sent<'a> {
        match self {
            Self::Listener(listener) => host::Sent::Listener(listener.socket()),
            Self::Stream(stream) => host::Sent::Stream(stream.socket()),
        }
    }
}

impl<'a> From<&'a TcpListener> for Sent<'a> {
    fn from(listener: &'a TcpListener) -> Self {
        Self::Listener(listener)
    }
}

impl<'a> From<&'a TcpStream> for Sent<'a> {
    fn from(stream: &'a TcpStream) -> Self {
        Self::Stream(stream)
    }
}

impl<'a> From<&'a Handle> for Sent<'a> {
    fn from(handle: &'a Handle) -> Self {
        match handle {
            Handle::Listener(listener) => Self::Listener(listener),
            Handle::Stream(stream) => Self::Stream(stream),
        }
    }
}

fn parsed(address: &str) -> Result<SocketAddr> {
    address.parse().map_err(|_| Error::Invalid(format!("the address {address:?}")))
}
