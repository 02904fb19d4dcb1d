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
use crate::error::{Error, Result, unless_it_would_wait};
use crate::message::{self, Format, Message};
use crate::packed::{Arrived, Item, Packed};
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

    fn send_body(&self, format: Format, body: &[u8]) -> Result<()> {
        let message = types::MessageParam { format: format.into(), body };
        Ok(self.end.send(message, nanoseconds(self.patience))?)
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
        Batch { connection: self, packed: Packed::new() }
    }

    /// Closes both directions. What has been sent still arrives.
    pub fn disconnect(&self) {
        self.end.disconnect();
    }
}

/// Messages that are sent together, whenever [`MAX_BATCH_BYTES`](crate::MAX_BATCH_BYTES) are full and at
/// [`flush`](Self::flush). The receiver sees no difference, neither by `recv` nor by `recv_all`.
///
/// What is left when it is dropped is sent then, where an error has nobody to hear of it: call `flush`.
/// The example is at [`Arrived`].
#[derive(Debug)]
pub struct Batch<'a> {
    connection: &'a Connection,
    packed: Packed,
}

impl Batch<'_> {
    /// Adds a value. Errors as those of [`Connection::send`], about this message or those before it; where it waited in vain
    /// this message was not added.
    pub fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.push_body(Format::Value, &message::encode(value)?)
    }

    /// Adds bytes. Errors as those of [`push`](Self::push).
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.push_body(Format::Bytes, bytes)
    }

    /// Adds what has arrived elsewhere as it is. Errors as those of [`push`](Self::push).
    pub fn push_item(&mut self, item: Item<'_>) -> Result<()> {
        self.push_body(item.format, item.body)
    }

    fn push_body(&mut self, format: Format, body: &[u8]) -> Result<()> {
        if self.packed.push(format, body) {
            return Ok(());
        }
        self.flush()?;
        // Too large for any batch: it goes alone.
        if self.packed.push(format, body) { Ok(()) } else { self.connection.send_body(format, body) }
    }

    /// Sends what has been added. Where it waited in vain all of it is still here, to be sent by the next call.
    pub fn flush(&mut self) -> Result<()> {
        if !self.packed.is_empty() {
            let patience = nanoseconds(self.connection.patience);
            self.connection.end.send_batch(self.packed.array(), patience)?;
            self.packed.clear();
        }
        Ok(())
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // Nobody is left who could be told; the text says so.
        let _ = self.flush();
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
