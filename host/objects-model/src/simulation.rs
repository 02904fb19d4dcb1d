//! Members of an object in a world of chance: any of them is stopped between any two accesses for as long as it pleases, dies
//! there, runs out of time or is asked to stop; the keeper recovers the dead, is killed over it, and another one begins again,
//! with or without being told who has died. Beside them is a model of what must be true.
//!
//! A member's operation is a function that is run again from its beginning each time that it is its turn: accesses that it has
//! made are answered from a log, then it makes some more, then it is unwound. So there are no threads, and one number decides
//! all that happens.
//!
//! When nobody can go on, whoever sleeps is woken for no reason: one that gets done by that had missed a wake.
//!
//! How one world is looked at alone, access by access, and how many are tried, is said in `sandhog-simulation`.
//!
//! Must not: be part of what it tests. Each module says that it exists in tests only, for the rules that hold for the rest.

#[cfg(test)]
mod barriers;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod events;
#[cfg(test)]
mod explore;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod lock_model;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod run;
#[cfg(test)]
mod semaphores;
#[cfg(test)]
mod world;

pub(crate) use explore::explore;
pub(crate) use plan::{Patience, Scenario};
pub(crate) use world::{Actor, View, World};
