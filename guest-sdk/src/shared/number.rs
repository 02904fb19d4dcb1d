//! What values and arrays are made of.
//!
//! Must not: ask the host for anything.

use crate::abi::bytes::{self, Plain};
use crate::abi::sandhog::job::objects::Element;

/// A number as the interface has it: integers as 64 bits, floats as 64 bits.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Raw {
    Integer(i64),
    Float(f64),
}

/// Keeps [`Number`] to the types of this file.
pub trait Sealed: Plain {
    #[doc(hidden)]
    const ELEMENT: Element;

    /// Which of the two it is.
    #[doc(hidden)]
    const ZERO: Raw;

    /// The number 0.
    #[doc(hidden)]
    const NOTHING: Self;

    #[doc(hidden)]
    fn same_bits(self, other: Self) -> bool;

    #[doc(hidden)]
    fn to_raw(self) -> Raw;

    #[doc(hidden)]
    fn from_raw(raw: Raw) -> Self;
}

/// What a value or an array is made of: `i8` to `i64`, `u8` to `u64`, `f32`, `f64`.
pub trait Number: Sealed + PartialEq + std::fmt::Debug {}

/// Those that are no floats. Sums wrap around, as those of processors do.
pub trait Integer: Number {}

macro_rules! number {
    ($type:ident, $element:ident, $raw:ident, $wide:ident) => {
        #[allow(
            clippy::cast_lossless,
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a number's raw form has all of its bits, and which of the casts loses some depends on the type"
        )]
        impl Sealed for $type {
            const ELEMENT: Element = Element::$element;
            const ZERO: Raw = Raw::$raw(0 as $wide);
            const NOTHING: Self = 0 as Self;

            fn same_bits(self, other: Self) -> bool {
                self.to_le_bytes() == other.to_le_bytes()
            }

            #[inline]
            fn to_raw(self) -> Raw {
                Raw::$raw(self as $wide)
            }

            #[inline]
            fn from_raw(raw: Raw) -> Self {
                match raw {
                    Raw::Integer(number) => number as Self,
                    Raw::Float(number) => number as Self,
                }
            }
        }

        impl Number for $type {}
    };
}

number!(i8, I8, Integer, i64);
number!(u8, U8, Integer, i64);
number!(i16, I16, Integer, i64);
number!(u16, U16, Integer, i64);
number!(i32, I32, Integer, i64);
number!(u32, U32, Integer, i64);
number!(i64, I64, Integer, i64);
number!(u64, U64, Integer, i64);
number!(f32, F32, Float, f64);
number!(f64, F64, Float, f64);

macro_rules! integers {
    ($($type:ident)*) => { $(impl Integer for $type {})* };
}

integers!(i8 u8 i16 u16 i32 u32 i64 u64);

/// The numbers of bytes that lie in memory: as many as there are whole ones.
pub(super) fn from_bytes<T: Number>(bytes: &[u8], numbers: &mut Vec<T>) {
    let (before, more) = (numbers.len(), bytes.len() / size_of::<T>());
    numbers.resize(before + more, T::NOTHING);
    bytes::of_mut(&mut numbers[before..]).copy_from_slice(&bytes[..more * size_of::<T>()]);
}

/// The name of an element, as grants have it.
pub(super) fn name(element: Element) -> &'static str {
    match element {
        Element::I8 => "i8",
        Element::U8 => "u8",
        Element::I16 => "i16",
        Element::U16 => "u16",
        Element::I32 => "i32",
        Element::U32 => "u32",
        Element::I64 => "i64",
        Element::U64 => "u64",
        Element::F32 => "f32",
        Element::F64 => "f64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Number>(numbers: &[T]) {
        let mut back: Vec<T> = Vec::new();
        from_bytes(bytes::of(numbers), &mut back);
        assert_eq!(back, numbers);
        assert!(numbers.iter().all(|number| T::from_raw(number.to_raw()).same_bits(*number)));
    }

    #[test]
    fn numbers_are_what_they_were() {
        there_and_back(&[i8::MIN, -1, i8::MAX]);
        there_and_back(&[0, u8::MAX]);
        there_and_back(&[i16::MIN, i16::MAX]);
        there_and_back(&[u16::MAX]);
        there_and_back(&[i32::MIN, -1]);
        there_and_back(&[u32::MAX]);
        there_and_back(&[i64::MIN, i64::MAX]);
        there_and_back(&[u64::MAX, 1 << 63]);
        there_and_back(&[f32::MIN_POSITIVE, f32::INFINITY, -0.0]);
        there_and_back(&[f64::MAX, f64::EPSILON]);
    }

    #[test]
    fn a_u64_is_the_signed_number_of_the_same_bits() {
        assert!(matches!(u64::MAX.to_raw(), Raw::Integer(-1)));
        assert_eq!(bytes::of(&[1_u16, 0x0203]), [1, 0, 3, 2]);
    }
}
