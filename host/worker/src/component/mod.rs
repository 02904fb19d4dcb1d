//! Components: WASI 0.2, and 0.3 as far as the engine carries it, under the same grants and limits as core modules.
//!
//! ```text
//! zygote: load ──▶ Prepared (loaded, linked) ──fork──▶ worker: run ──▶ runtime, guest, stdio ──▶ guest ──▶ report
//! ```
//!
//! The engine's functions for components are futures that wait for each other (a poll of several things, a stream of
//! 0.3), so here, and only here, a worker has a runtime: see [`runtime`]. What waits for one thing alone waits in
//! its system call, as for core modules. One that serves HTTP runs many guests at the same time: see [`server`].
//!
//! What these files must not do: trust a guest, open anything by path, draw a random number before the fork, or
//! give a guest what is not in its plan.

mod guest;
mod handler;
mod http;
mod link;
mod load;
mod names;
mod paths;
mod random;
mod run;
mod runtime;
mod server;
mod stdio;
mod stores;

pub(crate) use guest::ComponentGuest;
pub(crate) use load::Prepared;
pub(crate) use load::load;
pub(crate) use run::{run, unfit, warm};
#[cfg(any(test, feature = "exercise"))]
pub use server::{Exercised, Seen, exercise};
