//! Conditions.

use super::lock_model::LockModel;
use super::{Patience, Scenario, explore};
use crate::condition::Condition;
use crate::limits::SEATS;
use crate::problem::{Acquired, Problem};
use crate::words::Words;
use sandhog_protocol::objects::{Kind, Member};
use sandhog_simulation::Rng;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Op {
    Acquire,
    Release,
    Wait(Patience),
    Notify(u32),
}

#[derive(Default)]
struct Conditions {
    model: LockModel,
    released: BTreeSet<Member>,
    /// Those that wait, in the order in which they began, and the depth to which they come back.
    waiting: Vec<Wait>,
    /// Notified for sure, where nobody dies, stops or runs out of time.
    told: BTreeSet<Member>,
    /// Notifications that somebody must get, and that somebody may get.
    owed: u32,
    most: u64,
    is_orderly: bool,
    /// Those that are asked to stop, and those in line at that moment: one that can't have the lock passes on to them.
    stopped: BTreeMap<Member, BTreeSet<Member>>,
}

struct Wait {
    member: Member,
    depth: u32,
    patience: Patience,
    /// It is in the line, because somebody else had the lock after it.
    has_joined: bool,
}

const CONDITION: Condition = Condition::at(0);

impl Conditions {
    /// Those in line that wait until they are notified, and live.
    fn patient(&self) -> u32 {
        self.in_line().count() as u32
    }

    fn in_line(&self) -> impl Iterator<Item = Member> {
        let is_patient = |wait: &&Wait| {
            wait.patience == Patience::ForEver && wait.has_joined && !self.stopped.contains_key(&wait.member)
        };
        self.waiting.iter().filter(is_patient).map(|wait| wait.member)
    }

    fn acquired(&mut self, me: Member, depth: u32, acquired: Acquired) -> Result<(), String> {
        self.waiting.iter_mut().for_each(|wait| wait.has_joined = true);
        self.model.acquired(me, depth, acquired)
    }

    /// A dead member may have been notified when there was nobody to pass it on to.
    fn forgive(&mut self) {
        self.owed = self.owed.min(self.patient());
    }

    fn notified(&mut self, most: u32) {
        let patient = self.patient();
        self.owed = (self.owed + most.min(patient.saturating_sub(self.owed))).min(patient);
        let untold: Vec<_> = self.waiting.iter().map(|wait| wait.member).collect();
        let untold = untold.into_iter().filter(|member| !self.told.contains(member)).take(most as usize);
        let untold: Vec<_> = untold.collect();
        self.told.extend(untold);
    }

    fn came_back(&mut self, me: Member, acquired: Acquired) -> Result<(), String> {
        let depth = self.leave(me);
        self.acquired(me, depth, acquired)?;
        if self.is_orderly && !self.told.remove(&me) {
            return Err("it was not its turn".to_owned());
        }
        if acquired.died.is_none() && self.most == 0 {
            return Err("nobody notified".to_owned());
        }
        self.owed = self.owed.saturating_sub(1);
        self.most = self.most.saturating_sub(u64::from(acquired.died.is_none()));
        Ok(())
    }

    fn leave(&mut self, me: Member) -> u32 {
        let index = self.waiting.iter().position(|wait| wait.member == me);
        index.map_or(0, |index| self.waiting.remove(index).depth)
    }
}

impl Scenario for Conditions {
    type Op = Op;
    type Outcome = Result<Option<Acquired>, Problem>;

    fn new(_rng: &Rng) -> Self {
        Self { is_orderly: true, ..Self::default() }
    }

    fn kind(&self) -> Kind {
        Kind::Condition
    }

    fn program(&self, rng: &Rng) -> Vec<Op> {
        let mut program = Vec::new();
        let is_patient = rng.one_in(2);
        for () in rng.up_to(1 + rng.below(5)) {
            let depth = 1 + rng.below(2);
            program.extend((0..depth).map(|_| Op::Acquire));
            program.push(match rng.below(8) {
                0..4 if is_patient => Op::Wait(Patience::ForEver),
                0..4 => Op::Wait(Patience::random(rng)),
                4 => Op::Notify(u32::MAX),
                _ => Op::Notify(1 + rng.below(2) as u32),
            });
            program.extend((0..depth).map(|_| Op::Release));
        }
        program
    }

    fn applies(&self, me: Member, op: &Op) -> bool {
        !matches!(op, Op::Release | Op::Notify(_) | Op::Wait(_)) || self.model.depth(me) > 0
    }

    fn perform<W: Words>(&self, op: &Op, words: &W, me: Member, now: u64) -> Self::Outcome {
        match op {
            Op::Acquire => CONDITION.acquire(words, me, crate::words::Until::Never).map(Some),
            Op::Release => CONDITION.release(words, me).map(|()| None),
            Op::Wait(patience) => match CONDITION.wait(words, me, patience.until(now)) {
                Err(problem) if !CONDITION.is_held(words, me) => Err(problem),
                Err(Problem::TimedOut | Problem::WouldBlock | Problem::Stopping) => Ok(None),
                other => other.map(Some),
            },
            Op::Notify(most) => CONDITION.notify(words, me, *most).map(|()| None),
        }
    }

    fn started(&mut self, me: Member, op: &Op) {
        match op {
            Op::Release if self.model.depth(me) == 1 => {
                self.model.releasing(me);
                self.released.insert(me);
            }
            Op::Wait(patience) => {
                let depth = self.model.depth(me);
                self.waiting.push(Wait { member: me, depth, patience: *patience, has_joined: false });
                self.is_orderly &= *patience == Patience::ForEver;
                self.model.releasing(me);
            }
            // One of the dead may be among them, and pass it on to one that comes later.
            Op::Notify(most) => self.most += u64::from((*most).min(u32::from(SEATS))),
            Op::Acquire | Op::Release => {}
        }
    }

    fn finished(&mut self, me: Member, op: &Op, outcome: Self::Outcome) -> Result<(), String> {
        match (op, outcome) {
            (Op::Acquire, Ok(Some(acquired))) if self.model.depth(me) > 0 => self.model.deepened(me, acquired),
            (Op::Acquire, Ok(Some(acquired))) => self.acquired(me, 1, acquired),
            (Op::Release, Ok(None)) if self.released.remove(&me) => Ok(()),
            (Op::Release, Ok(None)) => {
                self.model.shallower(me);
                Ok(())
            }
            (Op::Wait(_), Ok(Some(acquired))) => self.came_back(me, acquired),
            (Op::Wait(patience), Ok(None)) => {
                let depth = self.leave(me);
                self.waiting.iter_mut().for_each(|wait| wait.has_joined = true);
                self.model.came_back(me, depth)?;
                match self.stopped.contains_key(&me) || *patience != Patience::ForEver {
                    true => Ok(()),
                    false => Err("it came back for no reason".to_owned()),
                }
            }
            (Op::Wait(_), Err(Problem::Stopping)) if self.stopped.contains_key(&me) => {
                self.leave(me);
                let left = self.in_line().filter(|member| self.stopped[&me].contains(member)).count();
                self.owed = self.owed.min(left as u32);
                Ok(())
            }
            (Op::Notify(most), Ok(None)) => {
                self.notified(*most);
                Ok(())
            }
            (_, Err(Problem::Stopping)) if self.stopped.contains_key(&me) => Ok(()),
            (_, outcome) => Err(format!("{outcome:?}")),
        }
    }

    fn died(&mut self, me: Member, doing: Option<&Op>) {
        self.model.died(me, doing.is_some());
        self.released.remove(&me);
        self.is_orderly &= doing.is_none();
    }

    fn asked_to_stop(&mut self, me: Member) {
        let in_line = self.in_line().filter(|member| *member != me).collect();
        self.stopped.insert(me, in_line);
        self.forgive();
        self.is_orderly = false;
    }

    fn recovering(&mut self, dead: Member) {
        self.model.recovering(dead);
        self.leave(dead);
        self.forgive();
    }

    fn recovered(&mut self, _dead: Member) {
        self.forgive();
    }

    fn quiet<W: Words>(&mut self, _words: &W, asleep: &[(Member, Op)]) -> Result<(), String> {
        let wait = asleep.iter().filter(|(_, op)| matches!(op, Op::Wait(_))).count();
        if wait < asleep.len() && !self.model.is_held() {
            return Err(format!("{asleep:?} wait for nobody"));
        }
        match self.model.is_held() || self.owed == 0 {
            true => Ok(()),
            false => Err(format!("{} notifications are lost: {asleep:?}", self.owed)),
        }
    }
}

#[test]
fn a_condition_notifies_the_first_first_and_past_the_dead() {
    explore::<Conditions>();
}
