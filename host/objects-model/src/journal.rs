//! Several words changed as if they were one: all, or none where whoever does it dies on the way.
//!
//! Must not: be used outside of the guard, which is what makes it one at a time.

use crate::problem::Problem;
use crate::words::Words;
use std::ops::Range;

/// Most words of one change.
pub(crate) const ENTRIES: usize = 8;

/// Words that a journal takes: how many entries count, then place and old value of each.
pub(crate) const WORDS: usize = 1 + 2 * ENTRIES;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Journal {
    place: usize,
}

impl Journal {
    pub(crate) const fn at(place: usize) -> Self {
        Self { place }
    }

    /// Writes each value to its place: at most [`ENTRIES`], no place twice, under the guard. It is done when this is back; a
    /// death before that undoes all of it. Errors: `Invalid`: too many.
    pub(crate) fn change<W: Words>(self, words: &W, changes: &[(usize, u32)]) -> Result<(), Problem> {
        if changes.len() > ENTRIES {
            return Err(Problem::Invalid);
        }
        for (entry, (place, _)) in changes.iter().enumerate() {
            let old = words.load(*place);
            words.store(self.entry(entry), u32::try_from(*place).map_err(|_| Problem::Invalid)?);
            words.store(self.entry(entry) + 1, old);
        }
        words.store(self.place, u32::try_from(changes.len()).map_err(|_| Problem::Invalid)?);
        for (place, new) in changes {
            words.store(*place, *new);
        }
        words.store(self.place, 0);
        Ok(())
    }

    /// For the keeper, under the guard: takes back a change that was not finished. Places outside of `object` are not written.
    pub(crate) fn undo<W: Words>(self, words: &W, object: Range<usize>) {
        let entries = (words.load(self.place) as usize).min(ENTRIES);
        for entry in 0..entries {
            let place = words.load(self.entry(entry)) as usize;
            if object.contains(&place) {
                words.store(place, words.load(self.entry(entry) + 1));
            }
        }
        words.store(self.place, 0);
    }

    const fn entry(self, entry: usize) -> usize {
        self.place + 1 + 2 * entry
    }
}
