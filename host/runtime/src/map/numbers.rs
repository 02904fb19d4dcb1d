//! A set of tasks' numbers: a million of them in a few hundred kilobytes, however they are ordered.
//!
//! Must not: know what a number stands for.

use std::collections::HashMap;

/// Numbers of one page: 512 bytes.
const PAGE: u64 = 4096;

/// Numbers, each in it or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    pages: HashMap<u64, Box<[u64; (PAGE / 64) as usize]>>,
}

impl Numbers {
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let (page, word, bit) = place(number);
        self.pages.get(&page).is_some_and(|page| page[word] & bit != 0)
    }

    pub fn insert(&mut self, number: u64) {
        let (page, word, bit) = place(number);
        self.pages.entry(page).or_insert_with(|| Box::new([0; _]))[word] |= bit;
    }

    pub fn remove(&mut self, number: u64) {
        let (page, word, bit) = place(number);
        if let Some(page) = self.pages.get_mut(&page) {
            page[word] &= !bit;
        }
    }
}

/// Its page, its word there, and its bit.
const fn place(number: u64) -> (u64, usize, u64) {
    (number / PAGE, (number % PAGE / 64) as usize, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_in_until_it_is_taken_out() {
        let mut numbers = Numbers::default();
        let some = [0, 1, 63, 64, 4095, 4096, 1_000_000, u64::MAX];
        some.iter().for_each(|number| numbers.insert(*number));
        assert!(some.iter().all(|number| numbers.contains(*number)));
        assert!(![2, 65, 4097, u64::MAX - 1].iter().any(|number| numbers.contains(*number)));
        numbers.remove(64);
        numbers.remove(77);
        assert!(numbers.contains(63) && !numbers.contains(64) && numbers.contains(4095));
    }

    #[test]
    fn a_million_take_a_few_pages() {
        let mut numbers = Numbers::default();
        (1..=1_000_000).for_each(|number| numbers.insert(number));
        assert!(numbers.pages.len() <= 246);
    }
}
