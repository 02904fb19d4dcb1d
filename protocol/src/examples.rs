//! One of each kind, for tests of those who show or write them.

use crate::verdict::{CpuLimit, HealthCheck, Killer, LostCause, MemoryWall, StopReason, Verdict};
use crate::worker::TrapKind;

/// One verdict of each kind, and of each way to stop.
pub fn one_of_each() -> Vec<Verdict> {
    let text = || "x".to_owned();
    let stopped = |reason| Verdict::Stopped { graceful: false, reason };
    vec![
        Verdict::Completed { code: 0 },
        Verdict::Failed { code: 3 },
        Verdict::Trapped { trap: TrapKind::Unreachable, message: text(), backtrace: vec![text()] },
        Verdict::Deadline { limit: "30s".into() },
        Verdict::Cpu { limit: "10s".into(), exceeded: CpuLimit::Time },
        Verdict::Cpu { limit: "1000".into(), exceeded: CpuLimit::Fuel },
        Verdict::Memory { limit: "64MiB".into(), wall: MemoryWall::Engine },
        Verdict::Memory { limit: "64MiB".into(), wall: MemoryWall::Data },
        Verdict::Memory { limit: "64MiB".into(), wall: MemoryWall::Cgroup },
        Verdict::Output { limit: "16MiB".into() },
        Verdict::Denied { syscall: Some("socket".into()) },
        Verdict::Denied { syscall: None },
        Verdict::Killed { signal: "SIGKILL".into(), by: Killer::Outside },
        Verdict::Killed { signal: "SIGKILL".into(), by: Killer::Operator },
        Verdict::Killed { signal: "SIGSEGV".into(), by: Killer::Fault },
        stopped(StopReason::Interrupt),
        stopped(StopReason::Terminate),
        stopped(StopReason::OutputClosed),
        stopped(StopReason::Parent),
        Verdict::Unhealthy { check: HealthCheck::Heartbeat },
        Verdict::Lost { reason: text(), cause: LostCause::Zygote },
        Verdict::Refused { reason: text() },
    ]
}
