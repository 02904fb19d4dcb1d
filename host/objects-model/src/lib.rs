//! Objects that jobs share, as algorithms over words of memory that several processes have: who owns what, what each operation
//! does, and what follows from each death at each step.
//!
//! All of it is written over [`Words`]. Real memory is one implementation (`sandhog-objects`), the simulation another: it
//! stops any member for ever between any two accesses.
//!
//! Must not: touch memory, wait, know a clock or a process.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::wildcard_enum_match_arm
    )
)]

mod array;
mod arrivals;
mod barrier;
mod condition;
mod event;
mod guard;
mod halves;
mod journal;
mod limits;
mod line;
mod lock;
mod member;
mod memory;
mod number;
mod object;
mod owner;
mod problem;
mod queue;
mod rlock;
mod semaphore;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod value;
mod words;

pub use array::Array;
pub use arrivals::{Arrivals, Arrived};
pub use barrier::Barrier;
pub use condition::{Awaits, Condition};
pub use event::{Event, Seen};
pub use lock::Lock;
pub use member::{code, named};
pub use memory::Memory;
pub use object::Object;
pub use problem::{Acquired, Problem, Recovery};
pub use queue::{Got, Item, Queue, Taken};
pub use rlock::Rlock;
pub use semaphore::Semaphore;
pub use value::Value;
pub use words::{Until, Waited, Words};
