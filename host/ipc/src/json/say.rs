//! From a message to JSON.

use crate::value::{self, Item, NESTING, Reader};
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use sandhog_protocol::message::Format;
use std::io::{self, Write};

/// Whether a message can be written as JSON; how to write it then.
///
/// # Errors
/// A value that is no MessagePack, or that JSON can't say.
pub fn say<'a>(format: Format, body: &'a [u8]) -> Result<Sayable<'a>, value::Error> {
    let mut maps = Bits::default();
    if format == Format::Value {
        let mut reader = Reader(body);
        check(&mut reader, &mut maps, NESTING)?;
        if !reader.0.is_empty() {
            return Err(value::Error::Trailing(reader.0.len()));
        }
    }
    Ok(Sayable { format, body, maps })
}

/// A message that has been looked at from its first byte to its last.
pub struct Sayable<'a> {
    format: Format,
    body: &'a [u8],
    /// For each map, in the order in which they begin: whether it can be an object.
    maps: Bits,
}

impl Sayable<'_> {
    /// Writes it as JSON, without the line's end. It takes no memory, however large the message is.
    ///
    /// # Errors
    /// As the writer.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self.format {
            Format::Bytes => write_bytes(out, self.body),
            Format::Failure => {
                out.write_all(b"{\"$failure\":")?;
                serde_json::to_writer(&mut *out, &String::from_utf8_lossy(self.body))?;
                out.write_all(b"}")
            }
            Format::Value => {
                let mut writing = Writing { out, reader: Reader(self.body), maps: &self.maps, next_map: 0 };
                if let Ok(Item::Bytes(bytes)) = Reader(self.body).item() {
                    writing.out.write_all(b"{\"$value\":")?;
                    write_bytes(writing.out, bytes)?;
                    return writing.out.write_all(b"}");
                }
                writing.value()
            }
        }
    }
}

/// Walks one value; for each map whether it can be an object.
fn check(reader: &mut Reader<'_>, maps: &mut Bits, depth_left: usize) -> Result<(), value::Error> {
    let deeper = || depth_left.checked_sub(1).ok_or(value::Error::TooDeep);
    match reader.item()? {
        Item::Array(count) => {
            let deeper = deeper()?;
            (0..count).try_for_each(|_| check(reader, maps, deeper))
        }
        Item::Map(count) => {
            let (deeper, index) = (deeper()?, maps.push(true));
            (0..count).try_for_each(|_| {
                match Reader(reader.0).item()? {
                    Item::Text(key) if !(count == 1 && key.starts_with('$')) => {}
                    Item::Text(_) | Item::Nil | Item::Bool(_) | Item::Positive(_) | Item::Negative(_) => {
                        maps.clear(index)
                    }
                    Item::Float(_) | Item::Bytes(_) | Item::Extension(..) | Item::Array(_) | Item::Map(_) => {
                        maps.clear(index);
                    }
                }
                check(reader, maps, deeper)?;
                check(reader, maps, deeper)
            })
        }
        Item::Nil | Item::Bool(_) | Item::Positive(_) | Item::Negative(_) | Item::Float(_) => Ok(()),
        Item::Text(_) | Item::Bytes(_) | Item::Extension(..) => Ok(()),
    }
}

fn write_bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(b"{\"$bytes\":\"")?;
    write_base64(out, bytes)?;
    out.write_all(b"\"}")
}

fn write_base64(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let mut encoder = EncoderWriter::new(out, &STANDARD);
    encoder.write_all(bytes)?;
    encoder.finish().map(|_| ())
}

struct Writing<'a, 'b, W> {
    out: &'b mut W,
    reader: Reader<'a>,
    maps: &'b Bits,
    next_map: usize,
}

impl<W: Write> Writing<'_, '_, W> {
    /// The next value. It has been checked: it is there, and not too deep for a recursion.
    fn value(&mut self) -> io::Result<()> {
        match self.reader.item().map_err(io::Error::other)? {
            Item::Nil => self.out.write_all(b"null"),
            Item::Bool(truth) => write!(self.out, "{truth}"),
            Item::Positive(number) => write!(self.out, "{number}"),
            Item::Negative(number) => write!(self.out, "{number}"),
            Item::Float(number) => self.float(number),
            Item::Text(text) => Ok(serde_json::to_writer(&mut *self.out, text)?),
            Item::Bytes(bytes) => write_bytes(self.out, bytes),
            Item::Extension(kind, bytes) => {
                write!(self.out, "{{\"$ext\":[{kind},\"")?;
                write_base64(self.out, bytes)?;
                self.out.write_all(b"\"]}")
            }
            Item::Array(count) => {
                self.out.write_all(b"[")?;
                self.separated(count, Self::value)?;
                self.out.write_all(b"]")
            }
            Item::Map(count) => self.map(count),
        }
    }

    fn map(&mut self, count: usize) -> io::Result<()> {
        let is_object = self.maps.get(self.next_map);
        self.next_map += 1;
        if is_object {
            self.out.write_all(b"{")?;
            self.separated(count, |writing| writing.pair(b":"))?;
            return self.out.write_all(b"}");
        }
        self.out.write_all(b"{\"$map\":[")?;
        self.separated(count, |writing| {
            writing.out.write_all(b"[")?;
            writing.pair(b",")?;
            writing.out.write_all(b"]")
        })?;
        self.out.write_all(b"]}")
    }

    fn pair(&mut self, between: &[u8]) -> io::Result<()> {
        self.value()?;
        self.out.write_all(between)?;
        self.value()
    }

    fn separated(&mut self, count: usize, mut each: impl FnMut(&mut Self) -> io::Result<()>) -> io::Result<()> {
        for number in 0..count {
            if number > 0 {
                self.out.write_all(b",")?;
            }
            each(self)?;
        }
        Ok(())
    }

    fn float(&mut self, number: f64) -> io::Result<()> {
        let word = match number {
            number if number.is_nan() => "nan",
            f64::INFINITY => "inf",
            f64::NEG_INFINITY => "-inf",
            number => return Ok(serde_json::to_writer(&mut *self.out, &number)?),
        };
        write!(self.out, "{{\"$float\":\"{word}\"}}")
    }
}

/// One bit for each map: a hostile message has millions of them.
#[derive(Default)]
struct Bits {
    words: Vec<u64>,
    count: usize,
}

impl Bits {
    /// Its place.
    fn push(&mut self, bit: bool) -> usize {
        let index = self.count;
        if index.is_multiple_of(64) {
            self.words.push(0);
        }
        self.words[index / 64] |= u64::from(bit) << (index % 64);
        self.count += 1;
        index
    }

    fn clear(&mut self, index: usize) {
        self.words[index / 64] &= !(1 << (index % 64));
    }

    fn get(&self, index: usize) -> bool {
        self.words[index / 64] >> (index % 64) & 1 == 1
    }
}
