//! In which order the walls rise. Four lists: a zygote's, once, before and after it is given what it is
//! for; what it gives up when its module is loaded; and a worker's, for each attempt. `README.md` beside this file tells the same lists to people; a test holds the two together.

use super::{capabilities, code, descriptors, failure, identity, landlock, namespaces, rlimits, root, seccomp};
use rustix::process::setsid;
use sandhog_protocol::plan::{Access, Kind, Metering, Program, Rlimits, Wall, Walls, ZygotePlan};
use sandhog_protocol::spawn::{Ids, SpawnFailure};
use sandhog_protocol::worker::SealFailure;
use sandhog_sys::descriptors::Newborn;
use sandhog_sys::{stamps, timer};
use std::error::Error;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

type Outcome = Result<(), Box<dyn Error>>;

/// One step of a list.
pub struct Step<C: 'static> {
    /// As in `README.md`, and in what a failure reports.
    pub name: &'static str,
    /// The wall that it is a part of; `None` for a step that no plan leaves out.
    pub wall: Option<Wall>,
    build: fn(&C) -> Outcome,
}

/// What the zygote's steps need to know.
pub struct ZygoteContext {
    pub newborn: Newborn,
    /// Its own descriptors.
    pub keep: Vec<RawFd>,
}

/// What the zygote's later steps need to know.
pub struct GivenContext {
    /// Those that its workers are granted.
    pub directories: Vec<OwnedFd>,
    pub filter: seccomp::Filter,
}

/// What the worker's steps need to know.
pub struct WorkerContext {
    pub newborn: Newborn,
    pub keep: Vec<RawFd>,
    pub rlimits: Rlimits,
    /// Descriptors that the worker itself needs beside the guest's files.
    pub reserved_files: u32,
    /// Most tasks of this user in this user namespace, where no cgroup counts them.
    pub tasks: Option<u64>,
    /// None: it keeps the zygote's.
    pub ids: Option<Ids>,
    pub directories: Vec<(OwnedFd, Access)>,
    pub filter: seccomp::Narrowed,
}

/// The caisson, once for each zygote. The descriptors go first, so that no later step can leak one; the root
/// goes before the capabilities, which it needs.
pub static ZYGOTE: [Step<ZygoteContext>; 7] = [
    Step {
        name: "descriptors",
        wall: None,
        build: |context| Ok(descriptors::keep_only(context.newborn, &context.keep)?),
    },
    Step {
        name: "session",
        wall: None,
        // EPERM: it leads one already.
        build: |_| {
            setsid()
                .map(drop)
                .or_else(|errno| if errno == rustix::io::Errno::PERM { Ok(()) } else { Err(errno.into()) })
        },
    },
    Step { name: "zygote not dumpable", wall: None, build: |_| Ok(capabilities::not_dumpable()?) },
    Step { name: "no further namespaces", wall: Some(Wall::Namespaces), build: |_| Ok(namespaces::forbid_more()?) },
    Step { name: "empty root", wall: Some(Wall::Root), build: |_| Ok(root::enter_empty_root()?) },
    Step { name: "capabilities locked", wall: Some(Wall::Capabilities), build: |_| Ok(capabilities::lock_down()?) },
    Step { name: "no privileges gained", wall: None, build: |_| Ok(capabilities::no_new_privileges()?) },
];

/// The rest of it, once the zygote has what it is for: the filter goes last, since it forbids the steps before it.
pub static GIVEN: [Step<GivenContext>; 3] = [
    Step {
        name: "signals stay inside",
        wall: Some(Wall::Landlock),
        build: |context| {
            landlock::stay_inside(&context.directories)?;
            Ok(())
        },
    },
    Step { name: "data is never code", wall: Some(Wall::Seccomp), build: |_| Ok(code::refuse_what_was_writable()?) },
    Step { name: "base filter", wall: Some(Wall::Seccomp), build: |context| Ok(seccomp::apply(context.filter)?) },
];

/// For a zygote that has loaded a module, and not yet cloned a worker.
pub static LOADED: [Step<()>; 1] = [Step {
    name: "no more code",
    wall: Some(Wall::Seccomp),
    build: |()| Ok(seccomp::apply(seccomp::Filter::Loaded)?),
}];

/// The chamber, for each attempt. The timer comes before the limits, one of which would count it; limits come before the
/// identity, which may not raise them any more; Landlock and the filter come last, since they forbid the steps before them.
pub static WORKER: [Step<WorkerContext>; 9] = [
    Step {
        name: "own descriptors",
        wall: None,
        build: |context| Ok(descriptors::keep_only(context.newborn, &context.keep)?),
    },
    Step {
        name: "timer",
        wall: None,
        build: |context| {
            if context.filter.serves_clients() {
                timer::prepare_ticks()?;
            }
            // A plan that limits CPU time has the kernel's limit as its backstop.
            context.rlimits.cpu_s.map_or(Ok(()), |_| Ok(timer::prepare_cpu()?))
        },
    },
    Step {
        name: "limits",
        wall: Some(Wall::Rlimits),
        build: |context| Ok(rlimits::apply(&context.rlimits, context.reserved_files, context.tasks)?),
    },
    Step {
        name: "own identity",
        wall: Some(Wall::Identity),
        build: |context| context.ids.map_or(Ok(()), |ids| Ok(identity::become_worker(ids)?)),
    },
    Step { name: "no capabilities", wall: Some(Wall::Capabilities), build: |_| Ok(capabilities::drop_all()?) },
    Step { name: "no new privileges", wall: None, build: |_| Ok(capabilities::no_new_privileges()?) },
    Step { name: "not dumpable", wall: None, build: |_| Ok(capabilities::not_dumpable()?) },
    Step {
        name: "landlock",
        wall: Some(Wall::Landlock),
        build: |context| {
            let granted: Vec<(BorrowedFd<'_>, Access)> =
                context.directories.iter().map(|(fd, access)| (fd.as_fd(), *access)).collect();
            landlock::apply(&granted)?;
            Ok(())
        },
    },
    Step { name: "final filter", wall: Some(Wall::Seccomp), build: |context| Ok(seccomp::narrow(context.filter)?) },
];

/// The filter that a zygote begins with.
pub fn base_filter(plan: &ZygotePlan) -> seccomp::Filter {
    match plan.program {
        Program::Guest { metering } => seccomp::Filter::Loader { objects: plan.objects, peers: peers(plan, metering) },
        Program::Compiler | Program::Probe => seccomp::Filter::Zygote,
        Program::Keeper => seccomp::Filter::KeeperZygote,
    }
}

/// Modules that were compiled with epochs serve clients, and no others have them. Those have no sockets of their own, whatever the
/// plan says.
fn peers(plan: &ZygotePlan, metering: Metering) -> seccomp::Peers {
    match (metering.epochs, plan.sockets) {
        (true, _) => seccomp::Peers::Clients,
        (false, true) => seccomp::Peers::Sockets,
        (false, false) => seccomp::Peers::None,
    }
}

/// The filter that a worker of this zygote ends up with, above its zygote's; `kind` is its module's, where it has one.
pub fn final_filter(plan: &ZygotePlan, kind: Option<Kind>) -> seccomp::Narrowed {
    let objects = plan.objects;
    let filter = match (plan.program, kind) {
        (Program::Guest { metering }, Some(Kind::Component | Kind::Concurrent)) => {
            seccomp::Filter::Component { counted: plan.counts_memory(), objects, peers: peers(plan, metering) }
        }
        (Program::Guest { metering }, Some(Kind::Core) | None) => {
            seccomp::Filter::Worker { objects, sockets: peers(plan, metering) == seccomp::Peers::Sockets }
        }
        (Program::Probe, _) => seccomp::Filter::WORKER,
        (Program::Compiler, _) => seccomp::Filter::Compiler,
        (Program::Keeper, _) => seccomp::Filter::Keeper,
    };
    seccomp::Narrowed { beneath: base_filter(plan), filter }
}

/// Takes the steps that belong to the plan's walls, in order, up to the first that fails.
pub fn build<C>(steps: &[Step<C>], walls: &Walls, context: &C) -> Result<(), SealFailure> {
    for step in steps.iter().filter(|step| step.wall.is_none_or(|wall| walls.contains(&wall))) {
        (step.build)(context).map_err(|error| failure(step.name, error.as_ref()))?;
        stamps::note(step.name);
    }
    Ok(())
}

/// A step that failed, with the wall that it belongs to.
pub fn with_wall(failure: SealFailure) -> SpawnFailure {
    SpawnFailure { wall: wall_of(&failure.step), failure }
}

/// The wall that a step of either list belongs to.
fn wall_of(step: &str) -> Option<Wall> {
    let zygote = ZYGOTE.iter().map(|step| (step.name, step.wall));
    let given = GIVEN.iter().map(|step| (step.name, step.wall));
    let loaded = LOADED.iter().map(|step| (step.name, step.wall));
    let worker = WORKER.iter().map(|step| (step.name, step.wall));
    // Before the first of them.
    let before = [(super::cgroup::STEP, Some(Wall::Cgroup)), (namespaces::STEP, Some(Wall::Namespaces))].into_iter();
    before
        .chain(zygote)
        .chain(given)
        .chain(loaded)
        .chain(worker)
        .find(|(name, _)| *name == step)
        .and_then(|(_, wall)| wall)
}
