//! Why an attempt ended, and what it used. Every attempt has exactly one verdict.

use crate::worker::TrapKind;
use serde::{Deserialize, Serialize};

/// What [`Verdict::Lost`] begins with where the worker broke the protocol: it was taken over, or Sandhog has a fault.
pub const BREACH: &str = "protocol: ";

/// What [`Verdict::Lost`] begins with where what the guest wrote could not be passed on: a full disk, a limit on files.
pub const UNDELIVERED: &str = "the job's output can't be passed on: ";

/// Why an attempt ended. A time-out is never a success; a kill for memory is never a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The guest ended with code 0.
    Completed { code: u32 },
    /// The guest ended with another code.
    Failed { code: u32 },
    /// The engine ended the guest.
    Trapped { trap: TrapKind, message: String, backtrace: Vec<String> },
    /// It ran longer than `--timeout`.
    Deadline { limit: String },
    /// It used more than `--cpu` or `--fuel`.
    Cpu { limit: String },
    /// It needed more memory than it has; `wall` says who noticed.
    Memory { limit: String, wall: MemoryWall },
    /// It wrote more than `--max-output`.
    Output { limit: String },
    /// It made a system call that is not on the list; the name or number where that is known.
    Denied { syscall: Option<String> },
    /// A signal ended it that Sandhog did not send.
    Killed { signal: String, by: Killer },
    /// It was asked to stop. `graceful`: it ended by itself.
    Stopped { graceful: bool, reason: StopReason },
    /// A health check failed.
    Unhealthy { check: String },
    /// Sandhog lost it: a fault of ours or of the machine; the guest's only where it begins with [`BREACH`].
    Lost { why: String },
    /// It never started.
    Refused { reason: String },
}

/// What kind of verdict: its name without the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    Completed,
    Failed,
    Trapped,
    Deadline,
    Cpu,
    Memory,
    Output,
    Denied,
    Killed,
    Stopped,
    Unhealthy,
    Lost,
    Refused,
}

impl VerdictKind {
    /// All of them, in the order of the type.
    pub const ALL: [Self; 13] = [
        Self::Completed,
        Self::Failed,
        Self::Trapped,
        Self::Deadline,
        Self::Cpu,
        Self::Memory,
        Self::Output,
        Self::Denied,
        Self::Killed,
        Self::Stopped,
        Self::Unhealthy,
        Self::Lost,
        Self::Refused,
    ];

    /// The name in manifests, events and verdict files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Trapped => "trapped",
            Self::Deadline => "deadline",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Output => "output",
            Self::Denied => "denied",
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::Unhealthy => "unhealthy",
            Self::Lost => "lost",
            Self::Refused => "refused",
        }
    }
}

impl Verdict {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> VerdictKind {
        match self {
            Self::Completed { .. } => VerdictKind::Completed,
            Self::Failed { .. } => VerdictKind::Failed,
            Self::Trapped { .. } => VerdictKind::Trapped,
            Self::Deadline { .. } => VerdictKind::Deadline,
            Self::Cpu { .. } => VerdictKind::Cpu,
            Self::Memory { .. } => VerdictKind::Memory,
            Self::Output { .. } => VerdictKind::Output,
            Self::Denied { .. } => VerdictKind::Denied,
            Self::Killed { .. } => VerdictKind::Killed,
            Self::Stopped { .. } => VerdictKind::Stopped,
            Self::Unhealthy { .. } => VerdictKind::Unhealthy,
            Self::Lost { .. } => VerdictKind::Lost,
            Self::Refused { .. } => VerdictKind::Refused,
        }
    }
}

/// Who noticed that an attempt needs too much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryWall {
    /// The engine's limit on linear memories.
    Engine,
    /// The limit on the worker's own data, RLIMIT_DATA.
    Data,
    /// The cgroup: the kernel killed it.
    Cgroup,
}

/// Who sent the signal that ended a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Killer {
    /// Somebody outside Sandhog.
    Outside,
    /// Somebody asked Sandhog for it.
    Operator,
    /// The kernel, for a fault of the worker itself (SIGSEGV, SIGBUS …).
    Fault,
}

/// Why an attempt was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Ctrl-C: SIGINT to the command.
    Interrupt,
    /// SIGTERM or SIGHUP to the command.
    Terminate,
    /// Whoever read the output has gone away.
    OutputClosed,
    /// The attempt that started it asked for it, or ended.
    Parent,
    /// Somebody asked for it: `stop`, `restart`, `down`, `signal`.
    Operator,
    /// Another attempt takes its place.
    Replaced,
}

/// What an attempt used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// From the request to the worker's `go`, in microseconds.
    pub start_us: u64,
    /// From `go` to the end, in milliseconds.
    pub wall_ms: u64,
    /// CPU time of the worker, user and system, in milliseconds.
    pub cpu_ms: u64,
    /// The guest's linear memories at their largest, in bytes; 0 where the worker could not say.
    pub peak_memory_bytes: u64,
    /// The worker's own pages at their most, in bytes.
    pub peak_rss_bytes: u64,
    /// What went into its stdin, in bytes; of a file that can be positioned, what was read of that.
    pub stdin_bytes: u64,
    /// What it wrote to stdout and stderr together, in bytes.
    pub output_bytes: u64,
    /// To each of them. Where both are one open file, the worker itself says so; None where it could not.
    pub stdout_bytes: Option<u64>,
    pub stderr_bytes: Option<u64>,
    /// Through its connection to its parent.
    pub messages_received: u64,
    pub messages_sent: u64,
}
