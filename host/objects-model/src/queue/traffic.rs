//! Putting and getting.
//!
//! A put writes its items into free slots and blocks, where they are nothing yet, and makes them wait by changing the
//! queue's first words; a get does the reverse. Large items are copied outside, while their member holds them (`hands`).
//!
//! Must not: know who may put and who may get.

use super::Queue;
use super::blocks::Walk;
use super::inside::Inside;
use super::item::{Got, Item, LARGE};
use super::layout::{
    BYTES, CLOSED, FIRST, FREE_BLOCK, FREE_SLOT, GETTERS, LAST, PUTTERS, ROOM_BYTES, ROOM_ITEMS, UNDONE, WAITING,
};
use super::{lines, tasks};
use crate::{Problem, Until, Words};
use sandhog_protocol::objects::Member;

/// A run of slots: the first, the last, their number and the bytes of their items.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) items: u32,
    pub(super) bytes: u32,
}

impl Queue {
    /// Waits for room.
    ///
    /// # Errors
    /// `TooLarge`: the queue never has as much room; `Closed`; as every wait.
    #[inline]
    pub fn put<W: Words>(
        self,
        words: &W,
        me: Member,
        format: u8,
        parts: &[&[u8]],
        until: Until,
    ) -> Result<(), Problem> {
        let item = Item { format, parts };
        if item.bytes() > LARGE {
            self.put_large(words, me, item, until)
        } else {
            self.put_batch(words, me, &[item], until)
        }
    }

    /// All go, or none.
    ///
    /// # Errors
    /// As [`Queue::put`].
    pub fn put_batch<W: Words>(self, words: &W, me: Member, batch: &[Item<'_>], until: Until) -> Result<(), Problem> {
        let (items, bytes) = self.fits(batch)?;
        if items == 0 {
            return Ok(());
        }
        let mut inside = self.enter_with_room(words, me, items, bytes, until)?;
        match fill(&mut inside, batch, items, bytes) {
            Ok(run) => {
                append(&mut inside, run);
                inside.finish();
                Ok(())
            }
            Err(problem) => inside.leave_with(problem),
        }
    }

    pub(super) fn fits(self, batch: &[Item<'_>]) -> Result<(u32, u32), Problem> {
        let bytes = batch.iter().fold(0_u64, |sum, item| sum.saturating_add(item.bytes() as u64));
        let most = u64::from(self.layout.bytes);
        match (u32::try_from(batch.len()), u32::try_from(bytes)) {
            (Ok(items), Ok(bytes)) if items <= self.layout.items && bytes <= self.layout.bytes => Ok((items, bytes)),
            _ => Err(Problem::TooLarge(most)),
        }
    }

    pub(super) fn enter_with_room<W: Words>(
        self,
        words: &W,
        me: Member,
        items: u32,
        bytes: u32,
        until: Until,
    ) -> Result<Inside<'_, W>, Problem> {
        lines::stand(self.layout, words, me, until, PUTTERS, |inside| {
            if inside.load(CLOSED) != 0 {
                return Err(Problem::Closed);
            }
            Ok(inside.load(ROOM_ITEMS) >= items && inside.load(ROOM_BYTES) >= bytes)
        })
    }

    /// Waits for an item.
    ///
    /// # Errors
    /// `Closed`: the queue is, nothing waits, and nothing is in the hands of others that could come back; as every wait.
    #[inline]
    pub fn get<W: Words>(self, words: &W, me: Member, until: Until) -> Result<Got, Problem> {
        let inside = self.enter_with_item(words, me, until)?;
        if inside.load(self.layout.slot(inside.load(FIRST)).length) as usize > LARGE {
            return self.get_large(inside);
        }
        let mut got = None;
        self.get_some(inside, 1, LARGE, |item| got = Some(item))?;
        got.ok_or(Problem::Damaged)
    }

    /// At least one, at most `items`, of so many bytes together or one that has more.
    ///
    /// # Errors
    /// As [`Queue::get`].
    pub fn get_batch<W: Words>(
        self,
        words: &W,
        me: Member,
        items: u32,
        bytes: usize,
        until: Until,
    ) -> Result<Vec<Got>, Problem> {
        let inside = self.enter_with_item(words, me, until)?;
        if inside.load(self.layout.slot(inside.load(FIRST)).length) as usize > LARGE {
            return Ok(vec![self.get_large(inside)?]);
        }
        let mut batch = Vec::new();
        self.get_some(inside, items.max(1), bytes, |item| batch.push(item))?;
        Ok(batch)
    }

    pub(super) fn enter_with_item<W: Words>(
        self,
        words: &W,
        me: Member,
        until: Until,
    ) -> Result<Inside<'_, W>, Problem> {
        lines::stand(self.layout, words, me, until, GETTERS, |inside| {
            if inside.load(WAITING) > 0 {
                return Ok(true);
            }
            if inside.load(CLOSED) != 0 && !self.others_hold(inside) {
                return Err(Problem::Closed);
            }
            Ok(false)
        })
    }

    /// Copies the first items, and takes them out of the queue once all have been copied.
    fn get_some<W: Words>(
        self,
        mut inside: Inside<'_, W>,
        items: u32,
        bytes: usize,
        mut each: impl FnMut(Got),
    ) -> Result<(), Problem> {
        let (run, next) = match self.copy_some(&inside, items, bytes, &mut each) {
            Ok(copied) => copied,
            Err(problem) => return inside.leave_with(problem),
        };
        cut_off(&mut inside, run, next);
        if let Err(problem) = free(&mut inside, run) {
            return inside.leave_with(problem);
        }
        tasks::add(&mut inside, run.items);
        inside.finish();
        Ok(())
    }

    /// What was copied, and the slot behind it.
    fn copy_some<W: Words>(
        self,
        inside: &Inside<'_, W>,
        items: u32,
        bytes: usize,
        each: &mut impl FnMut(Got),
    ) -> Result<(Run, u32), Problem> {
        let first = inside.load(FIRST);
        let mut run = Run { first, last: first, items: 0, bytes: 0 };
        let (mut next, most) = (first, items.min(inside.load(WAITING)));
        while run.items < most {
            let length = length_of(inside, next)?;
            let sum = run.bytes.saturating_add(length);
            if run.items > 0 && (sum as usize > bytes || length as usize > LARGE) {
                break;
            }
            each(copy_out(inside.words, inside, next, length)?);
            (run.last, run.items, run.bytes) = (next, run.items + 1, sum);
            next = inside.load(self.layout.slot(next).next);
        }
        Ok((run, next))
    }
}

/// The length of a slot's item.
pub(super) fn length_of<W: Words>(inside: &Inside<'_, W>, slot: u32) -> Result<u32, Problem> {
    if slot >= inside.layout.items {
        return Err(Problem::Damaged);
    }
    let length = inside.load(inside.layout.slot(slot).length);
    if length > inside.layout.bytes { Err(Problem::Damaged) } else { Ok(length) }
}

/// The item of a slot.
pub(super) fn copy_out<W: Words>(words: &W, inside: &Inside<'_, W>, slot: u32, length: u32) -> Result<Got, Problem> {
    let slot = inside.layout.slot(slot);
    // Whoever wrote more than a byte there gets the rest cut off.
    let [format, ..] = words.load(slot.format).to_le_bytes();
    let mut body = vec![0; length as usize];
    Walk::new(words, inside.layout, words.load(slot.block)).read(&mut body)?;
    Ok(Got { format, body })
}

/// Writes items into free slots and blocks, and takes those off the free ones. The slots stay a chain.
pub(super) fn fill<W: Words>(
    inside: &mut Inside<'_, W>,
    batch: &[Item<'_>],
    items: u32,
    bytes: u32,
) -> Result<Run, Problem> {
    let first = inside.load(FREE_SLOT);
    let mut run = Run { first, last: first, items, bytes };
    let mut next = first;
    let mut walk = Walk::new(inside.words, inside.layout, inside.load(FREE_BLOCK));
    for item in batch {
        next = describe(inside, next, item.format, item.bytes(), walk.begin_item(), &mut run)?;
        item.parts.iter().try_for_each(|part| walk.write(part))?;
    }
    inside.set(FREE_SLOT, next);
    inside.set(FREE_BLOCK, walk.next());
    take_room(inside, run);
    Ok(run)
}

/// Writes what a free slot is to say, and makes it the run's last. The next free slot.
#[expect(clippy::cast_possible_truncation, reason = "an item has at most the queue's bytes, which 32 bits hold")]
fn describe<W: Words>(
    inside: &Inside<'_, W>,
    slot: u32,
    format: u8,
    length: usize,
    block: u32,
    run: &mut Run,
) -> Result<u32, Problem> {
    if slot >= inside.layout.items {
        return Err(Problem::Damaged);
    }
    run.last = slot;
    let places = inside.layout.slot(slot);
    inside.words.store(places.block, block);
    inside.words.store(places.length, length as u32);
    inside.words.store(places.format, format.into());
    Ok(inside.load(places.next))
}

/// Takes a free slot, and free blocks for so many bytes that are written later.
pub(super) fn reserve<W: Words>(inside: &mut Inside<'_, W>, format: u8, bytes: u32) -> Result<Run, Problem> {
    let slot = inside.load(FREE_SLOT);
    let mut run = Run { first: slot, last: slot, items: 1, bytes };
    let block = inside.load(FREE_BLOCK);
    let next = describe(inside, slot, format, bytes as usize, block, &mut run)?;
    let mut walk = Walk::new(inside.words, inside.layout, block);
    walk.skip(bytes)?;
    inside.set(FREE_SLOT, next);
    inside.set(FREE_BLOCK, walk.next());
    take_room(inside, run);
    Ok(run)
}

fn take_room<W: Words>(inside: &mut Inside<'_, W>, run: Run) {
    inside.set(ROOM_ITEMS, inside.load(ROOM_ITEMS).saturating_sub(run.items));
    inside.set(ROOM_BYTES, inside.load(ROOM_BYTES).saturating_sub(run.bytes));
}

/// Lets the items of a run wait behind all others, and be tasks that are to be done.
pub(super) fn append<W: Words>(inside: &mut Inside<'_, W>, run: Run) {
    let waiting = inside.load(WAITING);
    if waiting == 0 {
        inside.set(FIRST, run.first);
    } else {
        // The last one's successor is nobody's until it is counted, so it needs no note.
        let last = inside.load(LAST);
        if last < inside.layout.items {
            inside.words.store(inside.layout.slot(last).next, run.first);
        }
    }
    inside.set(LAST, run.last);
    inside.set(WAITING, waiting.saturating_add(run.items));
    inside.set(BYTES, inside.load(BYTES).saturating_add(run.bytes));
    inside.set_undone(inside.load_long(UNDONE).saturating_add(run.items.into()));
    inside.notify(GETTERS, run.items);
}

/// Takes the first items off those that wait; `next` is the slot behind them.
pub(super) fn cut_off<W: Words>(inside: &mut Inside<'_, W>, run: Run, next: u32) {
    inside.set(FIRST, next);
    inside.set(WAITING, inside.load(WAITING).saturating_sub(run.items));
    inside.set(BYTES, inside.load(BYTES).saturating_sub(run.bytes));
}

/// Makes slots that are a chain free, with their blocks.
pub(super) fn free<W: Words>(inside: &mut Inside<'_, W>, run: Run) -> Result<(), Problem> {
    let mut slot = run.first;
    let mut blocks: Option<(u32, u32)> = None;
    for _ in 0..run.items {
        let places = inside.layout.slot(slot);
        let (length, first) = (length_of(inside, slot)?, inside.load(places.block));
        let mut walk = Walk::new(inside.words, inside.layout, first);
        walk.skip(length)?;
        if let Some(last) = walk.last() {
            // Behind an item's last block is nothing that counts, so this needs no note.
            if let Some((_, before)) = blocks {
                inside.words.store(inside.layout.block(before), first);
            }
            blocks = Some((blocks.map_or(first, |(first, _)| first), last));
        }
        slot = inside.load(places.next);
    }
    if let Some((first, last)) = blocks {
        inside.words.store(inside.layout.block(last), inside.load(FREE_BLOCK));
        inside.set(FREE_BLOCK, first);
    }
    let last = inside.layout.slot(run.last).next;
    inside.set(last, inside.load(FREE_SLOT));
    inside.set(FREE_SLOT, run.first);
    inside.set(ROOM_ITEMS, inside.load(ROOM_ITEMS).saturating_add(run.items).min(inside.layout.items));
    inside.set(ROOM_BYTES, inside.load(ROOM_BYTES).saturating_add(run.bytes).min(inside.layout.bytes));
    inside.notify(PUTTERS, run.items);
    Ok(())
}
