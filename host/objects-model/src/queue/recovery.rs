//! The recovery of a queue after a death, and the view of a queue.
//!
//! The keeper does this, and may be killed at any step itself: another one does it again from the beginning.
//!
//! Must not: trust a word.

use super::Queue;
use super::hands::{FILLING, put_in_front, release};
use super::inside::Inside;
use super::layout::{GETTERS, GUARD, JOINERS, PUTTERS, SLOT_BITS, TOKEN};
use super::traffic::{Run, length_of};
use super::{calls, tasks};
use crate::{Recovery, Words, named};
use sandhog_protocol::objects::{LISTED, Member, ObjectState};

const LINES: [usize; 3] = [GETTERS, PUTTERS, JOINERS];

impl Queue {
    /// Undoes what the member left half done, brings back what it had taken, takes off what it had not put whole, and wakes all
    /// who sleep, since it may have been woken or may have been about to wake.
    pub fn recover<W: Words>(self, words: &W, dead: Member) -> Recovery {
        if let Err(other) = GUARD.seize(words, dead) {
            // The dead may have handed the guard over and not woken whom.
            self.rouse(words);
            return Recovery::Busy(other);
        }
        let mut inside = Inside::of(self.layout, words, dead);
        inside.undo();
        let had_items = self.settle_items(&mut inside, dead);
        tasks::settle(&mut inside);
        LINES.into_iter().for_each(|line| calls::call_all(words, line));
        GUARD.hand_over(words, dead);
        self.wake_all(words);
        Recovery::done(had_items)
    }

    /// Wakes all that wait: they look again.
    pub fn rouse<W: Words>(self, words: &W) {
        GUARD.rouse(words);
        self.wake_all(words);
    }

    fn wake_all(self, words: &impl Words) {
        LINES.into_iter().for_each(|line| words.wake(line, u32::MAX));
    }

    /// Those that it took come back in the order in which it took them; those that it was putting are no items.
    fn settle_items<W: Words>(self, inside: &mut Inside<'_, W>, dead: Member) -> bool {
        if self.held(inside.words) == 0 {
            return false;
        }
        let owner = |inside: &Inside<'_, W>, slot| inside.load(self.layout.slot(slot).owner);
        let mut slots: Vec<u32> =
            (0..self.layout.items).filter(|slot| named(owner(inside, *slot)) == Some(dead)).collect();
        slots.sort_by_key(|slot| inside.words.load_long(self.layout.slot(*slot).token));
        for slot in slots.iter().rev() {
            // Where this fails, the memory is damaged: the item stays where it is.
            let Ok(bytes) = length_of(inside, *slot) else { continue };
            let run = Run { first: *slot, last: *slot, items: 1, bytes };
            if owner(inside, *slot) & FILLING == 0 {
                put_in_front(inside, run);
            } else if release(inside, run).is_err() {
                inside.undo();
                continue;
            }
            inside.commit();
        }
        !slots.is_empty()
    }

    /// Whoever its words name, some more than once. Others go on meanwhile, so that counters say nothing: one that moves an item
    /// between two looks at them hides those that somebody dead has in its hands.
    pub fn named<W: Words>(self, words: &W, tell: &mut dyn FnMut(Member)) {
        GUARD.named(words, tell);
        tasks::members(self.layout, words).chain(self.owners(words)).for_each(tell);
    }

    /// Those that have items in their hands.
    fn owners<W: Words>(self, words: &W) -> impl Iterator<Item = Member> {
        (0..self.layout.items).filter_map(move |slot| named(words.load(self.layout.slot(slot).owner)))
    }

    /// Those that hold are those that have items in their hands; at most [`LISTED`]. Those that wait are not known here.
    #[must_use]
    pub fn look<W: Words>(self, words: &W) -> ObjectState {
        let mut holders = Vec::new();
        let is_held = self.held(words) > 0;
        for owner in is_held.then(|| self.owners(words)).into_iter().flatten() {
            if holders.len() < LISTED && !holders.contains(&owner) {
                holders.push(owner);
            }
        }
        ObjectState {
            holders,
            waiters: Vec::new(),
            level: self.size(words).into(),
            bytes: self.bytes(words),
            token: words.load_long(TOKEN) << SLOT_BITS,
        }
    }
}
