//! Semaphores, bounded and not.

use super::{Patience, Scenario, explore};
use crate::problem::Problem;
use crate::semaphore::{RESERVED, Semaphore};
use crate::words::Words;
use sandhog_protocol::objects::{Kind, Member};
use sandhog_simulation::Rng;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Op {
    Acquire(Patience),
    /// Of a permit that it has.
    Release,
    /// Of one that it has not.
    Produce,
}

struct Semaphores {
    permits: u32,
    is_bounded: bool,
    /// Acquired, and not begun to be released.
    held: BTreeMap<Member, u32>,
    /// Begun and done.
    produced: (u32, u32),
    tokens: BTreeSet<u64>,
    /// The largest token at its beginning.
    since: BTreeMap<Member, u64>,
    stopped: BTreeSet<Member>,
}

impl Semaphores {
    fn all_held(&self) -> u32 {
        self.held.values().sum()
    }

    fn acquired(&mut self, me: Member, token: u64) -> Result<(), String> {
        *self.held.entry(me).or_default() += 1;
        if self.all_held() > self.permits + self.produced.0 {
            return Err(format!("{} are held", self.all_held()));
        }
        if !self.tokens.insert(token) || token <= self.since[&me] {
            return Err(format!("token {token} once more, or after {}", self.since[&me]));
        }
        Ok(())
    }
}

impl Scenario for Semaphores {
    type Op = Op;
    type Outcome = Result<u64, Problem>;

    fn new(rng: &Rng) -> Self {
        Self {
            permits: rng.below(4) as u32,
            is_bounded: rng.one_in(2),
            held: BTreeMap::new(),
            produced: (0, 0),
            tokens: BTreeSet::new(),
            since: BTreeMap::new(),
            stopped: BTreeSet::new(),
        }
    }

    fn kind(&self) -> Kind {
        let permits = self.permits;
        if self.is_bounded { Kind::BoundedSemaphore { permits } } else { Kind::Semaphore { permits } }
    }

    fn program(&self, rng: &Rng) -> Vec<Op> {
        let mut program = Vec::new();
        for () in rng.up_to(1 + rng.below(6)) {
            let permits = 1 + rng.below(2);
            program.extend((0..permits).map(|_| Op::Acquire(Patience::random(rng))));
            if rng.one_in(6) {
                program.push(Op::Produce);
            }
            program.extend((0..permits).map(|_| Op::Release));
        }
        program
    }

    fn applies(&self, me: Member, op: &Op) -> bool {
        let held = self.held.get(&me).copied().unwrap_or(0);
        match op {
            Op::Acquire(_) => true,
            Op::Release => held > 0,
            Op::Produce => held == 0,
        }
    }

    fn perform<W: Words>(&self, op: &Op, words: &W, me: Member, now: u64) -> Self::Outcome {
        let semaphore = Semaphore::of(self.permits, self.is_bounded).unwrap();
        match op {
            Op::Acquire(patience) => semaphore.acquire(words, me, patience.until(now)),
            Op::Release | Op::Produce => semaphore.release(words, me).map(|()| 0),
        }
    }

    fn started(&mut self, me: Member, op: &Op) {
        match op {
            Op::Acquire(_) => {
                self.since.insert(me, self.tokens.last().copied().unwrap_or(0));
            }
            Op::Release => *self.held.get_mut(&me).unwrap() -= 1,
            Op::Produce => self.produced.0 += 1,
        }
    }

    fn finished(&mut self, me: Member, op: &Op, outcome: Self::Outcome) -> Result<(), String> {
        match (op, outcome) {
            (Op::Acquire(_), Ok(token)) => self.acquired(me, token),
            (Op::Acquire(patience), Err(problem)) => patience.allows(problem, self.stopped.contains(&me)),
            (Op::Release, Ok(_)) => Ok(()),
            (Op::Produce, Ok(_)) => {
                self.produced.1 += 1;
                Ok(())
            }
            (Op::Produce, Err(Problem::OverBound)) if self.is_bounded => {
                self.produced.0 -= 1;
                Ok(())
            }
            // Somebody has released one that it had not, meanwhile.
            (Op::Release, Err(Problem::OverBound)) if self.is_bounded && self.produced.0 > 0 => {
                *self.held.get_mut(&me).unwrap() += 1;
                Ok(())
            }
            (_, outcome) => Err(format!("{outcome:?}")),
        }
    }

    /// Its permits count until the keeper has begun.
    fn died(&mut self, _me: Member, _doing: Option<&Op>) {}

    fn asked_to_stop(&mut self, me: Member) {
        self.stopped.insert(me);
    }

    fn recovering(&mut self, dead: Member) {
        self.held.remove(&dead);
    }

    fn quiet<W: Words>(&mut self, words: &W, asleep: &[(Member, Op)]) -> Result<(), String> {
        let left = Semaphore::of(self.permits, self.is_bounded).unwrap().permits(words);
        if left > 0 && !asleep.is_empty() {
            return Err(format!("{asleep:?} wait, and {left} are left"));
        }
        // Else a newcomer that does not wait would be refused.
        if asleep.is_empty() && words.load(0) & RESERVED != 0 {
            return Err("a permit is reserved for nobody".to_owned());
        }
        let all = left + self.all_held();
        let most = self.permits + self.produced.0;
        let least = if self.is_bounded { self.permits.min(most) } else { self.permits + self.produced.1 };
        let is_over_bound = self.is_bounded && left > self.permits;
        match (least..=most).contains(&all) && !is_over_bound {
            true => Ok(()),
            false => Err(format!("{all} permits, of {least} to {most}")),
        }
    }
}

#[test]
fn permits_are_neither_lost_nor_doubled() {
    explore::<Semaphores>();
}
