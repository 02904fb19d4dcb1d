//! Why an attempt ended, and what it used. Every attempt has exactly one verdict.

use crate::kinds::kinds;
use crate::worker::TrapKind;
use serde::{Deserialize, Serialize};

/// Why an attempt ended. A time-out is never a success; a kill for memory is never a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    Cpu {
        limit: String,
        #[serde(default)]
        exceeded: CpuLimit,
    },
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
    Unhealthy { check: HealthCheck },
    /// Sandhog lost it: a fault of ours or of the machine; the guest's only where the cause is [`LostCause::Protocol`].
    Lost {
        reason: String,
        #[serde(default)]
        cause: LostCause,
    },
    /// It never started.
    Refused { reason: String },
    /// A verdict of a newer version.
    #[serde(other)]
    Unknown,
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
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

impl VerdictKind {
    /// All that this version gives, in the order of the type.
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
            Self::Unknown => "unknown",
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
            Self::Unknown => VerdictKind::Unknown,
        }
    }
}

kinds! {
    /// Which limit on computing an attempt has met.
    pub enum CpuLimit {
        /// `--cpu`: time on a processor.
        Time = "time",
        /// `--fuel`: units of the engine.
        Fuel = "fuel",
    }
}

kinds! {
    /// Who noticed that an attempt needs too much memory.
    pub enum MemoryWall {
        /// The engine's limit on linear memories.
        Engine = "engine",
        /// The limit on the worker's own data, RLIMIT_DATA.
        Data = "data",
        /// The cgroup: the kernel killed it.
        Cgroup = "cgroup",
    }
}

kinds! {
    /// Who sent the signal that ended a worker.
    pub enum Killer {
        /// Somebody outside Sandhog.
        Outside = "outside",
        /// Somebody asked Sandhog for it.
        Operator = "operator",
        /// The kernel, for a fault of the worker itself (SIGSEGV, SIGBUS …).
        Fault = "fault",
    }
}

kinds! {
    /// Why an attempt was asked to stop.
    pub enum StopReason {
        /// Ctrl-C: SIGINT to the command.
        Interrupt = "interrupt",
        /// SIGTERM or SIGHUP to the command.
        Terminate = "terminate",
        /// Whoever read the output has gone away.
        OutputClosed = "output_closed",
        /// The attempt that started it asked for it, or ended.
        Parent = "parent",
        /// Somebody asked for it: `stop`, `restart`, `down`, `signal`.
        Operator = "operator",
        /// Another attempt takes its place.
        Replaced = "replaced",
    }
}

kinds! {
    /// Which check of an attempt failed.
    pub enum HealthCheck {
        /// It was to be ready within its `start_timeout`.
        Ready = "ready",
        /// It was to call `heartbeat`.
        Heartbeat = "heartbeat",
        /// The command of its health check was to complete.
        Command = "command",
        /// It was to answer the request of its health check.
        Request = "request",
    }
}

impl HealthCheck {
    /// What is wrong with an attempt that has failed it, as a clause for people. Of another version, the word itself.
    #[must_use]
    pub fn failure(&self) -> &str {
        match self {
            Self::Ready => "it was not ready in time",
            Self::Heartbeat => "its heartbeats have stopped",
            Self::Command => "the command of its health check failed",
            Self::Request => "it did not answer the request of its health check well",
            Self::Unknown(word) => word.as_str(),
        }
    }
}

kinds! {
    /// Where the fault lies that an attempt was lost by.
    pub enum LostCause {
        /// The worker broke the protocol: it was taken over, or Sandhog has a fault.
        Protocol = "protocol",
        /// What the guest wrote could not be passed on: a full disk, a limit on files.
        Output = "output",
        /// The worker itself failed, and said so.
        Worker = "worker",
        /// The worker ended without a report.
        NoReport = "no_report",
        /// Its zygote ended before it could start.
        Zygote = "zygote",
        /// The spawner ended, and every worker with it.
        Spawner = "spawner",
        /// The daemon was ended, and every worker with it.
        Daemon = "daemon",
        /// A step of its start failed, or took too long.
        Start = "start",
        /// The compiler failed.
        Compiler = "compiler",
        /// The compiled module does not load, though it was made anew.
        StaleModule = "stale_module",
        /// The machine can't give what a run needs.
        Machine = "machine",
    }
}

/// What an attempt used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// To stdout alone, in bytes. Where both are one open file, the worker itself says so; null where it could not.
    pub stdout_bytes: Option<u64>,
    /// To stderr alone, in bytes, likewise.
    pub stderr_bytes: Option<u64>,
    /// Messages that it received through its connection to its parent.
    pub messages_received: u64,
    /// Messages that it sent through it.
    pub messages_sent: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Word;
    use crate::kinds::tests::{NEWER, hold};

    #[test]
    fn every_kind_in_a_verdict_is_its_word() {
        let newer = Word::new(NEWER).unwrap();
        hold(CpuLimit::ALL, CpuLimit::Unknown(newer));
        hold(MemoryWall::ALL, MemoryWall::Unknown(newer));
        hold(Killer::ALL, Killer::Unknown(newer));
        hold(StopReason::ALL, StopReason::Unknown(newer));
        hold(HealthCheck::ALL, HealthCheck::Unknown(newer));
        hold(LostCause::ALL, LostCause::Unknown(newer));
        hold(TrapKind::ALL, TrapKind::Other);
    }

    #[test]
    fn a_verdict_of_a_newer_version_is_read() {
        let newer = r#"{"verdict":"frozen","by":"frost","since":[1]}"#;
        assert_eq!(serde_json::from_str::<Verdict>(newer).unwrap(), Verdict::Unknown);
        let newer = std::collections::BTreeMap::from([("verdict", "frozen")]);
        let newer = rmp_serde::to_vec_named(&newer).unwrap();
        assert_eq!(rmp_serde::from_slice::<Verdict>(&newer).unwrap(), Verdict::Unknown);
    }

    #[test]
    fn a_verdict_of_an_older_version_is_read() {
        let read = |text: &str| serde_json::from_str::<Verdict>(text).unwrap();
        let (cause, exceeded) = (LostCause::default(), CpuLimit::default());
        assert_eq!(read(r#"{"verdict":"lost","reason":"x"}"#), Verdict::Lost { reason: "x".into(), cause });
        assert_eq!(read(r#"{"verdict":"cpu","limit":"1s"}"#), Verdict::Cpu { limit: "1s".into(), exceeded });
        let older = "the command of its health check failed";
        let Verdict::Unhealthy { check } = read(&format!(r#"{{"verdict":"unhealthy","check":"{older}"}}"#)) else {
            panic!();
        };
        assert_eq!(check.failure(), older);
    }

    #[test]
    fn every_kind_of_verdict_is_its_name_and_one_of_a_newer_version_is_unknown() {
        for kind in VerdictKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        let newer: VerdictKind = serde_json::from_str("\"frozen\"").unwrap();
        assert_eq!(newer, VerdictKind::Unknown);
    }
}
