//! What `sandhog serve` says of itself to whoever connects to its socket: as [`crate::pool_status`], one line of JSON.
//!
//! Must not: know who asks, or where.

use crate::pool_status::Command;
use serde::{Deserialize, Serialize};

/// A command that serves HTTP, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServeStatus {
    /// [`Command::Serve`], by which it is told from a pool.
    pub command: Command,
    /// As its job is called.
    pub job: String,
    /// As it was given.
    pub module: String,
    /// Where it listens: addresses with their ports, with a comma and a blank between two.
    pub address: String,
    /// Since when it serves, in milliseconds since 1970.
    pub since_ms: u64,
    /// Workers that take connections.
    pub workers: u64,
    /// Connections that have not ended, and those of them that wait for a worker.
    pub connections: u64,
    pub waiting: u64,
    /// Requests so far, and those of them that failed or took too long.
    pub requests: u64,
    pub errors: u64,
    /// Requests a second, times 1000, over the last 10 seconds.
    pub rate_milli: u64,
    /// Requests that have not ended.
    pub in_flight: u64,
    /// How long requests took, of the last minute: the median and the 99th percentile. None: there were none.
    pub p50_us: Option<u64>,
    pub p99_us: Option<u64>,
}
