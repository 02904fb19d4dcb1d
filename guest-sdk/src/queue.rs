//! Messages from many jobs to many: what `Queue` and `JoinableQueue` are in Python.
//!
//! First in, first out; bounded by the number of items and by their bytes. Whoever puts waits for room, whoever gets waits for an
//! item.
//!
//! ```standalone_crate
//! use sandhog::queue::Queue;
//!
//! #[sandhog::main]
//! fn main() -> sandhog::Result<()> {
//!     let tasks = Queue::open("tasks")?;
//!     tasks.put(&("resize", 640))?;
//!     tasks.close()?; // Nothing more comes.
//!     for task in tasks.iter::<(String, u32)>() {
//!         let (what, width) = task?;
//!         println!("{what} to {width}");
//!     }
//!     Ok(())
//! }
//! ```

use crate::abi::sandhog::job::objects as host;
use crate::abi::sandhog::job::types;
use crate::batch::Batch;
use crate::error::{Error, Result, unless_it_would_wait};
use crate::message::{self, Format, Message};
use crate::packed::Arrived;
use crate::{Patience, nanoseconds};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

/// Messages from many jobs to many, in their order. Clones are the same queue.
///
/// An item belongs to whoever got it, and is gone with that job. An item that must not get lost is [taken](Self::take) instead:
/// it comes back where the job ends before it has acknowledged it.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(crate) object: Rc<host::Queue>,
    patience: Patience,
}

impl Queue {
    /// The one that was granted under this name.
    pub fn open(name: &str) -> Result<Self> {
        Ok(Self { object: Rc::new(host::open_queue(name)?), patience: None })
    }

    /// A new one without a name, for so many items, which have so many bytes together.
    pub fn new(items: u32, bytes: u64) -> Result<Self> {
        Ok(Self { object: Rc::new(host::create_queue(items, bytes)?), patience: None })
    }

    /// The same queue, for which no call waits longer than this: [`Error::TimedOut`], or [`Error::WouldBlock`] where this is
    /// zero. Nothing was put or got then.
    ///
    /// ```standalone_crate
    /// # use sandhog::{Error, queue::Queue};
    /// # use std::time::Duration;
    /// # fn main() -> sandhog::Result<()> {
    /// let queue = Queue::new(1, 100)?;
    /// queue.put("first")?;
    /// assert_eq!(queue.within(Duration::from_millis(10)).put("second"), Err(Error::TimedOut));
    /// # Ok(())
    /// # }
    /// ```
    pub fn within(&self, patience: Duration) -> Self {
        Self { object: Rc::clone(&self.object), patience: Some(patience) }
    }

    /// Puts a value; waits until there is room for it. Needs the right to put.
    ///
    /// [`Error::Closed`]: the queue is; [`Error::TooLarge`]: the queue has never as much room.
    pub fn put<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.put_body(Format::Value, &message::encode(value)?)
    }

    /// Puts bytes as they are. Errors as those of [`put`](Self::put).
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<()> {
        self.put_body(Format::Bytes, bytes)
    }

    /// Puts a message as it is. Errors as those of [`put`](Self::put); [`Error::Invalid`]: it is a failure.
    pub fn put_message(&self, message: &Message) -> Result<()> {
        self.put_body(message.format, &message.body)
    }

    /// Puts a value if there is room: whether there was. Errors as those of [`put`](Self::put).
    pub fn try_put<T: Serialize + ?Sized>(&self, value: &T) -> Result<bool> {
        Ok(unless_it_would_wait(self.within(Duration::ZERO).put(value))?.is_some())
    }

    #[inline]
    pub(crate) fn put_body(&self, format: Format, body: &[u8]) -> Result<()> {
        let message = types::MessageParam { format: format.into(), body };
        Ok(self.object.put(message, nanoseconds(self.patience))?)
    }

    pub(crate) fn put_array(&self, array: &[u8]) -> Result<(), types::Error> {
        self.object.put_batch(array, nanoseconds(self.patience))
    }

    /// Collects small items and puts them together, many at the cost of one. See [`Batch`].
    ///
    /// ```standalone_crate
    /// # use sandhog::queue::Queue;
    /// # fn main() -> sandhog::Result<()> {
    /// let queue = Queue::new(100, 1 << 16)?;
    /// let mut batch = queue.batch();
    /// for number in 1..=100u32 {
    ///     batch.push(&number)?;
    /// }
    /// batch.flush()?;
    /// let mut sum = 0;
    /// for item in &queue.get_all(100)? {
    ///     sum += item.decode::<u32>()?;
    /// }
    /// assert_eq!(sum, 5050);
    /// # drop(batch);
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch(&self) -> Batch<'_, Self> {
        Batch::new(self)
    }

    /// Waits for a value. Needs the right to get.
    ///
    /// [`Error::Closed`]: the queue is, and nothing is left; [`Error::Invalid`]: the item was of another type, and is gone.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T> {
        self.get_message()?.decode()
    }

    /// Waits for bytes. Errors as those of [`get`](Self::get).
    pub fn get_bytes(&self) -> Result<Vec<u8>> {
        self.get_message()?.into_bytes()
    }

    /// Waits for an item of any format. Errors as those of [`get`](Self::get).
    #[inline]
    pub fn get_message(&self) -> Result<Message> {
        Ok(self.object.get(nanoseconds(self.patience))?.into())
    }

    /// A value, if one is there. Errors as those of [`get`](Self::get).
    pub fn try_get<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let message = unless_it_would_wait(self.within(Duration::ZERO).get_message())?;
        message.map(|message| message.decode()).transpose()
    }

    /// Waits for an item, and gets those along that are there, at most so many and 64 KiB of them: many at the cost of one.
    pub fn get_all(&self, most: u32) -> Result<Arrived> {
        Arrived::new(self.object.get_batch(most, nanoseconds(self.patience))?)
    }

    /// Waits for an item, which comes back, at the front, where this job ends before it has acknowledged it.
    ///
    /// ```standalone_crate
    /// # use sandhog::queue::Queue;
    /// # fn main() -> sandhog::Result<()> {
    /// let queue = Queue::new(10, 1000)?;
    /// queue.put("important")?;
    /// drop(queue.take()?); // Not acknowledged: it goes back.
    /// let taken = queue.take()?;
    /// assert_eq!(taken.decode::<String>()?, "important");
    /// taken.acknowledge()?;
    /// assert_eq!(queue.len()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn take(&self) -> Result<Taken> {
        let host::Taken { token, message } = self.object.take(nanoseconds(self.patience))?;
        Ok(Taken { queue: Rc::clone(&self.object), token, message: message.into(), settled: false })
    }

    /// An item as by [`take`](Self::take), if one is there.
    pub fn try_take(&self) -> Result<Option<Taken>> {
        unless_it_would_wait(self.within(Duration::ZERO).take())
    }

    /// One of the items that were got is done. Whoever waits in [`join`](Self::join) waits for all. An item that was taken is
    /// done when it is acknowledged. Needs the right to get. [`Error::Invalid`]: more than were put (`ValueError` in Python).
    pub fn task_done(&self) -> Result<()> {
        Ok(self.object.task_done()?)
    }

    /// Waits until all that was put is done.
    pub fn join(&self) -> Result<()> {
        Ok(self.object.join(nanoseconds(self.patience))?)
    }

    /// How many items wait just now: `qsize` in Python.
    pub fn len(&self) -> Result<u32> {
        Ok(self.object.size()?)
    }

    /// Whether none waits just now.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The bytes of all items that wait.
    pub fn bytes(&self) -> Result<u64> {
        Ok(self.object.bytes()?)
    }

    /// Nothing more is put: whoever waits for room is told [`Error::Closed`], and whoever gets is, when nothing is left. Needs the
    /// right to put.
    pub fn close(&self) -> Result<()> {
        Ok(self.object.close()?)
    }

    /// Gets value after value until the queue is closed and empty.
    pub fn iter<T: DeserializeOwned>(&self) -> Iter<'_, T> {
        Iter { queue: self, value: PhantomData }
    }

    /// Takes item after item until the queue is closed and empty.
    pub fn iter_taken(&self) -> IterTaken<'_> {
        IterTaken { queue: self }
    }
}

/// Values of a queue. Made by [`Queue::iter`]. Ends when the queue is closed and empty; every other error is an item.
#[derive(Debug)]
pub struct Iter<'a, T> {
    queue: &'a Queue,
    value: PhantomData<T>,
}

impl<T: DeserializeOwned> Iterator for Iter<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        unless_closed(self.queue.get())
    }
}

/// Items of a queue that are to be acknowledged. Made by [`Queue::iter_taken`]. Ends as [`Iter`] does.
#[derive(Debug)]
pub struct IterTaken<'a> {
    queue: &'a Queue,
}

impl Iterator for IterTaken<'_> {
    type Item = Result<Taken>;

    fn next(&mut self) -> Option<Result<Taken>> {
        unless_closed(self.queue.take())
    }
}

fn unless_closed<T>(got: Result<T>) -> Option<Result<T>> {
    match got {
        Err(Error::Closed) => None,
        other => Some(other),
    }
}

/// An item that was taken. It goes back to the front of the queue where this is dropped, or its job ends, before it has been
/// [acknowledged](Self::acknowledge).
#[derive(Debug)]
#[must_use = "an item that is dropped goes back"]
pub struct Taken {
    queue: Rc<host::Queue>,
    token: u64,
    message: Message,
    settled: bool,
}

impl Taken {
    /// The value that it holds. As [`Message::decode`].
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        self.message.decode()
    }

    /// The item itself.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The acquisition token: it grows with each item that is taken, also with one that came back.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// It is done: it does not come back, and counts as done for [`Queue::join`].
    pub fn acknowledge(mut self) -> Result<()> {
        self.settled = true;
        Ok(self.queue.acknowledge(self.token)?)
    }

    /// Puts it back to the front. A drop does the same, and tells nobody of an error.
    pub fn give_back(mut self) -> Result<()> {
        self.settled = true;
        Ok(self.queue.give_back(self.token)?)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.settled {
            // Nobody is left who could be told; where it failed, the item comes back with the end of this job.
            let _ = self.queue.give_back(self.token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_ends_and_what_fails_does_not() {
        assert_eq!(unless_closed::<u8>(Err(Error::Closed)), None);
        assert_eq!(unless_closed::<u8>(Err(Error::TimedOut)), Some(Err(Error::TimedOut)));
        assert_eq!(unless_closed(Ok(1)), Some(Ok(1)));
    }
}
