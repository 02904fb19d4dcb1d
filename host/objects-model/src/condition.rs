//! A condition: a re-entrant lock, and a wait for what changes under it. The lock's words, then a [`Line`] of those that wait.
//!
//! A member of several guests has one place in the line. So those of its waits that look again and again stay out of it: a word
//! behind the lock's own counts notifications, and each ends all of them.
//!
//! Must not: lose what a dead member was told.

use crate::limits::SEATS;
use crate::line::{self, Line};
use crate::lock;
use crate::problem::{Acquired, Problem, Recovery};
use crate::rlock::Rlock;
use crate::words::{Until, Words};
use sandhog_protocol::objects::{Member, ObjectState};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    base: usize,
}

/// Counts notifications: a word of the lock's cache line that the lock does not use.
const NOTIFIED: usize = 8;

const _: () = assert!(lock::USED <= NOTIFIED && NOTIFIED < lock::WORDS);

/// A wait that looks again and again, from its beginning on: it holds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaits {
    /// To which its lock comes back.
    depth: u32,
    notified: u32,
}

/// Words of a condition.
pub(crate) const WORDS: usize = lock::WORDS + line::WORDS;

impl Condition {
    /// `base` is even.
    #[must_use]
    pub const fn at(base: usize) -> Self {
        Self { base }
    }

    const fn lock(self) -> Rlock {
        Rlock::at(self.base)
    }

    const fn line(self) -> Line {
        Line::at(self.base + lock::WORDS)
    }

    /// # Errors
    /// As of its lock, [`Rlock::acquire`].
    pub fn acquire<W: Words>(self, words: &W, me: Member, until: Until) -> Result<Acquired, Problem> {
        self.lock().acquire(words, me, until)
    }

    /// # Errors
    /// As of its lock, [`Rlock::release`].
    pub fn release<W: Words>(self, words: &W, me: Member) -> Result<(), Problem> {
        self.lock().release(words, me)
    }

    /// Releases the lock, whatever its depth, waits to be notified, and acquires it again to the same depth.
    ///
    /// # Errors
    /// `TimedOut`, `WouldBlock`, `Stopping`: nobody notified; the lock is held again, but where the member is asked to stop and
    /// could not have it at once ([`Condition::is_held`]). Where it comes back poisoned, that is told instead. `NotHeld`,
    /// `Damaged`.
    pub fn wait<W: Words>(self, words: &W, me: Member, until: Until) -> Result<Acquired, Problem> {
        if !self.is_held(words, me) {
            return Err(Problem::NotHeld);
        }
        self.line().guard().enter(words, me, until)?;
        let joined = self.line().join(words, me);
        self.line().guard().leave(words, me)?;
        joined?;
        let depth = self.lock().release_all(words, me)?;
        let told = self.line().sleep(words, me, until);
        let acquired = self.lock().acquire_all(words, me, depth, Until::Never);
        match (told, acquired) {
            (Ok(()), Ok(acquired)) => {
                self.line().done(words, me);
                Ok(acquired)
            }
            (Ok(()), Err(problem)) => {
                words.fetch_add(self.base + NOTIFIED, 1);
                self.line().guard().enter_surely(words, me)?;
                let passed = self.line().pass_on(words, me);
                self.line().guard().leave(words, me)?;
                passed.and(Err(problem))
            }
            (Err(_), Ok(acquired)) if acquired.died.is_some() => Ok(acquired),
            (Err(problem), Ok(_)) | (Err(_), Err(problem)) => Err(problem),
        }
    }

    /// Begins a wait that looks again and again: releases the lock, whatever its depth. It leaves nothing behind: whoever does not
    /// go on with it has left.
    ///
    /// # Errors
    /// `NotHeld`, `Damaged`.
    pub fn begin_to_wait<W: Words>(self, words: &W, me: Member) -> Result<Awaits, Problem> {
        if !self.is_held(words, me) {
            return Err(Problem::NotHeld);
        }
        let notified = words.load(self.base + NOTIFIED);
        Ok(Awaits { depth: self.lock().release_all(words, me)?, notified })
    }

    /// Whether anybody was notified since it began, this member or another.
    pub fn was_notified_since<W: Words>(self, words: &W, awaits: Awaits) -> bool {
        words.load(self.base + NOTIFIED) != awaits.notified
    }

    /// Ends it: acquires the lock again to the same depth, if that is free.
    ///
    /// # Errors
    /// `WouldBlock`: it is not. `Damaged`.
    pub fn come_back<W: Words>(self, words: &W, me: Member, awaits: Awaits) -> Result<Acquired, Problem> {
        self.lock().acquire_all(words, me, awaits.depth, Until::Now)
    }

    /// Notifies so many of those that wait, those first that began first, and all that look again and again; `u32::MAX`: all.
    ///
    /// # Errors
    /// `NotHeld`: the lock is not. `Stopping`, `Damaged`.
    pub fn notify<W: Words>(self, words: &W, me: Member, most: u32) -> Result<(), Problem> {
        if !self.is_held(words, me) {
            return Err(Problem::NotHeld);
        }
        if most > 0 {
            words.fetch_add(self.base + NOTIFIED, 1);
        }
        self.line().guard().enter_surely(words, me)?;
        let told = self.tell(words, most);
        self.line().guard().leave(words, me)?;
        told
    }

    fn tell<W: Words>(self, words: &W, most: u32) -> Result<(), Problem> {
        for _ in 0..most.min(u32::from(SEATS)) {
            if !self.line().tell(words, None)? {
                break;
            }
        }
        Ok(())
    }

    /// Whether this member holds its lock.
    #[must_use]
    pub fn is_held<W: Words>(self, words: &W, me: Member) -> bool {
        self.lock().is_held(words, me)
    }

    /// Its lock passes on poisoned where the dead member held it; it waits no more, and a notification that it had goes to the
    /// next.
    pub fn recover<W: Words>(self, words: &W, dead: Member) -> Recovery {
        let held = self.lock().recover(words, dead);
        if let Err(inside) = self.line().guard().seize(words, dead) {
            return Recovery::Busy(inside);
        }
        if self.line().was_told(words, dead) {
            words.fetch_add(self.base + NOTIFIED, 1);
        }
        // Damage is told to the next member that comes upon it.
        let _ = self.line().recover(words, dead);
        self.line().guard().hand_over(words, dead);
        held
    }

    /// Wakes all that wait: they look again.
    pub fn rouse<W: Words>(self, words: &W) {
        self.lock().rouse(words);
        self.line().rouse(words);
    }

    /// Whoever holds it, waits, or is inside.
    pub fn named<W: Words>(self, words: &W, tell: &mut dyn FnMut(Member)) {
        self.lock().named(words, tell);
        self.line().named(words, tell);
    }

    pub fn look<W: Words>(self, words: &W) -> ObjectState {
        ObjectState { level: self.line().len(words), ..self.lock().look(words) }
    }
}
