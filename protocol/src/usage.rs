//! The usage of a living worker so far. [`crate::verdict`] has the usage of one that has ended.

use serde::{Deserialize, Serialize};

/// What is known of the use of a worker. The kernel says so, and nobody asks the worker: one that hangs is seen like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerUsage {
    /// It lives, or has not begun yet: then all is zero.
    Alive(LiveUsage),
    /// Its process has ended: its verdict is there, or about to be.
    Ended,
    /// This machine does not show it (`hidepid` of proc(5)), or has no descriptor left to look with.
    Unknown,
}

/// What a worker's process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveUsage {
    /// CPU time, user and system, of all its threads, in microseconds.
    pub cpu_us: u64,
    /// Its resident memory, in bytes: what it has touched of the guest's memories, and Sandhog's own part of the process.
    /// Pages that it shares with other workers count in full.
    pub rss_bytes: u64,
    /// The same at its largest so far.
    pub peak_rss_bytes: u64,
    /// Threads that it has. A core module's worker has one; a component's may have a few.
    pub threads: u32,
}
