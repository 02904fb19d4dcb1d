//! Objects that the jobs of one group share: what they are, who may do what with them, and what coordinator, keeper and worker
//! say about them.
//!
//! A **group** is one manifest, or one command with all that it starts. A **member** is an attempt that uses objects of its
//! group. The **keeper** is a sealed process without a guest, one for each group: it recovers what the dead have held. The
//! coordinator makes the memory of each object, an unnamed file of fixed size, and holds it without ever reading it; the keeper
//! allocates it, so that the group's cgroup pays for it; members map it.

use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An object of a group, given by the coordinator and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId(pub u64);

/// A member as words in shared memory name it: 14 bits of seat, 16 bits of generation, two bits for flags of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Its place in tables of members, below [`SEATS`]. Given to another member once the keeper has recovered all that it held.
    pub seat: u16,
    /// Never 0, and another one for each member that has the seat.
    pub generation: u16,
}

/// Most members of a group at the same time.
pub const SEATS: u16 = 1 << 14;

/// Most objects of a group: a bound on descriptors and mappings.
pub const OBJECTS: usize = 4096;

/// Most named objects that one job is granted.
pub const GRANTED: usize = 256;

/// Longest name of an object, in bytes.
pub const NAME: usize = 64;

/// What an object is, with all that decides how its memory is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Lock,
    Rlock,
    Semaphore {
        permits: u32,
    },
    BoundedSemaphore {
        permits: u32,
    },
    Event,
    Condition,
    Barrier {
        parties: u32,
    },
    Value {
        element: Element,
    },
    Array {
        element: Element,
        length: u64,
    },
    Memory {
        bytes: u64,
    },
    /// Bounded by both: so many items, and so many bytes of them together.
    Queue {
        items: u32,
        bytes: u64,
    },
    /// Two ends of a connection; it has no memory. Whoever makes one without a name has both.
    Pipe,
}

/// What a value or an array is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Element {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl Element {
    /// In bytes.
    #[must_use]
    pub const fn size(self) -> u64 {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }
}

/// What a job may do with an object. A kind has those that mean something for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// All that there is to do: of locks, conditions and barriers.
    Use,
    /// Of semaphores.
    Acquire,
    Release,
    /// Of events: to set and to clear, and to wait for.
    Set,
    Wait,
    /// Of values, arrays and memory. Their own lock goes along with either.
    Read,
    Write,
    /// Of queues: to put and to close; to get, and to say that a task is done.
    Put,
    Get,
    /// Of pipes: which end.
    First,
    Second,
}

pub type Rights = BTreeSet<Right>;

/// What a worker is told of an object that it may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    pub object: ObjectId,
    pub kind: Kind,
    pub rights: Rights,
    /// Who this worker is in the object's words.
    pub member: Member,
    /// Its page as a member comes along: with the first object that it is told of.
    pub page: bool,
}

/// Coordinator to keeper, in [`crate::worker::ToWorker::Keeper`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToKeeper {
    /// fds: its memory. Answer: [`FromKeeper::Made`]. `fresh`: nothing is in it; else an earlier keeper has made it.
    Object { object: ObjectId, kind: Kind, fresh: bool },
    /// fds: its page.
    Member(Member),
    /// All that there was when an earlier keeper ended has been told: whoever holds something and is no member has died.
    Adopted,
    /// Answer: [`FromKeeper::Recovered`].
    Died(Member),
    /// Its waits are to end.
    Stop(Member),
    /// Nobody uses it any more.
    Forget(ObjectId),
    /// Answer: [`FromKeeper::State`].
    Look(ObjectId),
}

/// Keeper to coordinator, in [`crate::worker::FromWorker::Kept`]. As hostile as what any worker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromKeeper {
    /// Its memory is there. An `errno`: it could not be had.
    Made {
        object: ObjectId,
        errno: i32,
    },
    /// What it held is settled, and its seat is free.
    Recovered {
        member: Member,
        held: Vec<ObjectId>,
    },
    State {
        object: ObjectId,
        state: ObjectState,
    },
}

/// What is to be seen of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectState {
    /// Who holds it: a lock's holder, those who have permits of a semaphore or items of a queue in their hands.
    pub holders: Vec<Member>,
    pub waiters: Vec<Waiter>,
    /// Permits that are left, items that wait, parties that have arrived; of an event 1 where it is set.
    pub level: u64,
    /// Bytes that are in it: of queues.
    pub bytes: u64,
    /// The last acquisition token that was given.
    pub token: u64,
}

/// A member that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    pub member: Member,
    /// By the monotonic clock, in milliseconds.
    pub since_ms: u64,
}

/// Most holders and waiters that a state lists.
pub const LISTED: usize = 256;

/// Whoever held a lock before, as the next holder is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    pub attempt: String,
    pub verdict: Verdict,
    pub code: u32,
}
