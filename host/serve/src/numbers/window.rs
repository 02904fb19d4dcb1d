//! What happened lately: time in slots, of which the oldest are forgotten.

use std::time::Duration;

pub(super) struct Window<T> {
    slot: Duration,
    /// Of each the number of the slot that it holds, counted from the beginning.
    slots: Vec<(u64, T)>,
}

impl<T: Default + Clone> Window<T> {
    /// So many slots of this length.
    pub(super) fn new(slot: Duration, slots: u64) -> Self {
        Self { slot, slots: (0..slots.max(1)).map(|number| (number, T::default())).collect() }
    }

    /// The slot of now.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is less than the number of slots, a usize")]
    pub(super) fn at(&mut self, now: Duration) -> &mut T {
        let number = self.number(now);
        let place = (number % self.slots.len() as u64) as usize;
        let (known, value) = &mut self.slots[place];
        if *known != number {
            (*known, *value) = (number, T::default());
        }
        value
    }

    /// All slots that are not forgotten.
    pub(super) fn within(&self, now: Duration) -> impl Iterator<Item = &T> {
        let last = self.number(now);
        let first = (last + 1).saturating_sub(self.slots.len() as u64);
        self.slots.iter().filter(move |(number, _)| (first..=last).contains(number)).map(|(_, value)| value)
    }

    fn number(&self, now: Duration) -> u64 {
        u64::try_from(now.as_nanos() / self.slot.as_nanos().max(1)).unwrap_or(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_all_slots_is_forgotten() {
        let at = Duration::from_secs;
        let mut window = Window::<u32>::new(at(1), 3);
        for second in 0..5 {
            *window.at(at(second)) += 1 << second;
        }
        assert_eq!(window.within(at(4)).sum::<u32>(), 0b11100);
        assert_eq!(window.within(at(5)).sum::<u32>(), 0b11000);
        assert_eq!(window.within(at(9)).sum::<u32>(), 0);
    }
}
