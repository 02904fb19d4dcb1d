//! Many messages in one array of MessagePack: how they are packed, and taken out again. See wit/sandhog.wit, `send-batch`.
//!
//! Must not: ask the host for anything.

use crate::error::{Error, Result};
use crate::message::{self, Format, Message};
use serde::de::DeserializeOwned;

/// The most that one batch holds, in bytes, each message with its header of 2 to 6 bytes.
pub const MAX_BATCH_BYTES: usize = 64 << 10;

/// Room for the array's own header, which is known last.
const ARRAY_HEADER: usize = 3;

/// `bin` and `ext` of up to 255 bytes, of up to 65535, and of more: their codes.
const BIN: [u8; 3] = [0xc4, 0xc5, 0xc6];
const EXT: [u8; 3] = [0xc7, 0xc8, 0xc9];

/// Messages that are to be sent together.
#[derive(Debug)]
pub(crate) struct Packed {
    bytes: Vec<u8>,
    count: u16,
}

impl Packed {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; ARRAY_HEADER], count: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it says so: `false`, and nothing is added, where there is no room.
    #[must_use]
    pub(crate) fn push(&mut self, format: Format, body: &[u8]) -> bool {
        // The longest header of one item has 6 bytes.
        if self.bytes.len() + 6 + body.len() > MAX_BATCH_BYTES || self.count == u16::MAX {
            return false;
        }
        put_header(&mut self.bytes, format, body.len());
        self.bytes.extend_from_slice(body);
        self.count += 1;
        true
    }

    /// The whole array.
    pub(crate) fn array(&mut self) -> &[u8] {
        let count = self.count.to_be_bytes();
        if self.count < 16 {
            self.bytes[2] = 0x90 | count[1];
            return &self.bytes[2..];
        }
        self.bytes[..ARRAY_HEADER].copy_from_slice(&[0xdc, count[0], count[1]]);
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(ARRAY_HEADER);
        self.count = 0;
    }
}

fn put_header(out: &mut Vec<u8>, format: Format, length: usize) {
    let codes = if format == Format::Bytes { BIN } else { EXT };
    let [.., a, b, c, d] = length.to_be_bytes();
    match (format, length) {
        (Format::Value | Format::Failure, 1 | 2 | 4 | 8 | 16) => out.push(0xd4 + length.ilog2().to_le_bytes()[0]),
        (_, ..=0xff) => out.extend_from_slice(&[codes[0], d]),
        (_, ..=0xffff) => out.extend_from_slice(&[codes[1], c, d]),
        _ => out.extend_from_slice(&[codes[2], a, b, c, d]),
    }
    match format {
        Format::Bytes => {}
        Format::Value => out.push(1),
        Format::Failure => out.push(2),
    }
}

/// Messages that have arrived together: at least one, in their order.
///
/// ```standalone_crate
/// # use sandhog::{Job, Result};
/// # fn main() -> Result<()> {
/// # let child = Job::new("echo").connected().spawn()?;
/// let connection = child.connection().unwrap();
/// let mut batch = connection.batch();
/// for number in 1..=100u32 {
///     batch.push(&number)?;
/// }
/// batch.flush()?;
/// let (mut sum, mut count) = (0, 0);
/// while count < 100 {
///     for item in &connection.recv_all()? {
///         sum += item.decode::<u32>()?;
///         count += 1;
///     }
/// }
/// assert_eq!(sum, 5050);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Arrived {
    array: Vec<u8>,
    start: usize,
    count: usize,
}

impl Arrived {
    /// Walks it once, so that walking it later can't fail.
    pub(crate) fn new(array: Vec<u8>) -> Result<Self> {
        let torn = || Error::Invalid("messages that arrived together are torn".into());
        let (count, start) = array_header(&array).ok_or_else(torn)?;
        let mut rest = &array[start..];
        for _ in 0..count {
            (_, rest) = split_item(rest).ok_or_else(torn)?;
        }
        if rest.is_empty() { Ok(Self { array, start, count }) } else { Err(torn()) }
    }

    /// How many.
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.count
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Item<'_>> {
        self.into_iter()
    }
}

impl<'a> IntoIterator for &'a Arrived {
    type Item = Item<'a>;
    type IntoIter = Items<'a>;

    fn into_iter(self) -> Items<'a> {
        Items { rest: &self.array[self.start..] }
    }
}

/// The messages of an [`Arrived`], one after the other.
#[derive(Debug)]
pub struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let (item, rest) = split_item(self.rest)?;
        self.rest = rest;
        Some(item)
    }
}

/// One message of an [`Arrived`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// What the body is.
    pub format: Format,
    /// The message itself.
    pub body: &'a [u8],
}

impl Item<'_> {
    /// As [`Message::decode`].
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        message::decode(self.format, self.body)
    }

    /// As a message of its own.
    pub fn to_message(&self) -> Message {
        Message { format: self.format, body: self.body.to_vec() }
    }
}

/// How many items an array says that it has, and where they begin.
fn array_header(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.first()? {
        code @ 0x90..=0x9f => Some((usize::from(code & 0x0f), 1)),
        0xdc => Some((number(bytes.get(1..3)?), 3)),
        0xdd => Some((number(bytes.get(1..5)?), 5)),
        _ => None,
    }
}

/// The first item, and what follows it.
fn split_item(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let code = *bytes.first()?;
    let (length, header) = match code {
        0xc4 | 0xc7 => (number(bytes.get(1..2)?), 2),
        0xc5 | 0xc8 => (number(bytes.get(1..3)?), 3),
        0xc6 | 0xc9 => (number(bytes.get(1..5)?), 5),
        0xd4..=0xd8 => (1 << (code - 0xd4), 1),
        _ => return None,
    };
    let (format, header) = match code {
        0xc4..=0xc6 => (Format::Bytes, header),
        _ => (if *bytes.get(header)? == 2 { Format::Failure } else { Format::Value }, header + 1),
    };
    let (body, rest) = bytes.get(header..)?.split_at_checked(length)?;
    Some((Item { format, body }, rest))
}

/// Of one to four bytes.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        for count in [1, 15, 16, 200] {
            let mut packed = Packed::new();
            let bodies: Vec<_> = (0..count).map(|length| vec![7; length]).collect();
            for (at, body) in bodies.iter().enumerate() {
                assert!(packed.push(if at % 2 == 0 { Format::Value } else { Format::Bytes }, body));
            }
            let arrived = Arrived::new(packed.array().to_vec()).unwrap();
            assert_eq!(arrived.len(), count);
            for (at, item) in arrived.iter().enumerate() {
                assert_eq!(item.format, if at % 2 == 0 { Format::Value } else { Format::Bytes });
                assert_eq!(item.body, bodies[at]);
            }
        }
    }

    #[test]
    fn headers_are_as_short_as_messagepack_has_them() {
        let header = |format, length| {
            let mut out = Vec::new();
            put_header(&mut out, format, length);
            out
        };
        assert_eq!(header(Format::Bytes, 255), [0xc4, 255]);
        assert_eq!(header(Format::Bytes, 256), [0xc5, 1, 0]);
        assert_eq!(header(Format::Bytes, 65_536), [0xc6, 0, 1, 0, 0]);
        assert_eq!(header(Format::Value, 1), [0xd4, 1]);
        assert_eq!(header(Format::Value, 16), [0xd8, 1]);
        assert_eq!(header(Format::Value, 3), [0xc7, 3, 1]);
        assert_eq!(header(Format::Failure, 300), [0xc8, 1, 44, 2]);
    }

    #[test]
    fn a_batch_takes_no_more_than_it_may() {
        let mut packed = Packed::new();
        while packed.push(Format::Bytes, &[0; 100]) {}
        assert!(packed.array().len() <= MAX_BATCH_BYTES);
        assert!(packed.array().len() > MAX_BATCH_BYTES - 110);
        packed.clear();
        assert!(packed.is_empty());
        assert!(!packed.push(Format::Bytes, &[0; MAX_BATCH_BYTES]));
    }

    #[test]
    fn what_is_torn_is_no_batch() {
        let mut packed = Packed::new();
        assert!(packed.push(Format::Bytes, b"abc") && packed.push(Format::Value, &[0; 300]));
        let whole = packed.array().to_vec();
        assert!((0..whole.len()).all(|length| Arrived::new(whole[..length].to_vec()).is_err()));
        assert!(Arrived::new([whole, vec![0]].concat()).is_err());
    }
}
