//! Bounds of sizes, times and counts, and reading a value within them.

use super::{Setting, Wrong};
use crate::units::{self, Size, Time, Written};

/// The least and the most of a setting, in bytes, milliseconds or things, each with its reason.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub least: Option<(u64, &'static str)>,
    /// Why nothing at all is refused.
    pub zero: Option<&'static str>,
    pub most: Option<(u64, &'static str)>,
}

/// Why a value can't be had. The text follows the name and the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("{0}")]
    Unreadable(units::Error),
    #[error("there is no such word; {advice}")]
    Word { advice: String },
    #[error("{0}")]
    Zero(&'static str),
    #[error("less than {least}, {reason}")]
    Less { least: String, reason: &'static str },
    #[error("more than {most}, {reason}")]
    More { most: String, reason: &'static str },
}

impl Bounds {
    pub const NONE: Self = Self { least: None, zero: None, most: None };

    pub const fn least(least: u64, reason: &'static str) -> Self {
        Self { least: Some((least, reason)), ..Self::NONE }
    }

    pub const fn not_zero(reason: &'static str) -> Self {
        Self { zero: Some(reason), ..Self::NONE }
    }

    pub const fn most(most: u64, reason: &'static str) -> Self {
        Self { most: Some((most, reason)), ..Self::NONE }
    }

    pub const fn and_most(self, most: u64, reason: &'static str) -> Self {
        Self { most: Some((most, reason)), ..self }
    }

    /// The least value that is none of the refused ones.
    pub fn floor(&self) -> u64 {
        self.least.map_or(u64::from(self.zero.is_some()), |(least, _)| least)
    }

    /// `value` in the smallest unit; `print` shows one.
    fn check(self, value: u64, print: impl Fn(u64) -> String) -> Result<(), Why> {
        if let (0, Some(reason)) = (value, self.zero) {
            return Err(Why::Zero(reason));
        }
        if let Some((least, reason)) = self.least.filter(|(least, _)| value < *least) {
            return Err(Why::Less { least: print(least), reason });
        }
        match self.most.filter(|(most, _)| value > *most) {
            Some((most, reason)) => Err(Why::More { most: print(most), reason }),
            None => Ok(()),
        }
    }
}

/// A size as it was written, within the bounds of its setting; the usual one where there is none.
///
/// # Errors
/// It is none, or is out of its bounds.
pub fn size(setting: Setting, written: Option<&Written<Size>>) -> Result<Option<Size>, super::Error> {
    let read = |written: &Written<Size>| written.read().map_err(|error| unreadable(setting, written, error));
    plain_size(setting, written.map(read).transpose()?)
}

/// As [`size`], of one that has been read.
///
/// # Errors
/// It is out of the bounds.
pub fn plain_size(setting: Setting, size: Option<Size>) -> Result<Option<Size>, super::Error> {
    let Some(size) = size else { return Ok(setting.facts().usual.to_size()) };
    let print = |bytes| Size::bytes(bytes).to_string();
    let checked = setting.facts().bounds.check(size.to_bytes(), print);
    checked.map(|()| Some(size)).map_err(|why| given(setting, size, why))
}

/// As [`size`].
///
/// # Errors
/// As [`size`].
pub fn time(setting: Setting, written: Option<&Written<Time>>) -> Result<Option<Time>, super::Error> {
    let read = |written: &Written<Time>| written.read().map_err(|error| unreadable(setting, written, error));
    plain_time(setting, written.map(read).transpose()?)
}

/// As [`plain_size`].
///
/// # Errors
/// As [`plain_size`].
pub fn plain_time(setting: Setting, time: Option<Time>) -> Result<Option<Time>, super::Error> {
    let Some(time) = time else { return Ok(setting.facts().usual.to_time()) };
    let print = |millis| Time::millis(millis).to_string();
    let checked = setting.facts().bounds.check(time.to_millis(), print);
    checked.map(|()| Some(time)).map_err(|why| given(setting, time, why))
}

/// As [`plain_size`].
///
/// # Errors
/// As [`plain_size`].
pub fn count(setting: Setting, count: Option<u64>) -> Result<Option<u64>, super::Error> {
    let Some(count) = count else { return Ok(setting.facts().usual.to_count()) };
    let checked = setting.facts().bounds.check(count, |count| count.to_string());
    checked.map(|()| Some(count)).map_err(|why| given(setting, count, why))
}

/// Nothing at all has no unit.
fn given(setting: Setting, value: impl std::fmt::Display, why: Why) -> super::Error {
    match why {
        Why::Zero(_) => Wrong::given(setting, 0, why),
        Why::Unreadable(_) | Why::Word { .. } | Why::Less { .. } | Why::More { .. } => {
            Wrong::given(setting, value, why)
        }
    }
}

fn unreadable(setting: Setting, text: &str, error: units::Error) -> super::Error {
    Wrong::text(setting, text, Why::Unreadable(error))
}
