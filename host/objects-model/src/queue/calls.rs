//! The words of those that stand in line, and what is called out to them.
//!
//! Must not: wait, or wake anybody: that comes after the guard was left.

use crate::Words;

/// Somebody sleeps here, or is about to.
pub(super) const SOME: u32 = 1;

/// All that slept here were woken, since one that was had no use for the room that there is: items have different lengths.
pub(super) const ALL: u32 = 2;

pub(super) const FLAGS: u32 = SOME | ALL;

/// What the number of calls grows by.
const CALL: u32 = 4;

/// How many to wake of those that `most` can go on.
#[inline]
pub(super) fn call(words: &impl Words, line: usize, most: u32) -> u32 {
    let now = words.load(line);
    if now & SOME == 0 {
        return 0;
    }
    words.store(line, next(now));
    most
}

/// By one that has waited, as it comes out: how many to wake, where there is something for one `more`.
pub(super) fn pass_on(words: &impl Words, line: usize, more: bool) -> u32 {
    let now = words.load(line);
    words.store(line, if more { next(now) | SOME } else { now | SOME });
    more.into()
}

/// After a death: nobody's sleep is trusted. Wake all, afterwards.
pub(super) fn call_all(words: &impl Words, line: usize) {
    words.store(line, next(words.load(line)));
}

pub(super) fn next(word: u32) -> u32 {
    (word & !FLAGS).wrapping_add(CALL)
}
