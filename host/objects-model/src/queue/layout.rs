//! Where what of a queue lies in its segment.
//!
//! Must not: read or write it.

use crate::guard::Guard;
use crate::limits::SEATS;
use sandhog_protocol::objects::Member;

/// Two words: who is inside.
pub(super) const GUARD: Guard = Guard::at(0);
/// Words that those sleep on that want to get an item, to put one, to see all done: see `lines`.
pub(super) const GETTERS: usize = 2;
pub(super) const PUTTERS: usize = 3;
pub(super) const JOINERS: usize = 4;
pub(super) const CLOSED: usize = 5;
/// The words that nearly every operation changes, from here up to [`NOTED`].
pub(super) const HEADER: usize = 6;
/// The first and the last slot of the items that wait, where there are any.
pub(super) const FIRST: usize = 6;
pub(super) const LAST: usize = 7;
/// Items that wait, and their bytes.
pub(super) const WAITING: usize = 8;
pub(super) const BYTES: usize = 9;
/// The first free slot, and the first free block.
pub(super) const FREE_SLOT: usize = 10;
pub(super) const FREE_BLOCK: usize = 11;
/// Items, and bytes, for which there is room: what neither waits nor is in somebody's hands.
pub(super) const ROOM_ITEMS: usize = 12;
pub(super) const ROOM_BYTES: usize = 13;
/// Two words: tasks that were put and are not done.
pub(super) const UNDONE: usize = 14;
/// What has been noted since the last changes that stand: see `inside`.
pub(super) const NOTED: usize = 16;
/// What the header held.
pub(super) const SHADOW: usize = 18;
/// Two words each: where another change was made, and what was there.
pub(super) const NOTES: usize = 28;
/// No operation makes more of those.
pub(super) const MOST_NOTES: u32 = 4;
/// Two words: the last acquisition token, without its slot.
pub(super) const TOKEN: usize = 36;
/// A word for each seat: see `tasks`.
const TASKS: usize = 48;
const SLOTS: usize = TASKS + SEATS as usize;

/// A slot is half a line of a processor's cache.
const SLOT: usize = 8;

/// Most items: a slot has to fit into a token.
const MOST_ITEMS: u32 = 1 << SLOT_BITS;

/// The lower bits of a token are its slot.
pub(super) const SLOT_BITS: u32 = 24;

const WORD: u64 = 4;

/// A line of a processor's cache, and what a block for an item of 64 KiB or more is worth.
const SMALLEST_BLOCK: u64 = 64;
const LARGEST_BLOCK: u64 = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) items: u32,
    pub(super) bytes: u32,
    /// As many as hold all that the two bounds allow.
    pub(super) blocks: u32,
    /// Bytes of a block, a power of two. Its first word is the next one's number.
    block: u32,
}

/// The places of a slot's words.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// The slot behind it, in whatever chain it is.
    pub(super) next: usize,
    /// The first block.
    pub(super) block: usize,
    /// In bytes.
    pub(super) length: usize,
    pub(super) format: usize,
    /// In whose hands it is: see `hands`.
    pub(super) owner: usize,
    /// Two words.
    pub(super) token: usize,
}

impl Layout {
    /// A block is a quarter of the item of medium size, so that ends of blocks waste a quarter at most.
    pub(super) fn of(items: u32, bytes: u64) -> Option<Self> {
        if items == 0 || items > MOST_ITEMS || bytes == 0 {
            return None;
        }
        let whole = u32::try_from(bytes).ok()?;
        let block = bytes.div_ceil(4 * u64::from(items)).next_power_of_two().clamp(SMALLEST_BLOCK, LARGEST_BLOCK);
        // All bytes, and a block that is not full for each item.
        let blocks = u32::try_from(bytes.div_ceil(block - WORD) + u64::from(items)).ok()?;
        Some(Self { items, bytes: whole, blocks, block: u32::try_from(block).ok()? })
    }

    pub(super) fn segment_bytes(self) -> u64 {
        self.first_block() as u64 * WORD + u64::from(self.blocks) * u64::from(self.block)
    }

    #[inline]
    fn first_block(self) -> usize {
        (SLOTS + self.items as usize * SLOT).next_multiple_of(16)
    }

    /// No change that is noted lies from here on.
    #[inline]
    pub(super) fn end_of_notes(self) -> usize {
        self.first_block()
    }

    #[inline]
    pub(super) fn tasks(self, member: Member) -> usize {
        TASKS + usize::from(member.seat % SEATS)
    }

    #[inline]
    pub(super) fn slot(self, slot: u32) -> Slot {
        let at = SLOTS + slot as usize * SLOT;
        Slot { next: at, block: at + 1, length: at + 2, format: at + 3, owner: at + 4, token: at + 6 }
    }

    /// The word of a block that says which is the next.
    #[inline]
    pub(super) fn block(self, block: u32) -> usize {
        self.first_block() + block as usize * (self.block as usize / 4)
    }

    /// The place of a block's bytes.
    #[inline]
    pub(super) fn content(self, block: u32) -> usize {
        (self.block(block) + 1) * 4
    }

    /// Bytes that a block holds.
    #[inline]
    pub(super) fn in_block(self) -> usize {
        self.block as usize - 4
    }
}
