//! Places of tasks that run at the same time: the lowest free one is taken, as by GNU parallel.
//!
//! Must not: know who has one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Places from 0 on.
#[derive(Debug)]
pub struct Slots {
    free: BinaryHeap<Reverse<usize>>,
}

impl Slots {
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { free: (0..count).map(Reverse).collect() }
    }

    #[must_use]
    pub fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    pub fn take(&mut self) -> Option<usize> {
        self.free.pop().map(|Reverse(slot)| slot)
    }

    /// Gives one back that was taken.
    pub fn free(&mut self, slot: usize) {
        self.free.push(Reverse(slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_place_is_taken() {
        let mut slots = Slots::new(3);
        assert_eq!([slots.take(), slots.take(), slots.take(), slots.take()], [Some(0), Some(1), Some(2), None]);
        assert!(!slots.has_free());
        slots.free(2);
        slots.free(0);
        assert_eq!([slots.take(), slots.take(), slots.take()], [Some(0), Some(2), None]);
    }
}
