//! Starts sealed jobs from a Rust program, talks to them, and waits for their verdicts.
//!
//! ```no_run
//! use sandhog_client::{Job, Timeout};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut sum = Job::new("sum.wasm").memory(64 << 20).timeout(Duration::from_secs(30)).start()?;
//! for number in [1_u64, 2, 3] {
//!     sum.send(&number)?;
//! }
//! sum.finish_sending();
//! let total: u64 = sum.recv_timeout(Timeout::After(Duration::from_secs(5)))?;
//! let verdict = sum.wait()?;
//! println!("{total}, in {} ms of CPU time", verdict.usage.cpu_ms);
//! # Ok(())
//! # }
//! ```
//!
//! A job is started by the `sandhog` executable, as a process of its own: a program with threads can't fork, and what
//! goes wrong there is not yours. Messages do not pass through it: the two ends of a connection are in your program and
//! in the sealed worker.
//!
//! For many tasks there is a [`Pool`] of workers that are ready; with the feature `tokio` also for tasks of that runtime.
//!
//! Must not: need a runtime, start a thread, or hand a descriptor of yours to a job.

mod connection;
mod error;
mod job;
mod pool;
mod running;
mod verdict;

pub use connection::Connection;
pub use error::Error;
pub use job::{Access, Job};
#[cfg(feature = "tokio")]
pub use pool::{AsyncCommandTask, AsyncPool, AsyncTask};
pub use pool::{CommandTask, Input, Limits, Map, Output, Pool, RunningPool, Statistics, Task, Works};
pub use running::Running;
pub use sandhog_channel::{Batch, Broken, Format, Message, Timeout};
pub use sandhog_protocol::usage::LiveUsage;
pub use verdict::{Reason, Usage, Verdict};
