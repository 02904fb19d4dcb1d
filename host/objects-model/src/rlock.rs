//! A re-entrant lock: its holder may acquire it again, and it is free after as many releases. Its words are those of a
//! [`Lock`].
//!
//! Must not: keep a depth beyond its holder's life.

use crate::lock::{DEPTH, Lock};
use crate::member::code;
use crate::owner::is_owner;
use crate::problem::{Acquired, Problem, Recovery};
use crate::words::{Until, Words};
use sandhog_protocol::objects::{Member, ObjectState};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlock {
    base: usize,
}

impl Rlock {
    /// `base` is even.
    #[must_use]
    pub const fn at(base: usize) -> Self {
        Self { base }
    }

    /// The token is the same for all depths: what is fenced by it is one hold.
    ///
    /// # Errors
    /// `TimedOut`, `WouldBlock`, `Stopping`, `Damaged`: it is as deep as before then. `Invalid`: deeper than 2^32.
    #[inline]
    pub fn acquire<W: Words>(self, words: &W, me: Member, until: Until) -> Result<Acquired, Problem> {
        match self.lock().owner().try_take(words, me) {
            Ok(taken) => Ok(self.enter(words, self.lock().taken(words, me, taken)?, 1)),
            Err(word) if is_owner(word, me) => self.deepen(words),
            Err(_) => {
                let taken = self.lock().owner().contend(words, me, until)?;
                Ok(self.enter(words, self.lock().taken(words, me, taken)?, 1))
            }
        }
    }

    /// # Errors
    /// `NotHeld`, `Damaged`.
    #[inline]
    pub fn release<W: Words>(self, words: &W, me: Member) -> Result<(), Problem> {
        match words.load(self.depth()) {
            0 | 1 => self.lock().release(words, me),
            depth if self.is_held(words, me) => {
                words.store(self.depth(), depth - 1);
                Ok(())
            }
            _ => Err(Problem::NotHeld),
        }
    }

    /// Frees it whatever its depth, for a wait: the depth to come back to.
    pub(crate) fn release_all<W: Words>(self, words: &W, me: Member) -> Result<u32, Problem> {
        let depth = words.load(self.depth());
        self.lock().release(words, me)?;
        Ok(depth.max(1))
    }

    /// Comes back to the depth.
    pub(crate) fn acquire_all<W: Words>(
        self,
        words: &W,
        me: Member,
        depth: u32,
        until: Until,
    ) -> Result<Acquired, Problem> {
        Ok(self.enter(words, self.lock().acquire(words, me, until)?, depth))
    }

    #[inline]
    pub(crate) fn is_held<W: Words>(self, words: &W, me: Member) -> bool {
        self.lock().owner().word(words) == code(me)
    }

    #[inline]
    fn enter<W: Words>(self, words: &W, acquired: Acquired, depth: u32) -> Acquired {
        words.store(self.depth(), depth);
        acquired
    }

    fn deepen<W: Words>(self, words: &W) -> Result<Acquired, Problem> {
        let depth = words.load(self.depth()).checked_add(1).ok_or(Problem::Invalid)?;
        words.store(self.depth(), depth);
        Ok(Acquired { token: self.lock().token(words), died: None })
    }

    const fn lock(self) -> Lock {
        Lock::at(self.base)
    }

    const fn depth(self) -> usize {
        self.base + DEPTH
    }

    /// As of a lock. A depth that a dead holder leaves is overwritten by the next.
    pub fn recover<W: Words>(self, words: &W, dead: Member) -> Recovery {
        self.lock().recover(words, dead)
    }

    /// Wakes all that wait: they look again.
    pub fn rouse<W: Words>(self, words: &W) {
        self.lock().rouse(words);
    }

    /// As of a lock.
    pub fn named<W: Words>(self, words: &W, tell: &mut dyn FnMut(Member)) {
        self.lock().named(words, tell);
    }

    pub fn look<W: Words>(self, words: &W) -> ObjectState {
        self.lock().look(words)
    }
}
