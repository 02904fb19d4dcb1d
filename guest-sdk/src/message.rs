//! A message: any value that serde knows, or raw bytes.

use crate::abi::sandhog::job::types;
use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest message, in bytes.
pub const MAX_MESSAGE_BYTES: u64 = 64 << 20;

/// What the bytes of a message are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One MessagePack value: what any language can read, and what `sandhog run --ipc` shows as JSON.
    Value,
    /// Bytes that mean something to both ends alone.
    Bytes,
    /// A handler's error, as text. It comes from handlers, and is never sent.
    Failure,
}

/// What goes through a connection, whole or not at all. At most [`MAX_MESSAGE_BYTES`].
///
/// ```standalone_crate
/// use sandhog::{Format, Message};
///
/// let message = Message::value(&("three", 3)).unwrap();
/// assert_eq!(message.format, Format::Value);
/// assert_eq!(message.decode::<(String, u8)>().unwrap(), ("three".to_owned(), 3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What the body is.
    pub format: Format,
    /// The message itself.
    pub body: Vec<u8>,
}

impl Message {
    /// A value as MessagePack, its fields by name. [`Error::Invalid`]: it can't be written so (a map of unknown length).
    pub fn value<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Ok(Self { format: Format::Value, body: encode(value)? })
    }

    /// Bytes as they are.
    pub fn bytes(body: impl Into<Vec<u8>>) -> Self {
        Self { format: Format::Bytes, body: body.into() }
    }

    /// The value that it holds. [`Error::Invalid`]: it holds none, or one of another type; [`Error::Failed`]: it is a
    /// handler's error.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        decode(self.format, &self.body)
    }

    /// The bytes that it holds. [`Error::Invalid`]: it holds a value; [`Error::Failed`]: it is a handler's error.
    pub fn into_bytes(self) -> Result<Vec<u8>> {
        expect(self.format, Format::Bytes, &self.body)?;
        Ok(self.body)
    }

    pub(crate) fn as_param(&self) -> types::MessageParam<'_> {
        types::MessageParam { format: self.format.into(), body: &self.body }
    }
}

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    rmp_serde::to_vec_named(value).map_err(|error| Error::Invalid(format!("this value can't be sent: {error}")))
}

pub(crate) fn decode<T: DeserializeOwned>(format: Format, body: &[u8]) -> Result<T> {
    expect(format, Format::Value, body)?;
    rmp_serde::from_slice(body)
        .map_err(|error| Error::Invalid(format!("the message is of another type than was asked for: {error}")))
}

/// Whether a message is of the format that is asked for.
pub(crate) fn expect(found: Format, expected: Format, body: &[u8]) -> Result<()> {
    match found {
        found if found == expected => Ok(()),
        Format::Failure => Err(Error::Failed(String::from_utf8_lossy(body).into_owned())),
        Format::Value => Err(Error::Invalid("the message is a value, not raw bytes".into())),
        Format::Bytes => Err(Error::Invalid("the message is raw bytes, not a value".into())),
    }
}

impl From<Format> for types::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Value => Self::Value,
            Format::Bytes => Self::Bytes,
            Format::Failure => Self::Failure,
        }
    }
}

impl From<types::MessageResult> for Message {
    fn from(message: types::MessageResult) -> Self {
        let format = match message.format {
            types::Format::Value => Format::Value,
            types::Format::Bytes => Format::Bytes,
            types::Format::Failure => Format::Failure,
        };
        Self { format, body: message.body }
    }
}

impl From<Message> for types::MessageResult {
    fn from(message: Message) -> Self {
        Self { format: message.format.into(), body: message.body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Point {
        x: i32,
        y: Option<f64>,
    }

    #[test]
    fn fields_travel_by_name() {
        let message = Message::value(&Point { x: -1, y: None }).unwrap();
        assert_eq!(message.body, b"\x82\xa1x\xff\xa1y\xc0");
        assert_eq!(message.decode::<Point>().unwrap(), Point { x: -1, y: None });
        assert_eq!(message.decode::<BTreeMap<String, Option<i32>>>().unwrap()["x"], Some(-1));
    }

    #[test]
    fn a_value_is_not_taken_for_bytes_nor_for_another_type() {
        let value = Message::value("text").unwrap();
        assert!(matches!(value.decode::<u8>(), Err(Error::Invalid(why)) if why.contains("another type")));
        assert_eq!(value.into_bytes(), Err(Error::Invalid("the message is a value, not raw bytes".into())));
        let bytes = Message::bytes(*b"\xc0");
        assert_eq!(bytes.decode::<()>(), Err(Error::Invalid("the message is raw bytes, not a value".into())));
        assert_eq!(bytes.into_bytes().unwrap(), b"\xc0");
    }

    #[test]
    fn a_failure_is_an_error_whatever_was_expected() {
        let failure = Message { format: Format::Failure, body: b"no such word".to_vec() };
        assert_eq!(failure.decode::<u8>(), Err(Error::Failed("no such word".into())));
        assert_eq!(failure.into_bytes(), Err(Error::Failed("no such word".into())));
    }
}
