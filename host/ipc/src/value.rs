//! MessagePack as it lies in a message, read item by item. Nothing is allocated for what it announces.

/// Deepest nesting of arrays and maps: what common readers of JSON take (serde_json's own limit), and a stack holds.
pub const NESTING: usize = 128;

/// Why bytes are not one MessagePack value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("it ends in the middle")]
    Torn,
    #[error("{0} bytes follow its end")]
    Trailing(usize),
    #[error("0xc1 is no MessagePack")]
    Never,
    #[error("a text in it is not UTF-8")]
    NotUtf8,
    #[error("it is nested deeper than {NESTING} levels")]
    TooDeep,
}

/// One item: all of a scalar, or how many items an array or a map has (a map: pairs).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    Nil,
    Bool(bool),
    Positive(u64),
    Negative(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Extension(i8, &'a [u8]),
    Array(usize),
    Map(usize),
}

/// What is left to read.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next item. Source: the MessagePack specification, "Formats".
    pub(super) fn item(&mut self) -> Result<Item<'a>, Error> {
        let marker = self.bytes(1)?[0];
        Ok(match marker {
            0x00..=0x7f => Item::Positive(marker.into()),
            0xe0..=0xff => Item::Negative(marker.cast_signed().into()),
            0xc0 => Item::Nil,
            0xc1 => return Err(Error::Never),
            0xc2 | 0xc3 => Item::Bool(marker == 0xc3),
            0xca => Item::Float(f32::from_be_bytes(self.chunk()?).into()),
            0xcb => Item::Float(f64::from_be_bytes(self.chunk()?)),
            0xcc..=0xcf => Item::Positive(self.uint(1 << (marker - 0xcc))?),
            0xd0..=0xd3 => self.signed(1 << (marker - 0xd0))?,
            0xa0..=0xbf => self.text(usize::from(marker & 0x1f))?,
            0xd9..=0xdb => self.length(1 << (marker - 0xd9)).and_then(|length| self.text(length))?,
            0xc4..=0xc6 => self.length(1 << (marker - 0xc4)).and_then(|length| self.bytes(length)).map(Item::Bytes)?,
            0xd4..=0xd8 => self.extension(1 << (marker - 0xd4))?,
            0xc7..=0xc9 => self.length(1 << (marker - 0xc7)).and_then(|length| self.extension(length))?,
            0x90..=0x9f => Item::Array(self.count(usize::from(marker & 0x0f), 1)?),
            0xdc | 0xdd => self.length(2 << (marker - 0xdc)).and_then(|count| self.count(count, 1)).map(Item::Array)?,
            0x80..=0x8f => Item::Map(self.count(usize::from(marker & 0x0f), 2)?),
            0xde | 0xdf => self.length(2 << (marker - 0xde)).and_then(|count| self.count(count, 2)).map(Item::Map)?,
        })
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Error::Torn)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn chunk<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Error> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Error::Torn)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn uint(&mut self, width: usize) -> Result<u64, Error> {
        Ok(self.bytes(width)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn length(&mut self, width: usize) -> Result<usize, Error> {
        usize::try_from(self.uint(width)?).map_err(|_| Error::Torn)
    }

    /// How many there are of what takes at least `each` bytes.
    fn count(&self, count: usize, each: usize) -> Result<usize, Error> {
        if count.saturating_mul(each) > self.0.len() { Err(Error::Torn) } else { Ok(count) }
    }

    fn signed(&mut self, width: usize) -> Result<Item<'a>, Error> {
        let unused = 64 - 8 * width;
        let number = (self.uint(width)? << unused).cast_signed() >> unused;
        Ok(u64::try_from(number).map_or(Item::Negative(number), Item::Positive))
    }

    fn text(&mut self, length: usize) -> Result<Item<'a>, Error> {
        std::str::from_utf8(self.bytes(length)?).map(Item::Text).map_err(|_| Error::NotUtf8)
    }

    fn extension(&mut self, length: usize) -> Result<Item<'a>, Error> {
        let kind = self.bytes(1)?[0].cast_signed();
        self.bytes(length).map(|bytes| Item::Extension(kind, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: &[u8]) -> Result<Item<'_>, Error> {
        let mut reader = Reader(bytes);
        let item = reader.item()?;
        assert!(matches!(item, Item::Array(_) | Item::Map(_)) || reader.0.is_empty(), "{bytes:x?}");
        Ok(item)
    }

    #[test]
    fn every_format_is_read() {
        for (bytes, expected) in [
            (&b"\xc0"[..], Item::Nil),
            (b"\xc3", Item::Bool(true)),
            (b"\x7f", Item::Positive(127)),
            (b"\xff", Item::Negative(-1)),
            (b"\xcc\xff", Item::Positive(255)),
            (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", Item::Positive(u64::MAX)),
            (b"\xd0\x80", Item::Negative(-128)),
            (b"\xd1\x00\x05", Item::Positive(5)),
            (b"\xd2\xff\xff\xff\xfe", Item::Negative(-2)),
            (b"\xd3\x80\0\0\0\0\0\0\0", Item::Negative(i64::MIN)),
            (b"\xca\x3f\x00\0\0", Item::Float(0.5)),
            (b"\xcb\x3f\xe0\0\0\0\0\0\0", Item::Float(0.5)),
            (b"\xa1x", Item::Text("x")),
            (b"\xdb\0\0\0\x02\xc3\xa4", Item::Text("ä")),
            (b"\xc4\x01\xff", Item::Bytes(b"\xff")),
            (b"\xd5\xfe\x01\x02", Item::Extension(-2, b"\x01\x02")),
            (b"\xc7\x00\x07", Item::Extension(7, b"")),
            (b"\x91\xc0", Item::Array(1)),
            (b"\xdd\0\0\0\x01\xc0", Item::Array(1)),
            (b"\x81\xc0\xc0", Item::Map(1)),
            (b"\xde\0\x01\xc0\xc0", Item::Map(1)),
        ] {
            assert_eq!(item(bytes), Ok(expected), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_announced_must_be_there() {
        for bytes in
            [&b""[..], b"\xcc", b"\xa2x", b"\xdb\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff\xc0", b"\x82\xc0\xc0\xc0"]
        {
            assert_eq!(item(bytes), Err(Error::Torn), "{bytes:x?}");
        }
        assert_eq!(item(b"\xc1"), Err(Error::Never));
        assert_eq!(item(b"\xa1\xff"), Err(Error::NotUtf8));
    }
}
