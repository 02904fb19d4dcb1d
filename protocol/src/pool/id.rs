//! A program's name for a task: a number or a text.

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A task's id. It may be used again when the task has been answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    /// Of at most 53 bits and a sign: what each language's JSON keeps.
    Number(i64),
    /// Of at most [`Id::LONGEST`] bytes.
    Text(String),
}

impl Id {
    /// Longest text, in bytes: that of a UUID three times over.
    pub const LONGEST: usize = 128;

    /// Largest number. Source: RFC 8259, section 6: integers within it are exact in every implementation.
    pub const LARGEST: i64 = (1 << 53) - 1;
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => fmt::Display::fmt(number, out),
            Self::Text(text) => fmt::Debug::fmt(text, out),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = Id;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an id: an integer of at most 53 bits, or a text of at most {} bytes", Id::LONGEST)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Id, E> {
        if number.unsigned_abs() <= Id::LARGEST.unsigned_abs() {
            Ok(Id::Number(number))
        } else {
            Err(E::invalid_value(Unexpected::Signed(number), &self))
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Id, E> {
        let is_small = |number: &i64| *number <= Id::LARGEST;
        let small = i64::try_from(number).ok().filter(is_small);
        small.map(Id::Number).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
        if text.len() <= Id::LONGEST { Ok(Id::Text(text.into())) } else { Err(E::invalid_length(text.len(), &self)) }
    }
}
