//! Parts of words that hold several numbers. A cast that cuts off bits is written here alone.

/// Bits 0 to 31.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the rest has a name of its own")]
pub(crate) const fn lower(long: u64) -> u32 {
    long as u32
}

/// Bits 32 to 63.
#[inline]
pub(crate) const fn upper(long: u64) -> u32 {
    lower(long >> 32)
}

/// Bits 0 to 15.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the rest belongs to another number")]
pub(crate) const fn short(word: u32) -> u16 {
    word as u16
}
