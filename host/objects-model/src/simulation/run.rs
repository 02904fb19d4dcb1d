//! One world, from its plan to its end.

use super::plan::{Plan, Scenario};
use super::world::{Actor, TurnOver, View, World};
use crate::object::Object;
use crate::problem::Recovery;
use crate::words::Waited;
use sandhog_protocol::objects::Member;
use sandhog_simulation::Rng;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Accesses of one world: one that makes more does not get anywhere.
const MOST_STEPS: u64 = 200_000;

/// Accesses of one operation, waits and all.
const MOST_MADE: usize = 5_000;

/// The keeper, as an actor. Members are at their seat plus 1.
const KEEPER: usize = 0;

/// The accesses of a world; or the rule that it has broken.
pub(crate) fn run<S: Scenario>(rng: Rng) -> Result<u64, String> {
    let scenario = S::new(&rng);
    let plan = Plan::new(&scenario, &rng);
    let mut run = Run::<S>::new(scenario, plan, rng);
    run.run()?;
    Ok(run.world.into_inner().steps)
}

/// A member that lives.
struct Living<Op> {
    member: Member,
    /// What is left to do, the last first.
    program: Vec<Op>,
    /// And when it began.
    doing: Option<(Op, u64)>,
    /// It has done all, and lives on for a while: its death would make up for a wake that it owes.
    is_idle: bool,
}

/// What the keeper does.
#[derive(Clone, Copy, Debug)]
enum Work {
    Recover(Member),
    /// After another keeper, without being told who has died.
    Adopt,
}

struct Run<S: Scenario> {
    scenario: S,
    object: Object,
    world: RefCell<World>,
    rng: Rng,
    living: BTreeMap<u16, Living<S::Op>>,
    /// Not recovered yet, and what is left of their programs, for the next at the seat.
    dead: BTreeMap<Member, Vec<S::Op>>,
    work: Option<Work>,
    /// Those that had died when the keeper began to adopt.
    dead_before: BTreeSet<Member>,
    kills: u32,
    keeper_kills: u32,
    stops: u32,
}

impl<S: Scenario> Run<S> {
    fn new(scenario: S, plan: Plan<S::Op>, rng: Rng) -> Self {
        let Plan { programs, kills, keeper_kills, stops } = plan;
        let object = Object::of(scenario.kind()).expect("an object");
        let mut world = World::new(Object::bytes(scenario.kind()).expect("its size"), rng.clone());
        world.actors.resize_with(1 + programs.len(), Actor::default);
        let mut living = BTreeMap::new();
        for (seat, mut program) in (0..).zip(programs) {
            program.reverse();
            living
                .insert(seat, Living { member: Member { seat, generation: 1 }, program, doing: None, is_idle: false });
        }
        Self {
            scenario,
            object,
            world: RefCell::new(world),
            rng,
            living,
            dead: BTreeMap::new(),
            work: None,
            dead_before: BTreeSet::new(),
            kills,
            keeper_kills,
            stops,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        self.world.borrow_mut().give_turn(KEEPER, u64::MAX);
        self.object.initialise(&View(&self.world));
        self.world.borrow_mut().actors[KEEPER].begin();
        loop {
            assert!(self.world.borrow().steps <= MOST_STEPS, "it does not come to an end");
            let made = self.world.borrow().actors.iter().map(Actor::made).max();
            assert!(made.is_none_or(|made| made <= MOST_MADE), "an operation does not come to an end");
            self.rng.mark();
            self.chance();
            let ready = self.ready();
            match self.rng.pick(ready) {
                Some(KEEPER) => self.keep()?,
                Some(actor) => self.act((actor - 1) as u16, None)?,
                None if self.living.is_empty() => return self.check_quiet(),
                None => self.quiet()?,
            }
        }
    }

    /// Those that can go on.
    fn ready(&self) -> Vec<usize> {
        let world = self.world.borrow();
        let busy = self.living.iter().filter(|(_, living)| !living.is_idle);
        let awake = busy.map(|(seat, _)| usize::from(*seat) + 1);
        let mut ready: Vec<_> = awake.filter(|actor| !world.actors[*actor].is_asleep()).collect();
        if self.work.is_some() || !self.dead.is_empty() {
            ready.push(KEEPER);
        }
        ready
    }

    /// Deaths, and members that are asked to stop, and time that is over.
    fn chance(&mut self) {
        if self.kills > 0
            && self.rng.one_in(40)
            && let Some(seat) = self.rng.pick(self.living.keys().copied())
        {
            self.kills -= 1;
            self.kill(seat);
        }
        if self.keeper_kills > 0 && self.work.is_some() && self.rng.one_in(6) {
            self.keeper_kills -= 1;
            self.kill_keeper();
        }
        if self.stops > 0
            && self.rng.one_in(60)
            && let Some(seat) = self.rng.pick(self.living.keys().copied())
        {
            self.stops -= 1;
            self.ask_to_stop(seat);
        }
        let mut world = self.world.borrow_mut();
        let now = world.now;
        let is_over = |actor: &&mut Actor| actor.deadline().is_some_and(|deadline| deadline <= now);
        if let Some(actor) = self.rng.pick(world.actors.iter_mut().filter(is_over)) {
            actor.wake(Waited::TimedOut);
        }
    }

    fn kill(&mut self, seat: u16) {
        let Some(Living { member, program, doing, is_idle: _ }) = self.living.remove(&seat) else { return };
        self.world.borrow_mut().tell(|| format!("{member:?} dies"));
        self.world.borrow_mut().actors[usize::from(seat) + 1] = Actor::default();
        self.scenario.died(member, doing.as_ref().map(|(op, _)| op));
        self.dead.insert(member, program);
    }

    fn kill_keeper(&mut self) {
        let mut world = self.world.borrow_mut();
        world.tell(|| "the keeper dies".to_owned());
        world.actors[KEEPER].begin();
        self.work = if self.rng.one_in(2) { Some(Work::Adopt) } else { None };
        self.dead_before = self.dead.keys().copied().collect();
    }

    fn ask_to_stop(&mut self, seat: u16) {
        let actor = &mut self.world.borrow_mut().actors[usize::from(seat) + 1];
        actor.is_asked_to_stop = true;
        actor.wake(Waited::Stopping);
        self.scenario.asked_to_stop(self.living[&seat].member);
    }

    /// How many accesses a turn has: mostly few, so that others come in between; sometimes many, so that something gets done.
    fn turn(&mut self) -> u64 {
        if self.rng.one_in(8) { 1 + self.rng.below(60) } else { 1 + self.rng.below(5) }
    }

    /// What comes out of a turn; `None`: it was over before.
    fn take_turn<T>(&self, actor: usize, turn: u64, act: impl FnOnce(&View) -> T) -> Option<T> {
        self.world.borrow_mut().give_turn(actor, turn);
        match catch_unwind(AssertUnwindSafe(|| act(&View(&self.world)))) {
            Ok(done) => Some(done),
            Err(panic) if panic.is::<TurnOver>() => None,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// A turn of a member.
    fn act(&mut self, seat: u16, turn: Option<u64>) -> Result<(), String> {
        let turn = turn.unwrap_or_else(|| self.turn());
        let Some(living) = self.living.get_mut(&seat) else { return Ok(()) };
        let me = living.member;
        let Some((op, now)) = living.doing.clone() else {
            let Some(op) = living.program.pop() else {
                living.is_idle = true;
                if self.rng.one_in(2) {
                    self.kill(seat);
                }
                return Ok(());
            };
            if self.scenario.applies(me, &op) {
                living.doing = Some((op.clone(), self.world.borrow().now));
                self.world.borrow_mut().tell(|| format!("{me:?} begins {op:?}"));
                self.scenario.started(me, &op);
            }
            return Ok(());
        };
        let actor = usize::from(seat) + 1;
        let Some(outcome) = self.take_turn(actor, turn, |words| self.scenario.perform(&op, words, me, now)) else {
            return Ok(());
        };
        self.world.borrow_mut().actors[actor].begin();
        self.world.borrow_mut().tell(|| format!("{me:?} has done {op:?}: {outcome:?}"));
        self.living.get_mut(&seat).expect("it acts").doing = None;
        self.scenario.finished(me, &op, outcome).map_err(|wrong| format!("{me:?} {op:?}: {wrong}"))
    }

    /// A turn of the keeper.
    fn keep(&mut self) -> Result<(), String> {
        let turn = self.turn();
        let Some(work) = self.work else {
            let dead = self.rng.pick(self.dead.keys().copied()).expect("somebody has died");
            self.scenario.recovering(dead);
            self.work = Some(Work::Recover(dead));
            return Ok(());
        };
        let object = self.object;
        match work {
            Work::Recover(dead) => match self.take_turn(KEEPER, turn, |words| object.recover(words, dead)) {
                Some(recovery) => self.recovered(dead, recovery)?,
                None => return Ok(()),
            },
            Work::Adopt => match self.take_turn(KEEPER, turn, |words| adopt(object, words)) {
                Some(named) => self.adopted(&named)?,
                None => return Ok(()),
            },
        }
        self.world.borrow_mut().actors[KEEPER].begin();
        self.work = None;
        Ok(())
    }

    fn recovered(&mut self, dead: Member, recovery: Recovery) -> Result<(), String> {
        self.world.borrow_mut().tell(|| format!("{dead:?} recovered: {recovery:?}"));
        match recovery {
            Recovery::Busy(inside) if self.is_known(inside) => {}
            Recovery::Busy(inside) => return Err(format!("{inside:?} is inside, but nowhere else")),
            Recovery::Nothing | Recovery::Held => self.bury(dead),
        }
        Ok(())
    }

    fn is_known(&self, member: Member) -> bool {
        self.dead.contains_key(&member) || self.living.get(&member.seat).is_some_and(|living| living.member == member)
    }

    /// Those that died and are not named have nothing that is to be recovered.
    fn adopted(&mut self, named: &BTreeSet<Member>) -> Result<(), String> {
        if let Some(stranger) = named.iter().find(|member| !self.is_known(**member)) {
            return Err(format!("{stranger:?} is named, but has been recovered"));
        }
        let done = self.dead_before.iter().copied().filter(|dead| !named.contains(dead));
        for dead in done.collect::<Vec<_>>() {
            self.scenario.recovering(dead);
            self.bury(dead);
        }
        Ok(())
    }

    /// The next one gets its seat.
    fn bury(&mut self, dead: Member) {
        self.scenario.recovered(dead);
        let program = self.dead.remove(&dead).unwrap_or_default();
        if !program.is_empty() {
            let member = Member { generation: dead.generation + 1, ..dead };
            self.living.insert(dead.seat, Living { member, program, doing: None, is_idle: false });
        }
    }

    /// Nobody can go on until time is over or somebody is asked to stop.
    fn quiet(&mut self) -> Result<(), String> {
        let now = self.world.borrow().now;
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            return Ok(());
        }
        self.find_lost_wakes()?;
        if !self.ready().is_empty() {
            return Ok(());
        }
        if let Some(deadline) = self.next_deadline() {
            self.world.borrow_mut().now = deadline;
            return Ok(());
        }
        self.check_quiet()?;
        let seats: Vec<_> = self.living.keys().copied().collect();
        for seat in seats {
            if self.living[&seat].is_idle { self.kill(seat) } else { self.ask_to_stop(seat) }
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<u64> {
        self.world.borrow().actors.iter().filter_map(Actor::deadline).min()
    }

    fn check_quiet(&mut self) -> Result<(), String> {
        let asleep = |living: &Living<S::Op>| living.doing.clone().map(|(op, _)| (living.member, op));
        let asleep: Vec<_> = self.living.values().filter_map(asleep).collect();
        self.world.borrow_mut().give_turn(KEEPER, u64::MAX);
        let checked = self.scenario.quiet(&View(&self.world), &asleep);
        self.world.borrow_mut().actors[KEEPER].begin();
        checked
    }

    /// Wakes whoever sleeps for no reason: nobody may get done by that. Time stands still meanwhile.
    fn find_lost_wakes(&mut self) -> Result<(), String> {
        self.world.borrow_mut().is_time_still = true;
        let busy = self.living.iter().filter(|(_, living)| !living.is_idle);
        let seats: Vec<_> = busy.map(|(seat, _)| *seat).collect();
        for seat in seats {
            let member = self.living[&seat].member;
            self.world.borrow_mut().tell(|| format!("{member:?} is woken for no reason"));
            self.world.borrow_mut().actors[usize::from(seat) + 1].wake(Waited::Woken);
            self.act(seat, Some(MOST_STEPS))?;
            if self.living.get(&seat).is_none_or(|living| living.doing.is_none()) {
                return Err(format!("{member:?} had missed a wake"));
            }
        }
        self.world.borrow_mut().is_time_still = false;
        Ok(())
    }
}

fn adopt(object: Object, words: &View) -> BTreeSet<Member> {
    object.rouse(words);
    let mut named = BTreeSet::new();
    object.named(words, &mut |member| {
        named.insert(member);
    });
    named
}
