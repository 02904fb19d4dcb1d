//! An event: set or not, and members that wait until it is set. Setting it wakes all current waiters, even if it is
//! cleared at once.
//!
//! One word: bit 0 says that it is set, bit 1 that somebody may sleep on it, and the rest counts how often it was set.
//!
//! Must not: be set with the bit of sleepers.

use crate::limits::{SPINS, TRIES};
use crate::problem::{Problem, Recovery};
use crate::words::{Until, Waited, Words};
use sandhog_protocol::objects::ObjectState;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    base: usize,
}

/// An event as somebody saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(u32);

const SET: u32 = 1;
const WAITERS: u32 = 2;
const ONCE: u32 = 4;

/// Words of an event: a cache line.
pub(crate) const WORDS: usize = 16;

impl Event {
    #[must_use]
    pub const fn at(base: usize) -> Self {
        Self { base }
    }

    /// # Errors
    /// `Damaged`.
    pub fn set<W: Words>(self, words: &W) -> Result<(), Problem> {
        let mut seen = words.load(self.base);
        for _ in 0..TRIES {
            if seen & SET != 0 {
                return Ok(());
            }
            let set = (seen & !WAITERS).wrapping_add(ONCE) | SET;
            match words.compare_exchange(self.base, seen, set) {
                Ok(_) if seen & WAITERS != 0 => {
                    words.wake(self.base, u32::MAX);
                    return Ok(());
                }
                Ok(_) => return Ok(()),
                Err(other) => seen = other,
            }
        }
        Err(Problem::Damaged)
    }

    /// # Errors
    /// `Damaged`.
    pub fn clear<W: Words>(self, words: &W) -> Result<(), Problem> {
        let mut seen = words.load(self.base);
        for _ in 0..TRIES {
            if seen & SET == 0 {
                return Ok(());
            }
            match words.compare_exchange(self.base, seen, seen & !SET) {
                Ok(_) => return Ok(()),
                Err(other) => seen = other,
            }
        }
        Err(Problem::Damaged)
    }

    #[must_use]
    pub fn is_set<W: Words>(self, words: &W) -> bool {
        words.load(self.base) & SET != 0
    }

    /// # Errors
    /// `TimedOut`, `WouldBlock`, `Stopping`.
    pub fn wait<W: Words>(self, words: &W, until: Until) -> Result<(), Problem> {
        self.wait_since(words, self.look_at(words), until)
    }

    /// How it is now, for a wait that begins here.
    pub fn look_at<W: Words>(self, words: &W) -> Seen {
        Seen(words.load(self.base))
    }

    /// Goes on with a wait that began when it was `begun`: one that was set since is over, even if it was cleared again.
    ///
    /// # Errors
    /// As [`Event::wait`].
    pub fn wait_since<W: Words>(self, words: &W, begun: Seen, until: Until) -> Result<(), Problem> {
        let Seen(begun) = begun;
        if begun & SET != 0 || self.was_set_since(words, begun) {
            return Ok(());
        }
        if until == Until::Now {
            return Err(Problem::WouldBlock);
        }
        for _ in 0..SPINS {
            if self.was_set_since(words, begun) {
                return Ok(());
            }
            words.pause();
        }
        self.sleep(words, begun, until)
    }

    fn sleep<W: Words>(self, words: &W, begun: u32, until: Until) -> Result<(), Problem> {
        loop {
            let announced = begun & !WAITERS | WAITERS;
            let seen = words.load(self.base);
            if seen & !WAITERS == begun & !WAITERS {
                // Where this fails, it was set, or somebody else has announced it.
                let _ = words.compare_exchange(self.base, seen, announced);
            }
            let waited = words.wait(self.base, announced, until);
            if self.was_set_since(words, begun) {
                return Ok(());
            }
            match waited {
                Waited::Woken => {}
                Waited::TimedOut => return Err(Problem::TimedOut),
                Waited::Stopping => return Err(Problem::Stopping),
            }
        }
    }

    fn was_set_since<W: Words>(self, words: &W, begun: u32) -> bool {
        words.load(self.base) & !WAITERS != begun & !WAITERS
    }

    /// Nobody holds an event; whoever died may have been about to wake others.
    pub fn recover<W: Words>(self, words: &W) -> Recovery {
        self.rouse(words);
        Recovery::Nothing
    }

    /// Wakes all that wait: they look again.
    pub fn rouse<W: Words>(self, words: &W) {
        words.wake(self.base, u32::MAX);
    }

    pub fn look<W: Words>(self, words: &W) -> ObjectState {
        ObjectState { level: u64::from(self.is_set(words)), ..ObjectState::default() }
    }
}
