//! A barrier: members wait until so many are there. One word says which phase it is and how it has ended; a compare-exchange
//! ends it, so that it is over for all of its members in the same way: by the last that arrives, by whoever gives up, by the
//! keeper for one that died, or by a reset. Arrivals are written under a [`Guard`], and whoever enters it next settles a phase
//! that has ended: each of its members finds in its own word how it was, however late it looks.
//!
//! | word | |
//! | --- | --- |
//! | 0, 1 | the guard |
//! | 2 | the phase, and in its two upper bits how it has ended; all that wait sleep on it |
//! | 3 | how many have arrived |
//! | 16 and on | those that have arrived, in this order; then for each seat its member, and in the upper bits how it stands |
//!
//! Must not: end one phase in two ways.

use crate::guard::Guard;
use crate::limits::SEATS;
use crate::member::{BITS, code, named};
use crate::problem::{Problem, Recovery};
use crate::words::{Until, Waited, Words};
use sandhog_protocol::objects::{Member, ObjectState};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrier {
    parties: u32,
}

const PHASE: usize = 2;
const ARRIVED: usize = 3;
const ARRIVALS: usize = 16;

/// How a phase stands, in its word's upper bits.
const ENDING: u32 = 3 << BITS;
const OPEN: u32 = 0;
const MET: u32 = 1 << BITS;
/// Until it is reset.
const BROKEN: u32 = 2 << BITS;
const RESET: u32 = 3 << BITS;

/// How a member stands, in its word's upper bits.
const STANDING: u32 = 3 << BITS;
const WAITS: u32 = 1 << BITS;
const PASSED: u32 = 2 << BITS;
const FAILED: u32 = 3 << BITS;

/// What a seat's word is outside of waits.
const NOTHING: u32 = 0;

/// How an arrival turned out.
pub(crate) enum Arrival {
    /// All are there.
    Last(u32),
    Waits {
        index: u32,
        phase: u32,
    },
}

impl Barrier {
    /// `None`: of nobody, or of more than there are seats.
    #[must_use]
    pub const fn of(parties: u32) -> Option<Self> {
        if parties == 0 || parties > SEATS as u32 { None } else { Some(Self { parties }) }
    }

    pub(crate) const fn words(self) -> usize {
        ARRIVALS + self.parties as usize + SEATS as usize
    }

    /// Waits until all are there: which one this is, from 0, in the order of arrival.
    ///
    /// # Errors
    /// `Broken`: it is, or has been meanwhile. `TimedOut`, `WouldBlock`, `Stopping`: this member has given up, which breaks it.
    /// `Damaged`.
    pub fn wait<W: Words>(self, words: &W, me: Member, until: Until) -> Result<u32, Problem> {
        match self.arrive_surely(words, me, until, || {})? {
            Arrival::Last(index) => Ok(index),
            Arrival::Waits { index, phase } => {
                let over = self.sleep(words, me, phase, until);
                self.forget(words, me);
                over.map(|()| index)
            }
        }
    }

    /// Arrives, inside of the guard. `settled` is called there when each member of a phase that has ended has in its word how it
    /// was, and before this one's word is used for the next one.
    pub(crate) fn arrive_surely<W: Words>(
        self,
        words: &W,
        me: Member,
        until: Until,
        settled: impl FnOnce(),
    ) -> Result<Arrival, Problem> {
        guard().enter(words, me, until)?;
        self.settle(words);
        settled();
        let arrival = self.arrive(words, me);
        guard().leave(words, me)?;
        arrival
    }

    /// Breaks this phase, unless it has ended: whether it did.
    pub(crate) fn break_off<W: Words>(self, words: &W, phase: u32) -> bool {
        end(words, phase, BROKEN)
    }

    /// This member needs its word no more.
    pub(crate) fn forget<W: Words>(self, words: &W, me: Member) {
        words.store(self.slot(me), NOTHING);
    }

    /// Empty again and whole; whoever waits there is told that it is broken.
    ///
    /// # Errors
    /// `Stopping`, `Damaged`.
    pub fn reset<W: Words>(self, words: &W, me: Member) -> Result<(), Problem> {
        guard().enter_surely(words, me)?;
        self.settle(words);
        if words.load(ARRIVED) > 0 {
            end(words, words.load(PHASE), RESET);
        }
        // Whoever gives up may have broken it instead.
        self.settle(words);
        let phase = words.load(PHASE);
        if phase & ENDING == BROKEN {
            words.store(PHASE, after(phase));
        }
        guard().leave(words, me)
    }

    /// Breaks it, until it is reset.
    ///
    /// # Errors
    /// `Stopping`, `Damaged`.
    pub fn abort<W: Words>(self, words: &W, me: Member) -> Result<(), Problem> {
        guard().enter_surely(words, me)?;
        self.settle(words);
        end(words, words.load(PHASE), BROKEN);
        self.settle(words);
        guard().leave(words, me)
    }

    #[must_use]
    pub const fn parties(self) -> u32 {
        self.parties
    }

    /// Those that wait.
    #[must_use]
    pub fn waiting<W: Words>(self, words: &W) -> u32 {
        match words.load(PHASE) & ENDING {
            OPEN => words.load(ARRIVED).min(self.parties),
            _ => 0,
        }
    }

    #[must_use]
    pub fn is_broken<W: Words>(self, words: &W) -> bool {
        words.load(PHASE) & ENDING == BROKEN
    }

    const fn slot(self, member: Member) -> usize {
        self.slot_of((member.seat % SEATS) as usize)
    }

    const fn slot_of(self, seat: usize) -> usize {
        ARRIVALS + self.parties as usize + seat
    }

    /// Under the guard, settled. A death before its arrival counts leaves its word, for which the keeper breaks the phase.
    fn arrive<W: Words>(self, words: &W, me: Member) -> Result<Arrival, Problem> {
        let phase = words.load(PHASE);
        if phase & ENDING != OPEN {
            return Err(Problem::Broken);
        }
        let index = words.load(ARRIVED);
        if index >= self.parties {
            return Err(Problem::Damaged);
        }
        if index + 1 == self.parties {
            let is_met = end(words, phase, MET);
            self.settle(words);
            return if is_met { Ok(Arrival::Last(index)) } else { Err(Problem::Broken) };
        }
        words.store(ARRIVALS + index as usize, code(me));
        words.store(self.slot(me), code(me) | WAITS);
        words.store(ARRIVED, index + 1);
        Ok(Arrival::Waits { index, phase })
    }

    fn sleep<W: Words>(self, words: &W, me: Member, phase: u32, until: Until) -> Result<(), Problem> {
        loop {
            if let Some(over) = self.outcome(words, me, phase) {
                return over;
            }
            let problem = match until {
                Until::Now => Problem::WouldBlock,
                Until::Never | Until::At(_) => match words.wait(PHASE, phase, until) {
                    Waited::Woken => continue,
                    Waited::TimedOut => Problem::TimedOut,
                    Waited::Stopping => Problem::Stopping,
                },
            };
            if end(words, phase, BROKEN) {
                return Err(problem);
            }
            return self.outcome(words, me, phase).unwrap_or(Err(Problem::Damaged));
        }
    }

    /// `None`: it is not over. A member's own word is written before the next phase begins.
    pub(crate) fn outcome<W: Words>(self, words: &W, me: Member, phase: u32) -> Option<Result<(), Problem>> {
        let now = words.load(PHASE);
        if now == phase {
            return None;
        }
        let own = match now & !ENDING == phase & !ENDING {
            true if now & ENDING == MET => PASSED,
            true => FAILED,
            false => words.load(self.slot(me)) & STANDING,
        };
        Some(match own {
            PASSED => Ok(()),
            FAILED => Err(Problem::Broken),
            _ => Err(Problem::Damaged),
        })
    }

    /// Under the guard: writes to each member of a phase that has ended how it was, and opens the next one unless it is broken.
    /// May be done again where somebody died over it.
    fn settle<W: Words>(self, words: &W) {
        let phase = words.load(PHASE);
        let standing = match phase & ENDING {
            OPEN => return,
            MET => PASSED,
            _ => FAILED,
        };
        for index in 0..words.load(ARRIVED).min(self.parties) {
            self.tell(words, words.load(ARRIVALS + index as usize), standing);
        }
        words.store(ARRIVED, 0);
        if phase & ENDING != BROKEN {
            words.store(PHASE, after(phase));
        }
    }

    /// Unless it has found out by itself.
    fn tell<W: Words>(self, words: &W, member: u32, standing: u32) {
        if let Some(named) = named(member) {
            let _ = words.compare_exchange(self.slot(named), code(named) | WAITS, code(named) | standing);
        }
    }

    /// Breaks the phase in which the dead member waited.
    pub fn recover<W: Words>(self, words: &W, dead: Member) -> Recovery {
        self.rouse(words);
        if let Err(inside) = guard().seize(words, dead) {
            return Recovery::Busy(inside);
        }
        let own = words.load(self.slot(dead));
        let waited = own == code(dead) | WAITS;
        if waited {
            end(words, words.load(PHASE), BROKEN);
            self.settle(words);
        }
        if own & !STANDING == code(dead) {
            words.store(self.slot(dead), NOTHING);
        }
        guard().hand_over(words, dead);
        Recovery::done(waited)
    }

    /// Wakes all that wait: they look again.
    pub fn rouse<W: Words>(self, words: &W) {
        guard().rouse(words);
        words.wake(PHASE, u32::MAX);
    }

    /// Whoever waits or is inside.
    pub fn named<W: Words>(self, words: &W, tell: &mut dyn FnMut(Member)) {
        guard().named(words, tell);
        let seats = (0..usize::from(SEATS)).filter_map(|seat| named(words.load(self.slot_of(seat))));
        seats.for_each(tell);
    }

    pub fn look<W: Words>(self, words: &W) -> ObjectState {
        ObjectState { level: u64::from(self.waiting(words)), ..ObjectState::default() }
    }
}

const fn guard() -> Guard {
    Guard::at(0)
}

/// The phase that comes next.
const fn after(phase: u32) -> u32 {
    (phase & !ENDING).wrapping_add(1) & !ENDING
}

/// Ends an open phase, for all of its members at once, and wakes them.
fn end<W: Words>(words: &W, phase: u32, ending: u32) -> bool {
    let open = phase & !ENDING;
    let ended = phase == open && words.compare_exchange(PHASE, open, open | ending).is_ok();
    if ended {
        words.wake(PHASE, u32::MAX);
    }
    ended
}
