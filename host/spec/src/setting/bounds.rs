//! Bounds of sizes, times and counts, and why a value by itself can't be had.
//!
//! Must not: know a setting. Which bounds one has is for the list to say.

use crate::units;

/// The least and the most of a setting, in bytes, milliseconds or things, each with its reason.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub min: Option<(u64, &'static str)>,
    /// Why nothing at all is refused.
    pub zero: Option<&'static str>,
    pub max: Option<(u64, &'static str)>,
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
    #[error("less than {min}, {reason}")]
    Less { min: String, reason: &'static str },
    #[error("more than {max}, {reason}")]
    More { max: String, reason: &'static str },
}

impl Bounds {
    pub const NONE: Self = Self { min: None, zero: None, max: None };

    pub const fn min(min: u64, reason: &'static str) -> Self {
        Self { min: Some((min, reason)), ..Self::NONE }
    }

    pub const fn not_zero(reason: &'static str) -> Self {
        Self { zero: Some(reason), ..Self::NONE }
    }

    pub const fn max(max: u64, reason: &'static str) -> Self {
        Self { max: Some((max, reason)), ..Self::NONE }
    }

    pub const fn and_max(self, max: u64, reason: &'static str) -> Self {
        Self { max: Some((max, reason)), ..self }
    }

    /// The least value that is none of the refused ones.
    pub fn floor(&self) -> u64 {
        self.min.map_or(u64::from(self.zero.is_some()), |(min, _)| min)
    }

    /// `value` in the smallest unit; `print` shows one.
    pub(super) fn check(self, value: u64, print: impl Fn(u64) -> String) -> Result<(), Reason> {
        if let (0, Some(reason)) = (value, self.zero) {
            return Err(Reason::Zero(reason));
        }
        if let Some((min, reason)) = self.min.filter(|(min, _)| value < *min) {
            return Err(Reason::Less { min: print(min), reason });
        }
        match self.max.filter(|(max, _)| value > *max) {
            Some((max, reason)) => Err(Reason::More { max: print(max), reason }),
            None => Ok(()),
        }
    }
}
