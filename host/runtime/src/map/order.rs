//! Results in the order of their tasks, whichever is there first.
//!
//! Must not: bound itself: who submits asks how far the first one that is missing lies behind.

use std::collections::VecDeque;

/// Results that wait for those before them.
#[derive(Debug)]
pub struct InOrder<T> {
    /// Of the first place that has no result yet.
    first: u64,
    places: VecDeque<Option<T>>,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { first: 0, places: VecDeque::new() }
    }
}

impl<T> InOrder<T> {
    /// Takes the result of this place (from 0 on, each one once), and appends to `ready` all that wait for nothing any more.
    pub fn put(&mut self, place: u64, result: T, ready: &mut impl Extend<T>) {
        let Some(ahead) = place.checked_sub(self.first).and_then(|ahead| usize::try_from(ahead).ok()) else { return };
        if self.places.len() <= ahead {
            self.places.resize_with(ahead + 1, || None);
        }
        self.places[ahead] = Some(result);
        while let Some(result) = self.places.pop_front_if(|place| place.is_some()).flatten() {
            self.first += 1;
            ready.extend([result]);
        }
    }

    /// How many places there are from the first one without a result up to this one.
    #[must_use]
    pub fn behind(&self, next: u64) -> u64 {
        next - self.first
    }

    /// What is there, in order, when nothing more comes.
    pub fn rest(&mut self) -> impl Iterator<Item = T> {
        std::mem::take(&mut self.places).into_iter().flatten()
    }

    /// What waits, in order.
    pub fn waiting(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::random::Random;

    #[test]
    fn whatever_ends_first_they_come_in_their_order_each_once() {
        for seed in 0..200 {
            let (mut random, mut order) = (Random(seed), InOrder::default());
            let (mut running, mut next, mut came) = (Vec::new(), 0, Vec::new());
            while came.len() < 500 {
                if next < 500 && (running.is_empty() || random.below(2) == 0) && order.behind(next) < 64 {
                    running.push(next);
                    next += 1;
                } else {
                    let place = running.swap_remove(random.below(running.len() as u64) as usize);
                    order.put(place, place, &mut came);
                }
                assert!(order.places.len() <= 64);
                assert!(came.iter().copied().eq(0..came.len() as u64));
            }
            assert_eq!(order.rest().count(), 0);
        }
    }

    #[test]
    fn at_an_early_end_what_is_there_comes_with_gaps() {
        let (mut order, mut ready) = (InOrder::default(), Vec::new());
        for place in [3, 0, 5, 2] {
            order.put(place, place, &mut ready);
        }
        assert_eq!(ready, [0]);
        assert_eq!(order.waiting().copied().collect::<Vec<_>>(), [2, 3, 5]);
        assert_eq!(order.rest().collect::<Vec<_>>(), [2, 3, 5]);
    }
}
