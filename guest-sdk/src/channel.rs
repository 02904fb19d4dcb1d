//! Messages between two jobs, or between a job and the program that started it: what `process.send` and `process.on("message")`
//! are in Node, and `Pipe` in Python.
//!
//! Each direction keeps its order. While both ends live nothing is lost and nothing comes twice. A receiver that does not keep
//! up makes the sender wait. What an end had sent before it went is received before [`Error::Closed`] is.
//!
//! The functions of this module speak to the parent:
//!
//! ```standalone_crate
//! use sandhog::channel;
//!
//! #[sandhog::main]
//! fn main() -> sandhog::Result<()> {
//!     channel::send(&("count", 3))?;
//!     let (word, number): (String, u32) = channel::recv()?;
//!     assert_eq!((word.as_str(), number), ("count", 3)); // This parent sends back what it gets.
//!     Ok(())
//! }
//! ```

use crate::abi::sandhog::job::channel as host;
use crate::abi::sandhog::job::types;
use crate::batch::Batch;
use crate::error::{Error, Result, unless_it_would_wait};
use crate::message::{self, Format, Message};
use crate::net::{Handle, Sent};
use crate::packed::Arrived;
use crate::{Patience, nanoseconds};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::rc::Rc;
use std::time::Duration;

/// One end of a connection. Clones are the same end; it closes with [`disconnect`](Self::disconnect), or when its job ends;
/// that to a child also when the last clone and the last [`Child`](crate::Child) have been dropped.
#[derive(Clone, Debug)]
pub struct Connection {
    end: Rc<host::Connection>,
    patience: Patience,
}

impl Connection {
    pub(crate) fn new(end: host::Connection) -> Self {
        Self { end: Rc::new(end), patience: None }
    }

    pub(crate) fn end(&self) -> &host::Connection {
        &self.end
    }

    /// The same end, for which no call waits longer than this: then it is [`Error::TimedOut`], or [`Error::WouldBlock`]
    /// where this is zero. Nothing was sent or taken then.
    ///
    /// ```standalone_crate
    /// # use sandhog::{Error, Job, Result};
    /// # use std::time::Duration;
    /// # fn main() -> Result<()> {
    /// let child = Job::new("echo").connected().spawn()?;
    /// let patient = child.connection().unwrap();
    /// let hasty = patient.within(Duration::from_millis(20));
    /// assert_eq!(hasty.recv::<u32>(), Err(Error::TimedOut)); // Nobody has sent anything.
    /// patient.send(&7)?;
    /// assert_eq!(patient.recv::<u32>()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn within(&self, patience: Duration) -> Self {
        Self { end: Rc::clone(&self.end), patience: Some(patience) }
    }

    /// Takes no message of more than so many bytes from now on, for all clones; [`MAX_MESSAGE_BYTES`](crate::MAX_MESSAGE_BYTES)
    /// where nothing is said. For whoever does not trust the job at the other end: one that is larger is not read, `recv` says
    /// [`Error::TooLarge`], and the connection is closed.
    ///
    /// ```standalone_crate
    /// # use sandhog::{Error, Job, Result};
    /// # fn main() -> Result<()> {
    /// let child = Job::new("echo").connected().spawn()?;
    /// let connection = child.connection().unwrap();
    /// connection.limit(1000);
    /// connection.send_bytes(&[7; 1000])?;
    /// assert_eq!(connection.recv_bytes()?.len(), 1000);
    /// connection.send_bytes(&[7; 1001])?; // An echo sends back what it gets.
    /// assert_eq!(connection.recv_bytes(), Err(Error::TooLarge { max: 1000 }));
    /// assert_eq!(connection.recv_bytes(), Err(Error::Closed));
    /// # Ok(())
    /// # }
    /// ```
    pub fn limit(&self, max_bytes: u64) {
        self.end.limit(max_bytes);
    }

    /// Sends a value; waits until there is room for it.
    ///
    /// [`Error::Closed`]: nobody will receive it; [`Error::TooLarge`]: over [`MAX_MESSAGE_BYTES`](crate::MAX_MESSAGE_BYTES).
    pub fn send<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.send_body(Format::Value, &message::encode(value)?)
    }

    /// Sends bytes as they are. Errors as those of [`send`](Self::send).
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<()> {
        self.send_body(Format::Bytes, bytes)
    }

    /// Sends a message as it is. Errors as those of [`send`](Self::send); [`Error::Invalid`]: it is a failure.
    pub fn send_message(&self, message: &Message) -> Result<()> {
        self.send_body(message.format, &message.body)
    }

    /// Sends a value, and a socket with it: `subprocess.send(message, handle)` in Node. Whoever receives the value takes the socket
    /// with [`take_handle`](Self::take_handle). This job has its own still, whether it was sent or not.
    ///
    /// [`Error::Denied`]: the other end is no job, or a child without the right ([`Job::passed`](crate::Job::passed));
    /// [`Error::TooLarge`]: a value with a socket has at most 64 KiB; [`Error::Quota`]: too many are on their way. The rest as of
    /// [`send`](Self::send).
    pub fn send_with<'a, T: Serialize + ?Sized>(&self, value: &T, handle: impl Into<Sent<'a>>) -> Result<()> {
        let body = message::encode(value)?;
        let message = types::MessageParam { format: Format::Value.into(), body: &body };
        Ok(self.end.send_with(message, handle.into().as_param(), nanoseconds(self.patience))?)
    }

    /// The socket that came with the message that was received last, once; `None`: none did. The next receive closes one that
    /// nobody took.
    pub fn take_handle(&self) -> Option<Handle> {
        self.end.take_socket().map(Handle::from)
    }

    pub(crate) fn send_body(&self, format: Format, body: &[u8]) -> Result<()> {
        let message = types::MessageParam { format: format.into(), body };
        Ok(self.end.send(message, nanoseconds(self.patience))?)
    }

    pub(crate) fn send_array(&self, array: &[u8]) -> Result<(), types::Error> {
        self.end.send_batch(array, nanoseconds(self.patience))
    }

    /// Waits for a value.
    ///
    /// [`Error::Closed`]: no more will come; [`Error::Invalid`]: the message was none of this type, and is gone; one that may
    /// be of several takes [`recv_message`](Self::recv_message). [`Error::Failed`]: it is a handler's error; [`Error::TooLarge`]: it
    /// is over the [`limit`](Self::limit), and the connection is closed.
    pub fn recv<T: DeserializeOwned>(&self) -> Result<T> {
        self.recv_message()?.decode()
    }

    /// Waits for bytes. Errors as those of [`recv`](Self::recv).
    pub fn recv_bytes(&self) -> Result<Vec<u8>> {
        self.recv_message()?.into_bytes()
    }

    /// Waits for a message of any format. [`Error::Closed`]: no more will come.
    pub fn recv_message(&self) -> Result<Message> {
        Ok(self.end.recv(nanoseconds(self.patience))?.into())
    }

    /// A value, if one is there. Errors as those of [`recv`](Self::recv).
    pub fn try_recv<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let message = unless_it_would_wait(self.within(Duration::ZERO).recv_message())?;
        message.map(|message| message.decode()).transpose()
    }

    /// Waits for a message, and takes all those along that have arrived with it: many small ones at the cost of one.
    /// [`Error::Closed`]: no more will come.
    pub fn recv_all(&self) -> Result<Arrived> {
        Arrived::new(self.end.recv_batch(nanoseconds(self.patience))?)
    }

    /// Collects small messages and sends them together, many at the cost of one. See [`Batch`].
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// Closes both directions. What has been sent still arrives.
    pub fn disconnect(&self) {
        self.end.disconnect();
    }
}

thread_local! {
    static PARENT: Option<Connection> = host::parent().map(Connection::new);
}

/// The connection to whoever started this job; `None`: it was started without.
pub fn parent() -> Option<Connection> {
    PARENT.with(Clone::clone)
}

fn with_parent<T>(act: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let missing = || Error::NotFound("a connection to the parent: this job was started without one".into());
    PARENT.with(|parent| act(parent.as_ref().ok_or_else(missing)?))
}

/// [`Connection::limit`] of the connection to the parent. [`Error::NotFound`]: there is none.
pub fn limit(max_bytes: u64) -> Result<()> {
    with_parent(|parent| {
        parent.limit(max_bytes);
        Ok(())
    })
}

/// [`Connection::send`] to the parent. [`Error::NotFound`]: there is no connection; the same for all that follow.
pub fn send<T: Serialize + ?Sized>(value: &T) -> Result<()> {
    with_parent(|parent| parent.send(value))
}

/// [`Connection::send_bytes`] to the parent.
pub fn send_bytes(bytes: &[u8]) -> Result<()> {
    with_parent(|parent| parent.send_bytes(bytes))
}

/// [`Connection::recv`] from the parent.
pub fn recv<T: DeserializeOwned>() -> Result<T> {
    with_parent(Connection::recv)
}

/// [`Connection::recv_bytes`] from the parent.
pub fn recv_bytes() -> Result<Vec<u8>> {
    with_parent(Connection::recv_bytes)
}

/// [`Connection::try_recv`] from the parent.
pub fn try_recv<T: DeserializeOwned>() -> Result<Option<T>> {
    with_parent(Connection::try_recv)
}

/// [`Connection::send_with`] to the parent.
pub fn send_with<'a, T: Serialize + ?Sized>(value: &T, handle: impl Into<Sent<'a>>) -> Result<()> {
    with_parent(|parent| parent.send_with(value, handle))
}

/// [`Connection::take_handle`] of the connection to the parent; `None` also where there is none.
pub fn take_handle() -> Option<Handle> {
    parent().and_then(|parent| parent.take_handle())
}
