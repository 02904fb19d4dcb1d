//! Bounds of sizes, times and counts, and why a value by itself can't be had.
//!
//! Must not: know a setting. Which bounds one has is for the list to say.

use crate::units;

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
pub enum Reason {
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
    pub(super) fn check(self, value: u64, print: impl Fn(u64) -> String) -> Result<(), Reason> {
        if let (0, Some(reason)) = (value, self.zero) {
            return Err(Reason::Zero(reason));
        }
        if let Some((least, reason)) = self.least.filter(|(least, _)| value < *least) {
            return Err(Reason::Less { least: print(least), reason });
        }
        match self.most.filter(|(most, _)| value > *most) {
            Some((most, reason)) => Err(Reason::More { most: print(most), reason }),
            None => Ok(()),
        }
    }
}
