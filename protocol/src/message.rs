//! A message between two attempts, and the packets in which messages travel.
//!
//! A connection is a `SOCK_SEQPACKET` socketpair of its own, one end for each side: the kernel keeps the borders of
//! packets, makes a sender wait whose receiver does not read, and tells each side that the other has gone. No message
//! passes through the coordinator unless the coordinator is one of the sides.
//!
//! A packet is one MessagePack array:
//!
//! ```text
//! [ item, item, … ]          messages, each whole: an item is `bin` or `ext`, its type says the format
//! [ true, item ] + fd        one whole message, and a handle beside it: what it is, the kernel tells
//! [ length, item ] + fd      one message of `length` bytes; `item` holds its first bytes, and the sealed memfd beside
//!                            the packet the rest, from its start
//! [ nil, length, item ]      the first piece of one message of `length` bytes
//! [ nil, bin ]               the next piece of it; each but the last has 64 KiB
//! [ nil ]                    its sender has given it up: its pieces are nothing
//! ```
//!
//! A large message goes in one of two ways. With a memfd it is there as soon as there is room for one packet, and its pages
//! are counted by the sender's cgroup. Why its first bytes are in its packet: a socket's buffer counts bytes, not descriptors.
//! This way no more than a few large messages are ever on their way, and a sender waits as with small ones. Where no cgroup
//! counts what a process makes, it goes in pieces: no more of it than a socket's buffer is ever outside of its two ends. Its
//! receiver has it when the last piece has come, and nothing else may come between two pieces.
//!
//! Headers need not be of the shortest form: whoever writes MessagePack may send. Here a value is bytes; its receiver
//! interprets it.

use crate::limits;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a message's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One MessagePack value. On the wire: `ext`, type 1.
    Value,
    /// Bytes that mean something to both ends alone. On the wire: `bin`.
    Bytes,
    /// A handler's error, as text in UTF-8. On the wire: `ext`, type 2.
    Failure,
}

/// What goes through a connection, whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub format: Format,
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// Where a packet's array begins with it, the packet is a piece of a message.
const NIL: u8 = 0xc0;

/// Where it begins with this, a handle comes with its one message.
const TRUE: u8 = 0xc3;

/// Extension types of the formats on the wire.
const VALUE: u8 = 1;
const FAILURE: u8 = 2;

/// In what the other end, or a guest, did not keep to the rules. A connection ends with the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    #[error("packet of {0} bytes is over the limit of {limit} bytes", limit = limits::MESSAGE_PACKET)]
    PacketTooLarge(usize),
    #[error("message of {0} bytes in one packet is over the limit of {limit} bytes", limit = limits::INLINE_PAYLOAD)]
    ItemTooLarge(usize),
    #[error("message of {0} bytes is over the limit of {limit} bytes", limit = limits::MESSAGE)]
    MessageTooLarge(u64),
    #[error("message of {length} bytes in parts, of which the first has {first}")]
    NoRest { length: u64, first: usize },
    #[error("packet is no array: byte {0:#04x}")]
    NotAnArray(u8),
    #[error("packet without a message")]
    Empty,
    #[error("message is neither bin nor ext: byte {0:#04x}")]
    NotAMessage(u8),
    #[error("message is an ext of type {0}")]
    UnknownType(i8),
    #[error("failure in a batch, which is a handler's answer")]
    FailureInBatch,
    #[error("failure with a handle, which is a handler's answer")]
    FailureWithHandle,
    #[error("piece of a message has {found} bytes instead of {expected}")]
    Piece { expected: usize, found: usize },
    #[error("packet ends in the middle")]
    Torn,
    #[error("packet has {0} bytes after its end")]
    Trailing(usize),
    #[error("failure is not text in UTF-8")]
    NotText,
}

/// A message as it lies in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    pub format: Format,
    pub body: &'a [u8],
}

impl<'a> Item<'a> {
    /// The item that `bytes` begin with, and what is behind it.
    ///
    /// # Errors
    /// It is no message of ours, it is over [`limits::INLINE_PAYLOAD`], or the bytes end before it does. A failure's
    /// text is not looked at: it may be the first part only.
    pub fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Breach> {
        let mut rest = bytes;
        let marker = read_byte(&mut rest)?;
        let (length, typed) = match marker {
            0xc4..=0xc6 => (read_uint(&mut rest, 1 << (marker - 0xc4))?, false),
            0xc7..=0xc9 => (read_uint(&mut rest, 1 << (marker - 0xc7))?, true),
            0xd4..=0xd8 => (1 << (marker - 0xd4), true),
            other => return Err(Breach::NotAMessage(other)),
        };
        let format = if typed { format_of(read_byte(&mut rest)?)? } else { Format::Bytes };
        let length = usize::try_from(length).map_err(|_| Breach::Torn)?;
        if length > limits::INLINE_PAYLOAD {
            return Err(Breach::ItemTooLarge(length));
        }
        let (body, rest) = rest.split_at_checked(length).ok_or(Breach::Torn)?;
        Ok((Self { format, body }, rest))
    }
}

/// What a packet carries. The ranges are places in the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Messages, each whole, all of them checked: [`Item::read`] reads them one by one. At least one.
    Messages { count: usize, items: Range<usize> },
    /// One whole message, and a handle beside the packet.
    WithHandle { item: Range<usize> },
    /// The first part of a message of `length` bytes; the rest, at least a byte, is in the memfd beside the packet.
    First { length: usize, format: Format, body: Range<usize> },
    /// The first piece, of [`limits::INLINE_PAYLOAD`] bytes, of a message of `length`, which is more.
    Begin { length: usize, format: Format, body: Range<usize> },
    /// The next piece: at least a byte.
    Piece { body: Range<usize> },
    /// The message of which pieces have come will not be whole.
    GivenUp,
}

/// How many bytes the next piece of a message of `length` has, of which `come` have come.
#[must_use]
pub fn next_piece(length: usize, come: usize) -> usize {
    length.saturating_sub(come).min(limits::INLINE_PAYLOAD)
}

impl Packet {
    /// What `packet` carries, checked from its first byte to its last.
    ///
    /// # Errors
    /// In what it breaks the rules.
    pub fn parse(packet: &[u8]) -> Result<Self, Breach> {
        if packet.len() > limits::MESSAGE_PACKET {
            return Err(Breach::PacketTooLarge(packet.len()));
        }
        let mut rest = packet;
        let count = read_array(&mut rest)?;
        match (count, rest.first()) {
            (2, Some(0x00..=0x7f | 0xcc..=0xcf)) => {
                let (length, format, body) = Self::parse_first(packet, rest)?;
                return Ok(Self::First { length, format, body });
            }
            (2, Some(&TRUE)) => return Self::parse_with_handle(packet, &rest[1..]),
            (1..=3, Some(&NIL)) => return Self::parse_pieces(packet, count, &rest[1..]),
            (..) => {}
        }
        let items = packet.len() - rest.len()..packet.len();
        check_items(rest, count, |item| check(item.format, item.body))?;
        Ok(Self::Messages { count, items })
    }

    /// `rest`: the packet behind its array's header and its true.
    fn parse_with_handle(packet: &[u8], rest: &[u8]) -> Result<Self, Breach> {
        let item = packet.len() - rest.len()..packet.len();
        check_items(rest, 1, |item| check_with_handle(item.format))?;
        Ok(Self::WithHandle { item })
    }

    /// `rest`: the packet behind its array's header and its nil.
    fn parse_pieces(packet: &[u8], count: usize, rest: &[u8]) -> Result<Self, Breach> {
        match count {
            1 if rest.is_empty() => Ok(Self::GivenUp),
            1 => Err(Breach::Trailing(rest.len())),
            2 => {
                let (item, after) = Item::read(rest)?;
                match (item.format, item.body.len(), after.len()) {
                    (Format::Bytes, 0, 0) => Err(Breach::Piece { expected: 1, found: 0 }),
                    (Format::Bytes, length, 0) => Ok(Self::Piece { body: packet.len() - length..packet.len() }),
                    (Format::Bytes, _, after) => Err(Breach::Trailing(after)),
                    (Format::Value | Format::Failure, ..) => Err(Breach::NotAMessage(rest[0])),
                }
            }
            _ => {
                let (length, format, body) = Self::parse_first(packet, rest)?;
                match body.len() {
                    limits::INLINE_PAYLOAD => Ok(Self::Begin { length, format, body }),
                    found => Err(Breach::Piece { expected: limits::INLINE_PAYLOAD, found }),
                }
            }
        }
    }

    /// A length and an item, which are all of `rest`, the end of the packet.
    fn parse_first(packet: &[u8], mut rest: &[u8]) -> Result<(usize, Format, Range<usize>), Breach> {
        let length = match read_byte(&mut rest)? {
            small @ 0x00..=0x7f => u64::from(small),
            marker @ 0xcc..=0xcf => read_uint(&mut rest, 1 << (marker & 0x03))?,
            other => return Err(Breach::NotAMessage(other)),
        };
        let (item, rest) = Item::read(rest)?;
        if !rest.is_empty() {
            return Err(Breach::Trailing(rest.len()));
        }
        let first = item.body.len();
        match usize::try_from(length) {
            Ok(length) if length <= first => Err(Breach::NoRest { length: length as u64, first }),
            Ok(length) if length <= limits::MESSAGE => Ok((length, item.format, packet.len() - first..packet.len())),
            Ok(_) | Err(_) => Err(Breach::MessageTooLarge(length)),
        }
    }
}

/// Whether a whole message is one: a failure's text is UTF-8.
///
/// # Errors
/// [`Breach::NotText`].
pub fn check(format: Format, body: &[u8]) -> Result<(), Breach> {
    match format {
        Format::Value | Format::Bytes => Ok(()),
        Format::Failure => std::str::from_utf8(body).map(|_| ()).map_err(|_| Breach::NotText),
    }
}

/// Whether a handle may come with a message of this format.
///
/// # Errors
/// [`Breach::FailureWithHandle`].
pub const fn check_with_handle(format: Format) -> Result<(), Breach> {
    match format {
        Format::Value | Format::Bytes => Ok(()),
        Format::Failure => Err(Breach::FailureWithHandle),
    }
}

/// Whether `batch` is what `send-batch` of `wit/sandhog.wit` takes, and so a packet as it is. How many messages it has.
///
/// # Errors
/// In what it breaks the rules; a failure in it is one of them.
pub fn check_batch(batch: &[u8]) -> Result<usize, Breach> {
    if batch.len() > limits::MESSAGE_PACKET {
        return Err(Breach::PacketTooLarge(batch.len()));
    }
    let mut rest = batch;
    let count = read_array(&mut rest)?;
    check_items(rest, count, |item| match item.format {
        Format::Value | Format::Bytes => Ok(()),
        Format::Failure => Err(Breach::FailureInBatch),
    })?;
    Ok(count)
}

fn check_items(mut rest: &[u8], count: usize, check: impl Fn(Item<'_>) -> Result<(), Breach>) -> Result<(), Breach> {
    for _ in 0..count {
        let (item, after) = Item::read(rest)?;
        check(item)?;
        rest = after;
    }
    if rest.is_empty() { Ok(()) } else { Err(Breach::Trailing(rest.len())) }
}

/// What stands before a message's bytes in a packet, so that they need not be moved.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl Head {
    /// Of an array (1 byte), a nil (1), a length (5) and an item (6).
    const MAX: usize = 13;

    const fn empty() -> Self {
        Self { bytes: [0; Self::MAX], length: 0 }
    }

    /// Of one whole message of `length` bytes, at most [`limits::MESSAGE`]; alone in its packet, or in an array of its own.
    #[must_use]
    pub fn alone(format: Format, length: usize) -> Self {
        let mut head = Self::empty();
        head.push(&[0x91]);
        head.push_item(format, length);
        head
    }

    /// Of one whole message of `length` bytes with which a handle comes.
    #[must_use]
    pub fn with_handle(format: Format, length: usize) -> Self {
        let mut head = Self::empty();
        head.push(&[0x92, TRUE]);
        head.push_item(format, length);
        head
    }

    /// Of the first `first` bytes of a message of `length`, at most [`limits::MESSAGE`].
    #[must_use]
    pub fn first(format: Format, length: usize, first: usize) -> Self {
        let mut head = Self::empty();
        head.push(&[0x92]);
        head.push_first(format, length, first);
        head
    }

    /// Of the first piece, of [`limits::INLINE_PAYLOAD`] bytes, of a message of `length`, at most [`limits::MESSAGE`].
    #[must_use]
    pub fn begin(format: Format, length: usize) -> Self {
        let mut head = Self::empty();
        head.push(&[0x93, NIL]);
        head.push_first(format, length, limits::INLINE_PAYLOAD);
        head
    }

    /// Of a piece of `length` bytes that is not the first.
    #[must_use]
    pub fn piece(length: usize) -> Self {
        let mut head = Self::empty();
        head.push(&[0x92, NIL]);
        head.push_item(Format::Bytes, length);
        head
    }

    /// All of the packet that gives a message up.
    #[must_use]
    pub fn given_up() -> Self {
        let mut head = Self::empty();
        head.push(&[0x91, NIL]);
        head
    }

    fn push_first(&mut self, format: Format, length: usize, first: usize) {
        let [.., a, b, c, d] = length.to_be_bytes();
        self.push(&[0xce, a, b, c, d]);
        self.push_item(format, first);
    }

    /// Of an array of `count` items that follow; there are fewer than 65,536 in a packet, since each has two bytes at least.
    #[must_use]
    pub fn array(count: usize) -> Self {
        let mut head = Self::empty();
        let [.., high, low] = count.to_be_bytes();
        match count {
            0..=15 => head.push(&[0x90 | low]),
            _ => head.push(&[0xdc, high, low]),
        }
        head
    }

    /// Of an item. No fixext: six sizes less to tell apart, a byte more.
    fn push_item(&mut self, format: Format, length: usize) {
        let (narrow, kind) = match format {
            Format::Bytes => (0xc4, None),
            Format::Value => (0xc7, Some(VALUE)),
            Format::Failure => (0xc7, Some(FAILURE)),
        };
        let [.., a, b, c, d] = length.to_be_bytes();
        match length {
            0..=0xff => self.push(&[narrow, d]),
            0x100..=0xffff => self.push(&[narrow + 1, c, d]),
            _ => self.push(&[narrow + 2, a, b, c, d]),
        }
        if let Some(kind) = kind {
            self.push(&[kind]);
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Many small messages on their way into one packet.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Room for the array's header, then the items.
    bytes: Vec<u8>,
    count: usize,
}

impl Batch {
    /// The longest header of an array that a packet needs; see [`Head::array`].
    const HEADER: usize = 3;

    /// Whether there was room for this message too: a batch has at most [`limits::INLINE_PAYLOAD`] bytes.
    #[must_use]
    pub fn push(&mut self, format: Format, body: &[u8]) -> bool {
        let taken = self.bytes.len().max(Self::HEADER);
        let room = limits::INLINE_PAYLOAD - taken;
        if body.len() > room {
            return false;
        }
        let mut head = Head::empty();
        head.push_item(format, body.len());
        if head.length + body.len() > room {
            return false;
        }
        self.bytes.resize(taken, 0);
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(body);
        self.count += 1;
        true
    }

    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The batch as one array, as `send-batch` takes it; none where nothing is in it.
    #[must_use]
    pub fn as_bytes(&mut self) -> Option<&[u8]> {
        let [head, high, low, ..] = self.bytes.as_mut_slice() else { return None };
        *head = 0xdc;
        [.., *high, *low] = self.count.to_be_bytes();
        Some(&self.bytes)
    }

    /// Empties it; its memory stays for the next one.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
}

fn format_of(kind: u8) -> Result<Format, Breach> {
    match kind {
        VALUE => Ok(Format::Value),
        FAILURE => Ok(Format::Failure),
        other => Err(Breach::UnknownType(other.cast_signed())),
    }
}

/// How many elements the array has that a packet begins with: at least one, and no more than there are bytes.
fn read_array(rest: &mut &[u8]) -> Result<usize, Breach> {
    let count = match read_byte(rest)? {
        short @ 0x90..=0x9f => u64::from(short & 0x0f),
        marker @ 0xdc..=0xdd => read_uint(rest, 2 << (marker - 0xdc))?,
        other => return Err(Breach::NotAnArray(other)),
    };
    match usize::try_from(count) {
        Ok(0) => Err(Breach::Empty),
        Ok(count) if count <= rest.len() => Ok(count),
        Ok(_) | Err(_) => Err(Breach::Torn),
    }
}

fn read_byte(rest: &mut &[u8]) -> Result<u8, Breach> {
    let (byte, after) = rest.split_first().ok_or(Breach::Torn)?;
    *rest = after;
    Ok(*byte)
}

/// A number of 1 to 8 bytes.
fn read_uint(rest: &mut &[u8], width: usize) -> Result<u64, Breach> {
    let (number, after) = rest.split_at_checked(width).ok_or(Breach::Torn)?;
    *rest = after;
    Ok(number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole messages of a packet.
    fn messages(packet: &[u8]) -> Result<Vec<Message>, Breach> {
        let Packet::Messages { count, items } = Packet::parse(packet)? else { panic!("a part of a message") };
        let (mut rest, mut found) = (&packet[items], Vec::new());
        for _ in 0..count {
            let (item, after) = Item::read(rest).unwrap();
            found.push(Message { format: item.format, body: item.body.to_vec() });
            rest = after;
        }
        assert!(rest.is_empty());
        Ok(found)
    }

    fn packet(head: Head, body: &[u8]) -> Vec<u8> {
        [head.as_bytes(), body].concat()
    }

    /// A small generator (xorshift64*), so that a failure comes again.
    struct Random(u64);

    impl Random {
        fn below(&mut self, max: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % max
        }
    }

    const FORMATS: [Format; 3] = [Format::Value, Format::Bytes, Format::Failure];

    #[test]
    fn a_message_of_any_length_survives_the_way_there_and_back() {
        for format in FORMATS {
            for length in [0, 1, 2, 4, 8, 15, 16, 17, 255, 256, 65_535, limits::INLINE_PAYLOAD] {
                let body = vec![b'x'; length];
                let packet = packet(Head::alone(format, length), &body);
                assert!(packet.len() <= limits::MESSAGE_PACKET);
                assert_eq!(messages(&packet).unwrap(), [Message { format, body }]);
            }
        }
    }

    #[test]
    fn a_first_part_says_how_long_the_message_is() {
        for (length, first) in [(1, 0), (2, 1), (100_000, limits::INLINE_PAYLOAD), (limits::MESSAGE, 300)] {
            let packet = packet(Head::first(Format::Value, length, first), &vec![7; first]);
            assert!(packet.len() <= limits::MESSAGE_PACKET);
            let body = packet.len() - first..packet.len();
            assert_eq!(Packet::parse(&packet), Ok(Packet::First { length, format: Format::Value, body }));
        }
    }

    #[test]
    fn a_message_with_a_handle_is_told_from_everything_else() {
        for format in [Format::Value, Format::Bytes] {
            for length in [0, 1, 256, limits::INLINE_PAYLOAD] {
                let packet = packet(Head::with_handle(format, length), &vec![7; length]);
                assert!(packet.len() <= limits::MESSAGE_PACKET);
                let Ok(Packet::WithHandle { item }) = Packet::parse(&packet) else { panic!("{length}") };
                let (item, _) = Item::read(&packet[item]).unwrap();
                assert_eq!((item.format, item.body.len()), (format, length));
            }
        }
    }

    #[test]
    fn a_piece_is_told_from_everything_else() {
        let length = limits::MESSAGE;
        for format in FORMATS {
            let begin = packet(Head::begin(format, length), &vec![7; limits::INLINE_PAYLOAD]);
            assert!(begin.len() <= limits::MESSAGE_PACKET);
            let body = begin.len() - limits::INLINE_PAYLOAD..begin.len();
            assert_eq!(Packet::parse(&begin), Ok(Packet::Begin { length, format, body }));
        }
        for length in [1, 255, 256, limits::INLINE_PAYLOAD] {
            let piece = packet(Head::piece(length), &vec![7; length]);
            assert!(piece.len() <= limits::MESSAGE_PACKET);
            assert_eq!(Packet::parse(&piece), Ok(Packet::Piece { body: piece.len() - length..piece.len() }));
        }
        assert_eq!(Packet::parse(Head::given_up().as_bytes()), Ok(Packet::GivenUp));
        let sizes = [(0, 70_000), (limits::INLINE_PAYLOAD, 70_000), (69_999, 70_000), (70_000, 70_000)];
        assert_eq!(sizes.map(|(come, length)| next_piece(length, come)), [limits::INLINE_PAYLOAD, 4_464, 1, 0]);
    }

    #[test]
    fn batches_of_random_messages_survive_the_way_there_and_back() {
        let mut random = Random(1);
        for _ in 0..200 {
            let (mut batch, mut sent) = (Batch::default(), Vec::new());
            loop {
                let format = FORMATS[random.below(3)];
                let body: Vec<u8> = (0..random.below(3000)).map(|_| b'a' + random.below(26) as u8).collect();
                if !batch.push(format, &body) {
                    break;
                }
                sent.push(Message { format, body });
            }
            assert_eq!(batch.count(), sent.len());
            let bytes = batch.as_bytes().unwrap();
            assert!(bytes.len() <= limits::INLINE_PAYLOAD);
            assert_eq!(messages(bytes).unwrap(), sent);
        }
    }

    #[test]
    fn a_batch_holds_as_much_as_a_packet_and_no_more() {
        let mut batch = Batch::default();
        assert_eq!(batch.as_bytes(), None);
        assert!(!batch.push(Format::Bytes, &vec![0; limits::INLINE_PAYLOAD]));
        let mut count = 0;
        while batch.push(Format::Bytes, b"") {
            count += 1;
        }
        assert_eq!(count, (limits::INLINE_PAYLOAD - 3) / 2);
        assert_eq!(messages(batch.as_bytes().unwrap()).unwrap().len(), count);
        assert_eq!(check_batch(batch.as_bytes().unwrap()), Ok(count));
        batch.clear();
        assert_eq!(batch.count(), 0);
        assert_eq!(batch.as_bytes(), None);
    }

    #[test]
    fn headers_that_are_longer_than_need_be_are_read() {
        let x = |format| Message { format, body: b"x".to_vec() };
        assert_eq!(messages(b"\xdd\0\0\0\x01\xc6\0\0\0\x01x").unwrap(), [x(Format::Bytes)]);
        assert_eq!(messages(b"\xdc\0\x01\xc9\0\0\0\x01\x01x").unwrap(), [x(Format::Value)]);
        assert_eq!(messages(b"\x92\xd4\x02x\xd4\x01x").unwrap(), [x(Format::Failure), x(Format::Value)]);
        for length in [&b"\x05"[..], b"\xcc\x05", b"\xcd\0\x05", b"\xce\0\0\0\x05", b"\xcf\0\0\0\0\0\0\0\x05"] {
            let packet = [b"\x92", length, b"\xc4\x01x"].concat();
            let body = packet.len() - 1..packet.len();
            assert_eq!(Packet::parse(&packet), Ok(Packet::First { length: 5, format: Format::Bytes, body }));
        }
    }

    #[test]
    fn every_breach_has_a_name() {
        const LARGE: usize = limits::INLINE_PAYLOAD + 1;
        let too_long = packet(Head::alone(Format::Bytes, LARGE), &vec![0; LARGE]);
        let cases: &[(&[u8], Breach)] = &[
            (&vec![0x90; limits::MESSAGE_PACKET + 1], Breach::PacketTooLarge(limits::MESSAGE_PACKET + 1)),
            (&too_long, Breach::ItemTooLarge(LARGE)),
            (b"\x91\xc6\xff\xff\xff\xff", Breach::ItemTooLarge(u32::MAX as usize)),
            (b"\x92\xce\xff\xff\xff\xff\xc4\x01x", Breach::MessageTooLarge(u32::MAX.into())),
            (b"\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xc4\x01x", Breach::MessageTooLarge(u64::MAX)),
            (b"\x92\x01\xc4\x01x", Breach::NoRest { length: 1, first: 1 }),
            (b"\x92\x00\xc4\x01x", Breach::NoRest { length: 0, first: 1 }),
            (b"\xc4\x01x", Breach::NotAnArray(0xc4)),
            (b"\x80", Breach::NotAnArray(0x80)),
            (b"", Breach::Torn),
            (b"\x90", Breach::Empty),
            (b"\xdc\0\0", Breach::Empty),
            (b"\x91\xa1x", Breach::NotAMessage(0xa1)),
            (b"\x91\x05", Breach::NotAMessage(0x05)),
            (b"\x93\x05\xc4\x01x\xc4\x01x", Breach::NotAMessage(0x05)),
            (b"\x92\xff\xc4\x01x", Breach::NotAMessage(0xff)),
            (b"\x92\xd0\x05\xc4\x01x", Breach::NotAMessage(0xd0)),
            (b"\x92\x05\x05", Breach::NotAMessage(0x05)),
            (b"\x91\x91\xc4\0", Breach::NotAMessage(0x91)),
            (b"\x91\xd4\x03x", Breach::UnknownType(3)),
            (b"\x91\xd4\xffx", Breach::UnknownType(-1)),
            (b"\x91\xc4\x02x", Breach::Torn),
            (b"\x91", Breach::Torn),
            (b"\x92\xc4\0", Breach::Torn),
            (b"\xdd\xff\xff\xff\xff\xc4\0", Breach::Torn),
            (b"\x91\xc4\x01xy", Breach::Trailing(1)),
            (b"\x92\x05\xc4\x01xyz", Breach::Trailing(2)),
            (b"\x91\xd4\x02\xff", Breach::NotText),
            (b"\x92\xc3\xd4\x02x", Breach::FailureWithHandle),
            (b"\x92\xc3\xc4\x01xy", Breach::Trailing(1)),
            (b"\x92\xc3", Breach::Torn),
            (b"\x92\xc3\x05", Breach::NotAMessage(0x05)),
            (b"\x91\xc3", Breach::NotAMessage(0xc3)),
            (b"\x93\xc3\xc4\x01x\xc4\x01x", Breach::NotAMessage(0xc3)),
            (b"\x91\xc0x", Breach::Trailing(1)),
            (b"\x92\xc0", Breach::Torn),
            (b"\x92\xc0\xc0", Breach::NotAMessage(0xc0)),
            (b"\x92\xc0\xc4\0", Breach::Piece { expected: 1, found: 0 }),
            (b"\x92\xc0\xd4\x01x", Breach::NotAMessage(0xd4)),
            (b"\x92\xc0\xc4\x01xy", Breach::Trailing(1)),
            (b"\x93\xc0\x05\xc4\x01x", Breach::Piece { expected: limits::INLINE_PAYLOAD, found: 1 }),
            (b"\x93\xc0\x01\xc4\x01x", Breach::NoRest { length: 1, first: 1 }),
            (b"\x93\xc0\xc0\xc4\x01x", Breach::NotAMessage(0xc0)),
            (b"\x93\xc0\xce\xff\xff\xff\xff\xc4\x01x", Breach::MessageTooLarge(u32::MAX.into())),
            (b"\x94\xc0\xc0\xc0\xc0", Breach::NotAMessage(0xc0)),
        ];
        for (packet, breach) in cases {
            assert_eq!(Packet::parse(packet), Err(*breach), "{:x?}", &packet[..packet.len().min(20)]);
        }
    }

    #[test]
    fn a_guests_batch_is_whole_messages_without_failures() {
        assert_eq!(check_batch(b"\x92\xc4\x01x\xd4\x01\xc0"), Ok(2));
        assert_eq!(check_batch(b"\x91\xd4\x02x"), Err(Breach::FailureInBatch));
        assert_eq!(check_batch(b"\x92\x05\xc4\x01x"), Err(Breach::NotAMessage(0x05)));
        assert_eq!(check_batch(b"\x90"), Err(Breach::Empty));
        assert_eq!(check_batch(b"\x91\xc0"), Err(Breach::NotAMessage(0xc0)));
        assert_eq!(check_batch(b"\x91\xc4\0\0"), Err(Breach::Trailing(1)));
    }

    #[test]
    fn every_shorter_prefix_of_a_packet_is_refused() {
        let mut batch = Batch::default();
        assert!(batch.push(Format::Bytes, b"abc") && batch.push(Format::Failure, b"why"));
        let whole = batch.as_bytes().unwrap();
        let first = packet(Head::first(Format::Value, 70_000, 3), b"abc");
        let (piece, given_up) = (packet(Head::piece(3), b"abc"), Head::given_up());
        let handle = packet(Head::with_handle(Format::Value, 3), b"abc");
        for packet in [whole, &first, &piece, &handle, given_up.as_bytes()] {
            for length in 0..packet.len() {
                assert!(Packet::parse(&packet[..length]).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn random_packets_never_panic() {
        const MARKERS: [u8; 16] =
            [0x90, 0x91, 0x92, 0xc3, 0xc0, 0xdd, 0xc4, 0xc5, 0xc6, 0xc7, 0xc9, 0xd4, 0xd8, 0xcc, 0xcf, 0x01];
        let mut random = Random(7);
        for _ in 0..300_000 {
            let bytes: Vec<u8> = (0..random.below(24))
                .map(|_| if random.below(2) == 0 { MARKERS[random.below(16)] } else { random.below(256) as u8 })
                .collect();
            let _ = check_batch(&bytes);
            match Packet::parse(&bytes) {
                Ok(Packet::WithHandle { item }) => {
                    let (item, after) = Item::read(&bytes[item]).unwrap();
                    assert!(after.is_empty() && item.format != Format::Failure);
                }
                Ok(Packet::Messages { .. }) => assert!(!messages(&bytes).unwrap().is_empty()),
                Ok(Packet::First { length, body, .. } | Packet::Begin { length, body, .. }) => {
                    assert!(length > body.len() && body.end == bytes.len());
                }
                Ok(Packet::Piece { body }) => assert!(!body.is_empty() && body.end == bytes.len()),
                Ok(Packet::GivenUp) => assert_eq!(bytes.len(), 2),
                Err(_) => {}
            }
        }
    }
}
