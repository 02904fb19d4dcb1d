//! Small messages that go together.

use crate::channel::Connection;
use crate::error::Result;
use crate::message::{self, Format};
use crate::packed::{Item, Packed};
use crate::queue::Queue;
use serde::Serialize;

mod sealed {
    pub trait Sealed {}
}

/// Where messages go that are collected: a [`Connection`] or a [`Queue`], and nothing else. A program that collects for one of them
/// alone has nothing of the other in it.
pub trait Collects: sealed::Sealed {
    #[doc(hidden)]
    fn send_packed(&self, array: &[u8]) -> Result<()>;
    #[doc(hidden)]
    fn send_alone(&self, format: Format, body: &[u8]) -> Result<()>;
}

impl sealed::Sealed for Connection {}

impl Collects for Connection {
    fn send_packed(&self, array: &[u8]) -> Result<()> {
        Ok(self.send_array(array)?)
    }

    fn send_alone(&self, format: Format, body: &[u8]) -> Result<()> {
        self.send_body(format, body)
    }
}

impl sealed::Sealed for Queue {}

impl Collects for Queue {
    fn send_packed(&self, array: &[u8]) -> Result<()> {
        Ok(self.put_array(array)?)
    }

    fn send_alone(&self, format: Format, body: &[u8]) -> Result<()> {
        self.put_body(format, body)
    }
}

/// Messages that are sent together, whenever [`MAX_BATCH_BYTES`](crate::MAX_BATCH_BYTES) are full and at
/// [`flush`](Self::flush). The receiver sees no difference, neither by `recv` nor by `recv_all`. Of a queue all of them are put, or
/// none: one that never has room for so many says [`Error::TooLarge`](crate::Error::TooLarge).
///
/// What is left when it is dropped is sent then, where an error has nobody to hear of it: call `flush`.
/// The example is at [`Arrived`](crate::Arrived).
#[derive(Debug)]
pub struct Batch<'a, W: Collects = Connection> {
    way: &'a W,
    packed: Packed,
}

impl<'a, W: Collects> Batch<'a, W> {
    pub(crate) fn new(way: &'a W) -> Self {
        Self { way, packed: Packed::new() }
    }

    /// Adds a value. Errors as those of [`Connection::send`] and [`Queue::put`], about this message or those before it; where it
    /// waited in vain this message was not added.
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
        if self.packed.push(format, body) { Ok(()) } else { self.way.send_alone(format, body) }
    }

    /// Sends what has been added. Where it waited in vain all of it is still here, to be sent by the next call.
    pub fn flush(&mut self) -> Result<()> {
        if !self.packed.is_empty() {
            self.way.send_packed(self.packed.array())?;
            self.packed.clear();
        }
        Ok(())
    }
}

impl<W: Collects> Drop for Batch<'_, W> {
    fn drop(&mut self) {
        // Nobody is left who could be told; the text says so.
        let _ = self.flush();
    }
}
