//! Members that wait in a line, the first first: a list of seats, doubly linked, under a [`Guard`]. Each sleeps on its own
//! seat's word until it is told, and leaves without the guard, by one compare-exchange that competes with whoever tells it:
//! then it stays in the list until it comes again or the list's head gets there.
//!
//! A seat's first word is its member and what it does there; the second its neighbours, each a seat counted from 1, 0 for none.
//!
//! | word | |
//! | --- | --- |
//! | 0, 1 | the guard |
//! | 2, 3 | head and tail, as neighbours |
//! | 4 | the head that is being told |
//! | 6 to 22 | the journal |
//! | 24 and on | the seats |
//!
//! Must not: know what they wait for.

use crate::guard::Guard;
use crate::journal::{self, Journal};
use crate::limits::SEATS;
use crate::member::{BITS, code, named};
use crate::problem::Problem;
use crate::words::{Until, Waited, Words};
use sandhog_protocol::objects::Member;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Even.
    base: usize,
}

const HEAD: usize = 2;
const TAIL: usize = 3;
const TELLING: usize = 4;
const JOURNAL: usize = 6;
const SLOTS: usize = 24;

const _: () = assert!(JOURNAL + journal::WORDS <= SLOTS);

/// Words of a line.
pub(crate) const WORDS: usize = SLOTS + 2 * SEATS as usize;

/// Beside the head that is being told: it is told instead of whoever tells it.
const INSTEAD: u32 = 1 << 16;

const NEIGHBOUR_BITS: u32 = 15;
const NEIGHBOUR: u32 = (1 << NEIGHBOUR_BITS) - 1;

/// What a member does at its seat, in the two upper bits of its word.
const WAITS: u32 = 1 << BITS;
/// It was told and has not made use of it yet.
const TOLD: u32 = 2 << BITS;
/// It waits no more, and may still be in the list.
const LEFT: u32 = 3 << BITS;
const DOING: u32 = 3 << BITS;

/// Nobody, or nothing: what a seat's word is outside of waits.
const NOTHING: u32 = 0;

/// Before and behind, as neighbours.
#[derive(Clone, Copy)]
struct Links {
    before: u32,
    behind: u32,
}

impl Links {
    const fn of(word: u32) -> Self {
        Self { before: word & NEIGHBOUR, behind: word >> NEIGHBOUR_BITS & NEIGHBOUR }
    }

    const fn word(self) -> u32 {
        self.before | self.behind << NEIGHBOUR_BITS
    }
}

impl Line {
    pub(crate) const fn at(base: usize) -> Self {
        Self { base }
    }

    pub(crate) const fn guard(self) -> Guard {
        Guard::at(self.base)
    }

    const fn journal(self) -> Journal {
        Journal::at(self.base + JOURNAL)
    }

    /// The word on which this member sleeps.
    const fn state(self, neighbour: u32) -> usize {
        self.base + SLOTS + 2 * (neighbour as usize - 1)
    }

    const fn links(self, neighbour: u32) -> usize {
        self.state(neighbour) + 1
    }

    fn neighbour(self, words: &impl Words, place: usize) -> Result<Option<u32>, Problem> {
        known(words.load(self.base + place))
    }

    /// Joins at the tail. Under the guard.
    pub(crate) fn join<W: Words>(self, words: &W, me: Member) -> Result<(), Problem> {
        let own = neighbour_of(me);
        if is_listed(words.load(self.state(own))) {
            self.unlink(words, own, &[(self.state(own), NOTHING)])?;
        }
        let tail = self.neighbour(words, TAIL)?;
        let mut changes = [(0, 0); 4];
        changes[0] = (self.state(own), code(me) | WAITS);
        changes[1] = (self.links(own), Links { before: tail.unwrap_or(0), behind: 0 }.word());
        changes[2] = (self.base + TAIL, own);
        changes[3] = match tail {
            None => (self.base + HEAD, own),
            Some(tail) => {
                let links = Links::of(words.load(self.links(tail)));
                (self.links(tail), Links { behind: own, ..links }.word())
            }
        };
        self.journal().change(words, &changes)
    }

    /// Sleeps until it is told. Without the guard. Where this is an error, it has left.
    pub(crate) fn sleep<W: Words>(self, words: &W, me: Member, until: Until) -> Result<(), Problem> {
        let place = self.state(neighbour_of(me));
        loop {
            match words.load(place) {
                state if state == code(me) | TOLD => return Ok(()),
                state if state != code(me) | WAITS => return Err(Problem::Damaged),
                _ => {}
            }
            let problem = match until {
                Until::Now => Problem::WouldBlock,
                Until::Never | Until::At(_) => match words.wait(place, code(me) | WAITS, until) {
                    Waited::Woken => continue,
                    Waited::TimedOut => Problem::TimedOut,
                    Waited::Stopping => Problem::Stopping,
                },
            };
            return match words.compare_exchange(place, code(me) | WAITS, code(me) | LEFT) {
                Ok(_) => Err(problem),
                Err(state) if state == code(me) | TOLD => Ok(()),
                Err(_) => Err(Problem::Damaged),
            };
        }
    }

    /// Whether it was told and has not made use of it.
    pub(crate) fn was_told<W: Words>(self, words: &W, member: Member) -> bool {
        words.load(self.state(neighbour_of(member))) == code(member) | TOLD
    }

    /// It has made use of being told: its death passes it on no more.
    pub(crate) fn done<W: Words>(self, words: &W, me: Member) {
        words.store(self.state(neighbour_of(me)), NOTHING);
    }

    /// Tells the next that it was told, instead of this member, which can't make use of it. Under the guard.
    pub(crate) fn pass_on<W: Words>(self, words: &W, me: Member) -> Result<(), Problem> {
        let own = self.state(neighbour_of(me));
        if words.load(own) == code(me) | TOLD && !self.tell(words, Some(me))? {
            words.store(own, NOTHING);
        }
        Ok(())
    }

    /// Tells the first that waits, and wakes it; `false`: nobody does. `instead`: of this member, which is at once rid of it.
    /// Under the guard.
    ///
    /// The head that is being told is noted first; then it is told, by a compare-exchange because it may leave; then it is taken out
    /// of the list, and the note with it. A death before the second leaves nothing done, one after it is finished by the keeper.
    pub(crate) fn tell<W: Words>(self, words: &W, instead: Option<Member>) -> Result<bool, Problem> {
        for _ in 0..=SEATS {
            let Some(head) = self.neighbour(words, HEAD)? else {
                return Ok(false);
            };
            let state = words.load(self.state(head));
            if state & DOING != WAITS {
                self.unlink(words, head, &[(self.state(head), NOTHING), (self.base + TELLING, 0)])?;
                continue;
            }
            words.store(self.base + TELLING, if instead.is_some() { head | INSTEAD } else { head });
            if words.compare_exchange(self.state(head), state, state & !DOING | TOLD).is_ok() {
                self.told(words, head, instead)?;
                return Ok(true);
            }
        }
        Err(Problem::Damaged)
    }

    /// The second half of telling.
    fn told<W: Words>(self, words: &W, head: u32, instead: Option<Member>) -> Result<(), Problem> {
        words.wake(self.state(head), u32::MAX);
        let note = (self.base + TELLING, 0);
        match instead {
            None => self.unlink(words, head, &[note]),
            Some(instead) => self.unlink(words, head, &[note, (self.state(neighbour_of(instead)), NOTHING)]),
        }
    }

    /// Takes a seat out of the list, and makes up to two other changes with it.
    fn unlink<W: Words>(self, words: &W, own: u32, others: &[(usize, u32)]) -> Result<(), Problem> {
        let links = Links::of(words.load(self.links(own)));
        let (before, behind) = (known(links.before)?, known(links.behind)?);
        let mut changes = [(0, 0); 5];
        changes[0] = match before {
            None => (self.base + HEAD, links.behind),
            Some(before) => {
                let neighbours = Links::of(words.load(self.links(before)));
                (self.links(before), Links { behind: links.behind, ..neighbours }.word())
            }
        };
        changes[1] = match behind {
            None => (self.base + TAIL, links.before),
            Some(behind) => {
                let neighbours = Links::of(words.load(self.links(behind)));
                (self.links(behind), Links { before: links.before, ..neighbours }.word())
            }
        };
        changes[2] = (self.links(own), 0);
        let more = changes[3..].iter_mut().zip(others).map(|(change, other)| *change = *other).count();
        self.journal().change(words, &changes[..3 + more])
    }

    /// For the keeper, under the guard that it has seized: finishes what was begun, takes the dead one out, and passes on what
    /// it was told.
    pub(crate) fn recover<W: Words>(self, words: &W, dead: Member) -> Result<(), Problem> {
        self.journal().undo(words, self.words());
        let own = neighbour_of(dead);
        self.finish_telling(words, dead)?;
        let state = words.load(self.state(own));
        if state & !DOING != code(dead) {
            return Ok(());
        }
        match state & DOING {
            TOLD => self.pass_on(words, dead),
            WAITS | LEFT => self.unlink(words, own, &[(self.state(own), NOTHING)]),
            _ => Ok(()),
        }
    }

    /// A dead member was telling another: where the other was told, which may have made use of it already, the rest is done.
    fn finish_telling<W: Words>(self, words: &W, dead: Member) -> Result<(), Problem> {
        let telling = words.load(self.base + TELLING);
        let Some(head) = known(telling & !INSTEAD)? else {
            return Ok(());
        };
        match words.load(self.state(head)) & DOING {
            WAITS | LEFT => words.store(self.base + TELLING, 0),
            _ => self.told(words, head, (telling & INSTEAD != 0).then_some(dead))?,
        }
        Ok(())
    }

    const fn words(self) -> Range<usize> {
        self.base..self.base + WORDS
    }

    /// Wakes all: they look again.
    pub(crate) fn rouse<W: Words>(self, words: &W) {
        self.guard().rouse(words);
        for own in 1..=u32::from(SEATS) {
            if words.load(self.state(own)) != NOTHING {
                words.wake(self.state(own), u32::MAX);
            }
        }
    }

    pub(crate) fn named<W: Words>(self, words: &W, tell: &mut dyn FnMut(Member)) {
        self.guard().named(words, tell);
        (1..=u32::from(SEATS)).filter_map(|own| named(words.load(self.state(own)))).for_each(tell);
    }

    /// How many wait.
    pub(crate) fn len<W: Words>(self, words: &W) -> u64 {
        (1..=u32::from(SEATS)).filter(|own| words.load(self.state(*own)) & DOING == WAITS).count() as u64
    }
}

fn neighbour_of(member: Member) -> u32 {
    u32::from(member.seat % SEATS) + 1
}

/// A neighbour as memory has it. `None`: there is none.
fn known(neighbour: u32) -> Result<Option<u32>, Problem> {
    match neighbour {
        0 => Ok(None),
        neighbour if neighbour <= u32::from(SEATS) => Ok(Some(neighbour)),
        _ => Err(Problem::Damaged),
    }
}

/// Whether a seat in this state is in the list.
const fn is_listed(state: u32) -> bool {
    state & DOING == WAITS || state & DOING == LEFT
}
