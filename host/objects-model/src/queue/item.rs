//! The items of a queue, on the way in and on the way out.
//!
//! Must not: know a queue's memory.

/// An item that has more bytes is copied while others go on: they would wait longer than it takes to come in twice.
#[cfg(not(test))]
pub(super) const LARGE: usize = 16 << 10;
#[cfg(test)]
pub(crate) const LARGE: usize = 200;

/// What is put.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub format: u8,
    /// Its body, in pieces.
    pub parts: &'a [&'a [u8]],
}

impl Item<'_> {
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }
}

/// What was got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub format: u8,
    pub body: Vec<u8>,
}

/// An item in its member's hands, until that acknowledges it, gives it back, or dies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Names it; grows with each that is taken.
    pub token: u64,
    pub item: Got,
}
