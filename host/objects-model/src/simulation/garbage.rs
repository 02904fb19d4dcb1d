//! Memory in which anything may stand, and changes under everybody's hands: each operation ends, or waits for as long as its
//! caller wants to.

use crate::limits::SEATS;
use crate::object::Object;
use crate::words::{Until, Waited, Words};
use sandhog_protocol::objects::{Element, Kind, Member};
use sandhog_simulation::{Rng, explore};
use std::cell::{Cell, RefCell};

/// Accesses between two waits.
const MOST: u64 = 40_000;

/// Waits until the time is over.
const WAITS: u64 = 40;

struct Garbage {
    words: RefCell<Vec<u32>>,
    rng: Rng,
    /// One access in so many finds another word changed; 0: none does.
    changes: u64,
    accesses: Cell<u64>,
    waits: Cell<u64>,
}

impl Garbage {
    fn new(kind: Kind, rng: Rng) -> Self {
        let words = Object::bytes(kind).unwrap().div_ceil(8) * 2;
        let words = (0..words).map(|_| garbage(&rng)).collect();
        let changes = [0, 1, 2, 5][rng.below(4) as usize];
        let (accesses, waits) = (Cell::new(0), Cell::new(0));
        Self { words: RefCell::new(words), rng, changes, accesses, waits }
    }

    fn access(&self) {
        self.accesses.set(self.accesses.get() + 1);
        assert!(self.accesses.get() < MOST, "an operation does not end");
        let rng = &self.rng;
        if self.changes > 0 && rng.one_in(self.changes) {
            let mut words = self.words.borrow_mut();
            let most = words.len() as u64;
            let place = if rng.one_in(2) { rng.below(most.min(24)) } else { rng.below(most) };
            words[place as usize] = garbage(rng);
        }
    }

    fn get(&self, place: usize) -> u32 {
        self.words.borrow().get(place).copied().unwrap_or(0)
    }

    fn put(&self, place: usize, value: u32) {
        if let Some(word) = self.words.borrow_mut().get_mut(place) {
            *word = value;
        }
    }

    fn get_long(&self, place: usize) -> u64 {
        u64::from(self.get(place)) | u64::from(self.get(place + 1)) << 32
    }

    fn put_long(&self, place: usize, value: u64) {
        self.put(place, value as u32);
        self.put(place + 1, (value >> 32) as u32);
    }
}

/// Numbers that mean something more often than others.
fn garbage(rng: &Rng) -> u32 {
    let flags = (rng.below(4) as u32) << 30;
    match rng.below(8) {
        0 | 1 => 0,
        2 => rng.below(4) as u32,
        3 => u32::MAX,
        4 => rng.below(u64::from(SEATS) + 3) as u32 | flags,
        5 | 6 => crate::code(member(rng)) | flags,
        _ => rng.random() as u32,
    }
}

fn member(rng: &Rng) -> Member {
    Member { seat: rng.below(u64::from(SEATS)) as u16, generation: 1 + rng.below(2) as u16 }
}

impl Words for Garbage {
    fn load(&self, place: usize) -> u32 {
        self.access();
        self.get(place)
    }

    fn store(&self, place: usize, value: u32) {
        self.access();
        self.put(place, value);
    }

    fn compare_exchange(&self, place: usize, old: u32, new: u32) -> Result<u32, u32> {
        self.access();
        match self.get(place) {
            seen if seen == old => {
                self.put(place, new);
                Ok(seen)
            }
            seen => Err(seen),
        }
    }

    fn fetch_add(&self, place: usize, more: u32) -> u32 {
        self.access();
        let before = self.get(place);
        self.put(place, before.wrapping_add(more));
        before
    }

    fn load_long(&self, place: usize) -> u64 {
        self.access();
        self.get_long(place)
    }

    fn store_long(&self, place: usize, value: u64) {
        self.access();
        self.put_long(place, value);
    }

    fn compare_exchange_long(&self, place: usize, old: u64, new: u64) -> Result<u64, u64> {
        self.access();
        match self.get_long(place) {
            seen if seen == old => {
                self.put_long(place, new);
                Ok(seen)
            }
            seen => Err(seen),
        }
    }

    fn fetch_add_long(&self, place: usize, more: u64) -> u64 {
        self.access();
        let before = self.get_long(place);
        self.put_long(place, before.wrapping_add(more));
        before
    }

    fn read(&self, place: usize, into: &mut [u8]) {
        self.access();
        for (byte, into) in (place..).zip(into) {
            *into = (self.get(byte / 4) >> (8 * (byte % 4))) as u8;
        }
    }

    fn write(&self, place: usize, from: &[u8]) {
        self.access();
        for (byte, from) in (place..).zip(from) {
            let shift = 8 * (byte % 4);
            self.put(byte / 4, self.get(byte / 4) & !(0xff << shift) | u32::from(*from) << shift);
        }
    }

    fn wait(&self, place: usize, expected: u32, until: Until) -> Waited {
        self.accesses.set(0);
        self.waits.set(self.waits.get() + 1);
        assert!(self.waits.get() < 4 * WAITS, "an operation waits for longer than it may");
        match until {
            Until::Now => Waited::TimedOut,
            Until::At(_) if self.waits.get() > WAITS => Waited::TimedOut,
            Until::Never if self.waits.get() > WAITS => Waited::Stopping,
            // Somebody has changed the word and woken all.
            Until::At(_) | Until::Never => {
                let rng = &self.rng;
                if rng.one_in(2) && self.get(place) == expected {
                    self.put(place, garbage(rng));
                }
                Waited::Woken
            }
        }
    }

    fn wake(&self, _place: usize, _most: u32) {
        self.access();
    }

    fn pause(&self) {
        self.access();
    }
}

fn until(rng: &Rng) -> Until {
    rng.pick([Until::Now, Until::At(1), Until::Never]).unwrap()
}

fn ignore<T>(_outcome: T) {}

/// Any operation, whatever comes of it.
fn operate(object: Object, words: &Garbage, me: Member, rng: &Rng) {
    let until = until(rng);
    let first = rng.one_in(2);
    match object {
        Object::Lock(lock) if first => ignore(lock.acquire(words, me, until)),
        Object::Lock(lock) => ignore(lock.release(words, me)),
        Object::Rlock(lock) if first => ignore(lock.acquire(words, me, until)),
        Object::Rlock(lock) => ignore(lock.release(words, me)),
        Object::Semaphore(semaphore) if first => ignore(semaphore.acquire(words, me, until)),
        Object::Semaphore(semaphore) => ignore(semaphore.release(words, me)),
        Object::Event(event) if first => ignore(event.wait(words, until)),
        Object::Event(event) => ignore(event.set(words).and(event.clear(words))),
        Object::Condition(condition) => condition_operation(condition, words, me, until, rng),
        Object::Barrier(barrier) if first => ignore(barrier.wait(words, me, until)),
        Object::Barrier(barrier) if rng.one_in(2) => ignore(barrier.reset(words, me)),
        Object::Barrier(barrier) => ignore(barrier.abort(words, me)),
        Object::Value(value) => ignore(value.swap_integer(words, 1)),
        Object::Array(array) => ignore(array.add_integer(words, rng.below(9), 1)),
        Object::Memory(_) => {}
        Object::Queue(queue) => queue_operation(queue, words, me, until, rng),
    }
}

fn condition_operation(condition: crate::Condition, words: &Garbage, me: Member, until: Until, rng: &Rng) {
    // Otherwise it is hardly ever held.
    words.put_long(0, u64::from(crate::code(me)));
    match rng.below(3) {
        0 => ignore(condition.notify(words, me, u32::MAX)),
        1 => ignore(condition.release(words, me)),
        _ => ignore(condition.wait(words, me, until)),
    }
}

fn queue_operation(queue: crate::Queue, words: &Garbage, me: Member, until: Until, rng: &Rng) {
    let body = vec![7; rng.below(300) as usize];
    match rng.below(9) {
        0 | 1 => ignore(queue.put(words, me, 1, &[&body], until)),
        2 => ignore(queue.put_batch(words, me, &[crate::Item { format: 1, parts: &[&body] }; 2], until)),
        3 | 4 => ignore(queue.get(words, me, until)),
        5 => ignore(queue.get_batch(words, me, 3, 200, until)),
        6 => ignore(queue.take(words, me, until)),
        7 => ignore(queue.acknowledge(words, me, rng.random()).or(queue.give_back(words, me, rng.below(4)))),
        _ => ignore(queue.task_done(words, me).and(queue.join(words, me, until)).and(queue.close(words, me))),
    }
}

fn all_operations_end(kind: Kind) {
    let object = Object::of(kind).unwrap();
    explore(2_000 * 12, |rng| {
        let words = Garbage::new(kind, rng.clone());
        for () in rng.up_to(12) {
            words.accesses.set(0);
            words.waits.set(0);
            let me = member(&rng);
            match rng.below(6) {
                0 => ignore(object.recover(&words, me)),
                1 => object.rouse(&words),
                2 => object.named(&words, &mut |named| assert!(named.generation > 0)),
                3 => ignore(object.look(&words)),
                _ => operate(object, &words, me, &rng),
            }
        }
        12
    });
}

#[test]
fn damaged_memory_holds_nobody_up() {
    let kinds = [
        Kind::Lock,
        Kind::Rlock,
        Kind::Semaphore { permits: 2 },
        Kind::BoundedSemaphore { permits: 2 },
        Kind::Event,
        Kind::Condition,
        Kind::Barrier { parties: 3 },
        Kind::Value { element: Element::I16 },
        Kind::Array { element: Element::U8, length: 8 },
        Kind::Queue { items: 3, bytes: 600 },
    ];
    kinds.into_iter().for_each(all_operations_end);
}
