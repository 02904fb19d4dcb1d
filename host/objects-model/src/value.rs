//! One number, behind a re-entrant lock that nothing here takes by itself.
//!
//! Must not: know how a number is changed.

use crate::lock;
use crate::number::Number;
use crate::problem::Problem;
use crate::rlock::Rlock;
use crate::words::Words;
use sandhog_protocol::objects::Element;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    number: Number,
}

/// Words of a value: its lock's, and a cache line of its own.
pub(crate) const WORDS: usize = lock::WORDS + 16;

/// # Errors
/// Of all operations: `Invalid`: an integer's operation of a float, or the other way round. `Damaged`.
impl Value {
    #[must_use]
    pub const fn of(element: Element) -> Self {
        Self { number: Number { element, byte: 4 * lock::WORDS } }
    }

    #[must_use]
    pub const fn element(self) -> Element {
        self.number.element
    }

    #[must_use]
    pub const fn lock(self) -> Rlock {
        Rlock::at(0)
    }

    #[inline]
    pub fn get_integer<W: Words>(self, words: &W) -> Result<i64, Problem> {
        self.number.get_integer(words)
    }

    #[inline]
    pub fn set_integer<W: Words>(self, words: &W, value: i64) -> Result<(), Problem> {
        self.number.set_integer(words, value)
    }

    /// The number before, as for the next two.
    #[inline]
    pub fn add_integer<W: Words>(self, words: &W, amount: i64) -> Result<i64, Problem> {
        self.number.add_integer(words, amount)
    }

    pub fn swap_integer<W: Words>(self, words: &W, value: i64) -> Result<i64, Problem> {
        self.number.swap_integer(words, value)
    }

    /// It was set where the number before is the expected one, cut to the element's size.
    pub fn compare_exchange_integer<W: Words>(self, words: &W, expected: i64, value: i64) -> Result<i64, Problem> {
        self.number.compare_exchange_integer(words, expected, value)
    }

    #[inline]
    pub fn get_float<W: Words>(self, words: &W) -> Result<f64, Problem> {
        self.number.get_float(words)
    }

    #[inline]
    pub fn set_float<W: Words>(self, words: &W, value: f64) -> Result<(), Problem> {
        self.number.set_float(words, value)
    }

    /// The number before, as for the next two.
    #[inline]
    pub fn add_float<W: Words>(self, words: &W, amount: f64) -> Result<f64, Problem> {
        self.number.add_float(words, amount)
    }

    pub fn swap_float<W: Words>(self, words: &W, value: f64) -> Result<f64, Problem> {
        self.number.swap_float(words, value)
    }

    /// Compares bits, so that NaN is what it is.
    pub fn compare_exchange_float<W: Words>(self, words: &W, expected: f64, value: f64) -> Result<f64, Problem> {
        self.number.compare_exchange_float(words, expected, value)
    }
}
