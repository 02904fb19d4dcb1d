//! The state on a disk of chance: SQLite itself, our transactions and our answers, over a disk that loses what was not
//! flushed, in any order and in parts. The daemon is killed, or the machine loses its power, between any two writes, also
//! while a state is made, opened or closed; now and then the disk is full. Then the next daemon reads what is left:
//!
//! - It always can.
//! - It finds a state that was asked for at some moment, as a whole.
//! - It finds everything whose writing was answered; after a kill everything that was committed.
//! - It gives no id that was given before.
//! - Its fleet and its index of instances are that state: each instance is wanted, given up or done as it was, and an attempt that
//!   ran is told of as lost. This is the daemon's own restore, but for processes and for what jobs may use.
//!
//! How one world is looked at alone, and how many are tried, is said in `sandhog-simulation`.
//!
//! Each of these was seen to fail when its rule was undone: commits without a flush for those who wait; no flush where the
//! only change that is awaited was committed before, by this daemon or by the one before it, also where a row is put again as it was; answers before the commit; ids that are given when their mark is put,
//! or committed without a flush; a batch that is begun while somebody puts what belongs together; what could not be written
//! is not put back; restored instances that are wanted though they were not, and lost attempts that are not told of.
//!
//! Must not: be part of what it tests.

#[cfg(test)]
mod asked;
#[cfg(test)]
mod begin;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod puts;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod vfs;
#[cfg(test)]
mod world;
#[cfg(test)]
mod writing;
