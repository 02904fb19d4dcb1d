//! Chains of blocks: how items are written into them and read from them.
//!
//! All that is read there may be wrong: a number that is no block's is found out, and no chain is followed further than the
//! item's length says.
//!
//! Must not: change which blocks are free.

use super::layout::Layout;
use crate::{Problem, Words};

/// A walk along a chain of blocks.
pub(super) struct Walk<'w, W> {
    words: &'w W,
    layout: Layout,
    /// The block that comes next.
    next: u32,
    /// The last one that was entered.
    last: Option<u32>,
    /// Where in that block, and how many bytes of it are left.
    at: usize,
    left: usize,
}

impl<'w, W: Words> Walk<'w, W> {
    #[inline]
    pub(super) fn new(words: &'w W, layout: Layout, first: u32) -> Self {
        Self { words, layout, next: first, last: None, at: 0, left: 0 }
    }

    /// An item begins at a block's begin: its first block, whether or not it has one.
    #[inline]
    pub(super) fn begin_item(&mut self) -> u32 {
        self.left = 0;
        self.next
    }

    /// The block behind all that was walked.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// The last block that was walked, if there was one.
    pub(super) fn last(&self) -> Option<u32> {
        self.last
    }

    #[inline]
    fn enter_block(&mut self) -> Result<(), Problem> {
        let block = self.next;
        if block >= self.layout.blocks {
            return Err(Problem::Damaged);
        }
        self.next = self.words.load(self.layout.block(block));
        self.last = Some(block);
        (self.at, self.left) = (self.layout.content(block), self.layout.in_block());
        Ok(())
    }

    #[inline]
    pub(super) fn write(&mut self, mut from: &[u8]) -> Result<(), Problem> {
        while !from.is_empty() {
            if self.left == 0 {
                self.enter_block()?;
            }
            let (now, rest) = from.split_at(from.len().min(self.left));
            self.words.write(self.at, now);
            self.went(now.len());
            from = rest;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn read(&mut self, mut into: &mut [u8]) -> Result<(), Problem> {
        while !into.is_empty() {
            if self.left == 0 {
                self.enter_block()?;
            }
            let (now, rest) = into.split_at_mut(into.len().min(self.left));
            self.words.read(self.at, now);
            self.went(now.len());
            into = rest;
        }
        Ok(())
    }

    /// Walks past an item of so many bytes, without its content.
    pub(super) fn skip(&mut self, length: u32) -> Result<(), Problem> {
        self.left = 0;
        (0..(length as usize).div_ceil(self.layout.in_block())).try_for_each(|_| self.enter_block())
    }

    #[inline]
    fn went(&mut self, bytes: usize) {
        self.at += bytes;
        self.left -= bytes;
    }
}
