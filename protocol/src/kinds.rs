//! Enumerations whose words go between versions: a daemon and a command, or a daemon and the state that another one has
//! left. A word that this version does not know is kept as it is, so that what is newer breaks nothing that is older.
//!
//! Messages between processes of one build need none of this: there an unknown word violates the protocol.

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Longest word that a kind may have, in bytes: a sentence of some earlier version fits, and a kind stays small enough to be
/// copied.
pub const LONGEST: usize = 39;

/// A word of a kind that this version does not know: printable ASCII of at most [`LONGEST`] bytes, so that it does no harm
/// wherever it is shown. Empty: nobody said a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word {
    /// Behind `length` all zero, so that equal words are equal bytes.
    bytes: [u8; LONGEST],
    length: u8,
}

impl Default for Word {
    /// The empty one.
    fn default() -> Self {
        Self { bytes: [0; LONGEST], length: 0 }
    }
}

impl Word {
    /// None: it is too long, or not of printable ASCII alone.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_harmless = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let mut word = Self::default();
        word.bytes.get_mut(..text.len()).filter(|_| is_harmless)?.copy_from_slice(text.as_bytes());
        word.length = u8::try_from(text.len()).ok()?;
        Some(word)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        // Made of text; ASCII has no characters to cut.
        self.bytes.get(..self.length.into()).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Word;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "a word of at most {LONGEST} characters of ASCII")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
                Word::new(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Defines an enumeration of words with a variant `Unknown` for the words of others, or, where `else` names one of its own
/// variants, with that one for them. It has `ALL`, `as_str` and, in one place, its text.
macro_rules! kinds {
    ($(#[doc = $about:literal])* pub enum $name:ident { $($(#[doc = $doc:literal])* $variant:ident = $word:literal,)* }) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $doc])* $variant,)*
            /// A word that this version does not know.
            Unknown($crate::kinds::Word),
        }

        impl $name {
            /// All that this version knows, in the order of the type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word, on the wire and for people.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Unknown(word) => word.as_str(),
                }
            }
        }

        /// Of a message of a version that did not say it.
        impl Default for $name {
            fn default() -> Self {
                Self::Unknown($crate::kinds::Word::default())
            }
        }

        impl From<$crate::kinds::Word> for $name {
            fn from(word: $crate::kinds::Word) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)*
                    _ => Self::Unknown(word),
                }
            }
        }

        $crate::kinds::text_of!($name);
        #[cfg(feature = "openapi")]
        $crate::openapi::schema_of!($name, concat!($($about),*), [$(($word, concat!($($doc),*))),*]);
    };
    (
        $(#[doc = $about:literal])* pub enum $name:ident { $($(#[doc = $doc:literal])* $variant:ident = $word:literal,)* }
        else $other:ident
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $doc])* $variant,)*
        }

        impl $name {
            /// All of them, in the order of the type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word, on the wire and for people.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl From<$crate::kinds::Word> for $name {
            fn from(word: $crate::kinds::Word) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)*
                    _ => Self::$other,
                }
            }
        }

        $crate::kinds::text_of!($name);
        #[cfg(feature = "openapi")]
        $crate::openapi::schema_of!($name, concat!($($about),*), [$(($word, concat!($($doc),*))),*]);
    };
}

/// What both forms of [`kinds`] have.
macro_rules! text_of {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::kinds::Word::deserialize(deserializer).map(Self::from)
            }
        }
    };
}

pub(crate) use {kinds, text_of};

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use std::fmt::Debug;

    /// A word of another version, as JSON and as MessagePack.
    pub(crate) const NEWER: &str = "of-a-newer_version";

    fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }

    fn through_messagepack<T: Serialize + DeserializeOwned>(value: &T) -> T {
        rmp_serde::from_slice(&rmp_serde::to_vec_named(value).unwrap()).unwrap()
    }

    /// Each word is itself on either wire, and stands there as what it says; so does one of a newer version, which becomes
    /// `newer`.
    pub(crate) fn hold<T>(all: &[T], newer: T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + fmt::Display + From<Word>,
    {
        assert_eq!(T::from(Word::new(NEWER).unwrap()), newer);
        for one in all.iter().chain([&newer]) {
            assert_eq!(serde_json::to_string(one).unwrap(), format!("\"{one}\""));
            assert_eq!(through_json(one), *one);
            assert_eq!(through_messagepack(one), *one);
        }
        let word = NEWER.to_owned();
        assert_eq!(serde_json::from_str::<T>(&serde_json::to_string(&word).unwrap()).unwrap(), newer);
        assert_eq!(rmp_serde::from_slice::<T>(&rmp_serde::to_vec_named(&word).unwrap()).unwrap(), newer);
        let words: std::collections::BTreeSet<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), all.len(), "two variants have one word");
    }

    #[test]
    fn a_word_is_short_and_harmless() {
        for text in ["", "a", "reload-failed", "it is not ready", &"x".repeat(LONGEST)] {
            assert_eq!(Word::new(text).unwrap().as_str(), text);
        }
        for text in ["ä", "a\n", "\x1b[2J", "\0", &"x".repeat(LONGEST + 1)] {
            assert_eq!(Word::new(text), None, "{text:?}");
            assert!(serde_json::from_value::<Word>(text.into()).is_err());
        }
        assert!(serde_json::from_str::<Word>("7").is_err());
    }
}
