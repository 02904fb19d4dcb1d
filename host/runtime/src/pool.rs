//! Workers that are ready for the tasks of one module: sealed already, cloned from a zygote that has loaded it.
//!
//! ```text
//! Pool::submit ─▶ actor ─▶ policy (sandhog_supervisor::pool): who is started, who gets which task, who is ended
//!                   ├───▶ zygote     one at a time, and its successor; or one for each worker
//!                   └───▶ worker     an attempt like any other: command (a program for each task) or handler (its tasks come
//!                                    by its connection) or server (of clients whom others have)
//! ```
//!
//! Must not: decide which worker gets which task, or how many there are, or know where tasks come from.

mod actor;
pub mod captured;
mod command;
mod handle;
mod handler;
mod happening;
mod input;
mod kept;
mod server;
mod settings;
mod shared;
mod starts;
pub mod task;
mod worker;
mod zygote;

pub use handle::{Around, Pool, Ticket};
pub use sandhog_supervisor::pool::Spawn;
pub use settings::{Settings, Statistics, WorkerKind};
pub(crate) use settings::{ZYGOTE_AGE, ZYGOTE_ATTEMPTS};
