//! One probe, tried once behind the walls that are asked for.

use super::stage::{self, Stage};
use rustix::fs::{Mode, OFlags};
use sandhog_probes::Probe;
use sandhog_protocol::plan::{Access, Program, Rlimits, Wall, Walls, Work, WorkerPlan, ZygotePlan};
use sandhog_protocol::spawn::SpawnFailure;
use sandhog_protocol::verdict::{StopReason, Verdict};
use sandhog_protocol::worker::ProbeReport;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::driver::{self, Attempted, Begin, Ends, Order, Zygote};
use sandhog_runtime::note;
use sandhog_supervisor::outcome::{self, Cause, Facts};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Memory of zygote and worker in their cgroup: several times what they need, less than a probe that tries asks for.
const CGROUP_BYTES: u64 = 64 << 20;
/// Zygote, worker, and a few: less than a bomb.
const CGROUP_TASKS: u32 = 8;
/// RLIMIT_DATA: below [`CGROUP_BYTES`], so that it is what a process of its own meets first.
const DATA_BYTES: u64 = 32 << 20;
const FILE_BYTES: u64 = 1 << 20;
const OPEN_FILES: u32 = 32;
const CPU_S: u64 = 1;
/// From here on a kill is the kernel's at [`CPU_S`]: it goes by ticks, each counted whole for whoever runs at its end,
/// so that on a busy machine a process has really used less.
const CPU_US: u64 = CPU_S * 1_000_000 / 2;
/// The longest probe runs into its CPU limit; ten times that, for a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Stage(#[from] stage::Error),
    #[error("failed to open /dev/null")]
    Null(#[source] io::Error),
    #[error("failed to start a probe")]
    Start(#[source] io::Error),
    #[error("stopped before all was tried")]
    Stopped(StopReason),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// `None`: it could not be tried, or it ended in a way that says nothing about walls.
    pub stopped: Option<bool>,
    /// By what, or what came through.
    pub detail: String,
    pub verdict: Verdict,
    /// The wall that could not be built.
    pub unbuilt: Option<Wall>,
}

/// Tries the probe behind exactly these walls.
pub async fn attempt(
    coordinator: &Arc<Coordinator>,
    stage: &Stage,
    probe: &Probe,
    walls: &Walls,
) -> Result<Tried, Error> {
    let order = order(stage, probe, walls)?;
    let notes = mpsc::channel(note::NOTES);
    let Attempted { facts, .. } =
        coordinator.attempt(order, None, coordinator.stopped(), notes, None).await.map_err(Error::Start)?;
    if let Some(Cause::Stop(reason)) = facts.cause {
        return Err(Error::Stopped(reason));
    }
    Ok(judge(&facts))
}

pub(super) fn order(stage: &Stage, probe: &Probe, walls: &Walls) -> Result<Order, Error> {
    let directories = if probe.wants_directory() { vec![stage.granted()?] } else { Vec::new() };
    Ok(Order {
        zygote: Zygote::Own(ZygotePlan {
            walls: walls.clone(),
            program: Program::Probe,
            cgroup_memory_bytes: CGROUP_BYTES,
            cgroup_tasks: CGROUP_TASKS,
            coredump: false,
            objects: false,
            sockets: false,
            slots: None,
        }),
        worker: WorkerPlan {
            rlimits: Rlimits {
                data_bytes: DATA_BYTES,
                file_bytes: FILE_BYTES,
                open_files: OPEN_FILES,
                cpu_s: Some(CPU_S),
            },
            connected: false,
            coredump: false,
            listeners: 0,
            directories: directories.iter().map(|_| Access::ReadOnly).collect(),
            slot: None,
            lie: probe.zygotes_lie().map(str::to_owned),
        },
        begin: Begin::AtOnce(Work::Probe(probe.to_string())),
        ends: Some(Ends { stdio: [null()?, null()?, null()?], connection: None, coredump: None }),
        listeners: Vec::new(),
        directories: directories.into_iter().map(Arc::new).collect(),
        feed: None,
        pumps: Vec::new(),
        hard_deadline: Some(DEADLINE),
        requests: None,
        kept: None,
        grace: driver::GRACE,
        began: None,
    })
}

fn null() -> Result<OwnedFd, Error> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Error::Null(errno.into()))
}

/// The limits that a probe meets are walls; a fault of its own says nothing about any.
fn judge(facts: &Facts) -> Tried {
    let limits = outcome::Limits {
        memory: "64MiB".into(),
        timeout: "10s".into(),
        cpu: "1s".into(),
        cpu_us: Some(CPU_US),
        ..outcome::Limits::default()
    };
    let mut verdict = outcome::decide(facts, &limits);
    let (stopped, detail) = match (&verdict, &facts.cause) {
        (Verdict::Denied { .. }, _) => (Some(true), "SIGSYS".into()),
        (Verdict::Lost { .. }, Some(Cause::Probed(ProbeReport { stopped, detail }))) => {
            let found = (Some(*stopped), detail.clone());
            verdict = Verdict::Completed { code: 0 };
            found
        }
        (Verdict::Memory { .. }, _) => (Some(true), "out of memory".into()),
        (Verdict::Cpu { limit, .. }, _) => (Some(true), format!("out of CPU time ({limit})")),
        (Verdict::Deadline { limit }, _) => (Some(false), format!("still at it after {limit}")),
        (Verdict::Killed { signal, .. }, _) => (None, format!("ended by {signal}")),
        (Verdict::Refused { reason }, _) => (None, reason.clone()),
        (Verdict::Lost { reason, .. }, _) => (None, reason.clone()),
        (Verdict::Unhealthy { check }, _) => (None, check.failure().to_owned()),
        (
            Verdict::Completed { .. }
            | Verdict::Failed { .. }
            | Verdict::Trapped { .. }
            | Verdict::Output { .. }
            | Verdict::Stopped { .. }
            | Verdict::Unknown,
            _,
        ) => (None, "no report of a probe".into()),
    };
    let unbuilt = if let Some(Cause::Spawn(SpawnFailure { wall, .. })) = &facts.cause { *wall } else { None };
    Tried { stopped, detail, verdict, unbuilt }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::spawn::{Exit, How};
    use sandhog_protocol::worker::SealFailure;

    fn ended(how: How, out_of_memory: bool) -> Facts {
        Facts { cause: None, asked: None, exit: Some(Exit { how, cpu_us: 0, peak_rss_bytes: 0, out_of_memory }) }
    }

    #[test]
    fn the_filter_and_the_cgroup_stop_by_killing() {
        assert_eq!(judge(&ended(How::Signalled(libc::SIGSYS), false)).stopped, Some(true));
        assert_eq!(judge(&ended(How::Signalled(libc::SIGKILL), true)).stopped, Some(true));
    }

    #[test]
    fn a_crash_proves_nothing() {
        assert_eq!(judge(&ended(How::Signalled(libc::SIGSEGV), false)).stopped, None);
        assert_eq!(judge(&ended(How::Signalled(libc::SIGKILL), false)).stopped, None);
        assert_eq!(judge(&ended(How::Exited(1), false)).stopped, None);
    }

    #[test]
    fn a_report_says_it_itself() {
        let mut facts = ended(How::Exited(0), false);
        facts.cause = Some(Cause::Probed(ProbeReport { stopped: false, detail: "connected".into() }));
        let tried = judge(&facts);
        assert_eq!((tried.stopped, tried.detail.as_str()), (Some(false), "connected"));
        assert_eq!(tried.verdict, Verdict::Completed { code: 0 });
    }

    #[test]
    fn a_wall_that_can_t_be_built_is_named() {
        let failure = SealFailure { step: "landlock".into(), errno: 38, what: "not there".into() };
        let facts = Facts {
            cause: Some(Cause::Spawn(SpawnFailure { wall: Some(Wall::Landlock), failure })),
            exit: None,
            asked: None,
        };
        let tried = judge(&facts);
        assert_eq!((tried.stopped, tried.unbuilt), (None, Some(Wall::Landlock)));
    }
}
