//! Any object, from its kind.
//!
//! Must not: know how one works.

use crate::array::Array;
use crate::barrier::Barrier;
use crate::condition::{self, Condition};
use crate::event::{self, Event};
use crate::lock::{self, Lock};
use crate::memory::Memory;
use crate::problem::Recovery;
use crate::queue::Queue;
use crate::rlock::Rlock;
use crate::semaphore::{self, Semaphore};
use crate::value::{self, Value};
use crate::words::Words;
use sandhog_protocol::objects::{Kind, Member, ObjectState, SEATS};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    Lock(Lock),
    Rlock(Rlock),
    Semaphore(Semaphore),
    Event(Event),
    Condition(Condition),
    Barrier(Barrier),
    Value(Value),
    Array(Array),
    Memory(Memory),
    Queue(Queue),
}

impl Object {
    /// `None`: too large, or nothing that there can be; and for pipes, which have no memory.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Lock => Some(Self::Lock(Lock::at(0))),
            Kind::Rlock => Some(Self::Rlock(Rlock::at(0))),
            Kind::Semaphore { permits } => Semaphore::of(permits, false).map(Self::Semaphore),
            Kind::BoundedSemaphore { permits } => Semaphore::of(permits, true).map(Self::Semaphore),
            Kind::Event => Some(Self::Event(Event::at(0))),
            Kind::Condition => Some(Self::Condition(Condition::at(0))),
            Kind::Barrier { parties } => Barrier::of(parties).map(Self::Barrier),
            Kind::Value { element } => Some(Self::Value(Value::of(element))),
            Kind::Array { element, length } => Array::of(element, length).map(Self::Array),
            Kind::Memory { bytes } => Memory::of(bytes).map(Self::Memory),
            Kind::Queue { items, bytes } => Queue::of(items, bytes).map(Self::Queue),
            Kind::Pipe => None,
        }
    }

    /// The size of its segment; `None` as for [`Object::of`].
    #[must_use]
    pub fn bytes(kind: Kind) -> Option<u64> {
        Some(match Self::of(kind)? {
            Self::Lock(_) | Self::Rlock(_) => of_words(lock::WORDS),
            Self::Semaphore(_) => of_words(semaphore::WORDS),
            Self::Event(_) => of_words(event::WORDS),
            Self::Condition(_) => of_words(condition::WORDS),
            Self::Barrier(barrier) => of_words(barrier.words()),
            Self::Value(_) => of_words(value::WORDS),
            Self::Array(array) => array.bytes(),
            Self::Memory(memory) => memory.size(),
            Self::Queue(queue) => queue.segment_bytes(),
        })
    }

    /// All is 0 before.
    pub fn initialise<W: Words>(self, words: &W) {
        match self {
            Self::Semaphore(semaphore) => semaphore.initialise(words),
            Self::Queue(queue) => queue.initialise(words),
            Self::Lock(_)
            | Self::Rlock(_)
            | Self::Event(_)
            | Self::Condition(_)
            | Self::Barrier(_)
            | Self::Value(_)
            | Self::Array(_)
            | Self::Memory(_) => {}
        }
    }

    /// Settles what the dead member held or was doing, and wakes those that can go on. May be killed at any access and done
    /// again. No member has generation 0.
    pub fn recover<W: Words>(self, words: &W, dead: Member) -> Recovery {
        if dead.generation == 0 || dead.seat >= SEATS {
            return Recovery::Nothing;
        }
        match self {
            Self::Lock(lock) => lock.recover(words, dead),
            Self::Rlock(lock) => lock.recover(words, dead),
            Self::Semaphore(semaphore) => semaphore.recover(words, dead),
            Self::Event(event) => event.recover(words),
            Self::Condition(condition) => condition.recover(words, dead),
            Self::Barrier(barrier) => barrier.recover(words, dead),
            Self::Value(value) => value.lock().recover(words, dead),
            Self::Array(array) => array.lock().recover(words, dead),
            Self::Memory(_) => Recovery::Nothing,
            Self::Queue(queue) => queue.recover(words, dead),
        }
    }

    /// Wakes all that wait: they look again. For a keeper that takes over: the one before may have died just before it woke them.
    pub fn rouse<W: Words>(self, words: &W) {
        match self {
            Self::Lock(lock) => lock.rouse(words),
            Self::Rlock(lock) => lock.rouse(words),
            Self::Semaphore(semaphore) => semaphore.rouse(words),
            Self::Event(event) => event.rouse(words),
            Self::Condition(condition) => condition.rouse(words),
            Self::Barrier(barrier) => barrier.rouse(words),
            Self::Value(value) => value.lock().rouse(words),
            Self::Array(array) => array.lock().rouse(words),
            Self::Memory(_) => {}
            Self::Queue(queue) => queue.rouse(words),
        }
    }

    /// Whoever its words name: as holder, as waiter, inside of a guard. Some may be named more than once. For a keeper that takes
    /// over: those of them that are no members are to be recovered. A dead one that has something is named, even while others
    /// hand it over.
    pub fn named<W: Words>(self, words: &W, tell: &mut dyn FnMut(Member)) {
        match self {
            Self::Lock(lock) => lock.named(words, tell),
            Self::Rlock(lock) => lock.named(words, tell),
            Self::Semaphore(semaphore) => semaphore.named(words, tell),
            Self::Condition(condition) => condition.named(words, tell),
            Self::Barrier(barrier) => barrier.named(words, tell),
            Self::Value(value) => value.lock().named(words, tell),
            Self::Array(array) => array.lock().named(words, tell),
            Self::Event(_) | Self::Memory(_) => {}
            Self::Queue(queue) => queue.named(words, tell),
        }
    }

    /// Who holds it and how much is in it; waiters are not told by its words.
    pub fn look<W: Words>(self, words: &W) -> ObjectState {
        match self {
            Self::Lock(lock) => lock.look(words),
            Self::Rlock(lock) => lock.look(words),
            Self::Semaphore(semaphore) => semaphore.look(words),
            Self::Event(event) => event.look(words),
            Self::Condition(condition) => condition.look(words),
            Self::Barrier(barrier) => barrier.look(words),
            Self::Value(value) => value.lock().look(words),
            Self::Array(array) => array.lock().look(words),
            Self::Memory(memory) => ObjectState { bytes: memory.size(), ..ObjectState::default() },
            Self::Queue(queue) => queue.look(words),
        }
    }
}

const fn of_words(words: usize) -> u64 {
    4 * words as u64
}
