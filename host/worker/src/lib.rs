//! One guest, inside a process that is sealed already.
//!
//! ```text
//! zygote: engine::load (map, link) ──clone──▶ worker: run ──▶ store, wasi, stdio ──▶ guest ──▶ report
//! ```
//!
//! Must not: compile, trust a module or a guest, start a thread in the worker of a core module, open anything by path, keep
//! state from one attempt to the next, decide about retries. Nothing here knows the coordinator: plans come in, reports go out.
//!
//! A worker's guest is its only business, so host functions wait inside system calls, in the guest's own
//! thread, and a limit of time ends the process itself. There is no runtime and no event loop, but for components that serve
//! HTTP: see `component::server`.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::wildcard_enum_match_arm))]

mod at_once;
mod attempt;
mod component;
mod coredump;
mod engine;
mod guest;
mod hostcalls;
mod keeper;
mod poll;
mod preview1;
mod report;
mod run;
mod session;
mod sockets;
mod stdio;
mod store;
mod wasi;
mod workload;

#[cfg(any(test, feature = "exercise"))]
pub use component::{Exercised, Seen, exercise};
pub use workload::Guests;
