//! Objects that a job passes on to its children, and what they may do with them.

use crate::abi::sandhog::job::children as host;
use crate::abi::sandhog::job::objects;
use crate::channel::Connection;
use crate::children::Job;
use crate::queue::Queue;
use crate::shared::{Array, Memory, Number, Value};
use crate::sync::{Barrier, Condition, Event, Lock, RLock, Semaphore};
use std::fmt;
use std::ops::{BitOr, BitOrAssign};
use std::rc::Rc;

/// What a child may do with an object: the words of a grant.
///
/// ```standalone_crate
/// use sandhog::Rights;
///
/// let both = Rights::PUT | Rights::GET;
/// assert!(both.contains(Rights::PUT));
/// assert!(!Rights::READ.contains(Rights::READ_WRITE));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rights(u8);

impl Rights {
    /// Of a semaphore: to acquire a permit.
    pub const ACQUIRE: Self = Self(1 << 0);
    /// Of a semaphore: to release a permit.
    pub const RELEASE: Self = Self(1 << 1);
    /// Of an event: to set and to clear it.
    pub const SET: Self = Self(1 << 2);
    /// Of an event: to wait for it.
    pub const WAIT: Self = Self(1 << 3);
    /// Of a value, an array, memory: to read it.
    pub const READ: Self = Self(1 << 4);
    /// Of the same: to write it. Whoever adds, swaps or compares needs no more than this.
    pub const WRITE: Self = Self(1 << 5);
    /// Of the same: both.
    pub const READ_WRITE: Self = Self(Self::READ.0 | Self::WRITE.0);
    /// Of a queue: to put, and to close it.
    pub const PUT: Self = Self(1 << 6);
    /// Of a queue: to get and to take, and to say that an item is done.
    pub const GET: Self = Self(1 << 7);

    /// Whether all of these are among them.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    fn as_param(self) -> host::ObjectRights {
        let among = NAMES.iter().filter(|(right, ..)| self.contains(*right));
        among.fold(host::ObjectRights::empty(), |rights, (.., right)| rights | *right)
    }
}

/// As the interface counts them.
const NAMES: [(Rights, &str, host::ObjectRights); 8] = [
    (Rights::ACQUIRE, "ACQUIRE", host::ObjectRights::ACQUIRE),
    (Rights::RELEASE, "RELEASE", host::ObjectRights::RELEASE),
    (Rights::SET, "SET", host::ObjectRights::SET),
    (Rights::WAIT, "WAIT", host::ObjectRights::WAIT),
    (Rights::READ, "READ", host::ObjectRights::READ),
    (Rights::WRITE, "WRITE", host::ObjectRights::WRITE),
    (Rights::PUT, "PUT", host::ObjectRights::PUT),
    (Rights::GET, "GET", host::ObjectRights::GET),
];

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Rights {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.iter().filter(|(right, ..)| self.contains(*right)).map(|(_, name, _)| *name);
        write!(out, "Rights({})", names.collect::<Vec<_>>().join(" | "))
    }
}

/// An object of this job's.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    Lock(Rc<objects::Lock>),
    Rlock(Rc<objects::Rlock>),
    Semaphore(Rc<objects::Semaphore>),
    Event(Rc<objects::Event>),
    Condition(Rc<objects::Condition>),
    Barrier(Rc<objects::Barrier>),
    Value(Rc<objects::Value>),
    Array(Rc<objects::Array>),
    Memory(Rc<objects::Memory>),
    Queue(Rc<objects::Queue>),
    Pipe(Connection),
}

/// An object for a child: the child's name for it, and what it may do with it.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    name: String,
    object: Object,
    rights: Rights,
}

impl Granted {
    pub(crate) fn new(name: String, object: Object, rights: Rights) -> Self {
        Self { name, object, rights }
    }

    /// Of a lock, a condition, a barrier, an end of a pipe: the one right that there is.
    pub(crate) fn whole(name: String, object: Object) -> Self {
        Self { name, object, rights: Rights(0) }
    }

    pub(crate) fn as_param(&self) -> host::ObjectGrant<'_> {
        let object = match &self.object {
            Object::Lock(object) => host::Object::Lock(object),
            Object::Rlock(object) => host::Object::Rlock(object),
            Object::Semaphore(object) => host::Object::Semaphore(object),
            Object::Event(object) => host::Object::Event(object),
            Object::Condition(object) => host::Object::Condition(object),
            Object::Barrier(object) => host::Object::Barrier(object),
            Object::Value(object) => host::Object::Value(object),
            Object::Array(object) => host::Object::Array(object),
            Object::Memory(object) => host::Object::Memory(object),
            Object::Queue(object) => host::Object::Queue(object),
            Object::Pipe(end) => host::Object::Pipe(end.end()),
        };
        host::ObjectGrant { name: &self.name, object, rights: self.rights.as_param() }
    }
}

/// Objects of this job's for the child.
impl Job {
    /// A lock of this job's, which the child [opens](Lock::open) under this name.
    ///
    /// What a child may do with an object is said here, where there is a choice; more than this job may do itself is
    /// [`Error::Denied`](crate::Error::Denied) at the start. A child of a child is granted it in its turn.
    ///
    /// ```standalone_crate
    /// use sandhog::queue::Queue;
    /// use sandhog::sync::Lock;
    /// use sandhog::{Job, Rights};
    ///
    /// # fn main() -> sandhog::Result<()> {
    /// let (lock, tasks) = (Lock::new()?, Queue::new(100, 1 << 20)?);
    /// let worker = Job::new("echo").lock("printer", &lock).queue("tasks", &tasks, Rights::GET);
    /// let (first, second) = (worker.spawn()?, worker.spawn()?);
    /// # assert!(first.wait()?.code + second.wait()?.code < 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn lock(self, name: impl Into<String>, lock: &Lock) -> Self {
        self.whole(name, Object::Lock(Rc::clone(&lock.object)))
    }

    /// A re-entrant lock. As [`lock`](Self::lock), the same for all that follow.
    pub fn rlock(self, name: impl Into<String>, lock: &RLock) -> Self {
        self.whole(name, Object::Rlock(Rc::clone(&lock.object)))
    }

    /// A semaphore, bounded or not: [`Rights::ACQUIRE`], [`Rights::RELEASE`].
    pub fn semaphore(self, name: impl Into<String>, semaphore: &Semaphore, rights: Rights) -> Self {
        self.object(name, Object::Semaphore(Rc::clone(&semaphore.object)), rights)
    }

    /// An event: [`Rights::SET`], [`Rights::WAIT`].
    pub fn event(self, name: impl Into<String>, event: &Event, rights: Rights) -> Self {
        self.object(name, Object::Event(Rc::clone(&event.object)), rights)
    }

    /// A condition.
    pub fn condition(self, name: impl Into<String>, condition: &Condition) -> Self {
        self.whole(name, Object::Condition(Rc::clone(&condition.object)))
    }

    /// A barrier.
    pub fn barrier(self, name: impl Into<String>, barrier: &Barrier) -> Self {
        self.whole(name, Object::Barrier(Rc::clone(&barrier.object)))
    }

    /// A value: [`Rights::READ`], [`Rights::WRITE`].
    pub fn value<T: Number>(self, name: impl Into<String>, value: &Value<T>, rights: Rights) -> Self {
        self.object(name, Object::Value(Rc::clone(&value.object)), rights)
    }

    /// An array: [`Rights::READ`], [`Rights::WRITE`].
    pub fn array<T: Number>(self, name: impl Into<String>, array: &Array<T>, rights: Rights) -> Self {
        self.object(name, Object::Array(Rc::clone(&array.object)), rights)
    }

    /// Memory: [`Rights::READ`], [`Rights::WRITE`].
    pub fn shared_memory(self, name: impl Into<String>, memory: &Memory, rights: Rights) -> Self {
        self.object(name, Object::Memory(Rc::clone(&memory.object)), rights)
    }

    /// A queue: [`Rights::PUT`], [`Rights::GET`].
    pub fn queue(self, name: impl Into<String>, queue: &Queue, rights: Rights) -> Self {
        self.object(name, Object::Queue(Rc::clone(&queue.object)), rights)
    }

    /// An end of a [pipe](crate::pipe::Pipe), which the child opens by [`pipe::open`](crate::pipe::open). It is the child's then: each
    /// clone of it here is closed, and a second start of this job is [`Error::Invalid`](crate::Error::Invalid), as is an end through
    /// which something went here.
    pub fn pipe(self, name: impl Into<String>, end: Connection) -> Self {
        self.whole(name, Object::Pipe(end))
    }

    fn whole(mut self, name: impl Into<String>, object: Object) -> Self {
        self.objects.push(Granted::whole(name.into(), object));
        self
    }

    fn object(mut self, name: impl Into<String>, object: Object, rights: Rights) -> Self {
        self.objects.push(Granted::new(name.into(), object, rights));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_add_up() {
        let mut rights = Rights::READ;
        rights |= Rights::WRITE;
        assert_eq!(rights, Rights::READ_WRITE);
        assert!(!rights.contains(Rights::PUT));
        assert_eq!(format!("{:?}", Rights::PUT | Rights::GET), "Rights(PUT | GET)");
    }
}
