//! The least that the spawner goes by, whatever its coordinator asks for. It is settled by the operator's word, before
//! the spawner is forked and before anything untrusted is read: a coordinator that is taken over later can't ask for
//! less than that. Pure.

use sandhog_protocol::limits;
use sandhog_protocol::plan::{Program, Rlimits, Wall, Walls, WorkerPlan, ZygotePlan};
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// What no plan may go below, and what none may go beyond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// The walls that stand around every process.
    pub walls: Walls,
    /// Those of them that the operator lets go where they can't be built.
    pub may_miss: Walls,
    /// Where the command tries walls (`sandhog doctor`): what has to stand around the native code that does. None:
    /// there is no such code.
    pub probes: Option<Walls>,
    pub max: MaxLimits,
    /// It keeps jobs up, and has locks and a socket to leave behind.
    pub daemon: bool,
}

/// The largest limits that a plan may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxLimits {
    /// Zygotes at the same time, those included that have ended and whose workers have not.
    pub zygotes: usize,
    /// Memory of a zygote and its workers, in bytes.
    pub cgroup_memory_bytes: u64,
    /// Tasks of a zygote and its workers.
    pub cgroup_tasks: u32,
    /// Of one zygote. 0: no zygote serves more than one worker at a time.
    pub slots: u32,
    pub data_bytes: u64,
    pub file_bytes: u64,
    pub open_files: u32,
    /// In seconds. None: unlimited.
    pub cpu_s: Option<u64>,
}

/// Where a plan goes below the floor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    #[error("the wall {:?} is not in the plan, and was not let go when the command began", .0.name())]
    Wall(Wall),
    #[error(
        "the wall {:?} may be missing where it can't be built, and it can: its failure had another cause or was made up",
        .0.name()
    )]
    Buildable(Wall),
    #[error("the plan is for native code, and only the doctor has any")]
    Probe,
    #[error("{what}: the plan says {asked}, and {max} is the most")]
    Limit { what: &'static str, asked: String, max: String },
    #[error("{what}: the plan has it, and {whose} has none")]
    Surplus { whose: &'static str, what: &'static str },
    #[error("there is a zygote with the number {0} already")]
    Number(u32),
    #[error("there is no slot {0}, or somebody is in it")]
    Slot(u32),
    #[error("its zygote has slots, and the plan names none")]
    NoSlot,
    #[error("descriptors: {what}")]
    Descriptors { what: &'static str },
}

impl Breach {
    /// No coordinator of ours asks for this: whoever does is not ours any more.
    pub fn is_hostile(&self) -> bool {
        match self {
            // One of ours believes a worker that says that a wall could not be built.
            Self::Buildable(_) => false,
            Self::Wall(_)
            | Self::Probe
            | Self::Limit { .. }
            | Self::Surplus { .. }
            | Self::Number(_)
            | Self::Slot(_)
            | Self::NoSlot
            | Self::Descriptors { .. } => true,
        }
    }
}

/// The walls that can stand: without root there are no ids to give, and no cgroups unless some were handed over.
pub fn standing(root: bool, cgroups: bool) -> Walls {
    let absent = |wall: &Wall| match wall {
        Wall::Identity => !root,
        Wall::Cgroup => !root && !cgroups,
        Wall::Namespaces
        | Wall::Root
        | Wall::Capabilities
        | Wall::Rlimits
        | Wall::Directories
        | Wall::Landlock
        | Wall::Seccomp => false,
    };
    Wall::ALL.into_iter().filter(|wall| !absent(wall)).collect()
}

impl Floor {
    /// Whether a zygote may be started so. `failed`: the walls that the spawner has seen fail itself.
    ///
    /// # Errors
    /// The first thing that goes below the floor.
    pub fn allows_zygote(&self, plan: &ZygotePlan, failed: &Walls) -> Result<(), Breach> {
        self.allows_walls(plan, failed)?;
        let MaxLimits { cgroup_memory_bytes, cgroup_tasks, .. } = self.max;
        check_max("memory of the cgroup", plan.cgroup_memory_bytes, cgroup_memory_bytes)?;
        check_max("tasks of the cgroup", plan.cgroup_tasks, cgroup_tasks)?;
        let surplus = |whose, what| Err(Breach::Surplus { whose, what });
        match plan.program {
            Program::Guest { .. } => {}
            Program::Compiler | Program::Probe | Program::Keeper if plan.objects => {
                return surplus("what runs no guest", "use of objects");
            }
            Program::Compiler | Program::Probe | Program::Keeper if plan.sockets => {
                return surplus("what runs no guest", "use of sockets");
            }
            Program::Keeper if plan.slots.is_some() => return surplus(KEEPER, "a slot"),
            Program::Compiler | Program::Probe | Program::Keeper => {}
        }
        let Some(slots) = plan.slots else { return Ok(()) };
        check_max("slots", slots.count, self.max.slots.min(limits::SLOTS))?;
        check_max("memory of a slot", slots.memory_bytes, cgroup_memory_bytes)?;
        check_max("tasks of a slot", slots.tasks, cgroup_tasks)
    }

    fn allows_walls(&self, plan: &ZygotePlan, failed: &Walls) -> Result<(), Breach> {
        let probes = match plan.program {
            Program::Probe => Some(self.probes.as_ref().ok_or(Breach::Probe)?),
            Program::Guest { .. } | Program::Compiler | Program::Keeper => None,
        };
        for wall in self.walls.difference(&plan.walls) {
            let is_let_go = self.may_miss.contains(wall);
            match probes {
                Some(needed) if !needed.contains(wall) => {}
                Some(_) | None if !is_let_go => return Err(Breach::Wall(*wall)),
                Some(_) | None if !failed.contains(wall) => return Err(Breach::Buildable(*wall)),
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Whether a worker may be started so, by a zygote with this plan.
    ///
    /// # Errors
    /// The first thing that goes beyond the floor.
    pub fn allows_worker(&self, zygote: &ZygotePlan, plan: &WorkerPlan) -> Result<(), Breach> {
        match (zygote.slots, plan.slot) {
            (Some(slots), Some(slot)) if slot < slots.count => {}
            (None, None) => {}
            (Some(_) | None, Some(slot)) => return Err(Breach::Slot(slot)),
            (Some(_), None) => return Err(Breach::NoSlot),
        }
        let Rlimits { data_bytes, file_bytes, open_files, cpu_s } = plan.rlimits;
        check_max("data", data_bytes, self.max.data_bytes)?;
        check_max("file size", file_bytes, self.max.file_bytes)?;
        check_max("open files", open_files, self.max.open_files)?;
        if let Some(max) = self.max.cpu_s {
            check_max("CPU seconds", cpu_s.unwrap_or(u64::MAX), max)?;
        }
        check_max("directories", plan.directories.len(), limits::DIRECTORIES)?;
        check_max("sockets", plan.listeners as usize, limits::LISTENERS)?;
        if plan.listeners > 0 && !zygote.sockets {
            return Err(Breach::Surplus { whose: SEALED, what: "a socket" });
        }
        let whose = match zygote.program {
            Program::Guest { .. } | Program::Probe => return Ok(()),
            Program::Compiler => COMPILER,
            Program::Keeper => KEEPER,
        };
        let surplus = [
            (plan.connected, "a connection"),
            (plan.coredump, "a file for a core dump"),
            (!plan.directories.is_empty(), "a directory"),
        ];
        match surplus.into_iter().find(|(is_there, _)| *is_there) {
            Some((_, what)) => Err(Breach::Surplus { whose, what }),
            None => Ok(()),
        }
    }
}

const SEALED: &str = "a zygote without sockets";
const COMPILER: &str = "a compiler";
const KEEPER: &str = "a keeper of objects";

fn check_max<T: PartialOrd + Display>(what: &'static str, asked: T, max: T) -> Result<(), Breach> {
    if asked <= max {
        return Ok(());
    }
    Err(Breach::Limit { what, asked: asked.to_string(), max: max.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::plan::{Access, Metering, Slots};

    fn floor() -> Floor {
        let max = MaxLimits {
            zygotes: 4,
            cgroup_memory_bytes: 1000,
            cgroup_tasks: 10,
            slots: 3,
            data_bytes: 900,
            file_bytes: 800,
            open_files: 20,
            cpu_s: Some(7),
        };
        let walls = Wall::ALL.into();
        Floor { walls, may_miss: [Wall::Landlock].into(), probes: None, max, daemon: false }
    }

    const GUEST: Program = Program::Guest { metering: Metering { fuel: false, epochs: false } };

    fn zygote(program: Program, without: &[Wall]) -> ZygotePlan {
        let walls = Wall::ALL.into_iter().filter(|wall| !without.contains(wall)).collect();
        ZygotePlan {
            walls,
            program,
            cgroup_memory_bytes: 1000,
            cgroup_tasks: 10,
            coredump: false,
            objects: false,
            sockets: false,
            slots: None,
        }
    }

    fn worker() -> WorkerPlan {
        let rlimits = Rlimits { data_bytes: 900, file_bytes: 800, open_files: 20, cpu_s: Some(7) };
        let directories = vec![Access::ReadWrite; limits::DIRECTORIES];
        WorkerPlan { rlimits, connected: true, coredump: false, listeners: 0, directories, slot: None, lie: None }
    }

    #[test]
    fn no_wall_is_left_out_but_one_that_may_be_and_was_seen_to_fail() {
        let floor = floor();
        let none = Walls::new();
        assert_eq!(floor.allows_zygote(&zygote(GUEST, &[]), &none), Ok(()));
        let failed = Wall::ALL.into();
        for wall in Wall::ALL.into_iter().filter(|wall| *wall != Wall::Landlock) {
            for program in [
                GUEST,
                Program::Guest { metering: Metering { fuel: true, epochs: true } },
                Program::Compiler,
                Program::Keeper,
            ] {
                let plan = zygote(program, &[wall]);
                assert_eq!(floor.allows_zygote(&plan, &failed), Err(Breach::Wall(wall)), "{wall:?}");
                assert!(Breach::Wall(wall).is_hostile());
            }
        }
        let without = zygote(GUEST, &[Wall::Landlock]);
        assert_eq!(floor.allows_zygote(&without, &none), Err(Breach::Buildable(Wall::Landlock)));
        assert!(!Breach::Buildable(Wall::Landlock).is_hostile());
        assert_eq!(floor.allows_zygote(&without, &[Wall::Landlock].into()), Ok(()));
        assert!(floor.allows_zygote(&zygote(GUEST, &Wall::ALL), &failed).is_err());
    }

    #[test]
    fn native_code_is_the_doctors_alone_and_only_behind_the_walls_that_were_named() {
        let (none, plan) = (Walls::new(), zygote(Program::Probe, &[]));
        assert_eq!(floor().allows_zygote(&plan, &none), Err(Breach::Probe));
        let doctor = Floor { probes: Some([Wall::Seccomp].into()), may_miss: Walls::new(), ..floor() };
        assert_eq!(doctor.allows_zygote(&plan, &none), Ok(()));
        assert_eq!(doctor.allows_zygote(&zygote(Program::Probe, &[Wall::Landlock, Wall::Root]), &none), Ok(()));
        let seccomp = zygote(Program::Probe, &[Wall::Seccomp]);
        assert_eq!(doctor.allows_zygote(&seccomp, &none), Err(Breach::Wall(Wall::Seccomp)));
        // The doctor's guests and compilers are like any other's.
        let guest = zygote(GUEST, &[Wall::Landlock]);
        assert_eq!(doctor.allows_zygote(&guest, &none), Err(Breach::Wall(Wall::Landlock)));
    }

    #[test]
    fn a_wall_that_can_t_stand_here_need_not() {
        assert_eq!(standing(true, false), Wall::ALL.into());
        let without = |plan: &[Wall], root, cgroups| {
            Floor { walls: standing(root, cgroups), ..floor() }.allows_zygote(&zygote(GUEST, plan), &Walls::new())
        };
        assert_eq!(without(&[Wall::Identity, Wall::Cgroup], false, false), Ok(()));
        assert_eq!(without(&[Wall::Identity, Wall::Cgroup], false, true), Err(Breach::Wall(Wall::Cgroup)));
        assert_eq!(without(&[Wall::Identity], true, true), Err(Breach::Wall(Wall::Identity)));
    }

    #[test]
    fn a_worker_has_a_slot_of_its_zygotes_or_none_where_there_are_none() {
        let floor = floor();
        let slots = Slots { count: 3, memory_bytes: 1000, tasks: 10, code_in_memory: false };
        let with = |slots| ZygotePlan { slots: Some(slots), ..zygote(GUEST, &[]) };
        assert_eq!(floor.allows_zygote(&with(slots), &Walls::new()), Ok(()));
        for slots in [Slots { count: 4, ..slots }, Slots { memory_bytes: 1001, ..slots }, Slots { tasks: 11, ..slots }]
        {
            let breach = floor.allows_zygote(&with(slots), &Walls::new());
            assert!(matches!(breach, Err(Breach::Limit { .. })), "{slots:?}");
        }
        let allows = |zygote: &ZygotePlan, slot| floor.allows_worker(zygote, &WorkerPlan { slot, ..worker() });
        assert_eq!([0, 2].map(|slot| allows(&with(slots), Some(slot))), [Ok(()), Ok(())]);
        assert_eq!(allows(&with(slots), Some(3)), Err(Breach::Slot(3)));
        assert_eq!(allows(&with(slots), None), Err(Breach::NoSlot));
        assert_eq!(allows(&zygote(GUEST, &[]), Some(0)), Err(Breach::Slot(0)));
    }

    #[test]
    fn no_limit_is_larger_than_the_largest() {
        let floor = floor();
        let none = Walls::new();
        let memory = ZygotePlan { cgroup_memory_bytes: 1001, ..zygote(GUEST, &[]) };
        let tasks = ZygotePlan { cgroup_tasks: u32::MAX, ..zygote(GUEST, &[]) };
        for plan in [memory, tasks] {
            assert!(matches!(floor.allows_zygote(&plan, &none), Err(Breach::Limit { .. })), "{plan:?}");
        }
        assert_eq!(floor.allows_worker(&zygote(GUEST, &[]), &worker()), Ok(()));
        let changes: [fn(&mut WorkerPlan); 7] = [
            |plan| plan.rlimits.data_bytes += 1,
            |plan| plan.rlimits.file_bytes = u64::MAX,
            |plan| plan.rlimits.open_files += 1,
            |plan| plan.rlimits.cpu_s = Some(8),
            |plan| plan.rlimits.cpu_s = None,
            |plan| plan.directories.push(Access::ReadOnly),
            |plan| plan.listeners = 17,
        ];
        for change in changes {
            let mut plan = worker();
            change(&mut plan);
            let breach = floor.allows_worker(&zygote(GUEST, &[]), &plan).unwrap_err();
            assert!(matches!(breach, Breach::Limit { .. }) && breach.is_hostile(), "{plan:?}");
        }
        let unlimited = Floor { max: MaxLimits { cpu_s: None, ..floor.max }, ..floor };
        let forever = WorkerPlan { rlimits: Rlimits { cpu_s: None, ..worker().rlimits }, ..worker() };
        assert_eq!(unlimited.allows_worker(&zygote(GUEST, &[]), &forever), Ok(()));
    }

    #[test]
    fn compilers_and_keepers_have_neither_directory_nor_connection() {
        let bare = WorkerPlan { connected: false, directories: Vec::new(), ..worker() };
        let connected = WorkerPlan { connected: true, ..bare.clone() };
        let dumped = WorkerPlan { coredump: true, ..bare.clone() };
        let granted = WorkerPlan { directories: vec![Access::ReadOnly], ..bare.clone() };
        for program in [Program::Compiler, Program::Keeper] {
            assert_eq!(floor().allows_worker(&zygote(program, &[]), &bare), Ok(()));
            for plan in [&connected, &dumped, &granted] {
                let breach = floor().allows_worker(&zygote(program, &[]), plan).unwrap_err();
                assert!(matches!(breach, Breach::Surplus { .. }) && breach.is_hostile(), "{plan:?}");
            }
        }
    }

    #[test]
    fn sockets_are_for_guests_whose_zygote_has_them() {
        let with = |program| ZygotePlan { sockets: true, ..zygote(program, &[]) };
        let none = Walls::new();
        assert_eq!(floor().allows_zygote(&with(GUEST), &none), Ok(()));
        for program in [Program::Compiler, Program::Keeper] {
            let breach = floor().allows_zygote(&with(program), &none);
            assert!(matches!(breach, Err(Breach::Surplus { .. })), "{program:?}");
        }
        let worker = WorkerPlan { listeners: 1, ..worker() };
        assert_eq!(floor().allows_worker(&with(GUEST), &worker), Ok(()));
        let breach = floor().allows_worker(&zygote(GUEST, &[]), &worker).unwrap_err();
        assert!(matches!(breach, Breach::Surplus { .. }) && breach.is_hostile());
    }

    #[test]
    fn objects_are_for_guests_and_a_keeper_is_alone() {
        let none = Walls::new();
        let with = |program| ZygotePlan { objects: true, ..zygote(program, &[]) };
        assert_eq!(floor().allows_zygote(&with(GUEST), &none), Ok(()));
        for program in [Program::Compiler, Program::Keeper] {
            let breach = floor().allows_zygote(&with(program), &none);
            assert!(matches!(breach, Err(Breach::Surplus { .. })), "{program:?}");
        }
        let slots = Slots { count: 1, memory_bytes: 1, tasks: 1, code_in_memory: true };
        let many = ZygotePlan { slots: Some(slots), ..zygote(Program::Keeper, &[]) };
        assert!(matches!(floor().allows_zygote(&many, &none), Err(Breach::Surplus { .. })));
    }
}
