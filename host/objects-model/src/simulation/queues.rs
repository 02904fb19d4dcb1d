//! Queues.

use super::{Patience, Scenario, explore};
use crate::problem::Problem;
use crate::queue::{Got, Item, LARGE, Queue};
use crate::words::Words;
use sandhog_protocol::objects::{Kind, Member};
use sandhog_simulation::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// What is put: its number and its length.
type Thing = (u32, usize);

#[derive(Clone, Debug)]
enum Op {
    Put(Vec<Thing>, Patience),
    Get(u32, Patience),
    Take(Patience),
    /// What it took first.
    Acknowledge,
    GiveBack,
    TaskDone,
    Join(Patience),
    Close,
}

#[derive(Debug)]
enum Outcome {
    Done,
    Got(Vec<Got>),
    Taken(u64, Got),
    Not(Problem),
}

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Being,
    Waiting,
    /// Whoever put it, or was to acknowledge it, died over it: it waits, or is not there.
    Perhaps,
    Held(Member),
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    at: Where,
    bytes: u32,
    /// By the number of events before.
    begun: u64,
    put: Option<u64>,
    left: Option<u64>,
    /// It was in somebody's hands, or nobody knows: it may come before others.
    is_late: bool,
}

struct Queues {
    queue: Queue,
    bounds: (u32, u32),
    events: u64,
    items: BTreeMap<u32, Known>,
    /// When each member's operation began.
    since: BTreeMap<Member, u64>,
    /// How many items it takes out of the queue for good.
    going: BTreeMap<Member, i64>,
    held: BTreeMap<Member, Vec<(u64, u32)>>,
    tasks: BTreeMap<Member, i64>,
    /// Tasks that are not done: at least, at most.
    undone: (i64, i64),
    /// Items that those that died over a get may have got.
    lost: i64,
    /// Items that those that were asked to stop may have in their hands without knowing it.
    limbo: BTreeMap<Member, i64>,
    last_token: u64,
    /// The last that was given when a member's operation began.
    token_before: BTreeMap<Member, u64>,
    is_closed: bool,
    stopped: BTreeSet<Member>,
}

fn body(number: u32, length: usize) -> Vec<u8> {
    let more = (0..length).map(|at| (at as u8).wrapping_mul(number as u8));
    number.to_le_bytes().into_iter().chain(more).collect()
}

/// The number of an item that is whole.
fn number(got: &Got) -> Result<u32, String> {
    let number = got.body.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    match number {
        Some(number) if got.body == body(number, got.body.len() - 4) && got.format == number as u8 => Ok(number),
        _ => Err(format!("an item that nobody put: {got:?}")),
    }
}

impl Queues {
    /// An item has left those that wait.
    fn left(&mut self, me: Member, got: &Got, to: Where) -> Result<u32, String> {
        let number = number(got)?;
        let since = self.since[&me];
        let item = *self.items.get(&number).ok_or("an item of nowhere")?;
        match item.at {
            Where::Waiting | Where::Being => {}
            Where::Perhaps => self.undone.0 += 1,
            Where::Held(_) | Where::Gone => return Err(format!("item {number} once more, {:?}", item.at)),
        }
        let overtook = |other: &Known| {
            let is_before = item.put.zip(Some(other.begun)).is_some_and(|(put, begun)| put < begun);
            is_before && other.left.is_some_and(|left| left < since) && !other.is_late && !item.is_late
        };
        if let Some((other, _)) = self.items.iter().find(|(_, other)| overtook(other)) {
            return Err(format!("item {other} has overtaken item {number}"));
        }
        let left = Some(self.events);
        let is_late = item.is_late || matches!(to, Where::Held(_));
        self.items.insert(number, Known { at: to, left, is_late, ..item });
        Ok(number)
    }

    /// Somebody died over a get, or came out without what it had taken: a large item may have been in its hands meanwhile.
    fn large_are_late(&mut self) {
        let large = self.items.values_mut().filter(|item| item.bytes as usize > LARGE);
        large.for_each(|item| item.is_late = true);
    }

    /// Somebody died over a take: any item that nobody else has may have been in its hands meanwhile.
    fn what_waits_is_late(&mut self) {
        let is_there = |item: &&mut Known| matches!(item.at, Where::Being | Where::Waiting | Where::Perhaps);
        self.items.values_mut().filter(is_there).for_each(|item| item.is_late = true);
    }

    /// The item that a member has held for longest is somewhere else now, if it was there.
    fn first_of(&mut self, me: Member, was: Where, is: Where) {
        let first = self.held.get(&me).and_then(|held| held.first()).map(|(_, number)| *number);
        if let Some(number) = first.filter(|number| self.items[number].at == was) {
            self.set(number, is);
        }
    }

    fn set(&mut self, number: u32, at: Where) {
        if let Some(item) = self.items.get_mut(&number) {
            item.at = at;
        }
    }

    fn count(&self, is: impl Fn(Where) -> bool) -> i64 {
        self.items.values().filter(|item| is(item.at)).count() as i64
    }

    fn put_done(&mut self, things: &[Thing], is_put: bool) -> Result<(), String> {
        for (number, _) in things {
            let put = Some(self.events);
            match self.items.get_mut(number) {
                Some(item) if is_put && item.at == Where::Being => (item.at, item.put) = (Where::Waiting, put),
                // Somebody was faster.
                Some(item) if is_put => item.put = put,
                Some(item) if item.at == Where::Being => item.at = Where::Gone,
                other => return Err(format!("item {number} was not put: {other:?}")),
            }
        }
        let put = if is_put { things.len() as i64 } else { 0 };
        self.undone = (self.undone.0 + put, self.undone.1 + put);
        // What certainly is there; what is being got may be gone.
        let there = self.items.values().filter(|item| matches!(item.at, Where::Waiting | Where::Held(_)));
        let (items, bytes) = there.fold((0, 0), |(items, bytes), item| (items + 1, bytes + item.bytes));
        let going = self.since.len() as u32 * 4 + self.lost as u32;
        if items > self.bounds.0 + going || (bytes > self.bounds.1 && going == 0) {
            return Err(format!("{items} items of {bytes} bytes"));
        }
        Ok(())
    }

    /// A member is told that the queue is closed: nothing waits that was put before it asked, and nothing of it is in the hands
    /// of others. What others are getting or acknowledging at this very moment may be gone already.
    fn nothing_may_come(&self, me: Member) -> Result<(), String> {
        let since = self.since[&me];
        let was_there = |item: &Known| [item.put, item.left].into_iter().flatten().any(|event| event < since);
        let may_come = |item: &Known| match item.at {
            Where::Waiting => was_there(item),
            Where::Held(holder) => holder != me && was_there(item),
            Where::Being | Where::Perhaps | Where::Gone => false,
        };
        let there = self.items.values().filter(|item| may_come(item)).count() as i64;
        let going: i64 = self.going.iter().filter(|(other, _)| **other != me).map(|(_, items)| items).sum();
        let unknown = self.lost + self.limbo.values().sum::<i64>();
        match there - going - unknown {
            ..=0 => Ok(()),
            _ => Err(format!("closed, and {there} items may still come")),
        }
    }

    fn got(&mut self, me: Member, all: &[Got], most: u32) -> Result<(), String> {
        if all.is_empty() || all.len() > most as usize {
            return Err(format!("{} items", all.len()));
        }
        for got in all {
            self.left(me, got, Where::Gone)?;
        }
        *self.tasks.entry(me).or_default() += all.len() as i64;
        Ok(())
    }

    fn is_allowed(&mut self, me: Member, op: &Op, problem: Problem) -> Result<(), String> {
        let is_stopped = self.stopped.contains(&me);
        match op {
            Op::Put(things, _) => self.put_done(things, false)?,
            Op::Get(..) | Op::Take(_) | Op::Acknowledge | Op::GiveBack | Op::TaskDone | Op::Join(_) | Op::Close => {}
        }
        match (op, problem) {
            (Op::Put(..), Problem::Closed) if self.is_closed => Ok(()),
            (Op::Get(..) | Op::Take(_), Problem::Closed) if self.is_closed => self.nothing_may_come(me),
            (Op::Put(things, _), Problem::TooLarge(_)) => {
                let bytes: usize = things.iter().map(|(_, length)| length + 4).sum();
                let is_too_large = things.len() > self.bounds.0 as usize || bytes > self.bounds.1 as usize;
                if is_too_large { Ok(()) } else { Err("it is not too large".to_owned()) }
            }
            (Op::Put(_, patience) | Op::Get(_, patience), problem) => {
                if problem == Problem::Stopping {
                    self.large_are_late();
                    *self.limbo.entry(me).or_default() += 1;
                }
                patience.allows(problem, is_stopped)
            }
            (Op::Take(patience) | Op::Join(patience), problem) => patience.allows(problem, is_stopped),
            (Op::Acknowledge | Op::GiveBack | Op::TaskDone | Op::Close, Problem::Stopping) if is_stopped => {
                if matches!(op, Op::GiveBack) {
                    self.first_of(me, Where::Waiting, Where::Held(me));
                }
                Ok(())
            }
            (_, problem) => Err(format!("{problem:?}")),
        }
    }
}

impl Scenario for Queues {
    type Op = Op;
    type Outcome = Outcome;

    fn new(rng: &Rng) -> Self {
        let bounds = (1 + rng.below(4) as u32, 10 + rng.below(500) as u32);
        Self {
            queue: Queue::of(bounds.0, bounds.1.into()).unwrap(),
            bounds,
            events: 0,
            items: BTreeMap::new(),
            since: BTreeMap::new(),
            going: BTreeMap::new(),
            held: BTreeMap::new(),
            tasks: BTreeMap::new(),
            undone: (0, 0),
            lost: 0,
            limbo: BTreeMap::new(),
            last_token: 0,
            token_before: BTreeMap::new(),
            is_closed: false,
            stopped: BTreeSet::new(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Queue { items: self.bounds.0, bytes: self.bounds.1.into() }
    }

    fn program(&self, rng: &Rng) -> Vec<Op> {
        let thing = |rng: &Rng| (rng.random() as u32, [0, 0, 1, 58, 130, 210][rng.below(6) as usize]);
        let mut program = Vec::new();
        // Several readers that wait at a queue that is closed then.
        match rng.below(6) {
            0 => return vec![Op::Put(vec![thing(rng)], Patience::random(rng)), Op::Close],
            1 => return vec![Op::Get(1 + rng.below(2) as u32, Patience::ForEver)],
            2 => return vec![Op::Take(Patience::ForEver), if rng.one_in(2) { Op::GiveBack } else { Op::Acknowledge }],
            _ => {}
        }
        for () in rng.up_to(2 + rng.below(7)) {
            let patience = Patience::random(rng);
            match rng.below(10) {
                0..4 => program.push(Op::Put(vec![thing(rng)], patience)),
                4 => program.push(Op::Put((0..1 + rng.below(3)).map(|_| thing(rng)).collect(), patience)),
                5 | 6 => program.extend([Op::Get(1 + rng.below(3) as u32, patience), Op::TaskDone]),
                7 | 8 => {
                    program.extend([Op::Take(patience), if rng.one_in(4) { Op::GiveBack } else { Op::Acknowledge }])
                }
                _ => program.push(Op::Join(patience)),
            }
        }
        if rng.one_in(8) {
            program.push(Op::Close);
        }
        program
    }

    fn applies(&self, me: Member, op: &Op) -> bool {
        match op {
            Op::Acknowledge | Op::GiveBack => self.held.get(&me).is_some_and(|held| !held.is_empty()),
            Op::TaskDone => self.tasks.get(&me).is_some_and(|tasks| *tasks > 0),
            // It would wait for what it holds itself.
            Op::Join(_) => self.held.get(&me).is_none_or(Vec::is_empty),
            Op::Put(..) | Op::Get(..) | Op::Take(_) | Op::Close => true,
        }
    }

    fn perform<W: Words>(&self, op: &Op, words: &W, me: Member, now: u64) -> Outcome {
        let queue = self.queue;
        let first = self.held.get(&me).and_then(|held| held.first()).map_or(0, |(token, _)| *token);
        let done = |result: Result<(), Problem>| result.map_or_else(Outcome::Not, |()| Outcome::Done);
        match op {
            Op::Put(things, patience) => {
                let bodies: Vec<_> = things.iter().map(|(number, length)| body(*number, *length)).collect();
                let parts: Vec<[&[u8]; 2]> = bodies.iter().map(|body| [&body[..3], &body[3..]]).collect();
                if let ([(number, _)], [parts]) = (&things[..], &parts[..]) {
                    return done(queue.put(words, me, *number as u8, parts, patience.until(now)));
                }
                let item = |((number, _), parts): (&Thing, _)| Item { format: *number as u8, parts };
                let batch: Vec<_> = things.iter().zip(parts.iter().map(<[_; 2]>::as_slice)).map(item).collect();
                done(queue.put_batch(words, me, &batch, patience.until(now)))
            }
            Op::Get(1, patience) => match queue.get(words, me, patience.until(now)) {
                Ok(got) => Outcome::Got(vec![got]),
                Err(problem) => Outcome::Not(problem),
            },
            Op::Get(most, patience) => {
                queue.get_batch(words, me, *most, 150, patience.until(now)).map_or_else(Outcome::Not, Outcome::Got)
            }
            Op::Take(patience) => match queue.take(words, me, patience.until(now)) {
                Ok(taken) => Outcome::Taken(taken.token, taken.item),
                Err(problem) => Outcome::Not(problem),
            },
            Op::Acknowledge => done(queue.acknowledge(words, me, first)),
            Op::GiveBack => done(queue.give_back(words, me, first)),
            Op::TaskDone => done(queue.task_done(words, me)),
            Op::Join(patience) => done(queue.join(words, me, patience.until(now))),
            Op::Close => done(queue.close(words, me)),
        }
    }

    fn started(&mut self, me: Member, op: &Op) {
        self.events += 1;
        self.since.insert(me, self.events);
        self.token_before.insert(me, self.last_token);
        let going = match op {
            Op::Get(most, _) => i64::from(*most),
            Op::Acknowledge => 1,
            Op::Put(..) | Op::Take(_) | Op::GiveBack | Op::TaskDone | Op::Join(_) | Op::Close => 0,
        };
        self.going.insert(me, going);
        match op {
            Op::Put(things, _) => {
                for (number, length) in things {
                    let (at, begun, bytes) = (Where::Being, self.events, *length as u32 + 4);
                    let known = Known { at, bytes, begun, put: None, left: None, is_late: false };
                    self.items.insert(*number, known);
                }
            }
            Op::Close => self.is_closed = true,
            // From now on somebody else may get it.
            Op::GiveBack => self.first_of(me, Where::Held(me), Where::Waiting),
            Op::Get(..) | Op::Take(_) | Op::Acknowledge | Op::TaskDone | Op::Join(_) => {}
        }
    }

    fn finished(&mut self, me: Member, op: &Op, outcome: Outcome) -> Result<(), String> {
        self.events += 1;
        let result = match (op, outcome) {
            (_, Outcome::Not(problem)) => self.is_allowed(me, op, problem),
            (Op::Put(things, _), Outcome::Done) => self.put_done(things, true),
            (Op::Get(most, _), Outcome::Got(all)) => self.got(me, &all, *most),
            (Op::Take(_), Outcome::Taken(token, got)) => {
                if token <= self.token_before[&me] {
                    return Err(format!("token {token} after {}", self.token_before[&me]));
                }
                self.last_token = self.last_token.max(token);
                let number = self.left(me, &got, Where::Held(me))?;
                self.held.entry(me).or_default().push((token, number));
                Ok(())
            }
            (Op::Acknowledge, Outcome::Done) => {
                let (_, number) = self.held.get_mut(&me).unwrap().remove(0);
                self.set(number, Where::Gone);
                self.undone = (self.undone.0 - 1, self.undone.1 - 1);
                Ok(())
            }
            (Op::GiveBack, Outcome::Done) => {
                // Somebody else may have it already.
                self.held.get_mut(&me).unwrap().remove(0);
                Ok(())
            }
            (Op::TaskDone, Outcome::Done) => {
                *self.tasks.get_mut(&me).unwrap() -= 1;
                self.undone = (self.undone.0 - 1, self.undone.1 - 1);
                Ok(())
            }
            (Op::Join(_) | Op::Close, Outcome::Done) => Ok(()),
            (_, outcome) => Err(format!("{outcome:?}")),
        };
        self.since.remove(&me);
        self.going.remove(&me);
        result
    }

    fn died(&mut self, me: Member, doing: Option<&Op>) {
        self.since.remove(&me);
        self.going.remove(&me);
        let held = self.held.remove(&me).unwrap_or_default();
        held.iter().for_each(|(_, number)| self.set(*number, Where::Waiting));
        let tasks = self.tasks.remove(&me).unwrap_or(0);
        self.undone = (self.undone.0 - tasks, self.undone.1 - tasks);
        match doing {
            Some(Op::Put(things, _)) => {
                for (number, _) in things {
                    if let Some(item) = self.items.get_mut(number).filter(|item| item.at == Where::Being) {
                        (item.at, item.is_late) = (Where::Perhaps, true);
                        self.undone.1 += 1;
                    } else {
                        self.undone = (self.undone.0 + 1, self.undone.1 + 1);
                    }
                }
            }
            Some(Op::Get(most, _)) => {
                self.large_are_late();
                self.lost += i64::from(*most);
                self.undone.0 -= i64::from(*most);
            }
            Some(Op::Acknowledge) => {
                self.set(held[0].1, Where::Perhaps);
                self.undone.0 -= 1;
            }
            Some(Op::Take(_)) => self.what_waits_is_late(),
            Some(Op::GiveBack | Op::TaskDone | Op::Join(_) | Op::Close) | None => {}
        }
    }

    fn asked_to_stop(&mut self, me: Member) {
        self.stopped.insert(me);
    }

    fn recovered(&mut self, dead: Member) {
        self.limbo.remove(&dead);
    }

    fn quiet<W: Words>(&mut self, words: &W, asleep: &[(Member, Op)]) -> Result<(), String> {
        let limbo: i64 = self.limbo.values().sum();
        let held = i64::from(self.queue.held(words));
        let known = self.count(|at| matches!(at, Where::Held(_)));
        if !(known..=known + limbo).contains(&held) {
            return Err(format!("{held} are in somebody's hands, and {known} are known"));
        }
        let size = i64::from(self.queue.size(words));
        let least = self.count(|at| at == Where::Waiting) - self.lost - limbo;
        let most = self.count(|at| matches!(at, Where::Waiting | Where::Perhaps));
        if !(least..=most).contains(&size) {
            return Err(format!("{size} wait, of {least} to {most}"));
        }
        let undone = self.queue.undone(words) as i64;
        if !(self.undone.0..=self.undone.1).contains(&undone) {
            return Err(format!("{undone} are not done, of {:?}", self.undone));
        }
        let (room, bytes) = self.queue.room(words);
        let waits_for_nothing = asleep.iter().find(|(_, op)| match op {
            Op::Get(..) | Op::Take(_) => size > 0,
            Op::Put(things, _) => {
                let needed: usize = things.iter().map(|(_, length)| length + 4).sum();
                things.len() <= room as usize && needed <= bytes as usize
            }
            Op::Join(_) => undone == 0,
            Op::Acknowledge | Op::GiveBack | Op::TaskDone | Op::Close => true,
        });
        match waits_for_nothing {
            Some(waits) => Err(format!("{waits:?} for nothing")),
            None => Ok(()),
        }
    }
}

#[test]
fn items_are_neither_lost_nor_doubled_and_keep_their_order() {
    explore::<Queues>();
}
