//! A setting's value where none is written.
//!
//! Must not: know a setting. Which value is the usual one is for the list to say.

use crate::units::{Size, Time};

/// The value where none is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usual {
    Size(Size),
    Time(Time),
    Count(u64),
    Word(&'static str),
    No,
    /// There is none.
    Nothing,
    /// It depends; on what, to follow "default: ".
    Depends(&'static str),
    /// It has to be written.
    Needed,
}

impl Usual {
    pub const fn to_size(self) -> Option<Size> {
        match self {
            Self::Size(size) => Some(size),
            Self::Time(_) | Self::Count(_) | Self::Word(_) | Self::No => None,
            Self::Nothing | Self::Depends(_) | Self::Needed => None,
        }
    }

    pub const fn to_time(self) -> Option<Time> {
        match self {
            Self::Time(time) => Some(time),
            Self::Size(_) | Self::Count(_) | Self::Word(_) | Self::No => None,
            Self::Nothing | Self::Depends(_) | Self::Needed => None,
        }
    }

    pub const fn to_count(self) -> Option<u64> {
        match self {
            Self::Count(count) => Some(count),
            Self::Size(_) | Self::Time(_) | Self::Word(_) | Self::No => None,
            Self::Nothing | Self::Depends(_) | Self::Needed => None,
        }
    }

    /// As people write it, without quotes; None where that depends or there is nothing.
    pub fn to_text(self) -> Option<String> {
        match self {
            Self::Size(size) => Some(size.to_string()),
            Self::Time(time) => Some(time.to_string()),
            Self::Count(count) => Some(count.to_string()),
            Self::Word(word) => Some(word.into()),
            Self::No => Some("false".into()),
            Self::Nothing | Self::Depends(_) | Self::Needed => None,
        }
    }

    /// As TOML has it; None as for [`Self::to_text`].
    pub fn to_toml(self) -> Option<String> {
        let text = self.to_text()?;
        Some(match self {
            Self::Size(_) | Self::Time(_) | Self::Word(_) => format!("\"{text}\""),
            Self::Count(_) | Self::No | Self::Nothing | Self::Depends(_) | Self::Needed => text,
        })
    }
}
