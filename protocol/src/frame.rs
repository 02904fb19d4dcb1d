//! Bytes to frames to messages, and back. Nothing is allocated for a frame before its length and its
//! nesting have been checked.

use crate::limits;
use serde::{Serialize, de::DeserializeOwned};

/// Bytes in front of every frame on a stream socket: the length of what follows.
pub const HEADER: usize = 4;

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("frame of {0} bytes is over the limit of {limit} bytes", limit = limits::FRAME)]
    TooLarge(usize),
    #[error("message of more than {limit} values", limit = limits::VALUES)]
    TooMany,
    #[error("message is nested deeper than {limit} levels")]
    TooDeep { limit: usize },
    #[error("message ends in the middle")]
    Torn,
    #[error("message has {0} bytes after its end")]
    Trailing(usize),
    #[error("not MessagePack: byte {0:#04x}")]
    NotMessagePack(u8),
    #[error("not a message of this protocol")]
    Decode(#[from] rmp_serde::decode::Error),
    #[error("failed to encode a message")]
    Encode(#[from] rmp_serde::encode::Error),
}

/// A message as the body of a frame or packet, without a length.
///
/// # Errors
/// [`Error::TooLarge`] where the body is over [`limits::FRAME`].
pub fn encode_body<T: Serialize>(message: &T) -> Result<Vec<u8>, Error> {
    let body = rmp_serde::to_vec_named(message)?;
    if body.len() > limits::FRAME {
        return Err(Error::TooLarge(body.len()));
    }
    Ok(body)
}

/// A message as a whole frame: length and body.
///
/// # Errors
/// As [`encode_body`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Error> {
    let body = encode_body(message)?;
    let mut frame = Vec::with_capacity(HEADER + body.len());
    let length = u32::try_from(body.len()).map_err(|_| Error::TooLarge(body.len()))?;
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// The length that a header announces, in bytes.
///
/// # Errors
/// [`Error::TooLarge`] where it is over [`limits::FRAME`]: the caller has allocated nothing yet.
pub fn body_length(header: [u8; HEADER]) -> Result<usize, Error> {
    let length = u32::from_le_bytes(header) as usize;
    if length > limits::FRAME {
        return Err(Error::TooLarge(length));
    }
    Ok(length)
}

/// The message in a frame's body.
///
/// # Errors
/// Whatever is wrong with the bytes; nothing of a bad message is used.
pub fn decode_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    decode(body, usize::MAX)
}

/// The message in a frame's body from a worker: of no more than [`limits::VALUES`] values.
///
/// # Errors
/// As [`decode_body`], and [`Error::TooMany`].
pub fn decode_hostile<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    decode(body, limits::VALUES)
}

fn decode<T: DeserializeOwned>(body: &[u8], most_values: usize) -> Result<T, Error> {
    if body.len() > limits::FRAME {
        return Err(Error::TooLarge(body.len()));
    }
    check_shape(body, most_values)?;
    Ok(rmp_serde::from_slice(body)?)
}

/// What one MessagePack marker announces.
enum Item {
    /// This many bytes of payload follow.
    Bytes(usize),
    /// This many values follow.
    Values(usize),
}

/// Exactly one value, no deeper than the cap and of no more values.
fn check_shape(bytes: &[u8], most_values: usize) -> Result<(), Error> {
    let trailing = bytes.len() - end_of_value(bytes, limits::NESTING, most_values)?;
    if trailing == 0 { Ok(()) } else { Err(Error::Trailing(trailing)) }
}

/// How many of the bytes are the value that they begin with. Walks it once, without recursion: no deeper than `nesting`, of no
/// more than `most_values`, and as long as it says. So the decoder behind it meets no lie about a length. Source: the
/// MessagePack specification, "Formats".
pub(crate) fn end_of_value(bytes: &[u8], nesting: usize, most_values: usize) -> Result<usize, Error> {
    let (mut rest, mut values_left) = (bytes, most_values);
    let mut open: Vec<usize> = vec![1];
    while let Some(values) = open.last_mut() {
        if *values == 0 {
            open.pop();
            continue;
        }
        *values -= 1;
        values_left = values_left.checked_sub(1).ok_or(Error::TooMany)?;
        match read_item(&mut rest)? {
            Item::Bytes(length) => rest = rest.get(length..).ok_or(Error::Torn)?,
            Item::Values(count) if count > rest.len() => return Err(Error::Torn),
            Item::Values(count) => open.push(count),
        }
        if open.len() > nesting {
            return Err(Error::TooDeep { limit: nesting });
        }
    }
    Ok(bytes.len() - rest.len())
}

/// How many pairs the map has that the bytes begin with, and what follows its header; None where they begin with something
/// else.
pub(crate) fn map_header(bytes: &[u8]) -> Result<Option<(usize, &[u8])>, Error> {
    let mut rest = bytes;
    Ok(match bytes.first() {
        Some(0x80..=0x8f | 0xde | 0xdf) => match read_item(&mut rest)? {
            Item::Values(values) => Some((values / 2, rest)),
            Item::Bytes(_) => None,
        },
        Some(_) | None => None,
    })
}

fn read_item(rest: &mut &[u8]) -> Result<Item, Error> {
    let (&marker, after) = rest.split_first().ok_or(Error::Torn)?;
    *rest = after;
    Ok(match marker {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => Item::Bytes(0),
        0x80..=0x8f => Item::Values(2 * usize::from(marker & 0x0f)),
        0x90..=0x9f => Item::Values(usize::from(marker & 0x0f)),
        0xa0..=0xbf => Item::Bytes(usize::from(marker & 0x1f)),
        0xc1 => return Err(Error::NotMessagePack(marker)),
        0xc4 | 0xd9 => Item::Bytes(read_uint(rest, 1)?),
        0xc5 | 0xda => Item::Bytes(read_uint(rest, 2)?),
        0xc6 | 0xdb => Item::Bytes(read_uint(rest, 4)?),
        0xc7 => Item::Bytes(1 + read_uint(rest, 1)?),
        0xc8 => Item::Bytes(1 + read_uint(rest, 2)?),
        0xc9 => Item::Bytes(1 + read_uint(rest, 4)?),
        0xcc | 0xd0 => Item::Bytes(1),
        0xcd | 0xd1 => Item::Bytes(2),
        0xca | 0xce | 0xd2 => Item::Bytes(4),
        0xcb | 0xcf | 0xd3 => Item::Bytes(8),
        0xd4..=0xd8 => Item::Bytes(1 + (1 << (marker - 0xd4))),
        0xdc => Item::Values(read_uint(rest, 2)?),
        0xdd => Item::Values(read_uint(rest, 4)?),
        0xde => Item::Values(2 * read_uint(rest, 2)?),
        0xdf => Item::Values(read_uint(rest, 4)?.saturating_mul(2)),
    })
}

fn read_uint(rest: &mut &[u8], width: usize) -> Result<usize, Error> {
    let (number, after) = rest.split_at_checked(width).ok_or(Error::Torn)?;
    *rest = after;
    Ok(number.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::{FromWorker, ToWorker};

    #[test]
    fn a_message_survives_the_way_there_and_back() {
        let frame = encode(&ToWorker::Hello { version: 7 }).unwrap();
        let (header, body) = frame.split_at(HEADER);
        assert_eq!(body_length(header.try_into().unwrap()).unwrap(), body.len());
        assert_eq!(decode_body::<ToWorker>(body).unwrap(), ToWorker::Hello { version: 7 });
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_anything_is_read() {
        assert!(matches!(body_length(u32::MAX.to_le_bytes()), Err(Error::TooLarge(4_294_967_295))));
    }

    #[test]
    fn nesting_of_a_hundred_thousand_is_refused_without_recursion() {
        let body = vec![0x91; 100_000];
        assert!(matches!(decode_body::<FromWorker>(&body), Err(Error::TooDeep { .. })));
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_torn() {
        assert!(matches!(decode_body::<FromWorker>(&[0xdf, 0xff, 0xff, 0xff, 0xff]), Err(Error::Torn)));
        assert!(matches!(decode_body::<FromWorker>(&[0xc6, 0xff, 0xff, 0xff, 0xff, 1]), Err(Error::Torn)));
        assert!(matches!(decode_body::<FromWorker>(&[]), Err(Error::Torn)));
    }

    #[test]
    fn more_values_than_a_worker_may_send_are_refused_from_a_worker_only() {
        let body = encode_body(&vec![""; limits::VALUES]).unwrap();
        assert!(matches!(decode_hostile::<Vec<String>>(&body), Err(Error::TooMany)));
        assert_eq!(decode_body::<Vec<String>>(&body).unwrap().len(), limits::VALUES);
        let max = encode_body(&vec![""; limits::VALUES - 1]).unwrap();
        assert!(decode_hostile::<Vec<String>>(&max).is_ok());
    }

    #[test]
    fn bytes_after_the_message_are_refused() {
        let mut body = encode_body(&FromWorker::Hello { version: 1 }).unwrap();
        body.push(0xc0);
        assert!(matches!(decode_body::<FromWorker>(&body), Err(Error::Trailing(1))));
    }

    #[test]
    fn an_unknown_message_is_an_error() {
        let body = encode_body(&"Nonsense").unwrap();
        assert!(matches!(decode_body::<FromWorker>(&body), Err(Error::Decode(_))));
    }

    #[test]
    fn every_shorter_prefix_of_a_message_is_refused() {
        let body = encode_body(&FromWorker::Hello { version: 70_000 }).unwrap();
        for length in 0..body.len() {
            assert!(decode_body::<FromWorker>(&body[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..200_000 {
            let mut bytes = [0; 24];
            for byte in &mut bytes {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                *byte = seed as u8;
            }
            let _ = decode_body::<FromWorker>(&bytes);
        }
    }
}
