//! A death at every access of every operation, and of its recovery: the queue holds what it held before, or what it is to hold
//! afterwards, and goes on.

use super::item::LARGE;
use super::layout::{ROOM_BYTES, ROOM_ITEMS, WAITING};
use super::*;
use crate::{Recovery, Waited};
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};

/// Memory whose user dies at one of its accesses.
struct Memory {
    words: RefCell<Vec<u32>>,
    accesses: Cell<u64>,
    /// The access at which it dies.
    last: Cell<u64>,
}

struct Killed;

impl Memory {
    fn new(queue: Queue) -> Self {
        let words = vec![0; usize::try_from(queue.segment_bytes() / 4).unwrap()];
        let memory = Self { words: RefCell::new(words), accesses: Cell::new(0), last: Cell::new(u64::MAX) };
        queue.initialise(&memory);
        memory
    }

    fn copy(&self) -> Self {
        Self { words: self.words.clone(), accesses: Cell::new(0), last: Cell::new(u64::MAX) }
    }

    fn access<T>(&self, work: impl FnOnce(&mut Vec<u32>) -> T) -> T {
        self.accesses.set(self.accesses.get() + 1);
        if self.accesses.get() > self.last.get() {
            panic::resume_unwind(Box::new(Killed));
        }
        work(&mut self.words.borrow_mut())
    }

    /// Whether the work came to its end; else it was killed after so many accesses.
    fn until_killed<T>(&self, accesses: u64, work: impl FnOnce() -> T) -> Option<T> {
        self.last.set(self.accesses.get() + accesses);
        let done = panic::catch_unwind(AssertUnwindSafe(work));
        self.last.set(u64::MAX);
        done.map_err(|why| assert!(why.is::<Killed>(), "a panic after {accesses} accesses")).ok()
    }
}

fn long(words: &[u32], place: usize) -> u64 {
    u64::from(words[place + 1]) << 32 | u64::from(words[place])
}

fn set_long(words: &mut [u32], place: usize, value: u64) {
    (words[place], words[place + 1]) = (value as u32, (value >> 32) as u32);
}

impl Words for Memory {
    fn load(&self, place: usize) -> u32 {
        self.access(|words| words.get(place).copied().unwrap_or(0))
    }

    fn store(&self, place: usize, value: u32) {
        self.access(|words| words.get_mut(place).map(|word| *word = value));
    }

    fn compare_exchange(&self, place: usize, old: u32, new: u32) -> Result<u32, u32> {
        self.access(|words| match words[place] {
            now if now == old => {
                words[place] = new;
                Ok(now)
            }
            now => Err(now),
        })
    }

    fn fetch_add(&self, place: usize, more: u32) -> u32 {
        self.access(|words| {
            words[place] = words[place].wrapping_add(more);
            words[place].wrapping_sub(more)
        })
    }

    fn load_long(&self, place: usize) -> u64 {
        self.access(|words| if place + 1 < words.len() { long(words, place) } else { 0 })
    }

    fn store_long(&self, place: usize, value: u64) {
        self.access(|words| {
            if place + 1 < words.len() {
                set_long(words, place, value);
            }
        });
    }

    fn compare_exchange_long(&self, place: usize, old: u64, new: u64) -> Result<u64, u64> {
        self.access(|words| match long(words, place) {
            now if now == old => {
                set_long(words, place, new);
                Ok(now)
            }
            now => Err(now),
        })
    }

    fn fetch_add_long(&self, place: usize, more: u64) -> u64 {
        let now = self.load_long(place);
        self.store_long(place, now.wrapping_add(more));
        now
    }

    fn read(&self, place: usize, into: &mut [u8]) {
        self.access(|words| {
            for (at, byte) in into.iter_mut().enumerate() {
                *byte = words.get((place + at) / 4).map_or(0, |word| word.to_le_bytes()[(place + at) % 4]);
            }
        });
    }

    fn write(&self, place: usize, from: &[u8]) {
        self.access(|words| {
            for (at, byte) in from.iter().enumerate() {
                if let Some(word) = words.get_mut((place + at) / 4) {
                    let mut bytes = word.to_le_bytes();
                    bytes[(place + at) % 4] = *byte;
                    *word = u32::from_le_bytes(bytes);
                }
            }
        });
    }

    fn wait(&self, _place: usize, _expected: u32, _until: Until) -> Waited {
        // Nobody else is there who could change anything.
        self.access(|_| Waited::TimedOut)
    }

    fn wake(&self, _place: usize, _most: u32) {
        self.access(|_| ());
    }

    fn pause(&self) {}
}

const ME: Member = Member { seat: 3, generation: 9 };
const OTHER: Member = Member { seat: 5, generation: 1 };

/// Bytes of an item that is in several blocks.
const LONG: usize = 150;

fn queue() -> Queue {
    Queue::of(6, 40_000).unwrap()
}

fn body(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(seed)).collect()
}

fn put(queue: Queue, memory: &Memory, seed: u8, length: usize) -> Result<(), Problem> {
    let body = body(seed, length);
    let (head, tail) = body.split_at(length / 3);
    queue.put(memory, ME, seed, &[head, tail], Until::Now)
}

/// All that can be got, as the numbers by which `put` names items.
fn drain(queue: Queue, memory: &Memory) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(got) = queue.get(memory, OTHER, Until::Now) {
        assert!(got.body == body(got.format, got.body.len()), "item {}", got.format);
        all.push(got.format);
    }
    all
}

/// Nothing waits and nobody holds anything: all slots and blocks are free, each once, and all of them can be used.
fn is_whole(queue: Queue, memory: &Memory) {
    assert_eq!(memory.load(WAITING), 0);
    assert_eq!((memory.load(ROOM_ITEMS), memory.load(ROOM_BYTES)), (6, 40_000));
    let each = 40_000 / 6;
    (1..=6).for_each(|seed| put(queue, memory, seed, each).unwrap());
    assert_eq!(put(queue, memory, 7, 1), Err(Problem::WouldBlock));
    assert_eq!(drain(queue, memory), [1, 2, 3, 4, 5, 6]);
    put(queue, memory, 8, 40_000).unwrap();
    assert_eq!(drain(queue, memory), [8]);
}

/// `operation` by [`ME`], killed at each of its accesses in turn, and its recovery at each of its own. What can be got then is
/// one of `expected`. How often it was each of them.
fn at_every_access(memory: &Memory, operation: impl Fn(&Memory), expected: &[&[u8]]) {
    let queue = queue();
    let mut seen = vec![false; expected.len()];
    for accesses in 0.. {
        let after = memory.copy();
        let done = after.until_killed(accesses, || operation(&after)).is_some();
        let every = if accesses % 7 == 0 { 1 } else { 31 };
        for recovered in (0..).step_by(every) {
            let again = after.copy();
            let is_last = again.until_killed(recovered, || queue.recover(&again, ME)).is_some();
            assert_ne!(queue.recover(&again, ME), Recovery::Busy(ME));
            let got = drain(queue, &again);
            let at = expected.iter().position(|expected| *expected == got);
            seen[at.unwrap_or_else(|| panic!("{got:?} after {accesses} accesses, {recovered} of the recovery"))] = true;
            if is_last || recovered == 0 {
                is_whole(queue, &again);
                // Nobody waits any longer for tasks of the dead.
                let gone = again.copy();
                assert_ne!(queue.recover(&gone, OTHER), Recovery::Busy(ME));
            }
            if is_last {
                break;
            }
        }
        if done {
            assert!(!seen.contains(&false), "all of them came about");
            return;
        }
    }
}

fn filled(seeds: &[u8]) -> Memory {
    let memory = Memory::new(queue());
    seeds.iter().for_each(|seed| put(queue(), &memory, *seed, LONG).unwrap());
    memory
}

#[test]
fn a_put_is_done_or_not_wherever_it_is_cut_off() {
    for length in [0, 1, LONG, LARGE + 1] {
        at_every_access(&filled(&[1]), |memory| put(queue(), memory, 2, length).unwrap(), &[&[1], &[1, 2]]);
    }
    at_every_access(&filled(&[]), |memory| put(queue(), memory, 2, LONG).unwrap(), &[&[], &[2]]);
}

#[test]
fn a_batch_is_put_as_one() {
    let bodies = [body(2, LONG), body(3, 0), body(4, 61)];
    let parts = bodies.each_ref().map(|body| [body.as_slice()]);
    let items: Vec<_> = parts.iter().zip(2..).map(|(parts, format)| Item { format, parts: parts.as_slice() }).collect();
    let put = |memory: &Memory| queue().put_batch(memory, ME, &items, Until::Now).unwrap();
    at_every_access(&filled(&[1]), put, &[&[1], &[1, 2, 3, 4]]);
}

#[test]
fn a_get_takes_one_or_none_wherever_it_is_cut_off() {
    at_every_access(&filled(&[1, 2]), |memory| drop(queue().get(memory, ME, Until::Now).unwrap()), &[&[1, 2], &[2]]);
    let large = filled(&[]);
    put(queue(), &large, 1, LARGE + 1).unwrap();
    at_every_access(&large, |memory| drop(queue().get(memory, ME, Until::Now).unwrap()), &[&[1], &[]]);
}

#[test]
fn a_batch_is_got_as_one() {
    let get = |memory: &Memory| assert_eq!(queue().get_batch(memory, ME, 2, 1000, Until::Now).unwrap().len(), 2);
    at_every_access(&filled(&[1, 2, 3]), get, &[&[1, 2, 3], &[3]]);
}

#[test]
fn what_was_taken_comes_back_in_its_order_or_is_done() {
    let memory = filled(&[1, 2, 3, 4]);
    let tokens: Vec<_> = (0..3).map(|_| queue().take(&memory, ME, Until::Now).unwrap().token).collect();
    assert!(tokens.is_sorted() && tokens[0] < tokens[1]);
    let acknowledge = |memory: &Memory| queue().acknowledge(memory, ME, tokens[1]).unwrap();
    at_every_access(&memory, acknowledge, &[&[1, 2, 3, 4], &[1, 3, 4]]);
    at_every_access(&filled(&[1, 2]), |memory| drop(queue().take(memory, ME, Until::Now).unwrap()), &[&[1, 2]]);
}
