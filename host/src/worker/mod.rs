//! One attempt, one compilation or one probe, inside a process that is sealed already.
//!
//! ```text
//! compiler: fd 0 ──▶ compile ──▶ module (what is it, may it run?) ──▶ engine ──▶ fd 1
//! zygote:   engine::load (map, link) ──fork──▶ worker: run ──▶ store, wasi, stdio ──▶ guest ──▶ report
//! ```
//!
//! What these rooms must not do: trust a module or a guest, start a thread in a worker, open anything by
//! path, keep state from one attempt to the next, decide about retries. Nothing here knows the coordinator:
//! plans come in, reports go out.
//!
//! A worker's guest is its only business, so host functions wait inside system calls, in the guest's own
//! thread, and a limit of time ends the process itself. There is no runtime and no event loop.

mod admit;
pub(crate) mod compile;
mod component;
mod componentize;
mod coredump;
mod duty;
pub(crate) mod engine;
mod guest;
mod hostcalls;
mod inspect;
mod module;
mod poll;
mod preview1;
mod refusal;
mod report;
mod run;
mod session;
mod stdio;
mod store;
mod wasi;
mod world;

pub(crate) use duty::{Duty, work};
