//! `sandhog:job/objects`: objects that the jobs of a group share. A file a resource: each function checks the right, what the
//! guest passes where it lies, and then does the operation of `sandhog-objects-model` on the object's memory.
//!
//! What has to wait waits in the guest's own thread, inside the system call: limits of time end the process itself, and a stop
//! wakes it by the word that its keeper sets.
//!
//! Must not: know where an object's memory comes from (the session does), or what its words mean (the model does).

mod acquired;
mod acquires;
mod array;
mod barrier;
mod component;
mod condition;
mod create;
mod define;
mod element;
mod event;
mod grants;
mod handle;
mod link;
mod lock;
mod lowered;
mod memory;
mod open;
mod patient;
mod queue;
#[cfg(feature = "hostile")]
mod raw;
mod semaphore;
mod taken;
#[cfg(test)]
mod tests;
mod value;

pub(super) use grants::{ObjectGrant, granted};
pub(super) use link::link;
pub(crate) use link::link_lowered;
