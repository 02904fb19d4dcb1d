//! Many tasks for sealed workers that are ready: `sandhog pool`, over the protocol of `docs/pool-protocol.md`.
//!
//! Must not: start a thread. A caller that waits for an answer reads for all waiting callers.

#[cfg(feature = "tokio")]
mod asynchronous;
mod blocking;
mod command;
mod map;
mod reply;
mod state;
mod task;

#[cfg(feature = "tokio")]
pub use asynchronous::{AsyncCommandTask, AsyncPool, AsyncTask};
pub use blocking::RunningPool;
pub use command::Pool;
pub use map::Map;
pub use reply::Output;
pub use sandhog_protocol::pool::{Kind as Works, Statistics};
pub use task::{CommandTask, Input, Limits, Task};
