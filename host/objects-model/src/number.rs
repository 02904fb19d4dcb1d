//! One number of an element's kind at a place of the memory. Each operation is atomic: numbers of one or two bytes are changed
//! by way of the word around them.
//!
//! Must not: check where the place lies.

use crate::halves::lower;
use crate::limits::TRIES;
use crate::problem::Problem;
use crate::words::Words;
use sandhog_protocol::objects::Element;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) element: Element,
    /// In bytes, a multiple of the element's size.
    pub(crate) byte: usize,
}

/// Integers pass as 64 bits and are cut to the element's size; floats pass as `f64`.
impl Number {
    #[inline]
    pub(crate) fn get_integer<W: Words>(self, words: &W) -> Result<i64, Problem> {
        self.check(false)?;
        Ok(self.widen(self.load(words)))
    }

    #[inline]
    pub(crate) fn set_integer<W: Words>(self, words: &W, value: i64) -> Result<(), Problem> {
        self.check(false)?;
        self.store(words, value.cast_unsigned())
    }

    #[inline]
    pub(crate) fn add_integer<W: Words>(self, words: &W, amount: i64) -> Result<i64, Problem> {
        self.check(false)?;
        let amount = amount.cast_unsigned();
        let before = match self.element.size() {
            8 => words.fetch_add_long(self.word(), amount),
            4 => u64::from(words.fetch_add(self.word(), lower(amount))),
            _ => self.update(words, |bits| bits.wrapping_add(amount))?,
        };
        Ok(self.widen(before))
    }

    pub(crate) fn swap_integer<W: Words>(self, words: &W, value: i64) -> Result<i64, Problem> {
        self.check(false)?;
        Ok(self.widen(self.update(words, |_| value.cast_unsigned())?))
    }

    pub(crate) fn compare_exchange_integer<W: Words>(self, words: &W, old: i64, new: i64) -> Result<i64, Problem> {
        self.check(false)?;
        Ok(self.widen(self.compare_exchange(words, old.cast_unsigned(), new.cast_unsigned())?))
    }

    #[inline]
    pub(crate) fn get_float<W: Words>(self, words: &W) -> Result<f64, Problem> {
        self.check(true)?;
        Ok(self.float(self.load(words)))
    }

    #[inline]
    pub(crate) fn set_float<W: Words>(self, words: &W, value: f64) -> Result<(), Problem> {
        self.check(true)?;
        self.store(words, self.bits(value))
    }

    pub(crate) fn add_float<W: Words>(self, words: &W, amount: f64) -> Result<f64, Problem> {
        self.check(true)?;
        Ok(self.float(self.update(words, |bits| self.bits(self.float(bits) + amount))?))
    }

    pub(crate) fn swap_float<W: Words>(self, words: &W, value: f64) -> Result<f64, Problem> {
        self.check(true)?;
        Ok(self.float(self.update(words, |_| self.bits(value))?))
    }

    /// By bits.
    pub(crate) fn compare_exchange_float<W: Words>(self, words: &W, old: f64, new: f64) -> Result<f64, Problem> {
        self.check(true)?;
        Ok(self.float(self.compare_exchange(words, self.bits(old), self.bits(new))?))
    }

    #[inline]
    const fn check(self, float: bool) -> Result<(), Problem> {
        if is_float(self.element) == float { Ok(()) } else { Err(Problem::Invalid) }
    }

    const fn word(self) -> usize {
        self.byte / 4
    }

    /// Within its word, in bits.
    const fn shift(self) -> usize {
        8 * (self.byte % 4)
    }

    const fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * self.element.size())
    }

    #[inline]
    fn load<W: Words>(self, words: &W) -> u64 {
        match self.element.size() {
            8 => words.load_long(self.word()),
            _ => u64::from(words.load(self.word()) >> self.shift()) & self.mask(),
        }
    }

    #[inline]
    fn store<W: Words>(self, words: &W, bits: u64) -> Result<(), Problem> {
        match self.element.size() {
            8 => words.store_long(self.word(), bits),
            4 => words.store(self.word(), lower(bits)),
            _ => {
                self.update(words, |_| bits)?;
            }
        }
        Ok(())
    }

    /// The bits before.
    fn update<W: Words>(self, words: &W, new: impl Fn(u64) -> u64) -> Result<u64, Problem> {
        let mut seen = self.load(words);
        for _ in 0..TRIES {
            match self.exchange_once(words, seen, new(seen)) {
                Ok(()) => return Ok(seen),
                Err(other) => seen = other,
            }
        }
        Err(Problem::Damaged)
    }

    fn compare_exchange<W: Words>(self, words: &W, old: u64, new: u64) -> Result<u64, Problem> {
        let old = old & self.mask();
        for _ in 0..TRIES {
            match self.exchange_once(words, old, new) {
                Ok(()) => return Ok(old),
                Err(seen) if seen != old => return Ok(seen),
                // A neighbour in the same word got in the way.
                Err(_) => {}
            }
        }
        Err(Problem::Damaged)
    }

    /// The error is the bits that are there instead; the same as `old` where only a neighbour has changed.
    fn exchange_once<W: Words>(self, words: &W, old: u64, new: u64) -> Result<(), u64> {
        let (old, new) = (old & self.mask(), new & self.mask());
        if self.element.size() == 8 {
            return words.compare_exchange_long(self.word(), old, new).map(drop);
        }
        let mask = lower(self.mask()) << self.shift();
        let around = if mask == u32::MAX { 0 } else { words.load(self.word()) & !mask };
        let put = |bits: u64| around | lower(bits) << self.shift();
        let exchanged = words.compare_exchange(self.word(), put(old), put(new));
        exchanged.map(drop).map_err(|seen| u64::from(seen >> self.shift()) & self.mask())
    }

    #[expect(clippy::cast_possible_truncation, reason = "bits beyond the element's size are cut off")]
    const fn widen(self, bits: u64) -> i64 {
        match self.element {
            Element::I8 => bits.cast_signed() as i8 as i64,
            Element::I16 => bits.cast_signed() as i16 as i64,
            Element::I32 => bits.cast_signed() as i32 as i64,
            Element::U8 => bits as u8 as i64,
            Element::U16 => bits as u16 as i64,
            Element::U32 => bits as u32 as i64,
            Element::I64 | Element::U64 | Element::F32 | Element::F64 => bits.cast_signed(),
        }
    }

    fn float(self, bits: u64) -> f64 {
        if self.element.size() == 4 { f64::from(f32::from_bits(lower(bits))) } else { f64::from_bits(bits) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a number of this kind is rounded to its size")]
    fn bits(self, value: f64) -> u64 {
        if self.element.size() == 4 { u64::from((value as f32).to_bits()) } else { value.to_bits() }
    }
}

const fn is_float(element: Element) -> bool {
    match element {
        Element::F32 | Element::F64 => true,
        Element::I8
        | Element::U8
        | Element::I16
        | Element::U16
        | Element::I32
        | Element::U32
        | Element::I64
        | Element::U64 => false,
    }
}
