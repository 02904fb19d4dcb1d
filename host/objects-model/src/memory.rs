//! Bytes, and nothing else. Copies of several at the same time can mix.
//!
//! Must not: reach beyond its size.

use crate::limits::MOST_BYTES;
use crate::problem::Problem;
use crate::words::Words;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    bytes: u64,
}

impl Memory {
    /// `None`: empty, or more than there is memory for on any machine.
    #[must_use]
    pub fn of(bytes: u64) -> Option<Self> {
        (1..=MOST_BYTES).contains(&bytes).then_some(Self { bytes })
    }

    #[must_use]
    pub const fn size(self) -> u64 {
        self.bytes
    }

    /// # Errors
    /// `Invalid`: beyond its end.
    pub fn read<W: Words>(self, words: &W, at: u64, into: &mut [u8]) -> Result<(), Problem> {
        words.read(self.part(at, into.len())?, into);
        Ok(())
    }

    /// # Errors
    /// `Invalid`: beyond its end.
    pub fn write<W: Words>(self, words: &W, at: u64, from: &[u8]) -> Result<(), Problem> {
        words.write(self.part(at, from.len())?, from);
        Ok(())
    }

    fn part(self, at: u64, bytes: usize) -> Result<usize, Problem> {
        let is_inside = at.checked_add(bytes as u64).is_some_and(|end| end <= self.bytes);
        if is_inside { usize::try_from(at).map_err(|_| Problem::Invalid) } else { Err(Problem::Invalid) }
    }
}
