//! Locks and re-entrant locks.

use super::lock_model::LockModel;
use super::{Patience, Scenario, explore};
use crate::lock::Lock;
use crate::problem::{Acquired, Problem};
use crate::rlock::Rlock;
use crate::words::Words;
use sandhog_protocol::objects::{Kind, Member};
use sandhog_simulation::Rng;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Op {
    Acquire(Patience),
    Release,
}

struct Locks {
    is_reentrant: bool,
    model: LockModel,
    /// On their way out.
    released: BTreeSet<Member>,
    stopped: BTreeSet<Member>,
}

impl Scenario for Locks {
    type Op = Op;
    type Outcome = Result<Option<Acquired>, Problem>;

    fn new(rng: &Rng) -> Self {
        Self {
            is_reentrant: rng.one_in(2),
            model: LockModel::default(),
            released: BTreeSet::new(),
            stopped: BTreeSet::new(),
        }
    }

    fn kind(&self) -> Kind {
        if self.is_reentrant { Kind::Rlock } else { Kind::Lock }
    }

    fn program(&self, rng: &Rng) -> Vec<Op> {
        let mut program = Vec::new();
        for () in rng.up_to(1 + rng.below(6)) {
            let depth = if self.is_reentrant { 1 + rng.below(3) } else { 1 };
            program.extend((0..depth).map(|_| Op::Acquire(Patience::random(rng))));
            let releases = if rng.one_in(16) { rng.below(depth + 2) } else { depth };
            program.extend((0..releases).map(|_| Op::Release));
        }
        program
    }

    fn perform<W: Words>(&self, op: &Op, words: &W, me: Member, now: u64) -> Self::Outcome {
        match (op, self.is_reentrant) {
            (Op::Acquire(patience), false) => Lock::at(0).acquire(words, me, patience.until(now)).map(Some),
            (Op::Acquire(patience), true) => Rlock::at(0).acquire(words, me, patience.until(now)).map(Some),
            (Op::Release, false) => Lock::at(0).release(words, me).map(|()| None),
            (Op::Release, true) => Rlock::at(0).release(words, me).map(|()| None),
        }
    }

    /// Releases of what is not held are tried as well, in [`Self::finished`]; but a lock that waits for itself only in the
    /// knowledge that it ends.
    fn applies(&self, me: Member, op: &Op) -> bool {
        self.is_reentrant || self.model.depth(me) == 0 || !matches!(op, Op::Acquire(Patience::ForEver))
    }

    fn started(&mut self, me: Member, op: &Op) {
        if matches!(op, Op::Release) && self.model.depth(me) == 1 {
            self.model.releasing(me);
            self.released.insert(me);
        }
    }

    fn finished(&mut self, me: Member, op: &Op, outcome: Self::Outcome) -> Result<(), String> {
        match (op, outcome) {
            (Op::Acquire(_), Ok(Some(acquired))) if self.model.depth(me) > 0 => self.model.deepened(me, acquired),
            (Op::Acquire(_), Ok(Some(acquired))) => self.model.acquired(me, 1, acquired),
            (Op::Acquire(patience), Err(problem)) => patience.allows(problem, self.stopped.contains(&me)),
            (Op::Release, Ok(None)) if self.released.remove(&me) => Ok(()),
            (Op::Release, Ok(None)) if self.model.depth(me) > 1 => {
                self.model.shallower(me);
                Ok(())
            }
            (Op::Release, Err(Problem::NotHeld)) if !self.released.remove(&me) && self.model.depth(me) == 0 => Ok(()),
            (_, outcome) => Err(format!("{outcome:?}")),
        }
    }

    fn died(&mut self, me: Member, doing: Option<&Op>) {
        self.model.died(me, doing.is_some());
        self.released.remove(&me);
    }

    fn asked_to_stop(&mut self, me: Member) {
        self.stopped.insert(me);
    }

    fn recovering(&mut self, dead: Member) {
        self.model.recovering(dead);
    }

    fn quiet<W: Words>(&mut self, _words: &W, asleep: &[(Member, Op)]) -> Result<(), String> {
        match asleep {
            [(member, _), ..] if !self.model.is_held() => Err(format!("{member:?} waits for nobody")),
            _ => Ok(()),
        }
    }
}

#[test]
fn a_lock_has_one_holder_and_passes_on_whoever_dies() {
    explore::<Locks>();
}
