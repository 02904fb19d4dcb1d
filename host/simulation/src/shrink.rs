//! Of choices that fail, fewer and smaller ones that fail still. Pure: whoever calls says which do.
//!
//! Delta debugging (Zeller, Hildebrandt, 2002): steps are left out, half of them at a time, then a quarter, down to one by
//! one; then single numbers, the same way; then each number is made smaller; and all of it again for as long as it helps.

use crate::tape::Choices;
use std::ops::Range;

/// Choices that may be made while looking for a smaller world, all together; one that is run counts as some more.
const WORK: usize = 8_000_000;
const WORK_OF_ONE: usize = 100;

/// Numbers among which all pairs are looked at.
const FEW: usize = 200;

/// `again`: the choices of the world with these numbers, if that fails the same way. They may be others than those that were
/// asked for: a number that is too large is made to fit, one that is missing is 0, and one too many is not used.
pub(crate) fn shrink(from: Choices, again: impl FnMut(&[u64]) -> Option<Choices>) -> Choices {
    let mut search = Search { best: from, again, work: WORK };
    loop {
        let before = search.best.clone();
        search.leave_out_steps();
        search.leave_out_numbers();
        search.lower();
        if search.best == before || search.work == 0 {
            return search.best;
        }
    }
}

struct Search<F> {
    best: Choices,
    again: F,
    work: usize,
}

impl<F: FnMut(&[u64]) -> Option<Choices>> Search<F> {
    /// Whether the world with these numbers fails, and is smaller than the best one.
    fn tries(&mut self, numbers: &[u64]) -> bool {
        let failed = (self.again)(numbers);
        let made = failed.as_ref().map_or(numbers.len(), |choices| choices.numbers.len());
        self.work = self.work.saturating_sub(made + WORK_OF_ONE);
        let Some(choices) = failed.filter(|choices| size(choices) < size(&self.best)) else { return false };
        self.best = choices;
        true
    }

    fn leave_out_steps(&mut self) {
        let mut many = self.best.steps.len().div_ceil(2);
        while many > 0 {
            let mut end = self.best.steps.len();
            while end > 0 {
                let start = end.saturating_sub(many);
                let steps = &self.best.steps;
                let out = steps[start]..steps.get(end).copied().unwrap_or(self.best.numbers.len());
                self.tries_without(out);
                end = start.min(self.best.steps.len());
            }
            many /= 2;
        }
    }

    fn leave_out_numbers(&mut self) {
        let mut many = self.best.numbers.len().div_ceil(2);
        while many > 0 {
            let mut end = self.best.numbers.len();
            while end > 0 {
                let start = end.saturating_sub(many);
                self.tries_without(start..end);
                end = start.min(self.best.numbers.len());
            }
            many /= 2;
        }
    }

    fn tries_without(&mut self, out: Range<usize>) {
        if self.work == 0 {
            return;
        }
        let mut fewer = self.best.numbers.clone();
        fewer.drain(out);
        self.tries(&fewer);
    }

    /// Each number, and then two that are alike at once: what one step names another may name again.
    fn lower(&mut self) {
        let mut at = 0;
        while at < self.best.numbers.len() {
            self.lower_these(&[at]);
            at += 1;
        }
        if self.best.numbers.len() > FEW {
            return;
        }
        for first in 0..FEW {
            for second in first + 1..FEW {
                let numbers = &self.best.numbers;
                if second < numbers.len() && numbers[first] == numbers[second] {
                    self.lower_these(&[first, second]);
                }
            }
        }
    }

    /// To 0, or as far as it goes by halves.
    fn lower_these(&mut self, places: &[usize]) {
        let from = self.best.numbers[places[0]];
        if from == 0 || self.tries_with(places, 0) {
            return;
        }
        // Too low, as far as is known; and low enough.
        let (mut low, mut high) = (0, from);
        while high > low + 1 && self.work > 0 {
            let middle = low + (high - low) / 2;
            if self.tries_with(places, middle) { high = middle } else { low = middle }
        }
    }

    fn tries_with(&mut self, places: &[usize], number: u64) -> bool {
        if self.work == 0 {
            return false;
        }
        let mut smaller = self.best.numbers.clone();
        for place in places {
            let Some(at) = smaller.get_mut(*place) else { return false };
            *at = number;
        }
        self.tries(&smaller)
    }
}

/// By which worlds are compared.
fn size(choices: &Choices) -> (usize, usize, &[u64]) {
    (choices.steps.len(), choices.numbers.len(), &choices.numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::tape::Tape;

    /// A long world that comes to harm where a door is opened that was locked before, with a weight of 500 or more.
    fn comes_to_harm(rng: &Rng) -> bool {
        let mut locked = None;
        for () in rng.up_to(500) {
            match rng.below(10) {
                3 => locked = Some(rng.below(100)),
                7 if locked == Some(rng.below(100)) && rng.below(1000) >= 500 => return true,
                // Others take other amounts of chance.
                kind => (0..kind).for_each(|_| {
                    let _ = rng.below(7);
                }),
            }
        }
        false
    }

    fn again(numbers: &[u64]) -> Option<Choices> {
        let rng = Rng::on(Tape::again(numbers.to_vec()));
        let harm = comes_to_harm(&rng);
        let choices = rng.tape().choices().clone();
        harm.then_some(choices)
    }

    #[test]
    fn a_long_world_with_a_planted_fault_shrinks_to_the_steps_that_matter() {
        let mut long = 0;
        for seed in 0..200 {
            let rng = Rng::new(seed);
            if !comes_to_harm(&rng) {
                continue;
            }
            let choices = rng.tape().choices().clone();
            long += usize::from(choices.steps.len() > 100);
            let small = shrink(choices, again);
            // Locked by 0, opened by 0 with 500.
            assert_eq!(small.numbers, [1, 3, 0, 1, 7, 0, 500], "seed {seed}");
        }
        assert!(long > 20, "{long} long worlds");
    }

    #[test]
    fn the_same_tape_is_the_same_world() {
        for seed in 0..100 {
            let rng = Rng::new(seed);
            let harm = comes_to_harm(&rng);
            let choices = rng.tape().choices().clone();
            assert_eq!(again(&choices.numbers), harm.then_some(choices), "seed {seed}");
        }
    }

    #[test]
    fn looking_for_a_smaller_world_comes_to_an_end() {
        let numbers: Vec<u64> = (0..50_000).collect();
        let (mut runs, mut larger) = (0_u64, Choices { numbers, steps: Vec::new() });
        let first = larger.clone();
        // What fails is never smaller: it grows.
        let small = shrink(first.clone(), |_| {
            runs += 1;
            larger.numbers.push(runs);
            Some(larger.clone())
        });
        assert_eq!(small, first);
        assert!(runs < 1000, "{runs} runs");
    }
}
