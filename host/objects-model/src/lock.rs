//! A lock: one holder at a time. A second acquisition by its holder waits for itself.
//!
//! | word | |
//! | --- | --- |
//! | 0, 1 | its [`Owner`] |
//! | 2 | who died with it: of use where it is poisoned, to the next holder |
//! | 3 | depth, where it is re-entrant: written by the holder |
//! | 4, 5 | the last acquisition token: written by the holder |
//!
//! Must not: be free and unpoisoned after a holder's death.

use crate::member::{code, named};
use crate::owner::{Owner, POISONED, Taken};
use crate::problem::{Acquired, Problem, Recovery};
use crate::words::{Until, Words};
use sandhog_protocol::objects::{Member, ObjectState};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    base: usize,
}

const DEAD: usize = 2;
pub(crate) const DEPTH: usize = 3;
const TOKEN: usize = 4;

/// Those of them that it uses.
pub(crate) const USED: usize = TOKEN + 2;

/// Words of a lock: a cache line.
pub(crate) const WORDS: usize = 16;

impl Lock {
    /// `base` is even.
    #[must_use]
    pub const fn at(base: usize) -> Self {
        Self { base }
    }

    /// # Errors
    /// `TimedOut`, `WouldBlock`, `Stopping`, `Damaged`: it is not held then.
    #[inline]
    pub fn acquire<W: Words>(self, words: &W, me: Member, until: Until) -> Result<Acquired, Problem> {
        let taken = self.owner().take(words, me, until)?;
        self.taken(words, me, taken)
    }

    /// # Errors
    /// `NotHeld`, `Damaged`.
    #[inline]
    pub fn release<W: Words>(self, words: &W, me: Member) -> Result<(), Problem> {
        self.owner().give(words, me)
    }

    pub(crate) const fn owner(self) -> Owner {
        Owner::at(self.base)
    }

    /// A new token. A death before the caller has it leaves a gap.
    #[inline]
    pub(crate) fn taken<W: Words>(self, words: &W, me: Member, taken: Taken) -> Result<Acquired, Problem> {
        let token = words.load_long(self.base + TOKEN).checked_add(1);
        let died = match taken {
            Taken::Clean => None,
            Taken::Poisoned => named(words.load(self.base + DEAD)),
        };
        match token {
            Some(token) if died.is_some() || taken == Taken::Clean => {
                words.store_long(self.base + TOKEN, token);
                Ok(Acquired { token, died })
            }
            Some(_) | None => self.damaged(words, me),
        }
    }

    /// It is not kept.
    #[cold]
    fn damaged<W: Words>(self, words: &W, me: Member) -> Result<Acquired, Problem> {
        self.release(words, me)?;
        Err(Problem::Damaged)
    }

    pub(crate) fn token<W: Words>(self, words: &W) -> u64 {
        words.load_long(self.base + TOKEN)
    }

    /// Passes it on poisoned where the dead member held it. The name of the dead is there before anybody looks for it.
    pub fn recover<W: Words>(self, words: &W, dead: Member) -> Recovery {
        let note = || words.store(self.base + DEAD, code(dead));
        Recovery::done(self.owner().recover(words, dead, POISONED, note))
    }

    /// Wakes all that wait: they look again.
    pub fn rouse<W: Words>(self, words: &W) {
        self.owner().rouse(words);
    }

    /// Its holder, and its next holder where that is known.
    pub fn named<W: Words>(self, words: &W, tell: &mut dyn FnMut(Member)) {
        self.owner().named(words, tell);
    }

    pub fn look<W: Words>(self, words: &W) -> ObjectState {
        let holders = self.owner().holder(words).into_iter().collect();
        ObjectState { holders, token: self.token(words), ..ObjectState::default() }
    }
}
