//! The state of a pool, which its command sends to each client of its socket: one line of JSON, without a request.
//!
//! Must not: know who asks, or where.

use crate::kinds::kinds;
use crate::pool::Kind;
use serde::{Deserialize, Serialize};

/// Longest line, in bytes, its end among them. Two texts of [`TEXT`] are less than that, each byte escaped as six.
pub const LINE: usize = 8 << 10;

/// Longest text in it, in bytes: a path or a name; what is longer is cut.
pub const TEXT: usize = 512;

kinds! {
    /// Which command holds it.
    pub enum Command {
        Pool = "pool",
        Map = "map",
        /// It has no pool but workers behind an address: see [`crate::serve_status`].
        Serve = "serve",
    }
}

/// A pool in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolStatus {
    pub command: Command,
    /// As its job is called.
    pub job: String,
    /// As it was given.
    pub module: String,
    pub kind: Kind,
    /// Since when there is one.
    pub since_ms: u64,
    /// Workers that wait for a task, that have one, and that start.
    pub idle: u64,
    pub busy: u64,
    pub starting: u64,
    /// Tasks that wait for a worker.
    pub waiting: u64,
    /// Workers so far, and those of them that were replaced for their tasks, their age, or their bytes.
    pub started: u64,
    pub recycled: u64,
    /// From the request for a worker until it was ready, of the last starts. None: there was none yet.
    pub start_us_p50: Option<u64>,
    pub start_us_p99: Option<u64>,
}
