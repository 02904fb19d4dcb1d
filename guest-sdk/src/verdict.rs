//! Why an attempt ended, and what it used.

use crate::abi::sandhog::job::types;
use std::fmt;
use std::time::Duration;

/// Why an attempt ended, in one word: the words of `sandhog help exit-codes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It ended by itself with code 0.
    Completed,
    /// It ended by itself with another code.
    Failed,
    /// It did what no program may: divided by zero, panicked, ran out of stack.
    Trapped,
    /// Its time was over.
    Deadline,
    /// Its time on the CPU was over.
    Cpu,
    /// It needed more memory than it may have.
    Memory,
    /// It wrote more than it may.
    Output,
    /// A wall stopped it at a system call.
    Denied,
    /// Somebody killed it.
    Killed,
    /// It was asked to stop.
    Stopped,
    /// It did not pass its check.
    Unhealthy,
    /// Sandhog lost it.
    Lost,
    /// It was never started.
    Refused,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
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
        })
    }
}

/// Why an attempt ended, and what it used. Each attempt has exactly one.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The reason in one word.
    pub kind: Kind,
    /// What `sandhog run` would have ended with: the program's own code where it ended by itself.
    pub code: u32,
    /// The limit, the trap, the signal or the reason, for people; empty where the kind says it all.
    pub detail: String,
    /// What it used.
    pub used: Usage,
}

impl Verdict {
    /// Whether it did what it was started for: it ended by itself, with code 0.
    pub fn success(&self) -> bool {
        self.kind == Kind::Completed
    }
}

/// `completed`, `failed with code 3`, `trapped: unreachable`.
impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.detail.as_str()) {
            (Kind::Failed, "") => write!(out, "failed with code {}", self.code),
            (kind, "") => kind.fmt(out),
            (kind, detail) => write!(out, "{kind}: {detail}"),
        }
    }
}

/// What an attempt used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// From the request to its first instruction; to the microsecond.
    pub start: Duration,
    /// By the clock; to the millisecond.
    pub wall: Duration,
    /// On the CPU; to the millisecond.
    pub cpu: Duration,
    /// Its linear memories at their largest, in bytes.
    pub peak_memory_bytes: u64,
    /// Through its stdin, in bytes; 0 where its parent wrote it.
    pub stdin_bytes: u64,
    /// Through its stdout, in bytes; 0 where its parent read it.
    pub stdout_bytes: u64,
    /// Through its stderr, in bytes; 0 where its parent read it.
    pub stderr_bytes: u64,
    /// Messages that it received from its parent.
    pub messages_received: u64,
    /// Messages that it sent to its parent.
    pub messages_sent: u64,
}

impl From<types::Verdict> for Verdict {
    fn from(verdict: types::Verdict) -> Self {
        let types::Verdict { kind, code, detail, used } = verdict;
        Self { kind: kind.into(), code, detail, used: used.into() }
    }
}

impl From<types::Usage> for Usage {
    fn from(used: types::Usage) -> Self {
        Self {
            start: Duration::from_micros(used.start_us),
            wall: Duration::from_millis(used.wall_ms),
            cpu: Duration::from_millis(used.cpu_ms),
            peak_memory_bytes: used.peak_memory_bytes,
            stdin_bytes: used.stdin_bytes,
            stdout_bytes: used.stdout_bytes,
            stderr_bytes: used.stderr_bytes,
            messages_received: used.messages_received,
            messages_sent: used.messages_sent,
        }
    }
}

impl From<types::VerdictKind> for Kind {
    fn from(kind: types::VerdictKind) -> Self {
        match kind {
            types::VerdictKind::Completed => Self::Completed,
            types::VerdictKind::Failed => Self::Failed,
            types::VerdictKind::Trapped => Self::Trapped,
            types::VerdictKind::Deadline => Self::Deadline,
            types::VerdictKind::Cpu => Self::Cpu,
            types::VerdictKind::Memory => Self::Memory,
            types::VerdictKind::Output => Self::Output,
            types::VerdictKind::Denied => Self::Denied,
            types::VerdictKind::Killed => Self::Killed,
            types::VerdictKind::Stopped => Self::Stopped,
            types::VerdictKind::Unhealthy => Self::Unhealthy,
            types::VerdictKind::Lost => Self::Lost,
            types::VerdictKind::Refused => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_reads_as_a_sentence() {
        let verdict = |kind, code, detail: &str| Verdict { kind, code, detail: detail.into(), used: Usage::default() };
        assert_eq!(verdict(Kind::Completed, 0, "").to_string(), "completed");
        assert_eq!(verdict(Kind::Failed, 3, "").to_string(), "failed with code 3");
        assert_eq!(verdict(Kind::Trapped, 134, "unreachable").to_string(), "trapped: unreachable");
    }
}
