//! The memory of one object, and the accesses of those that work on it: answered from a log, made, or not made yet.

use crate::words::{Until, Waited, Words};
use sandhog_simulation::Rng;
use std::cell::RefCell;
use std::panic::resume_unwind;

/// What an access answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Value(u64),
    Other(u64),
    Waited(Waited),
}

impl Answer {
    fn value(self) -> u64 {
        self.result().unwrap_or_else(|value| value)
    }

    fn result(self) -> Result<u64, u64> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Other(value) => Err(value),
            Self::Waited(_) => panic!("a wait is no access to memory"),
        }
    }
}

/// Thrown by an actor whose turn is over.
pub(crate) struct TurnOver;

/// Whoever makes accesses: a member or the keeper.
#[derive(Default)]
pub(crate) struct Actor {
    /// Accesses of what it does at present: their names, by which replays are checked, and answers.
    log: Vec<(Access, Answer)>,
    asleep: Option<Sleep>,
    pub(crate) is_asked_to_stop: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sleep {
    place: usize,
    expected: u32,
    deadline: Option<u64>,
}

/// An access, as far as it is the same in each replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Access {
    name: &'static str,
    place: usize,
    operand: u64,
}

impl Actor {
    /// It begins something else.
    pub(crate) fn begin(&mut self) {
        self.log.clear();
        self.asleep = None;
    }

    /// Accesses of what it does.
    pub(crate) fn made(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.is_some()
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.asleep?.deadline
    }

    /// Comes back from its wait.
    pub(crate) fn wake(&mut self, waited: Waited) {
        if let Some(Sleep { place, expected, .. }) = self.asleep.take() {
            let access = Access { name: "wait", place, operand: u64::from(expected) };
            self.log.push((access, Answer::Waited(waited)));
        }
    }
}

pub(crate) struct World {
    words: Vec<u32>,
    pub(crate) actors: Vec<Actor>,
    pub(crate) now: u64,
    pub(crate) is_time_still: bool,
    /// Accesses that were made.
    pub(crate) steps: u64,
    rng: Rng,
    acting: usize,
    /// Accesses of the acting one's log that it has seen again.
    seen: usize,
    /// Accesses that it may make before its turn is over.
    turn: u64,
}

impl World {
    pub(crate) fn new(bytes: u64, rng: Rng) -> Self {
        let words = vec![0; bytes.div_ceil(8) as usize * 2];
        let actors = Vec::new();
        Self { words, actors, now: 0, is_time_still: false, steps: 0, rng, acting: 0, seen: 0, turn: 0 }
    }

    /// Those accesses that the acting one has made.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.actors[self.acting].log.iter().map(|(access, _)| access.name).collect()
    }

    pub(crate) fn give_turn(&mut self, actor: usize, turn: u64) {
        self.acting = actor;
        self.seen = 0;
        self.turn = turn;
    }

    /// `None`: the turn is over.
    fn access(&mut self, access: Access, make: impl FnOnce(&mut Self) -> Option<Answer>) -> Option<Answer> {
        if let Some((logged, answer)) = self.actors[self.acting].log.get(self.seen) {
            assert_eq!(*logged, access, "an operation is not the same when it is run again");
            self.seen += 1;
            return Some(*answer);
        }
        self.turn = self.turn.checked_sub(1)?;
        self.steps += 1;
        self.now += u64::from(!self.is_time_still);
        let answer = make(self);
        let acting = self.acting;
        self.tell(|| format!("{acting}: {} {} {:#x}: {answer:x?}", access.name, access.place, access.operand));
        let answer = answer?;
        self.seen += 1;
        self.actors[self.acting].log.push((access, answer));
        Some(answer)
    }

    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        self.rng.tell(what);
    }

    fn get(&self, place: usize) -> u32 {
        self.words.get(place).copied().unwrap_or(0)
    }

    fn put(&mut self, place: usize, value: u32) {
        if let Some(word) = self.words.get_mut(place) {
            *word = value;
        }
    }

    fn get_long(&self, place: usize) -> u64 {
        assert!(place.is_multiple_of(2), "a long word at an odd place");
        u64::from(self.get(place)) | u64::from(self.get(place + 1)) << 32
    }

    fn put_long(&mut self, place: usize, value: u64) {
        self.put(place, value as u32);
        self.put(place + 1, (value >> 32) as u32);
    }

    /// `None`: it sleeps.
    fn wait(&mut self, place: usize, expected: u32, until: Until) -> Option<Answer> {
        let deadline = match until {
            Until::Now => Some(self.now),
            Until::At(time) => Some(time),
            Until::Never => None,
        };
        if self.actors[self.acting].is_asked_to_stop {
            return Some(Answer::Waited(Waited::Stopping));
        }
        if deadline.is_some_and(|deadline| deadline <= self.now) {
            return Some(Answer::Waited(Waited::TimedOut));
        }
        if self.get(place) != expected || self.rng.one_in(50) {
            return Some(Answer::Waited(Waited::Woken));
        }
        self.actors[self.acting].asleep = Some(Sleep { place, expected, deadline });
        None
    }

    /// Any of those that sleep there, in no order. One whose time is over, or that is asked to stop, may say that instead: then
    /// the wake is lost with it.
    fn wake(&mut self, place: usize, most: u32) {
        for _ in 0..most {
            let sleeps = |(_, actor): &(usize, &Actor)| actor.asleep.is_some_and(|sleep| sleep.place == place);
            let sleepers = self.actors.iter().enumerate().filter(sleeps).map(|(index, _)| index);
            let Some(woken) = self.rng.pick(sleepers) else { return };
            let actor = &mut self.actors[woken];
            let waited = match self.rng.below(4) {
                // While time stands still none is over.
                0 if actor.deadline().is_some() && !self.is_time_still => Waited::TimedOut,
                1 if actor.is_asked_to_stop => Waited::Stopping,
                _ => Waited::Woken,
            };
            actor.wake(waited);
        }
    }
}

/// The memory as the acting one sees it.
pub(crate) struct View<'a>(pub(crate) &'a RefCell<World>);

impl View<'_> {
    fn access(
        &self,
        name: &'static str,
        place: usize,
        operand: u64,
        make: impl FnOnce(&mut World) -> Option<Answer>,
    ) -> Answer {
        let answer = self.0.borrow_mut().access(Access { name, place, operand }, make);
        answer.unwrap_or_else(|| resume_unwind(Box::new(TurnOver)))
    }
}

impl Words for View<'_> {
    fn load(&self, place: usize) -> u32 {
        self.access("load", place, 0, |world| Some(Answer::Value(u64::from(world.get(place))))).value() as u32
    }

    fn store(&self, place: usize, value: u32) {
        self.access("store", place, u64::from(value), |world| {
            world.put(place, value);
            Some(Answer::Value(0))
        });
    }

    fn compare_exchange(&self, place: usize, old: u32, new: u32) -> Result<u32, u32> {
        let answer = self.access("exchange", place, u64::from(new), |world| match world.get(place) {
            seen if seen == old => {
                world.put(place, new);
                Some(Answer::Value(u64::from(seen)))
            }
            seen => Some(Answer::Other(u64::from(seen))),
        });
        answer.result().map(|value| value as u32).map_err(|value| value as u32)
    }

    fn fetch_add(&self, place: usize, more: u32) -> u32 {
        let answer = self.access("add", place, u64::from(more), |world| {
            let before = world.get(place);
            world.put(place, before.wrapping_add(more));
            Some(Answer::Value(u64::from(before)))
        });
        answer.value() as u32
    }

    fn load_long(&self, place: usize) -> u64 {
        self.access("load long", place, 0, |world| Some(Answer::Value(world.get_long(place)))).value()
    }

    fn store_long(&self, place: usize, value: u64) {
        self.access("store long", place, value, |world| {
            world.put_long(place, value);
            Some(Answer::Value(0))
        });
    }

    fn compare_exchange_long(&self, place: usize, old: u64, new: u64) -> Result<u64, u64> {
        let answer = self.access("exchange long", place, new, |world| match world.get_long(place) {
            seen if seen == old => {
                world.put_long(place, new);
                Some(Answer::Value(seen))
            }
            seen => Some(Answer::Other(seen)),
        });
        answer.result()
    }

    fn fetch_add_long(&self, place: usize, more: u64) -> u64 {
        let answer = self.access("add long", place, more, |world| {
            let before = world.get_long(place);
            world.put_long(place, before.wrapping_add(more));
            Some(Answer::Value(before))
        });
        answer.value()
    }

    /// Word by word, so that others can come in between.
    fn read(&self, place: usize, into: &mut [u8]) {
        let mut into = into;
        let mut byte = place;
        while !into.is_empty() {
            let (part, rest) = into.split_at_mut((4 - byte % 4).min(into.len()));
            let word = self.access("read", byte / 4, 0, |world| Some(Answer::Value(u64::from(world.get(byte / 4)))));
            let bytes = (word.value() as u32).to_le_bytes();
            part.copy_from_slice(&bytes[byte % 4..byte % 4 + part.len()]);
            byte += part.len();
            into = rest;
        }
    }

    fn write(&self, place: usize, from: &[u8]) {
        let mut from = from;
        let mut byte = place;
        while !from.is_empty() {
            let (part, rest) = from.split_at((4 - byte % 4).min(from.len()));
            let operand = part.iter().rev().fold(0, |operand, byte| operand << 8 | u64::from(*byte));
            self.access("write", byte / 4, operand, |world| {
                let shift = 8 * (byte % 4) as u32;
                let mask = (u32::MAX >> (32 - 8 * part.len() as u32)) << shift;
                let word = world.get(byte / 4) & !mask | (operand as u32) << shift;
                world.put(byte / 4, word);
                Some(Answer::Value(0))
            });
            byte += part.len();
            from = rest;
        }
    }

    fn wait(&self, place: usize, expected: u32, until: Until) -> Waited {
        match self.access("wait", place, u64::from(expected), |world| world.wait(place, expected, until)) {
            Answer::Waited(waited) => waited,
            Answer::Value(_) | Answer::Other(_) => panic!("a wait that was something else"),
        }
    }

    fn wake(&self, place: usize, most: u32) {
        self.access("wake", place, u64::from(most), |world| {
            world.wake(place, most);
            Some(Answer::Value(0))
        });
    }

    fn pause(&self) {
        self.access("pause", 0, 0, |_| Some(Answer::Value(0)));
    }
}
