//! A message as one MessagePack map with named fields. A task's value, an answer's and a verdict lie in it as they are: they
//! are moved from one map into another, and never become anything else on the way.
//!
//! Must not: allocate for what a body announces.

use super::{NESTING, VALUES};
use crate::frame::{self, HEADER, end_of_value, map_header};
use crate::message::{Format, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Names of what lies in a map as it is.
pub(super) const VALUE: &str = "value";
pub(super) const BYTES: &str = "bytes";
pub(super) const VERDICT: &str = "verdict";

/// Why bytes are no message, or a message can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("it is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("it is no whole MessagePack value")]
    Shape(#[source] frame::Error),
    #[error("it is no object")]
    NotAMap,
    #[error("it has \"{0}\" twice")]
    Twice(&'static str),
    #[error("it lacks \"{0}\"")]
    Missing(&'static str),
    #[error("it has both \"value\" and \"bytes\"")]
    Both,
    #[error("its \"bytes\" are none")]
    NotBytes,
    #[error("only a task has a value")]
    Surplus,
    #[error("a failure is no value")]
    Failure,
    #[error("it is no message of this protocol")]
    Unknown(#[source] rmp_serde::decode::Error),
    #[error("it can't be said in MessagePack")]
    Encode(#[source] rmp_serde::encode::Error),
}

/// A frame: the body's length (`u32`, little-endian), and the body.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn frame(body: &[u8]) -> Result<Vec<u8>, Error> {
    let length = u32::try_from(body.len()).map_err(|_| Error::TooLarge { max: u32::MAX as usize })?;
    Ok([&length.to_le_bytes()[..], body].concat())
}

/// The length that a frame's header announces, in bytes.
///
/// # Errors
/// [`Error::TooLarge`] over `max`: the caller has allocated nothing yet.
pub const fn frame_length(header: [u8; HEADER], max: usize) -> Result<usize, Error> {
    let length = u32::from_le_bytes(header) as usize;
    if length > max { Err(Error::TooLarge { max }) } else { Ok(length) }
}

/// A pair of a map whose value is MessagePack already.
pub(super) struct Raw<'a> {
    name: &'static str,
    /// `bin`, which is not.
    is_bytes: bool,
    bytes: &'a [u8],
}

impl<'a> Raw<'a> {
    /// A task's value, or an answer's.
    pub(super) fn of(message: &'a Message) -> Result<Self, Error> {
        match message.format {
            Format::Value => Self::value(VALUE, &message.body),
            Format::Bytes => Ok(Self { name: BYTES, is_bytes: true, bytes: &message.body }),
            Format::Failure => Err(Error::Failure),
        }
    }

    /// One whole value: anything else would make another map of the one that it goes into.
    pub(super) fn value(name: &'static str, bytes: &'a [u8]) -> Result<Self, Error> {
        let end = end_of_value(bytes, NESTING - 1, usize::MAX).map_err(Error::Shape)?;
        match bytes.len() - end {
            0 => Ok(Self { name, is_bytes: false, bytes }),
            trailing => Err(Error::Shape(frame::Error::Trailing(trailing))),
        }
    }

    fn append(&self, body: &mut Vec<u8>) -> Result<(), Error> {
        rmp_serde::encode::write(body, self.name).map_err(Error::Encode)?;
        if self.is_bytes {
            rmp_serde::encode::write(body, serde_bytes::Bytes::new(self.bytes)).map_err(Error::Encode)?;
        } else {
            body.extend_from_slice(self.bytes);
        }
        Ok(())
    }
}

/// A message's own fields, and what lies in it as it is.
pub(super) fn encode(message: &impl Serialize, raw: Option<Raw<'_>>, max: usize) -> Result<Vec<u8>, Error> {
    let mut body = rmp_serde::to_vec_named(message).map_err(Error::Encode)?;
    if let Some(raw) = raw {
        match body.first_mut() {
            // One pair more. No message that carries something has as many as 15 of its own.
            Some(marker @ 0x80..=0x8e) => *marker += 1,
            Some(_) | None => return Err(Error::NotAMap),
        }
        raw.append(&mut body)?;
    }
    if body.len() > max { Err(Error::TooLarge { max }) } else { Ok(body) }
}

/// What lies in a message as it is, for each of its names.
pub(super) type Found<'a, const NAMES: usize> = [Option<&'a [u8]>; NAMES];

/// A message without what lies in it as it is, and that, by its names.
pub(super) fn decode<'a, T: DeserializeOwned, const NAMES: usize>(
    body: &'a [u8],
    names: [&'static str; NAMES],
    max: usize,
) -> Result<(T, Found<'a, NAMES>), Error> {
    if body.len() > max {
        return Err(Error::TooLarge { max });
    }
    let (count, mut rest) = map_header(body).map_err(Error::Shape)?.ok_or(Error::NotAMap)?;
    let (mut own, mut own_count, mut found) = (Vec::new(), 0_u32, [None; NAMES]);
    for _ in 0..count {
        let (key, after) = split_value(rest, VALUES)?;
        let name = rmp_serde::from_slice::<&str>(key).ok();
        let raw = names.iter().position(|known| Some(*known) == name);
        let (value, after) = split_value(after, if raw.is_some() { usize::MAX } else { VALUES })?;
        rest = after;
        match raw {
            Some(at) if found[at].replace(value).is_some() => return Err(Error::Twice(names[at])),
            Some(_) => {}
            None => {
                own.extend_from_slice(key);
                own.extend_from_slice(value);
                own_count += 1;
            }
        }
    }
    if !rest.is_empty() {
        return Err(Error::Shape(frame::Error::Trailing(rest.len())));
    }
    let own = [&[0xdf][..], &own_count.to_be_bytes(), &own].concat();
    Ok((rmp_serde::from_slice(&own).map_err(Error::Unknown)?, found))
}

fn split_value(bytes: &[u8], most_values: usize) -> Result<(&[u8], &[u8]), Error> {
    let end = end_of_value(bytes, NESTING - 1, most_values).map_err(Error::Shape)?;
    Ok(bytes.split_at(end))
}

/// What a task or an answer carries, if it carries something.
pub(super) fn message(value: Option<&[u8]>, bytes: Option<&[u8]>) -> Result<Option<Message>, Error> {
    match (value, bytes) {
        (Some(_), Some(_)) => Err(Error::Both),
        (Some(value), None) => Ok(Some(Message { format: Format::Value, body: value.to_vec() })),
        (None, Some(bin)) => {
            let body = rmp_serde::from_slice::<&serde_bytes::Bytes>(bin).map_err(|_| Error::NotBytes)?;
            // A text would be read as bytes as well.
            match bin.first() {
                Some(0xc4..=0xc6) => Ok(Some(Message { format: Format::Bytes, body: body.to_vec() })),
                Some(_) | None => Err(Error::NotBytes),
            }
        }
        (None, None) => Ok(None),
    }
}

/// In an answer's place until what it carries has been read.
pub(super) const fn nothing() -> Message {
    Message { format: Format::Bytes, body: Vec::new() }
}
