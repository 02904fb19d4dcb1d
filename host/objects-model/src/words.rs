//! The memory of one object, as its members see it.

/// Words of 32 bits, and bytes, that several members have at the same time. Whatever is read may have been written by a member
/// that was taken over: it is checked before it is used as a place or a length.
///
/// Loads, compare-exchanges and additions have one order that all members agree on; a store is seen after all that came before
/// it.
///
/// A word's place is its number, counted from 0. A place beyond the end reads as 0 and takes nothing, so that no value in the
/// memory leads out of it.
pub trait Words {
    fn load(&self, place: usize) -> u32;

    fn store(&self, place: usize, value: u32);

    /// The value before: `Ok` where it was `old` and is `new` now.
    ///
    /// # Errors
    /// The value that is there instead.
    fn compare_exchange(&self, place: usize, old: u32, new: u32) -> Result<u32, u32>;

    /// The value before.
    fn fetch_add(&self, place: usize, more: u32) -> u32;

    /// Two words as one, the lower half first; `place` is even.
    fn load_long(&self, place: usize) -> u64;

    fn store_long(&self, place: usize, value: u64);

    /// # Errors
    /// As [`Words::compare_exchange`].
    fn compare_exchange_long(&self, place: usize, old: u64, new: u64) -> Result<u64, u64>;

    fn fetch_add_long(&self, place: usize, more: u64) -> u64;

    /// Copies bytes; `place` counts bytes. No order, and no whole: others may write meanwhile.
    fn read(&self, place: usize, into: &mut [u8]);

    fn write(&self, place: usize, from: &[u8]);

    /// Sleeps while the word is `expected`, until it is woken, the time is over, or the member is asked to stop. May come back for
    /// no reason. Where the time is over, or the member is asked to stop, it says so even if the word is another one: then no
    /// value that keeps changing holds anybody up for longer than he wants to wait.
    fn wait(&self, place: usize, expected: u32, until: Until) -> Waited;

    /// Wakes so many of those that sleep on the word.
    fn wake(&self, place: usize, most: u32);

    /// A moment's rest between two looks at a word: a spin.
    fn pause(&self);
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    Now,
    Never,
    /// By the clock of whoever implements [`Words`], in nanoseconds.
    At(u64),
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The word is another one, somebody has woken it, or nothing happened.
    Woken,
    TimedOut,
    /// The member is asked to stop.
    Stopping,
}
