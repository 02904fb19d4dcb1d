//! Barriers.

use super::{Patience, Scenario, explore};
use crate::barrier::Barrier;
use crate::problem::Problem;
use crate::words::Words;
use sandhog_protocol::objects::{Kind, Member};
use sandhog_simulation::Rng;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Op {
    Wait(Patience),
    Reset,
    Abort,
}

struct Barriers {
    parties: u32,
    /// Those that have passed, by their index.
    passed: BTreeMap<u32, u32>,
    /// Whoever waits, and those that have waited at any time meanwhile.
    waiting: BTreeMap<Member, BTreeSet<Member>>,
    /// Waits of the dead: they may have passed.
    lost: u32,
    /// A reason for it to be broken.
    may_be_broken: bool,
    stopped: BTreeSet<Member>,
}

impl Barriers {
    fn barrier(&self) -> Barrier {
        Barrier::of(self.parties).unwrap()
    }

    fn passed(&mut self, index: u32, others: usize) -> Result<(), String> {
        if index >= self.parties {
            return Err(format!("index {index}"));
        }
        if others + 1 < self.parties as usize {
            return Err(format!("passed with {others} others"));
        }
        *self.passed.entry(index).or_default() += 1;
        Ok(())
    }

    fn missing(&self) -> u32 {
        let most = self.passed.values().copied().max().unwrap_or(0);
        (0..self.parties).map(|index| most - self.passed.get(&index).copied().unwrap_or(0)).sum()
    }
}

impl Scenario for Barriers {
    type Op = Op;
    type Outcome = Result<u32, Problem>;

    fn new(rng: &Rng) -> Self {
        Self {
            parties: 1 + rng.below(4) as u32,
            passed: BTreeMap::new(),
            waiting: BTreeMap::new(),
            lost: 0,
            may_be_broken: false,
            stopped: BTreeSet::new(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Barrier { parties: self.parties }
    }

    fn program(&self, rng: &Rng) -> Vec<Op> {
        let is_patient = rng.one_in(2);
        let op = |rng: &Rng| match rng.below(12) {
            0 if !is_patient => Op::Abort,
            1 | 2 if !is_patient => Op::Reset,
            _ if is_patient => Op::Wait(Patience::ForEver),
            _ => Op::Wait(Patience::random(rng)),
        };
        rng.up_to(2 + rng.below(8)).map(|()| op(rng)).collect()
    }

    fn perform<W: Words>(&self, op: &Op, words: &W, me: Member, now: u64) -> Self::Outcome {
        match op {
            Op::Wait(patience) => self.barrier().wait(words, me, patience.until(now)),
            Op::Reset => self.barrier().reset(words, me).map(|()| 0),
            Op::Abort => self.barrier().abort(words, me).map(|()| 0),
        }
    }

    fn started(&mut self, me: Member, op: &Op) {
        match op {
            Op::Wait(patience) => {
                self.may_be_broken |= *patience != Patience::ForEver;
                let others = self.waiting.keys().copied().collect();
                self.waiting.values_mut().for_each(|met| {
                    met.insert(me);
                });
                self.waiting.insert(me, others);
            }
            Op::Reset | Op::Abort => self.may_be_broken = true,
        }
    }

    fn finished(&mut self, me: Member, op: &Op, outcome: Self::Outcome) -> Result<(), String> {
        let is_stopped = self.stopped.contains(&me);
        let others = self.waiting.remove(&me).map_or(0, |met| met.len());
        match (op, outcome) {
            (Op::Wait(_), Ok(index)) => self.passed(index, others),
            (Op::Wait(_), Err(Problem::Broken)) if self.may_be_broken => Ok(()),
            (Op::Wait(patience), Err(problem)) => {
                self.may_be_broken = true;
                patience.allows(problem, is_stopped)
            }
            (_, Ok(_)) => Ok(()),
            (_, Err(Problem::Stopping)) if is_stopped => Ok(()),
            (_, Err(problem)) => Err(format!("{problem:?}")),
        }
    }

    /// It counts as long as the keeper has not recovered it.
    fn died(&mut self, _me: Member, doing: Option<&Op>) {
        if doing.is_some() {
            self.lost += 1;
            self.may_be_broken = true;
        }
    }

    fn asked_to_stop(&mut self, me: Member) {
        self.stopped.insert(me);
        self.may_be_broken = true;
    }

    fn recovered(&mut self, dead: Member) {
        self.waiting.remove(&dead);
    }

    fn quiet<W: Words>(&mut self, words: &W, asleep: &[(Member, Op)]) -> Result<(), String> {
        let waiting = self.barrier().waiting(words);
        if waiting as usize != asleep.len() || waiting >= self.parties {
            return Err(format!("{waiting} wait, and these do: {asleep:?}"));
        }
        if self.barrier().is_broken(words) && !self.may_be_broken {
            return Err("broken without a reason".to_owned());
        }
        match self.missing() <= self.lost {
            true => Ok(()),
            false => Err(format!("{:?} have passed, {} died", self.passed, self.lost)),
        }
    }
}

#[test]
fn a_barrier_passes_all_or_is_broken_for_all() {
    explore::<Barriers>();
}
