//! Of choices that fail, fewer and smaller ones that fail still. Pure: whoever calls says which do.
//!
//! Delta debugging (Zeller, Hildebrandt, 2002): steps are left out, half of them at a time, then a quarter, down to one by
//! one; then single numbers, the same way; then each number is made smaller; and all of it again for as long as it helps.

use crate::tape::Choices;
use std::ops::Range;

/// Choices that may be made while looking for a smaller world, all together; one that is run counts as some more.
const WORK: usize = 4_000_000;
const WORK_OF_ONE: usize = 100;

/// So many steps are left out wherever they begin, and not side by side only.
const FEW_STEPS: usize = 4;

/// Numbers among which all pairs are looked at.
const FEW: usize = 200;

/// One more world.
pub(crate) struct Again {
    /// Choices that it made, with those past the end of its tape.
    pub(crate) made: usize,
    /// If it failed the same way: its choices.
    pub(crate) failed: Option<Choices>,
}

/// `again`: the world with these choices. They may be others than those that were asked for: a
/// number that is too large is made to fit, one that is missing is 0, and one too many is not used.
pub(crate) fn shrink(from: Choices, again: impl FnMut(&Choices) -> Again) -> Choices {
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

impl<F: FnMut(&Choices) -> Again> Search<F> {
    /// Whether the world with these choices fails, and is smaller than the best one.
    fn tries(&mut self, smaller: &Choices) -> bool {
        let Again { made, failed } = (self.again)(smaller);
        self.work = self.work.saturating_sub(made + WORK_OF_ONE);
        let Some(choices) = failed.filter(|choices| size(choices) < size(&self.best)) else { return false };
        self.best = choices;
        true
    }

    /// Until it does not help any more: they are few, and each has many numbers.
    fn leave_out_steps(&mut self) {
        loop {
            let before = self.best.steps.len();
            self.leave_out_each_step();
            if self.best.steps.len() == before || self.work == 0 {
                return;
            }
        }
    }

    fn leave_out_each_step(&mut self) {
        let mut many = self.best.steps.len().div_ceil(2);
        while many > 0 {
            let mut end = self.best.steps.len();
            while end > 0 {
                let start = end.saturating_sub(many);
                let steps = &self.best.steps;
                let out = steps[start]..steps.get(end).copied().unwrap_or(self.best.numbers.len());
                let is_out = self.tries_without(out, start..end);
                // Steps of a step belong together: where it begins is not known.
                let next = if is_out || many > FEW_STEPS { start } else { end - 1 };
                end = next.min(self.best.steps.len());
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
                self.tries_without(start..end, 0..0);
                end = start.min(self.best.numbers.len());
            }
            many /= 2;
        }
    }

    /// Without these numbers, and without the steps that begin there where all that they have is left out.
    fn tries_without(&mut self, out: Range<usize>, steps: Range<usize>) -> bool {
        if self.work == 0 {
            return false;
        }
        let mut fewer = self.best.clone();
        fewer.numbers.drain(out.clone());
        fewer.steps.drain(steps);
        for start in &mut fewer.steps {
            *start -= (*start).clamp(out.start, out.end) - out.start;
        }
        self.tries(&fewer)
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
        let mut smaller = self.best.clone();
        for place in places {
            let Some(at) = smaller.numbers.get_mut(*place) else { return false };
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

    fn again(choices: &Choices, world: impl FnOnce(&Rng) -> bool) -> Again {
        let rng = Rng::on(Tape::again(choices.clone()));
        let harm = world(&rng);
        let tape = rng.tape();
        Again { made: tape.made(), failed: harm.then(|| tape.choices()) }
    }

    #[test]
    fn a_long_world_with_a_planted_fault_shrinks_to_the_steps_that_matter() {
        let mut long = 0;
        for seed in 0..200 {
            let rng = Rng::new(seed);
            if !comes_to_harm(&rng) {
                continue;
            }
            let choices = rng.tape().choices();
            long += usize::from(choices.steps.len() > 100);
            let small = shrink(choices, |smaller| again(smaller, comes_to_harm));
            // Locked by 0, opened by 0 with 500.
            assert_eq!(small.numbers, [1, 3, 0, 1, 7, 0, 500], "seed {seed}");
        }
        assert!(long > 20, "{long} long worlds");
    }

    /// A long world in which most steps bring about something that takes chance at the end of some later step; and harm in the
    /// third step of one kind.
    fn comes_to_harm_later(rng: &Rng) -> bool {
        let (mut agenda, mut omens) = (vec![0; 600], 0);
        for (now, ()) in rng.up_to(500).enumerate() {
            match rng.below(40) {
                7 => omens += 1,
                _ => agenda[now + 1 + usize::try_from(rng.below(99)).unwrap()] += 1,
            }
            if omens == 3 {
                return true;
            }
            (0..agenda[now] * 5).for_each(|_| {
                let _ = rng.below(1000);
            });
        }
        false
    }

    #[test]
    fn a_step_that_is_left_out_leaves_the_choices_of_all_others_alone() {
        for seed in 0..50 {
            let rng = Rng::new(seed);
            let harm = comes_to_harm_later(&rng);
            let choices = rng.tape().choices();
            let (steps, mut runs) = (choices.steps.len(), 0);
            let small = shrink(choices, |smaller| {
                runs += 1;
                again(smaller, comes_to_harm_later)
            });
            assert!(!harm || small.numbers == [1, 7, 1, 7, 1, 7], "seed {seed}: {small:?}");
            // By whole steps alone: single numbers would be thousands.
            assert!(!harm || runs < 4 * steps + 100, "seed {seed}: {runs} runs for {steps} steps");
        }
    }

    #[test]
    fn choices_that_follow_from_the_end_of_the_tape_are_none() {
        let small = Choices { numbers: vec![1, 9], steps: vec![0] };
        let rng = Rng::on(Tape::again(small.clone()));
        let all: Vec<_> =
            rng.up_to(1).map(|()| (rng.below(10), rng.below(10), rng.pick(0..3), rng.pick(0..3))).collect();
        assert_eq!(all, [(9, 0, Some(1), Some(2))]);
        assert_eq!(rng.tape().choices(), small);
    }

    #[test]
    fn the_same_tape_is_the_same_world() {
        for seed in 0..100 {
            let rng = Rng::new(seed);
            let harm = comes_to_harm(&rng);
            let choices = rng.tape().choices();
            // As it is printed, without its steps.
            let printed = Choices { steps: Vec::new(), ..choices.clone() };
            for tape in [&choices, &printed] {
                assert_eq!(again(tape, comes_to_harm).failed, harm.then_some(choices.clone()), "seed {seed}");
            }
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
            Again { made: larger.numbers.len(), failed: Some(larger.clone()) }
        });
        assert_eq!(small, first);
        assert!(runs < 1000, "{runs} runs");
    }
}
