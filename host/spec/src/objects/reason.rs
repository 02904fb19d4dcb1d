//! Why an object is refused, and what to do about it.

use crate::setting::{Names, Setting};
use crate::units;
use sandhog_protocol::objects::{GRANTED, NAME};

/// Why an object is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("a name and a kind, with a colon between them, were expected")]
    NoKind,
    #[error("the name is empty, longer than {NAME} bytes, or holds what does not show as itself, or a space")]
    Name,
    #[error("not UTF-8")]
    NotUtf8,
    #[error("there is no such kind of object; {advice}")]
    Kind { advice: String },
    #[error("the parenthesis is not closed")]
    Open,
    #[error("{0} was expected")]
    Arguments(&'static str),
    #[error("{0}")]
    Number(units::Error),
    #[error("{what} has to be more than 0")]
    Zero { what: &'static str },
    #[error("{what} is more than {max}")]
    Most { what: &'static str, max: String },
    #[error("there is no such kind of number; {advice}")]
    Element { advice: String },
    #[error("there is nothing to choose of this kind, and more was written")]
    NoChoice,
    #[error("this kind has no such right; {advice}")]
    Right { advice: String },
    #[error("rights are separated by spaces, not by commas")]
    Comma,
    #[error("no right is given, and nothing is granted that is not asked for: {0}")]
    NoRight(String),
    #[error("these rights are one or the other: {0}")]
    Exclusive(String),
    #[error("given twice")]
    Twice,
    #[error("{0} objects are more than {GRANTED}")]
    TooMany(usize),
    #[error("they take {bytes}, and the objects of a group have {limit}")]
    TooLarge { bytes: String, limit: String },
}

impl Reason {
    /// What to do, where the error alone does not say it.
    pub fn hint(&self, names: Names) -> Option<String> {
        let objects = names.of(Setting::Objects);
        match self {
            Self::NoKind | Self::Name | Self::Open => Some(match names {
                Names::Flags => {
                    format!("write {objects} \"NAME: KIND RIGHT\", such as {objects} \"tasks: queue(100) put\"")
                }
                Names::Keys => format!("write {objects} = [\"NAME: KIND RIGHT\"], such as [\"tasks: queue(100) put\"]"),
            }),
            Self::NotUtf8 => Some("names of objects are UTF-8 text".into()),
            Self::Twice => Some("leave one of them out; all rights go into one".into()),
            Self::TooMany(_) => Some("an array holds many numbers, and a memory whatever one puts into it".into()),
            Self::TooLarge { .. } => Some(format!("raise {}", names.of(Setting::ObjectsMemory))),
            Self::Kind { .. } | Self::Arguments(_) | Self::Number(_) | Self::Zero { .. } | Self::Most { .. } => None,
            Self::Element { .. } | Self::NoChoice | Self::Right { .. } | Self::Comma => None,
            Self::NoRight(_) | Self::Exclusive(_) => None,
        }
    }
}
