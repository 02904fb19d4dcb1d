//! A semaphore, bounded or not. An operation is one compare-exchange of two words that hold the permits and the last
//! operation: its kind, whose it was, and its number. Then it is noted in its member's slot how many permits it has. If
//! the last operation is not noted yet, the next member notes it before its own operation replaces it. So a member may
//! die in between, and the keeper knows exactly its permits.
//!
//! Those that find no permit queue at a lock, the turn, and its owner alone sleeps for a permit. Newcomers may overtake
//! it, but where it was overtaken [`PATIENCE`] times it reserves the next permit for itself. A member that gets the turn
//! checks before it sleeps, so no wake-up is lost with a dead owner of the turn.
//!
//! | word | |
//! | --- | --- |
//! | 0 | 30 bits: permits; then: the next is reserved for the turn's owner; then: it may sleep on this word |
//! | 1 | the last operation: 14 bits of seat, 2 of kind, 16 of number |
//! | 2, 3 | the turn, an [`Owner`] |
//! | 4, 5 | the last acquisition token |
//! | 16 and on | for each seat two words: 24 bits of permits, 16 of generation, 24 of the number of its last noted operation |
//!
//! Must not: change the permits without saying on whose behalf.

use crate::halves::{lower, short, upper};
use crate::limits::{PATIENCE, SEATS, SPINS, TRIES};
use crate::owner::{FREE, Owner};
use crate::problem::{Problem, Recovery};
use crate::words::{Until, Waited, Words};
use sandhog_protocol::objects::{LISTED, Member, ObjectState};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semaphore {
    permits: u32,
    bounded: bool,
}

/// Most permits of a semaphore, at any time.
const PERMITS: u32 = (1 << 30) - 1;
pub(crate) const RESERVED: u32 = 1 << 30;
const WAITERS: u32 = 1 << 31;

/// Most permits of one member.
const HELD: u64 = (1 << 24) - 1;

const STATE: usize = 0;
const TURN: usize = 2;
const TOKEN: usize = 4;
const SLOTS: usize = 16;

/// Words of a semaphore.
pub(crate) const WORDS: usize = SLOTS + 2 * SEATS as usize;

/// Kinds of operations, as bits: each changes the permits of its member's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// One more.
    Acquire,
    /// One less.
    Release,
    /// As they are: it had none, and released one all the same.
    Produce,
    /// None any more: it is dead.
    Refund,
}

impl Operation {
    const fn of(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::Acquire,
            1 => Self::Release,
            2 => Self::Produce,
            _ => Self::Refund,
        }
    }

    const fn bits(self) -> u32 {
        match self {
            Self::Acquire => 0,
            Self::Release => 1,
            Self::Produce => 2,
            Self::Refund => 3,
        }
    }

    fn apply(self, held: u64) -> u64 {
        match self {
            Self::Acquire => (held + 1).min(HELD),
            Self::Release => held.saturating_sub(1),
            Self::Produce => held,
            Self::Refund => 0,
        }
    }
}

/// Words 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    permits: u32,
    reserved: bool,
    waiters: bool,
    seat: u16,
    operation: Operation,
    number: u16,
}

impl State {
    const fn of(long: u64) -> Self {
        let (lower, upper) = (lower(long), upper(long));
        Self {
            permits: lower & PERMITS,
            reserved: lower & RESERVED != 0,
            waiters: lower & WAITERS != 0,
            seat: short(upper & ((1 << 14) - 1)),
            operation: Operation::of(upper >> 14),
            number: short(upper >> 16),
        }
    }

    const fn lower(self) -> u32 {
        let reserved = if self.reserved { RESERVED } else { 0 };
        let waiters = if self.waiters { WAITERS } else { 0 };
        self.permits | reserved | waiters
    }

    const fn upper(self) -> u32 {
        self.seat as u32 | self.operation.bits() << 14 | (self.number as u32) << 16
    }

    const fn long(self) -> u64 {
        self.lower() as u64 | (self.upper() as u64) << 32
    }
}

/// A seat's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    held: u64,
    generation: u16,
    number: u32,
}

/// Numbers of operations count up to this.
const NUMBERS: u32 = (1 << 24) - 1;

impl Slot {
    const fn of(long: u64) -> Self {
        Self { held: long & HELD, generation: short(lower(long >> 24)), number: lower(long >> 40) }
    }

    const fn long(self) -> u64 {
        self.held | (self.generation as u64) << 24 | (self.number as u64) << 40
    }

    const fn next(self) -> u32 {
        (self.number + 1) & NUMBERS
    }

    /// Whether the last operation, which is this seat's, is not noted yet.
    const fn lacks(self, last: State) -> bool {
        short(self.next()) == last.number
    }

    fn after(self, operation: Operation) -> Self {
        Self { held: operation.apply(self.held), number: self.next(), ..self }
    }
}

const fn slot_place(seat: u16) -> usize {
    SLOTS + 2 * (seat % SEATS) as usize
}

impl Semaphore {
    /// With so many permits at first; `bounded`: never more. `None`: more than 2^30 - 1.
    #[must_use]
    pub const fn of(permits: u32, bounded: bool) -> Option<Self> {
        if permits > PERMITS { None } else { Some(Self { permits, bounded }) }
    }

    pub(crate) fn initialise<W: Words>(self, words: &W) {
        words.store(STATE, self.permits);
    }

    /// Takes a permit: the acquisition token.
    ///
    /// # Errors
    /// `TimedOut`, `WouldBlock`, `Stopping`, `Damaged`; `Invalid`: this member has 2^24 - 1 already.
    #[inline]
    pub fn acquire<W: Words>(self, words: &W, me: Member, until: Until) -> Result<u64, Problem> {
        if self.take(words, me, false)? { Ok(next_token(words)) } else { self.queue(words, me, until) }
    }

    /// At the turn.
    fn queue<W: Words>(self, words: &W, me: Member, until: Until) -> Result<u64, Problem> {
        if until == Until::Now {
            return Err(Problem::WouldBlock);
        }
        turn().take(words, me, until)?;
        let taken = self.take_in_turn(words, me, until);
        if taken.is_err() {
            open(words);
        }
        turn().give(words, me).map_err(|_| Problem::Damaged)?;
        taken.map(|()| next_token(words))
    }

    /// One permit more. Of those that this member has acquired, if it has one.
    ///
    /// # Errors
    /// `OverBound`: that would be more than it may have. `Damaged`.
    #[inline]
    pub fn release<W: Words>(self, words: &W, me: Member) -> Result<(), Problem> {
        let mut seen = State::of(words.load_long(STATE));
        for _ in 0..TRIES {
            if seen.permits >= self.bound() {
                return Err(Problem::OverBound);
            }
            let slot = own_slot(words, me);
            let operation = if slot.held > 0 { Operation::Release } else { Operation::Produce };
            let state = State { permits: seen.permits + 1, waiters: false, ..seen };
            match self.replace(words, seen, state, me, slot, operation) {
                Ok(()) if seen.waiters => {
                    words.wake(STATE, 1);
                    return Ok(());
                }
                Ok(()) => return Ok(()),
                Err(other) => seen = other,
            }
        }
        Err(Problem::Damaged)
    }

    /// Those that are left.
    #[must_use]
    pub fn permits<W: Words>(self, words: &W) -> u32 {
        words.load(STATE) & PERMITS
    }

    const fn bound(self) -> u32 {
        if self.bounded { self.permits } else { PERMITS }
    }

    /// Whether there was one for this member.
    #[inline]
    fn take<W: Words>(self, words: &W, me: Member, in_turn: bool) -> Result<bool, Problem> {
        let mut seen = State::of(words.load_long(STATE));
        for _ in 0..TRIES {
            if seen.permits == 0 || (seen.reserved && !in_turn) {
                return Ok(false);
            }
            let slot = own_slot(words, me);
            if slot.held == HELD {
                return Err(Problem::Invalid);
            }
            let state = State { permits: seen.permits - 1, reserved: false, ..seen };
            match self.replace(words, seen, state, me, slot, Operation::Acquire) {
                Ok(()) => return Ok(true),
                Err(other) => seen = other,
            }
        }
        Err(Problem::Damaged)
    }

    /// The last operation is noted, then this one takes its place, then it is noted as well.
    #[inline]
    fn replace<W: Words>(
        self,
        words: &W,
        seen: State,
        state: State,
        member: Member,
        slot: Slot,
        operation: Operation,
    ) -> Result<(), State> {
        if seen.seat != member.seat {
            note(words, seen);
        }
        let state = State { seat: member.seat, operation, number: short(slot.next()), ..state };
        words.compare_exchange_long(STATE, seen.long(), state.long()).map_err(State::of)?;
        words.store_long(slot_place(member.seat), slot.after(operation).long());
        Ok(())
    }

    /// As the turn's owner. Each round is a bounded number of accesses and a wait.
    fn take_in_turn<W: Words>(self, words: &W, me: Member, until: Until) -> Result<(), Problem> {
        let mut disappointments = 0;
        loop {
            for _ in 0..SPINS {
                if self.take(words, me, true)? {
                    return Ok(());
                }
                words.pause();
            }
            let expected = announce(words, disappointments >= PATIENCE);
            match words.wait(STATE, expected, until) {
                Waited::Woken => disappointments += 1,
                Waited::TimedOut => return self.give_up(words, me, Problem::TimedOut),
                Waited::Stopping => return self.give_up(words, me, Problem::Stopping),
            }
        }
    }

    /// Looks once more: whoever is woken and stops waiting at the same time has it.
    fn give_up<W: Words>(self, words: &W, me: Member, problem: Problem) -> Result<(), Problem> {
        if self.take(words, me, true)? { Ok(()) } else { Err(problem) }
    }

    /// What the dead member has comes back; its turn passes on. May be killed at any access and done again.
    pub fn recover<W: Words>(self, words: &W, dead: Member) -> Recovery {
        turn().recover(words, dead, FREE, || open(words));
        let held = self.refund(words, dead);
        words.wake(STATE, u32::MAX);
        Recovery::done(held)
    }

    fn refund<W: Words>(self, words: &W, dead: Member) -> bool {
        let mut held = false;
        for _ in 0..TRIES {
            let seen = State::of(words.load_long(STATE));
            note(words, seen);
            let slot = Slot::of(words.load_long(slot_place(dead.seat)));
            if slot.generation != dead.generation || slot.held == 0 {
                break;
            }
            held = true;
            let permits = (seen.permits + lower(slot.held)).min(self.bound().max(seen.permits));
            let state = State { permits, waiters: false, ..seen };
            if self.replace(words, seen, state, dead, slot, Operation::Refund).is_ok() {
                break;
            }
        }
        held
    }

    /// Wakes all that wait: they look again.
    pub fn rouse<W: Words>(self, words: &W) {
        words.wake(STATE, u32::MAX);
        turn().rouse(words);
    }

    /// Whoever has the turn, or permits: first by the last operation, which may be noted meanwhile, then by what is noted.
    pub fn named<W: Words>(self, words: &W, tell: &mut dyn FnMut(Member)) {
        turn().named(words, tell);
        let last = State::of(words.load_long(STATE));
        let slot = Slot::of(words.load_long(slot_place(last.seat)));
        if slot.generation != 0 && slot.lacks(last) {
            tell(Member { seat: last.seat, generation: slot.generation });
        }
        holders(words).for_each(tell);
    }

    pub fn look<W: Words>(self, words: &W) -> ObjectState {
        ObjectState {
            holders: holders(words).take(LISTED).collect(),
            level: u64::from(self.permits(words)),
            token: words.load_long(TOKEN),
            ..ObjectState::default()
        }
    }
}

const fn turn() -> Owner {
    Owner::at(TURN)
}

#[inline]
fn next_token<W: Words>(words: &W) -> u64 {
    words.fetch_add_long(TOKEN, 1).wrapping_add(1)
}

/// This member's slot, which is empty where it belonged to an earlier one.
#[inline]
fn own_slot<W: Words>(words: &W, me: Member) -> Slot {
    let slot = Slot::of(words.load_long(slot_place(me.seat)));
    if slot.generation == me.generation {
        return slot;
    }
    let fresh = Slot { held: 0, generation: me.generation, ..slot };
    words.store_long(slot_place(me.seat), fresh.long());
    fresh
}

/// Notes the last operation in its member's slot, unless it is there. The slot is read between two looks at the operation, so
/// that it lacks this one, and not a later one of the same number. Where it is the last no more, whoever took its place has
/// noted it.
fn note<W: Words>(words: &W, seen: State) {
    let place = slot_place(seen.seat);
    let slot = Slot::of(words.load_long(place));
    if slot.lacks(seen) && words.load(STATE + 1) == seen.upper() {
        // Where this fails, somebody else has done it.
        let _ = words.compare_exchange_long(place, slot.long(), slot.after(seen.operation).long());
    }
}

/// Says that the turn's owner sleeps: the value of the word while it may. Where that could not be said, the word is another.
fn announce<W: Words>(words: &W, reserved: bool) -> u32 {
    let seen = State::of(words.load_long(STATE));
    let said = State { waiters: true, reserved, ..seen };
    if seen.permits == 0 && said != seen {
        let _ = words.compare_exchange_long(STATE, seen.long(), said.long());
    }
    State { permits: 0, ..said }.lower()
}

/// Nothing is reserved any more.
fn open<W: Words>(words: &W) {
    for _ in 0..TRIES {
        let seen = State::of(words.load_long(STATE));
        let opened = State { reserved: false, ..seen };
        if seen == opened || words.compare_exchange_long(STATE, seen.long(), opened.long()).is_ok() {
            return;
        }
    }
}

fn holders<W: Words>(words: &W) -> impl Iterator<Item = Member> {
    (0..SEATS).filter_map(|seat| {
        let slot = Slot::of(words.load_long(slot_place(seat)));
        (slot.held > 0 && slot.generation != 0).then_some(Member { seat, generation: slot.generation })
    })
}
