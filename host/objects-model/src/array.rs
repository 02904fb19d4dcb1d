//! Numbers of one kind, behind a re-entrant lock that nothing here takes by itself. An operation on one of them is atomic, a
//! copy of several is not.
//!
//! Must not: reach beyond its length.

use crate::limits::MOST_BYTES;
use crate::lock;
use crate::number::Number;
use crate::problem::Problem;
use crate::rlock::Rlock;
use crate::words::Words;
use sandhog_protocol::objects::Element;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array {
    element: Element,
    length: u64,
}

const HEADER_BYTES: u64 = 4 * lock::WORDS as u64;

/// # Errors
/// Of all operations: `Invalid`: beyond its length, an integer's operation of a float, or the other way round. `Damaged`.
impl Array {
    /// `None`: empty, or more than there is memory for on any machine.
    #[must_use]
    pub fn of(element: Element, length: u64) -> Option<Self> {
        let bytes = length.checked_mul(element.size())?;
        (1..=MOST_BYTES).contains(&bytes).then_some(Self { element, length })
    }

    /// Up to the end of a word: an element is changed by changing the whole word that it lies in.
    pub(crate) const fn bytes(self) -> u64 {
        HEADER_BYTES + (self.length * self.element.size()).next_multiple_of(4)
    }

    #[must_use]
    pub const fn element(self) -> Element {
        self.element
    }

    #[must_use]
    pub const fn length(self) -> u64 {
        self.length
    }

    #[must_use]
    pub const fn lock(self) -> Rlock {
        Rlock::at(0)
    }

    #[inline]
    pub fn get_integer<W: Words>(self, words: &W, index: u64) -> Result<i64, Problem> {
        self.number(index)?.get_integer(words)
    }

    #[inline]
    pub fn set_integer<W: Words>(self, words: &W, index: u64, value: i64) -> Result<(), Problem> {
        self.number(index)?.set_integer(words, value)
    }

    /// The number before, as for the next.
    #[inline]
    pub fn add_integer<W: Words>(self, words: &W, index: u64, amount: i64) -> Result<i64, Problem> {
        self.number(index)?.add_integer(words, amount)
    }

    /// It was set where the number before is the expected one, cut to the element's size.
    pub fn compare_exchange_integer<W: Words>(
        self,
        words: &W,
        index: u64,
        expected: i64,
        value: i64,
    ) -> Result<i64, Problem> {
        self.number(index)?.compare_exchange_integer(words, expected, value)
    }

    #[inline]
    pub fn get_float<W: Words>(self, words: &W, index: u64) -> Result<f64, Problem> {
        self.number(index)?.get_float(words)
    }

    #[inline]
    pub fn set_float<W: Words>(self, words: &W, index: u64, value: f64) -> Result<(), Problem> {
        self.number(index)?.set_float(words, value)
    }

    /// The number before.
    pub fn add_float<W: Words>(self, words: &W, index: u64, amount: f64) -> Result<f64, Problem> {
        self.number(index)?.add_float(words, amount)
    }

    /// As they lie in memory, little-endian: `into` takes whole elements.
    pub fn read<W: Words>(self, words: &W, index: u64, into: &mut [u8]) -> Result<(), Problem> {
        words.read(self.part(index, into.len())?, into);
        Ok(())
    }

    /// `from` has whole elements.
    pub fn write<W: Words>(self, words: &W, index: u64, from: &[u8]) -> Result<(), Problem> {
        words.write(self.part(index, from.len())?, from);
        Ok(())
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "an element has at most 8 bytes")]
    fn number(self, index: u64) -> Result<Number, Problem> {
        let byte = self.part(index, self.element.size() as usize)?;
        Ok(Number { element: self.element, byte })
    }

    /// Where so many bytes from an element on begin.
    #[inline]
    fn part(self, index: u64, bytes: usize) -> Result<usize, Problem> {
        let size = self.element.size();
        let bytes = bytes as u64;
        if !bytes.is_multiple_of(size) || index > self.length || bytes / size > self.length - index {
            return Err(Problem::Invalid);
        }
        usize::try_from(HEADER_BYTES + index * size).map_err(|_| Problem::Invalid)
    }
}
