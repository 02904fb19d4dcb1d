//! Events.

use super::{Patience, Scenario, explore};
use crate::event::Event;
use crate::problem::Problem;
use crate::words::Words;
use sandhog_protocol::objects::{Kind, Member};
use sandhog_simulation::Rng;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Op {
    Set,
    Clear,
    Wait(Patience),
}

#[derive(Default)]
struct Events {
    /// It may be set.
    may_be_set: bool,
    /// Begun, and on the way.
    sets: (u32, BTreeSet<Member>),
    /// Sets that had begun when this one began; and for a wait, whether it may have been set already.
    since: BTreeMap<Member, (u32, bool)>,
    stopped: BTreeSet<Member>,
}

const EVENT: Event = Event::at(0);

impl Scenario for Events {
    type Op = Op;
    type Outcome = Result<(), Problem>;

    fn new(_rng: &Rng) -> Self {
        Self::default()
    }

    fn kind(&self) -> Kind {
        Kind::Event
    }

    fn program(&self, rng: &Rng) -> Vec<Op> {
        let op = |rng: &Rng| match rng.below(5) {
            0 => Op::Clear,
            1 | 2 => Op::Set,
            _ => Op::Wait(Patience::random(rng)),
        };
        rng.up_to(2 + rng.below(10)).map(|()| op(rng)).collect()
    }

    fn perform<W: Words>(&self, op: &Op, words: &W, _me: Member, now: u64) -> Self::Outcome {
        match op {
            Op::Set => EVENT.set(words),
            Op::Clear => EVENT.clear(words),
            Op::Wait(patience) => EVENT.wait(words, patience.until(now)),
        }
    }

    fn started(&mut self, me: Member, op: &Op) {
        self.since.insert(me, (self.sets.0, self.may_be_set));
        if matches!(op, Op::Set) {
            self.sets.0 += 1;
            self.sets.1.insert(me);
            self.may_be_set = true;
        }
    }

    fn finished(&mut self, me: Member, op: &Op, outcome: Self::Outcome) -> Result<(), String> {
        let (sets, may_be_set) = self.since[&me];
        match (op, outcome) {
            (Op::Set, Ok(())) => {
                self.sets.1.remove(&me);
                Ok(())
            }
            (Op::Clear, Ok(())) => {
                if self.sets.1.is_empty() && sets == self.sets.0 {
                    self.may_be_set = false;
                }
                Ok(())
            }
            (Op::Wait(_), Ok(())) if may_be_set || sets < self.sets.0 => Ok(()),
            (Op::Wait(patience), Err(problem)) => patience.allows(problem, self.stopped.contains(&me)),
            (_, outcome) => Err(format!("{outcome:?}")),
        }
    }

    /// Its set may have happened.
    fn died(&mut self, me: Member, _doing: Option<&Op>) {
        self.sets.1.remove(&me);
    }

    fn asked_to_stop(&mut self, me: Member) {
        self.stopped.insert(me);
    }

    fn quiet<W: Words>(&mut self, words: &W, asleep: &[(Member, Op)]) -> Result<(), String> {
        match EVENT.is_set(words) {
            true if !asleep.is_empty() => Err(format!("{asleep:?} wait for what is set")),
            true if !self.may_be_set => Err("nobody has set it".to_owned()),
            _ => Ok(()),
        }
    }
}

#[test]
fn whoever_waits_when_an_event_is_set_goes_on() {
    explore::<Events>();
}
