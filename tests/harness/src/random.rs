//! Chance that a test chooses moments by, and can choose again.
//!
//! Must not: ask the system for any. The seed decides all.

/// Small, fast and good enough to choose moments (Marsaglia, "Xorshift RNGs", 2003).
pub struct Random(
    /// The seed, and then the state. Not 0.
    pub u64,
);

impl Random {
    /// A number from 0 up to `end`, which is not among them.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// One of these.
    pub fn one_of<'a, T>(&mut self, these: &'a [T]) -> &'a T {
        &these[usize::try_from(self.below(these.len() as u64)).unwrap()]
    }
}
