//! What is tried: the scenario of an object, and the plan of one world.

use crate::problem::Problem;
use crate::words::{Until, Words};
use sandhog_protocol::objects::{Kind, Member};
use sandhog_simulation::Rng;
use std::fmt::Debug;

/// One kind of object: the operations of its members, and the model that is held against it.
///
/// An operation has happened when it is finished; one that has been started and not finished may have happened. Members have
/// their seats one after the other: another generation begins when the one before has been recovered.
pub(crate) trait Scenario: Sized {
    type Op: Clone + Debug;
    type Outcome: Debug;

    /// A world's parameters.
    fn new(rng: &Rng) -> Self;

    fn kind(&self) -> Kind;

    /// What one member does, in this order.
    fn program(&self, rng: &Rng) -> Vec<Self::Op>;

    /// Whether the member may do it now.
    fn applies(&self, _me: Member, _op: &Self::Op) -> bool {
        true
    }

    /// Does it, the same way each time that the accesses have the same answers. `now`: when it began.
    fn perform<W: Words>(&self, op: &Self::Op, words: &W, me: Member, now: u64) -> Self::Outcome;

    fn started(&mut self, _me: Member, _op: &Self::Op) {}

    fn finished(&mut self, me: Member, op: &Self::Op, outcome: Self::Outcome) -> Result<(), String>;

    /// It was killed, or ended with its program done.
    fn died(&mut self, _me: Member, _doing: Option<&Self::Op>) {}

    fn asked_to_stop(&mut self, _me: Member) {}

    /// The keeper begins, perhaps not for the first time.
    fn recovering(&mut self, _dead: Member) {}

    fn recovered(&mut self, _dead: Member) {}

    /// Nobody can go on, and nobody who died is left to be recovered. `asleep`: those that wait, and for what.
    fn quiet<W: Words>(&mut self, _words: &W, _asleep: &[(Member, Self::Op)]) -> Result<(), String> {
        Ok(())
    }
}

/// How long an operation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    None,
    For(u64),
    ForEver,
}

impl Patience {
    pub(crate) fn random(rng: &Rng) -> Self {
        match rng.below(8) {
            0 => Self::None,
            1 | 2 => Self::For(rng.below(200)),
            _ => Self::ForEver,
        }
    }

    /// Whether a wait may end like this.
    pub(crate) fn allows(self, problem: Problem, is_stopped: bool) -> Result<(), String> {
        let is_allowed = match problem {
            Problem::WouldBlock => self == Self::None,
            Problem::TimedOut => matches!(self, Self::For(_)),
            Problem::Stopping => is_stopped,
            _ => false,
        };
        if is_allowed { Ok(()) } else { Err(format!("{problem:?}")) }
    }

    pub(crate) fn until(self, now: u64) -> Until {
        match self {
            Self::None => Until::Now,
            Self::For(time) => Until::At(now + time),
            Self::ForEver => Until::Never,
        }
    }
}

/// What happens in one world, but for when.
pub(crate) struct Plan<Op> {
    pub(crate) programs: Vec<Vec<Op>>,
    pub(crate) kills: u32,
    pub(crate) keeper_kills: u32,
    pub(crate) stops: u32,
}

impl<Op> Plan<Op> {
    pub(crate) fn new<S: Scenario<Op = Op>>(scenario: &S, rng: &Rng) -> Self {
        let programs = rng.up_to(1 + rng.below(5)).map(|()| scenario.program(rng)).collect();
        let kills = [0, 2, 5, 12][rng.below(4) as usize];
        let keeper_kills = if rng.one_in(2) { rng.below(12) as u32 } else { 0 };
        let stops = if rng.one_in(4) { rng.below(3) as u32 } else { 0 };
        Self { programs, kills, keeper_kills, stops }
    }
}
