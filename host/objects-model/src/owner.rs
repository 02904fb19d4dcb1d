//! Two words that one member at a time owns: the core of locks and guards.
//!
//! The lower word is the owner: 0 where it is free, [`POISONED`] where it is free and its last owner died with it, else a
//! member; its top bit says that somebody may sleep on it. The upper word is the next owner: a member that has waited long
//! enough to be given it by whoever releases, without a contest. It sleeps on the upper word, everybody else on the lower.
//!
//! * Nobody waits: one compare-exchange takes it, one gives it back.
//! * A member that finds it taken polls for a moment, then notes that it waits, and sleeps.
//! * A release wakes one sleeper, which competes with newcomers. So the woken sleeper sets the bit again that says that
//!   others sleep as well.
//! * A member that was woken [`PATIENCE`] times in vain makes itself the next owner.
//! * A member that stops waiting wakes another sleeper, because it may have been the one that was woken.
//! * A wake that died on its way, with whoever was to wake or was woken, is made up for by the recovery of the dead, which
//!   wakes all.
//!
//! Must not: know what is owned.

use crate::halves::{lower, upper};
use crate::limits::{PATIENCE, SPINS, TRIES};
use crate::member::{BITS, code, named};
use crate::problem::Problem;
use crate::words::{Until, Waited, Words};
use sandhog_protocol::objects::Member;

/// Says that somebody may sleep on the lower word.
const WAITERS: u32 = 1 << 31;

pub(crate) const FREE: u32 = 0;

/// No member has this word: its generation would be 0.
pub(crate) const POISONED: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Even.
    place: usize,
}

/// How it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Clean,
    /// The owner before died with it.
    Poisoned,
}

/// Both words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    owner: u32,
    waiters: bool,
    next: u32,
}

impl State {
    const fn of(long: u64) -> Self {
        let lower = lower(long);
        Self { owner: lower & !WAITERS, waiters: lower & WAITERS != 0, next: upper(long) }
    }

    const fn lower(self) -> u32 {
        if self.waiters { self.owner | WAITERS } else { self.owner }
    }

    const fn long(self) -> u64 {
        self.lower() as u64 | (self.next as u64) << 32
    }

    /// This member is not the next owner.
    const fn without_next(self, member: Member) -> Self {
        if self.next == code(member) { Self { next: 0, ..self } } else { self }
    }

    const fn is_free(self) -> bool {
        self.owner == FREE || self.owner == POISONED
    }

    /// Neither free nor a member's: nobody who keeps to the rules has written it.
    const fn is_damaged(self) -> bool {
        !self.is_free() && (self.owner >> BITS != 0 || named(self.owner).is_none())
    }
}

impl Owner {
    pub(crate) const fn at(place: usize) -> Self {
        Self { place }
    }

    /// Errors: `WouldBlock`, `TimedOut`, `Stopping`, `Damaged`. A member that owns it already waits for itself.
    #[inline]
    pub(crate) fn take<W: Words>(self, words: &W, me: Member, until: Until) -> Result<Taken, Problem> {
        match self.try_take(words, me) {
            Ok(taken) => Ok(taken),
            Err(_) => self.contend(words, me, until),
        }
    }

    /// The same, of what was just found taken.
    pub(crate) fn contend<W: Words>(self, words: &W, me: Member, until: Until) -> Result<Taken, Problem> {
        Contender::new(self, me).contend(words, until)
    }

    /// In one access, where nobody waits and nobody died. The error is the lower word.
    #[inline]
    pub(crate) fn try_take<W: Words>(self, words: &W, me: Member) -> Result<Taken, u32> {
        match words.compare_exchange_long(self.place, 0, u64::from(code(me))) {
            Ok(_) => Ok(Taken::Clean),
            Err(seen) => Err(lower(seen)),
        }
    }

    /// Errors: `NotHeld`, `Damaged`.
    #[inline]
    pub(crate) fn give<W: Words>(self, words: &W, me: Member) -> Result<(), Problem> {
        match words.compare_exchange_long(self.place, u64::from(code(me)), 0) {
            Ok(_) => Ok(()),
            Err(seen) => self.give_to_waiters(words, me, State::of(seen)),
        }
    }

    fn give_to_waiters<W: Words>(self, words: &W, me: Member, mut seen: State) -> Result<(), Problem> {
        for _ in 0..TRIES {
            if seen.owner != code(me) {
                return Err(Problem::NotHeld);
            }
            let given = self.after(seen);
            match words.compare_exchange_long(self.place, seen.long(), given.long()) {
                Ok(_) => {
                    self.wake_after(words, seen, given);
                    return Ok(());
                }
                Err(other) => seen = State::of(other),
            }
        }
        Err(Problem::Damaged)
    }

    /// The next owner's, or free.
    fn after(self, seen: State) -> State {
        match named(seen.next) {
            Some(_) if seen.next >> BITS == 0 && seen.next != seen.owner => {
                State { owner: seen.next, waiters: true, next: 0 }
            }
            Some(_) | None => State { owner: FREE, waiters: false, next: 0 },
        }
    }

    fn wake_after<W: Words>(self, words: &W, before: State, given: State) {
        if given.owner != FREE {
            // Another one may have asked to be the next meanwhile, and sleep there as well.
            words.wake(self.place + 1, u32::MAX);
        } else if before.waiters {
            words.wake(self.place, 1);
        }
    }

    /// Whether it is `new` now, because it was `seen`.
    fn replace<W: Words>(self, words: &W, seen: State, new: State) -> bool {
        seen == new || words.compare_exchange_long(self.place, seen.long(), new.long()).is_ok()
    }

    /// The owner's word without its flag.
    pub(crate) fn word<W: Words>(self, words: &W) -> u32 {
        words.load(self.place) & !WAITERS
    }

    pub(crate) fn holder<W: Words>(self, words: &W) -> Option<Member> {
        let word = self.word(words);
        if word >> BITS == 0 { named(word) } else { None }
    }

    /// For the keeper: takes it in the dead one's name, so that the keeper may be killed as well and another one goes on.
    ///
    /// Errors: who owns it, and lives or is to be recovered, too; the dead one itself: it changed hands all the time.
    pub(crate) fn seize<W: Words>(self, words: &W, dead: Member) -> Result<(), Member> {
        let mut inside = None;
        for _ in 0..SPINS {
            let seen = State::of(words.load_long(self.place));
            if seen.owner == code(dead) {
                return Ok(());
            }
            let is_to_be_had = seen.is_free() || seen.is_damaged();
            let seized = State { owner: if is_to_be_had { code(dead) } else { seen.owner }, ..seen.without_next(dead) };
            if self.replace(words, seen, seized) {
                if is_to_be_had {
                    return Ok(());
                }
                inside = named(seen.owner);
                words.pause();
            }
        }
        Err(inside.unwrap_or(dead))
    }

    /// For the keeper: where the dead member owns it, even if it was given to it after its death, it is `free` ([`POISONED`] or
    /// 0) afterwards, and `note` is done before. There is no next owner then, so that whoever was competes again; a dead one is
    /// none in any case. Wakes all. Whether the dead one owned it.
    pub(crate) fn recover<W: Words>(self, words: &W, dead: Member, free: u32, note: impl Fn()) -> bool {
        let mut held = false;
        for _ in 0..TRIES {
            let seen = State::of(words.load_long(self.place));
            let mut settled = seen.without_next(dead);
            if seen.owner == code(dead) {
                note();
                held = true;
                settled = State { owner: free, waiters: false, next: 0 };
            }
            if self.replace(words, seen, settled) {
                break;
            }
        }
        self.rouse(words);
        held
    }

    /// Wakes all: they look again.
    pub(crate) fn rouse<W: Words>(self, words: &W) {
        words.wake(self.place, u32::MAX);
        words.wake(self.place + 1, u32::MAX);
    }

    /// Its owner and its next owner, both at one time: the one becomes the other.
    pub(crate) fn named<W: Words>(self, words: &W, tell: &mut dyn FnMut(Member)) {
        let seen = State::of(words.load_long(self.place));
        let owner = named(seen.owner).filter(|_| !seen.is_damaged());
        owner.into_iter().chain(named(seen.next)).for_each(tell);
    }
}

/// Whether the lower word says that this member owns it.
pub(crate) const fn is_owner(word: u32, member: Member) -> bool {
    word & !WAITERS == code(member)
}

/// A member that found it taken.
struct Contender {
    owner: Owner,
    me: u32,
    /// It has slept: others may sleep as well.
    slept: bool,
    /// It is to be the next owner.
    asked: bool,
    /// How often it was woken for nothing.
    disappointments: u32,
}

impl Contender {
    fn new(owner: Owner, me: Member) -> Self {
        Self { owner, me: code(me), slept: false, asked: false, disappointments: 0 }
    }

    /// Each round is a bounded number of accesses and a wait, however the words change.
    fn contend<W: Words>(mut self, words: &W, until: Until) -> Result<Taken, Problem> {
        loop {
            if let Some(taken) = self.spin(words)? {
                return Ok(taken);
            }
            if until == Until::Now {
                return Err(Problem::WouldBlock);
            }
            let (place, expected) = self.announce(words);
            self.slept = true;
            match words.wait(place, expected, until) {
                Waited::Woken => self.disappointments = self.disappointments.saturating_add(1),
                Waited::TimedOut => return self.give_up(words, Problem::TimedOut),
                Waited::Stopping => return self.give_up(words, Problem::Stopping),
            }
        }
    }

    /// Looks for a while whether it can be had.
    fn spin<W: Words>(&mut self, words: &W) -> Result<Option<Taken>, Problem> {
        for _ in 0..SPINS {
            let seen = State::of(words.load_long(self.owner.place));
            if self.was_given(seen) {
                return Ok(Some(Taken::Clean));
            }
            // Where the keeper has freed it, there is no next owner any more.
            self.asked &= seen.next == self.me;
            if seen.is_damaged() {
                return Err(Problem::Damaged);
            }
            if seen.is_free() && self.try_take(words, seen) {
                return Ok(Some(if seen.owner == POISONED { Taken::Poisoned } else { Taken::Clean }));
            }
            words.pause();
        }
        Ok(None)
    }

    /// It had asked to be the next owner, and is the owner.
    fn was_given(&self, seen: State) -> bool {
        self.asked && seen.owner == self.me && seen.next != self.me
    }

    fn try_take<W: Words>(&self, words: &W, seen: State) -> bool {
        let next = if seen.next == self.me { 0 } else { seen.next };
        let taken = State { owner: self.me, waiters: seen.waiters || self.slept, next };
        self.owner.replace(words, seen, taken)
    }

    /// Says that it waits; the place to sleep on, and the value while which to sleep. Where that could not be said, the place
    /// has another value, or somebody else has said it. Nobody says it of what is free.
    fn announce<W: Words>(&mut self, words: &W) -> (usize, u32) {
        let seen = State::of(words.load_long(self.owner.place));
        let asks = !self.asked && self.disappointments >= PATIENCE && seen.next == 0;
        let next = if asks { self.me } else { seen.next };
        let said = State { waiters: true, next, ..seen };
        if seen.is_free() {
            return (self.owner.place, said.lower());
        }
        if self.owner.replace(words, seen, said) {
            self.asked |= asks;
        }
        if self.asked { (self.owner.place + 1, self.me) } else { (self.owner.place, said.lower()) }
    }

    /// It may have been given the lock at the last moment; then it has it.
    fn give_up<W: Words>(self, words: &W, problem: Problem) -> Result<Taken, Problem> {
        for _ in 0..TRIES {
            if !self.asked {
                break;
            }
            let seen = State::of(words.load_long(self.owner.place));
            if self.was_given(seen) {
                return Ok(Taken::Clean);
            }
            let withdrawn = State { next: 0, ..seen };
            if seen.next != self.me || self.owner.replace(words, seen, withdrawn) {
                break;
            }
        }
        words.wake(self.owner.place, 1);
        Err(problem)
    }
}
