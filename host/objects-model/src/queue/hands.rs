//! Items in somebody's hands: taken until they are acknowledged, and those that are being copied.
//!
//! Such an item has its room, and its slot says whose it is. A slot's owner is 0 otherwise.
//!
//! Must not: know what follows from a death (`recovery`).

use super::blocks::Walk;
use super::inside::Inside;
use super::item::{Got, Item, Taken};
use super::layout::{BYTES, CLOSED, FIRST, GETTERS, LAST, ROOM_ITEMS, SLOT_BITS, TOKEN, UNDONE, WAITING};
use super::traffic::{Run, append, copy_out, cut_off, free, length_of, reserve};
use super::{Queue, tasks};
use crate::{Problem, Until, Words, code, named};
use sandhog_protocol::objects::Member;

/// Flag of an owner: the item is not whole yet.
pub(super) const FILLING: u32 = 1 << 30;

impl Queue {
    /// As [`Queue::get`], and the item comes back, at the front, where this member dies before it has acknowledged it.
    ///
    /// # Errors
    /// As [`Queue::get`].
    pub fn take<W: Words>(self, words: &W, me: Member, until: Until) -> Result<Taken, Problem> {
        let inside = self.enter_with_item(words, me, until)?;
        let (slot, token, length) = self.take_in_hand(inside)?;
        let view = Inside::of(self.layout, words, me);
        let item = copy_out(words, &view, slot, length)?;
        Ok(Taken { token, item })
    }

    /// Slot, token and length of the first item, which is in this member's hands from here on.
    fn take_in_hand<W: Words>(self, mut inside: Inside<'_, W>) -> Result<(u32, u64, u32), Problem> {
        let slot = inside.load(FIRST);
        let length = match length_of(&inside, slot) {
            Ok(length) => length,
            Err(problem) => return inside.leave_with(problem),
        };
        let places = self.layout.slot(slot);
        let number = inside.words.load_long(TOKEN).wrapping_add(1) & (u64::MAX >> SLOT_BITS);
        let token = number << SLOT_BITS | u64::from(slot);
        // Neither counts before the owner does.
        inside.words.store_long(TOKEN, number);
        inside.words.store_long(places.token, token);
        let next = inside.load(places.next);
        cut_off(&mut inside, Run { first: slot, last: slot, items: 1, bytes: length }, next);
        inside.set(places.owner, code(inside.me));
        inside.finish();
        Ok((slot, token, length))
    }

    /// What was taken is done.
    ///
    /// # Errors
    /// `NotHeld`: this member has nothing of this token.
    pub fn acknowledge(self, words: &impl Words, me: Member, token: u64) -> Result<(), Problem> {
        let mut inside = self.enter(words, me)?;
        let run = match self.in_hand(&inside, token) {
            Ok(run) => run,
            Err(problem) => return inside.leave_with(problem),
        };
        let undone = inside.load_long(UNDONE).saturating_sub(1);
        inside.set_undone(undone);
        inside.all_done(undone);
        self.let_go(inside, run)
    }

    /// What was taken goes back to the front.
    ///
    /// # Errors
    /// As [`Queue::acknowledge`].
    pub fn give_back(self, words: &impl Words, me: Member, token: u64) -> Result<(), Problem> {
        let mut inside = self.enter(words, me)?;
        match self.in_hand(&inside, token) {
            Ok(run) => {
                put_in_front(&mut inside, run);
                inside.finish();
                Ok(())
            }
            Err(problem) => inside.leave_with(problem),
        }
    }

    /// The run of one slot that this token names.
    fn in_hand<W: Words>(self, inside: &Inside<'_, W>, token: u64) -> Result<Run, Problem> {
        let slot = (token & ((1 << SLOT_BITS) - 1)) as u32;
        let places = self.layout.slot(slot);
        let is_mine = slot < self.layout.items
            && inside.load(places.owner) == code(inside.me)
            && inside.words.load_long(places.token) == token;
        if !is_mine {
            return Err(Problem::NotHeld);
        }
        Ok(Run { first: slot, last: slot, items: 1, bytes: length_of(inside, slot)? })
    }

    /// Nobody has it any more.
    fn let_go<W: Words>(self, mut inside: Inside<'_, W>, run: Run) -> Result<(), Problem> {
        if let Err(problem) = release(&mut inside, run) {
            return inside.leave_with(problem);
        }
        inside.finish();
        Ok(())
    }

    /// Whether anybody but this member has an item in its hands, which may come back or is about to arrive. Asked only where
    /// nothing waits and the queue is closed.
    pub(super) fn others_hold<W: Words>(self, inside: &Inside<'_, W>) -> bool {
        let held = self.held(inside.words);
        let mut owners = (0..self.layout.items).filter_map(|slot| named(inside.load(self.layout.slot(slot).owner)));
        held > 0 && owners.any(|owner| owner != inside.me)
    }

    /// Items that are in somebody's hands.
    pub(crate) fn held(self, words: &impl Words) -> u32 {
        self.layout.items.saturating_sub(words.load(WAITING)).saturating_sub(words.load(ROOM_ITEMS))
    }

    pub(super) fn put_large<W: Words>(
        self,
        words: &W,
        me: Member,
        item: Item<'_>,
        until: Until,
    ) -> Result<(), Problem> {
        let (_, bytes) = self.fits(&[item])?;
        let mut inside = self.enter_with_room(words, me, 1, bytes, until)?;
        let run = match reserve(&mut inside, item.format, bytes) {
            Ok(run) => run,
            Err(problem) => return inside.leave_with(problem),
        };
        let places = self.layout.slot(run.first);
        inside.set(places.owner, code(me) | FILLING);
        inside.finish();
        let mut walk = Walk::new(words, self.layout, words.load(places.block));
        let written = item.parts.iter().try_for_each(|part| walk.write(part));
        let mut inside = self.enter(words, me)?;
        if inside.load(places.owner) != code(me) | FILLING {
            return inside.leave_with(Problem::Damaged);
        }
        match written {
            Ok(()) => {
                inside.set(places.owner, 0);
                append(&mut inside, run);
                inside.finish();
                Ok(())
            }
            Err(problem) => self.let_go(inside, run).and(Err(problem)),
        }
    }

    pub(super) fn get_large<W: Words>(self, inside: Inside<'_, W>) -> Result<Got, Problem> {
        let (words, me) = (inside.words, inside.me);
        let (slot, token, length) = self.take_in_hand(inside)?;
        let item = copy_out(words, &Inside::of(self.layout, words, me), slot, length)?;
        let mut inside = self.enter(words, me)?;
        let run = match self.in_hand(&inside, token) {
            Ok(run) => run,
            Err(problem) => return inside.leave_with(problem),
        };
        tasks::add(&mut inside, 1);
        self.let_go(inside, run)?;
        Ok(item)
    }
}

/// Makes a slot free that was in somebody's hands. Those that wait for the last of them at a closed queue are told.
pub(super) fn release<W: Words>(inside: &mut Inside<'_, W>, run: Run) -> Result<(), Problem> {
    inside.set(inside.layout.slot(run.first).owner, 0);
    free(inside, run)?;
    if inside.load(CLOSED) != 0 {
        inside.notify(GETTERS, u32::MAX);
    }
    Ok(())
}

/// Lets a slot that was in somebody's hands wait before all others.
pub(super) fn put_in_front<W: Words>(inside: &mut Inside<'_, W>, run: Run) {
    let (places, waiting) = (inside.layout.slot(run.first), inside.load(WAITING));
    // In somebody's hands it is in no chain.
    inside.words.store(places.next, inside.load(FIRST));
    inside.set(places.owner, 0);
    inside.set(FIRST, run.first);
    if waiting == 0 {
        inside.set(LAST, run.first);
    }
    inside.set(WAITING, waiting.saturating_add(1));
    inside.set(BYTES, inside.load(BYTES).saturating_add(run.bytes));
    inside.notify(GETTERS, 1);
}
