//! Numbers that are changed at the same time, also those that share a word.

use super::{Scenario, explore};
use crate::array::Array;
use crate::problem::Problem;
use crate::words::Words;
use sandhog_protocol::objects::{Element, Kind, Member};
use sandhog_simulation::Rng;

#[derive(Clone, Debug)]
enum Op {
    Add(u64),
    /// By compare-exchanges.
    Increment(u64),
}

struct Numbers {
    element: Element,
    /// Finished, and begun.
    sums: Vec<(i64, i64)>,
}

const LENGTH: u64 = 5;

const ELEMENTS: [Element; 10] = [
    Element::I8,
    Element::U8,
    Element::I16,
    Element::U16,
    Element::I32,
    Element::U32,
    Element::I64,
    Element::U64,
    Element::F32,
    Element::F64,
];

impl Numbers {
    fn array(&self) -> Array {
        Array::of(self.element, LENGTH).unwrap()
    }

    fn is_float(&self) -> bool {
        matches!(self.element, Element::F32 | Element::F64)
    }

    fn increment<W: Words>(&self, words: &W, index: u64) -> Result<(), Problem> {
        let mut seen = self.array().get_integer(words, index)?;
        loop {
            match self.array().compare_exchange_integer(words, index, seen, seen + 1)? {
                before if before == seen => return Ok(()),
                other => seen = other,
            }
        }
    }
}

impl Scenario for Numbers {
    type Op = Op;
    type Outcome = Result<(), Problem>;

    fn new(rng: &Rng) -> Self {
        let element = rng.pick(ELEMENTS).unwrap();
        Self { element, sums: vec![(0, 0); LENGTH as usize] }
    }

    fn kind(&self) -> Kind {
        Kind::Array { element: self.element, length: LENGTH }
    }

    fn program(&self, rng: &Rng) -> Vec<Op> {
        let op = |rng: &Rng| match rng.below(LENGTH) {
            index if rng.one_in(3) => Op::Increment(index),
            index => Op::Add(index),
        };
        rng.up_to(1 + rng.below(16)).map(|()| op(rng)).collect()
    }

    fn perform<W: Words>(&self, op: &Op, words: &W, _me: Member, _now: u64) -> Self::Outcome {
        match op {
            Op::Add(index) | Op::Increment(index) if self.is_float() => {
                self.array().add_float(words, *index, 1.0).map(drop)
            }
            Op::Add(index) => self.array().add_integer(words, *index, 1).map(drop),
            Op::Increment(index) => self.increment(words, *index),
        }
    }

    fn started(&mut self, _me: Member, op: &Op) {
        let (Op::Add(index) | Op::Increment(index)) = op;
        self.sums[*index as usize].1 += 1;
    }

    fn finished(&mut self, _me: Member, op: &Op, outcome: Self::Outcome) -> Result<(), String> {
        let (Op::Add(index) | Op::Increment(index)) = op;
        self.sums[*index as usize].0 += 1;
        outcome.map_err(|problem| format!("{problem:?}"))
    }

    fn quiet<W: Words>(&mut self, words: &W, _asleep: &[(Member, Op)]) -> Result<(), String> {
        for (index, (least, most)) in (0..).zip(&self.sums) {
            let sum = match self.is_float() {
                true => self.array().get_float(words, index).map(|sum| sum as i64),
                false => self.array().get_integer(words, index),
            };
            if !sum.is_ok_and(|sum| (*least..=*most).contains(&sum)) {
                return Err(format!("{sum:?} of {least} to {most} at {index}"));
            }
        }
        Ok(())
    }
}

#[test]
fn no_addition_is_lost() {
    explore::<Numbers>();
}
