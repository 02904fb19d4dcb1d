//! From what is known at an attempt's end to its one verdict. Nothing here asks the system anything.

use super::signal;
use sandhog_protocol::limits;
use sandhog_protocol::spawn::{Exit, How, SpawnFailure};
use sandhog_protocol::verdict::{CpuLimit, HealthCheck, Killer, LostCause, MemoryWall, StopReason, Verdict};
use sandhog_protocol::worker::{CompileReport, Coredump, End, ProbeReport, Report, SealFailure};

/// Why an attempt ended, as far as Sandhog saw it coming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The module can't be run; a sentence for people.
    Refused(String),
    /// The compiled module is of another engine: it must be made again.
    Stale(String),
    /// The machine or this installation can't provide what a run needs, wall or not; where the fault lies, and a sentence.
    Failed(LostCause, String),
    /// A step of starting or sealing failed.
    Spawn(SpawnFailure),
    ZygoteLost,
    SpawnerLost,
    /// The worker sent what is not our protocol.
    Breach(String),
    Reported(Report),
    Compiled(CompileReport),
    Probed(ProbeReport),
    Deadline,
    OutputLimit,
    Stop(StopReason),
    /// This check failed.
    Unhealthy(HealthCheck),
    /// Somebody asked for its end by SIGKILL.
    SigKilled,
}

/// What is known at the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub cause: Option<Cause>,
    pub exit: Option<Exit>,
    /// It was asked to stop, and why.
    pub asked: Option<StopReason>,
}

impl Facts {
    /// The guest ended by itself.
    pub fn exited(&self) -> bool {
        matches!(self.cause, Some(Cause::Reported(Report { end: End::Exited { .. }, .. })))
    }

    /// What the worker says of its core dump.
    pub fn into_coredump(self) -> Option<Coredump> {
        let Some(Cause::Reported(report)) = self.cause else { return None };
        report.coredump.map(|coredump| match coredump {
            Coredump::Written { .. } => coredump,
            Coredump::Failed { reason } => Coredump::Failed { reason: shorten(&reason) },
        })
    }

    /// Nobody waits for its output.
    pub fn is_stopped(&self) -> bool {
        matches!(self.cause, Some(Cause::Stop(_) | Cause::Unhealthy(_) | Cause::SigKilled))
    }
}

/// The limits that a verdict names, as people wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    pub memory: String,
    pub timeout: String,
    pub cpu: String,
    /// The CPU limit in microseconds: a worker that the kernel killed at it is told apart by what it used.
    pub cpu_us: Option<u64>,
    pub fuel: String,
    pub output: String,
}

/// The verdict. What the kernel says of a forbidden call or of memory comes before whatever the worker says: a worker
/// can lie, and a kill for memory looks like any other to it.
#[must_use]
pub fn decide(facts: &Facts, limits: &Limits) -> Verdict {
    if let Some(Exit { how: How::Signalled(signal::SIGSYS), .. }) = facts.exit {
        return Verdict::Denied { syscall: None };
    }
    if let (Some(reason), true) = (facts.asked, facts.exited()) {
        return Verdict::Stopped { graceful: true, reason };
    }
    match (&facts.cause, facts.exit) {
        (Some(cause), _) => by_cause(cause, limits),
        (None, Some(exit)) => by_exit(exit, limits),
        (None, None) => lost(LostCause::NoReport, "it ended without a report"),
    }
}

/// The verdict of an attempt that was ended before it began.
#[must_use]
pub fn never_began(cause: Option<Cause>) -> Verdict {
    decide(&Facts { cause, exit: None, asked: None }, &Limits::default())
}

fn by_cause(cause: &Cause, limits: &Limits) -> Verdict {
    match cause {
        Cause::Refused(reason) => Verdict::Refused { reason: shorten(reason) },
        Cause::Failed(cause, reason) => lost(*cause, reason),
        Cause::Stale(reason) => lost(LostCause::StaleModule, &format!("the compiled module does not load: {reason}")),
        Cause::Spawn(failure) => spawn_failure(failure),
        Cause::ZygoteLost => lost(LostCause::Zygote, "its zygote ended before it could start"),
        Cause::SpawnerLost => lost(LostCause::Spawner, "the spawner ended, and every worker with it"),
        Cause::Breach(what) => breach(what),
        Cause::Reported(report) => by_report(report, limits),
        Cause::Compiled(_) | Cause::Probed(_) => lost(LostCause::Worker, "a report of another kind of worker"),
        Cause::Deadline => Verdict::Deadline { limit: limits.timeout.clone() },
        Cause::OutputLimit => Verdict::Output { limit: limits.output.clone() },
        Cause::Stop(reason) => Verdict::Stopped { graceful: false, reason: *reason },
        Cause::Unhealthy(check) => Verdict::Unhealthy { check: *check },
        Cause::SigKilled => Verdict::Killed { signal: "SIGKILL".into(), by: Killer::Operator },
    }
}

/// A wall that can't be built refuses the start, and so does an executable of another build: both stay until somebody changes
/// the machine. Anything else that fails on the way is a fault of ours.
fn spawn_failure(failure: &SpawnFailure) -> Verdict {
    let SpawnFailure { wall, failure } = failure;
    match wall {
        Some(wall) => Verdict::Refused {
            reason: format!("the wall {:?} can't be built here: {}: {}", wall.name(), failure.step, failure.what),
        },
        None if failure.errno == SealFailure::NO_EXECUTABLE => {
            Verdict::Refused { reason: shorten(&format!("failed to {}: {}", failure.step, failure.what)) }
        }
        None => lost(LostCause::Start, &format!("failed to {}: {}", failure.step, failure.what)),
    }
}

fn by_report(report: &Report, limits: &Limits) -> Verdict {
    match &report.end {
        End::Exited { code: 0 } => Verdict::Completed { code: 0 },
        End::Exited { code } => Verdict::Failed { code: *code },
        End::Trapped { kind, message, backtrace } => Verdict::Trapped {
            trap: *kind,
            message: shorten(message),
            backtrace: backtrace.iter().take(limits::BACKTRACE).map(|frame| shorten(frame)).collect(),
        },
        End::Deadline => Verdict::Deadline { limit: limits.timeout.clone() },
        End::Cpu => cpu_time(limits),
        End::Fuel => Verdict::Cpu { limit: limits.fuel.clone(), exceeded: CpuLimit::Fuel },
        // Worker and coordinator are of one build.
        End::Memory { wall: MemoryWall::Unknown(wall) } => breach(&format!("{wall:?}, which is no limit on memory")),
        End::Memory { wall } => Verdict::Memory { limit: limits.memory.clone(), wall: *wall },
        End::Refused { reason } => Verdict::Refused { reason: shorten(reason) },
        End::Broken { reason } => lost(LostCause::Worker, reason),
    }
}

/// A worker that ended without a word.
fn by_exit(exit: Exit, limits: &Limits) -> Verdict {
    match exit.how {
        How::Signalled(signal::SIGKILL | signal::SIGXCPU)
            if limits.cpu_us.is_some_and(|limit| exit.cpu_us >= limit) =>
        {
            cpu_time(limits)
        }
        How::Signalled(signal::SIGKILL) if exit.out_of_memory => {
            Verdict::Memory { limit: limits.memory.clone(), wall: MemoryWall::Cgroup }
        }
        How::Signalled(
            signal @ (signal::SIGSEGV
            | signal::SIGBUS
            | signal::SIGILL
            | signal::SIGFPE
            | signal::SIGABRT
            | signal::SIGTRAP),
        ) => Verdict::Killed { signal: signal::name(signal), by: Killer::Fault },
        How::Signalled(signal) => Verdict::Killed { signal: signal::name(signal), by: Killer::Outside },
        How::Exited(code) => {
            lost(LostCause::NoReport, &format!("the worker exited with code {code} and without a report"))
        }
    }
}

/// A worker may have chosen some of the words: a decoder quotes what it did not know.
fn lost(cause: LostCause, reason: &str) -> Verdict {
    Verdict::Lost { reason: shorten(reason), cause }
}

fn breach(what: &str) -> Verdict {
    lost(LostCause::Protocol, &format!("protocol: the worker sent {what}"))
}

fn cpu_time(limits: &Limits) -> Verdict {
    Verdict::Cpu { limit: limits.cpu.clone(), exceeded: CpuLimit::Time }
}

/// A text that a worker sent, no longer than people read.
fn shorten(text: &str) -> String {
    if text.len() <= limits::REPORT_TEXT {
        return text.into();
    }
    format!("{}…", &text[..text.floor_char_boundary(limits::REPORT_TEXT)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(how: How) -> Facts {
        Facts { cause: None, asked: None, exit: Some(Exit { how, cpu_us: 0, peak_rss_bytes: 0, out_of_memory: false }) }
    }

    fn reported(end: End) -> Option<Cause> {
        Some(Cause::Reported(Report::of(end)))
    }

    #[test]
    fn an_executable_of_another_build_refuses_the_start() {
        let failed = |errno| {
            let failure = SealFailure { step: "start it".into(), errno, what: "it is another's".into() };
            never_began(Some(Cause::Spawn(SpawnFailure { wall: None, failure })))
        };
        let reason = "failed to start it: it is another's".to_owned();
        assert_eq!(failed(SealFailure::NO_EXECUTABLE), Verdict::Refused { reason });
        assert!(matches!(failed(0), Verdict::Lost { cause: LostCause::Start, .. }));
    }

    #[test]
    fn a_kill_for_memory_is_never_a_crash() {
        let mut facts = ended(How::Signalled(signal::SIGKILL));
        assert!(matches!(decide(&facts, &Limits::default()), Verdict::Killed { by: Killer::Outside, .. }));
        facts.exit.as_mut().unwrap().out_of_memory = true;
        assert!(matches!(decide(&facts, &Limits::default()), Verdict::Memory { wall: MemoryWall::Cgroup, .. }));
    }

    #[test]
    fn a_forbidden_call_comes_before_whatever_the_worker_says() {
        let mut facts = ended(How::Signalled(signal::SIGSYS));
        facts.cause = reported(End::Exited { code: 0 });
        assert_eq!(decide(&facts, &Limits::default()), Verdict::Denied { syscall: None });
    }

    #[test]
    fn one_that_ends_after_it_was_asked_to_has_stopped_whatever_its_code() {
        for code in [0, 3] {
            let facts = Facts {
                cause: reported(End::Exited { code }),
                asked: Some(StopReason::Parent),
                ..ended(How::Exited(0))
            };
            let expected = Verdict::Stopped { graceful: true, reason: StopReason::Parent };
            assert_eq!(decide(&facts, &Limits::default()), expected);
        }
    }

    #[test]
    fn a_deadline_is_never_a_success() {
        let mut facts = ended(How::Exited(0));
        facts.cause = Some(Cause::Deadline);
        assert!(matches!(decide(&facts, &Limits::default()), Verdict::Deadline { .. }));
    }

    #[test]
    fn an_exit_without_a_report_is_lost() {
        assert!(matches!(decide(&ended(How::Exited(0)), &Limits::default()), Verdict::Lost { .. }));
    }

    #[test]
    fn the_kernels_cpu_limit_is_a_verdict_of_its_own() {
        let mut facts = ended(How::Signalled(signal::SIGKILL));
        facts.exit.as_mut().unwrap().cpu_us = 3_000_000;
        let limits = Limits { cpu: "2s".into(), cpu_us: Some(2_000_000), ..Limits::default() };
        assert_eq!(decide(&facts, &limits), Verdict::Cpu { limit: "2s".into(), exceeded: CpuLimit::Time });
    }

    #[test]
    fn texts_of_a_worker_are_cut_on_a_character() {
        let facts =
            Facts {
                cause: reported(End::Broken { reason: "ä".repeat(limits::REPORT_TEXT) }), exit: None, asked: None
            };
        let Verdict::Lost { reason, cause: LostCause::Worker } = decide(&facts, &Limits::default()) else { panic!() };
        assert!(reason.len() <= limits::REPORT_TEXT + 3 && reason.ends_with('…'));
    }

    #[test]
    fn a_worker_that_names_an_unknown_wall_breaks_the_protocol() {
        let wall = MemoryWall::default();
        let facts = Facts { cause: reported(End::Memory { wall }), ..ended(How::Exited(0)) };
        let verdict = decide(&facts, &Limits::default());
        assert!(matches!(verdict, Verdict::Lost { cause: LostCause::Protocol, .. }), "{verdict:?}");
    }
}
