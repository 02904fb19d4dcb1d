//! A queue: first in, first out, from many to many, bounded by the number of its items and by their bytes.
//!
//! Items lie in chains of blocks of one size, each with a slot that says where it begins and whose it is. Free slots and free
//! blocks are chains as well, so that a batch is cut off or appended whole. All changes are made by whoever holds the queue's own
//! mutex, noted so that they can be undone (`inside`): an item is there or it is not. Only an item that is large is copied while
//! others go on: its slot says meanwhile that it is in somebody's hands.
//!
//! An item that is in somebody's hands keeps its room, so that there always is a place to which it can come back.
//!
//! Must not: decide how many bytes of items a message may have.

mod blocks;
mod calls;
mod hands;
mod inside;
mod item;
mod layout;
mod lines;
mod recovery;
mod tasks;
#[cfg(test)]
mod tests;
mod traffic;

#[cfg(test)]
#[cfg(test)]
pub(crate) use item::LARGE;
pub use item::{Got, Item, Taken};

use crate::{Problem, Until, Words};
use inside::Inside;
use layout::{BYTES, CLOSED, GETTERS, JOINERS, PUTTERS, ROOM_BYTES, ROOM_ITEMS, UNDONE, WAITING};
use sandhog_protocol::objects::Member;

/// A queue in the words of a segment of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    layout: layout::Layout,
}

impl Queue {
    /// None: so many items or bytes no queue holds.
    #[must_use]
    pub fn of(items: u32, bytes: u64) -> Option<Self> {
        layout::Layout::of(items, bytes).map(|layout| Self { layout })
    }

    /// Of its segment.
    #[must_use]
    pub fn segment_bytes(self) -> u64 {
        self.layout.segment_bytes()
    }

    /// Makes an empty queue of memory that is all 0.
    pub fn initialise(self, words: &impl Words) {
        let layout = self.layout;
        for slot in 0..layout.items {
            words.store(layout.slot(slot).next, slot + 1);
        }
        for block in 0..layout.blocks {
            words.store(layout.block(block), block + 1);
        }
        words.store(ROOM_ITEMS, layout.items);
        words.store(ROOM_BYTES, layout.bytes);
    }

    /// One of the items that were got is done.
    ///
    /// # Errors
    /// `Invalid`: more than were put.
    pub fn task_done(self, words: &impl Words, me: Member) -> Result<(), Problem> {
        let mut inside = self.enter(words, me)?;
        if let Err(problem) = tasks::done(&mut inside) {
            return inside.leave_with(problem);
        }
        inside.finish();
        Ok(())
    }

    /// Waits until all that was put is done.
    ///
    /// # Errors
    /// As every wait.
    pub fn join(self, words: &impl Words, me: Member, until: Until) -> Result<(), Problem> {
        let inside = lines::stand(self.layout, words, me, until, JOINERS, |inside| Ok(inside.load_long(UNDONE) == 0))?;
        inside.finish();
        Ok(())
    }

    /// Nothing more is put; what is there can be got.
    ///
    /// # Errors
    /// Only where the memory is damaged or somebody keeps others out.
    pub fn close(self, words: &impl Words, me: Member) -> Result<(), Problem> {
        let mut inside = self.enter(words, me)?;
        // One word, which nothing takes back.
        words.store(CLOSED, 1);
        inside.notify(GETTERS, u32::MAX);
        inside.notify(PUTTERS, u32::MAX);
        inside.finish();
        Ok(())
    }

    /// Items that wait.
    #[must_use]
    pub fn size(self, words: &impl Words) -> u32 {
        words.load(WAITING).min(self.layout.items)
    }

    /// Bytes of the items that wait.
    #[must_use]
    pub fn bytes(self, words: &impl Words) -> u64 {
        words.load(BYTES).min(self.layout.bytes).into()
    }

    /// For what has no time of its own: others are inside for a moment only.
    fn enter<W: Words>(self, words: &W, me: Member) -> Result<Inside<'_, W>, Problem> {
        Inside::enter(self.layout, words, me, None)
    }

    /// Tasks that are not done; and for how many items and bytes there is room.
    #[cfg(test)]
    pub(crate) fn undone(self, words: &impl Words) -> u64 {
        words.load_long(UNDONE)
    }

    #[cfg(test)]
    pub(crate) fn room(self, words: &impl Words) -> (u32, u32) {
        (words.load(ROOM_ITEMS), words.load(ROOM_BYTES))
    }
}
