//! From a line of JSON to a message. The line comes from whoever started the command, who is trusted with its memory.

use super::pack::{put_array, put_bytes, put_float, put_map, put_negative, put_text, put_uint};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandhog_protocol::message::Format;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Why a line is no message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("it is no JSON: {}", without_line(.0))]
    NotJson(serde_json::Error),
    #[error("half of a surrogate pair, \\ud800 to \\udfff, stands alone at column {column}: it is no text")]
    HalfOfAPair { column: usize },
    #[error("the number at column {column} is larger than a float of 64 bits")]
    Huge { column: usize },
    #[error("it is nested deeper than 127 levels, at column {column}")]
    Deep { column: usize },
    #[error("an object whose only key is \"{0}\" means nothing; keys that begin with $ are ours")]
    UnknownWord(String),
    #[error("\"{0}\" does not have what belongs to it")]
    Misused(&'static str),
    #[error("\"{0}\" is a whole message, not a part of one")]
    Misplaced(&'static str),
    #[error("what \"{word}\" has is not base64")]
    NotBase64 { word: &'static str, source: base64::DecodeError },
    #[error("it is larger than MessagePack can say")]
    TooLarge(#[from] super::pack::TooLarge),
}

/// The parser tells its reasons in words alone. These three are grammatical JSON.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        let (said, column) = (error.to_string(), error.column());
        match said.split(" at line ").next().unwrap_or_default() {
            "lone leading surrogate in hex escape" | "unexpected end of hex escape" => Self::HalfOfAPair { column },
            "number out of range" => Self::Huge { column },
            "recursion limit exceeded" => Self::Deep { column },
            _ => Self::NotJson(error),
        }
    }
}

/// A message of the parser's without its " at line 1": the lines are counted elsewhere.
fn without_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

/// The message that a line of JSON says.
///
/// # Errors
/// It says none.
pub fn read(line: &[u8]) -> Result<(Format, Vec<u8>), Error> {
    let node: Node = serde_json::from_slice(line)?;
    if let Some((word, value)) = node.word() {
        match (word, value) {
            ("$bytes", Node::Text(text)) => return Ok((Format::Bytes, base64("$bytes", text)?)),
            ("$failure", Node::Text(text)) => return Ok((Format::Failure, text.clone().into_bytes())),
            ("$failure", _) => return Err(Error::Misused("$failure")),
            ("$value", value) => return value.to_message(),
            _ => {}
        }
    }
    node.to_message()
}

fn base64(word: &'static str, text: &str) -> Result<Vec<u8>, Error> {
    STANDARD.decode(text).map_err(|source| Error::NotBase64 { word, source })
}

/// A value of JSON, with its keys in their order.
#[derive(Debug)]
enum Node {
    Null,
    Bool(bool),
    Positive(u64),
    Negative(i64),
    Float(f64),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The only key, where it begins with `$`, and what belongs to it.
    fn word(&self) -> Option<(&str, &Self)> {
        let Self::Object(pairs) = self else { return None };
        let [(key, value)] = pairs.as_slice() else { return None };
        key.starts_with('$').then_some((key, value))
    }

    fn to_message(&self) -> Result<(Format, Vec<u8>), Error> {
        let mut out = Vec::new();
        self.encode(&mut out)?;
        Ok((Format::Value, out))
    }

    /// Appends it as MessagePack.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        if let Some((word, value)) = self.word() {
            return value.encode_word(word, out);
        }
        match self {
            Self::Null => out.push(0xc0),
            Self::Bool(truth) => out.push(0xc2 + u8::from(*truth)),
            Self::Positive(number) => put_uint(out, *number),
            Self::Negative(number) => put_negative(out, *number),
            Self::Float(number) => put_float(out, *number),
            Self::Text(text) => put_text(out, text)?,
            Self::Array(items) => {
                put_array(out, items.len())?;
                items.iter().try_for_each(|item| item.encode(out))?;
            }
            Self::Object(pairs) => {
                put_map(out, pairs.len())?;
                for (key, value) in pairs {
                    put_text(out, key)?;
                    value.encode(out)?;
                }
            }
        }
        Ok(())
    }

    /// What the object means whose only key is `word` and which has this.
    fn encode_word(&self, word: &str, out: &mut Vec<u8>) -> Result<(), Error> {
        match (word, self) {
            ("$bytes", Self::Text(text)) => Ok(put_bytes(out, None, &base64("$bytes", text)?)?),
            ("$bytes", _) => Err(Error::Misused("$bytes")),
            ("$ext", Self::Array(parts)) => match parts.as_slice() {
                [kind, Self::Text(text)] => {
                    let kind = kind.as_extension_type().ok_or(Error::Misused("$ext"))?;
                    Ok(put_bytes(out, Some(kind), &base64("$ext", text)?)?)
                }
                _ => Err(Error::Misused("$ext")),
            },
            ("$ext", _) => Err(Error::Misused("$ext")),
            ("$float", Self::Text(text)) => {
                let number = match text.as_str() {
                    "nan" => f64::NAN,
                    "inf" => f64::INFINITY,
                    "-inf" => f64::NEG_INFINITY,
                    _ => return Err(Error::Misused("$float")),
                };
                put_float(out, number);
                Ok(())
            }
            ("$float", _) => Err(Error::Misused("$float")),
            ("$map", Self::Array(pairs)) => encode_pairs(pairs, out),
            ("$map", _) => Err(Error::Misused("$map")),
            ("$failure", _) => Err(Error::Misplaced("$failure")),
            ("$value", _) => Err(Error::Misplaced("$value")),
            (unknown, _) => Err(Error::UnknownWord(unknown.to_owned())),
        }
    }

    fn as_extension_type(&self) -> Option<i8> {
        match self {
            Self::Positive(number) => i8::try_from(*number).ok(),
            Self::Negative(number) => i8::try_from(*number).ok(),
            Self::Null | Self::Bool(_) | Self::Float(_) | Self::Text(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }
}

fn encode_pairs(pairs: &[Node], out: &mut Vec<u8>) -> Result<(), Error> {
    put_map(out, pairs.len())?;
    for pair in pairs {
        let Node::Array(parts) = pair else { return Err(Error::Misused("$map")) };
        let [key, value] = parts.as_slice() else { return Err(Error::Misused("$map")) };
        key.encode(out)?;
        value.encode(out)?;
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Node, E> {
        Ok(Node::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Positive(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(u64::try_from(number).map_or(Node::Negative(number), Node::Positive))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Node::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        while let Some(pair) = pairs.next_entry()? {
            object.push(pair);
        }
        Ok(Node::Object(object))
    }
}
