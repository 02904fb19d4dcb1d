//! A coordinator that was taken over: it asks its spawner for what no coordinator of ours asks for. The rest of the command,
//! and the floor that its spawner has, are those of an honest `run`.

use super::attempt::{self, Error, Tried};
use super::stage::Stage;
use rustix::fs::{Mode, OFlags};
use sandhog_probes::Probe;
use sandhog_protocol::limits;
use sandhog_protocol::plan::{Access, Program, Slots, Wall, Walls, ZygotePlan};
use sandhog_protocol::spawn::SpawnFailure;
use sandhog_protocol::verdict::Verdict;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::driver::{Order, Zygote};
use sandhog_runtime::note;
use sandhog_supervisor::outcome::{Cause, Facts};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A request that is below the floor. In brackets the name for `sandhog doctor --probe plan:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// `honest`: above it.
    Honest,
    /// `no-walls`: what it takes to be root, where the spawner is.
    NoWalls,
    /// `without-WALL`
    Without(Wall),
    /// `native`: native code behind all walls.
    Native,
    /// `cgroup-memory`, and so on: a limit that is too large.
    CgroupMemory,
    CgroupTasks,
    /// `many-slots`, `slot-memory`: a zygote for more, or larger, workers than this command has.
    ManySlots,
    SlotMemory,
    /// `slot-of-nobody`: of a zygote that has none.
    SlotOfNobody,
    Data,
    File,
    OpenFiles,
    Cpu,
    /// `directory-for-stream`: a descriptor of another kind.
    DirectoryForStream,
    /// `many-directories`: more than any job has.
    ManyDirectories,
    /// `compiler-with-directory`
    CompilerWithDirectory,
}

impl Plan {
    const PLAIN: [(&'static str, Self); 15] = [
        ("honest", Self::Honest),
        ("no-walls", Self::NoWalls),
        ("native", Self::Native),
        ("cgroup-memory", Self::CgroupMemory),
        ("cgroup-tasks", Self::CgroupTasks),
        ("many-slots", Self::ManySlots),
        ("slot-memory", Self::SlotMemory),
        ("slot-of-nobody", Self::SlotOfNobody),
        ("data", Self::Data),
        ("file", Self::File),
        ("open-files", Self::OpenFiles),
        ("cpu", Self::Cpu),
        ("directory-for-stream", Self::DirectoryForStream),
        ("many-directories", Self::ManyDirectories),
        ("compiler-with-directory", Self::CompilerWithDirectory),
    ];

    /// The one of this name, as `--probe` has it.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.strip_prefix("plan:")?;
        let plain = Self::PLAIN.into_iter().find(|(known, _)| *known == name).map(|(_, plan)| plan);
        let without =
            || name.strip_prefix("without-").and_then(|wall| Wall::ALL.into_iter().find(|w| w.name() == wall));
        plain.or_else(|| without().map(Self::Without))
    }

    /// Asks for it, and then for something honest. Stopped: nothing was started.
    pub async fn ask(&self, coordinator: &Arc<Coordinator>, stage: &Stage) -> Result<Tried, Error> {
        let facts = self.once(coordinator, stage).await?;
        let goes_on = Self::Honest.once(coordinator, stage).await?.exit.is_some();
        Ok(judge(&facts, goes_on))
    }

    async fn once(&self, coordinator: &Arc<Coordinator>, stage: &Stage) -> Result<Facts, Error> {
        let mut order = attempt::order(stage, &Probe::Proc, &coordinator.walls())?;
        // Its worker is one of a compiler's, which does nothing that a probe does: whether it was started is all.
        zygote_plan(&mut order).map_err(Error::Start)?.program = Program::Compiler;
        self.change(&mut order).map_err(Error::Start)?;
        let notes = mpsc::channel(note::NOTES);
        let attempted = coordinator.attempt(order, None, coordinator.stopped(), notes, None).await;
        Ok(attempted.map_err(Error::Start)?.facts)
    }

    fn change(&self, order: &mut Order) -> io::Result<()> {
        let (zygote, rlimits) = match &mut order.zygote {
            Zygote::Own(plan) => (plan, &mut order.worker.rlimits),
            Zygote::Shared(_) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let slots = Slots { count: 1, memory_bytes: zygote.cgroup_memory_bytes, tasks: 1, code_in_memory: false };
        match self {
            Self::Honest => {}
            Self::NoWalls => zygote.walls = Walls::new(),
            Self::Without(wall) => drop(zygote.walls.remove(wall)),
            Self::Native => zygote.program = Program::Probe,
            Self::CgroupMemory => zygote.cgroup_memory_bytes = u64::MAX >> 1,
            Self::CgroupTasks => zygote.cgroup_tasks = 1 << 20,
            Self::ManySlots => zygote.slots = Some(Slots { count: 1 << 20, ..slots }),
            Self::SlotMemory => zygote.slots = Some(Slots { memory_bytes: u64::MAX >> 1, ..slots }),
            Self::SlotOfNobody => order.worker.slot = Some(0),
            Self::Data => rlimits.data_bytes = u64::MAX >> 1,
            Self::File => rlimits.file_bytes = u64::MAX >> 1,
            Self::OpenFiles => rlimits.open_files = 1 << 19,
            Self::Cpu => rlimits.cpu_s = None,
            Self::DirectoryForStream => {
                if let Some(ends) = &mut order.ends {
                    ends.stdio[0] = open("/")?;
                }
            }
            Self::ManyDirectories => grant(order, limits::DIRECTORIES + 1)?,
            Self::CompilerWithDirectory => grant(order, 1)?,
        }
        Ok(())
    }
}

/// Its zygote is its own.
fn zygote_plan(order: &mut Order) -> io::Result<&mut ZygotePlan> {
    match &mut order.zygote {
        Zygote::Own(plan) => Ok(plan),
        Zygote::Shared(_) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn grant(order: &mut Order, count: usize) -> io::Result<()> {
    for _ in 0..count {
        order.directories.push(Arc::new(open("/")?));
        order.worker.directories.push(Access::ReadWrite);
    }
    Ok(())
}

fn open(path: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

fn judge(facts: &Facts, goes_on: bool) -> Tried {
    let reason = match &facts.cause {
        Some(Cause::Spawn(SpawnFailure { failure, .. })) => failure.what.clone(),
        Some(Cause::SpawnerLost) => "it said nothing".into(),
        cause => format!("{cause:?}"),
    };
    let spawner = if goes_on { "the spawner goes on" } else { "the spawner has ended" };
    let started = facts.exit.is_some();
    Tried {
        stopped: Some(!started),
        detail: if started { format!("a worker was started; {spawner}") } else { format!("{spawner}: {reason}") },
        verdict: Verdict::Completed { code: 0 },
        unbuilt: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plan_has_a_name() {
        for (name, plan) in Plan::PLAIN {
            assert_eq!(Plan::parse(&format!("plan:{name}")), Some(plan));
        }
        assert_eq!(Plan::parse("plan:without-landlock"), Some(Plan::Without(Wall::Landlock)));
        for unknown in ["plan:", "plan:without-moat", "honest", "lie:relay", ""] {
            assert_eq!(Plan::parse(unknown), None, "{unknown}");
        }
    }
}
