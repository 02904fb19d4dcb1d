//! Which of the walls that the operator lets go can't be built here: the spawner tries them itself, in a child that is
//! sealed like a zygote and a worker, runs nothing, and ends. Before anything untrusted is read, so that nobody can make a
//! wall fail; without `--allow-missing` there is nothing to try.

use super::reaping::reap_now;
use super::start::wall_of_fork;
use super::zygote_start::{NewNamespaces, worker_ids};
use super::{Settled, Spawner};
use crate::Privilege;
use crate::ids::Lease;
use sandhog_protocol::plan::{Program, Rlimits, Wall, Walls, ZygotePlan};
use sandhog_protocol::spawn::Ids;
use sandhog_sandbox::{cgroup, namespaces, steps};
use sandhog_sandbox::{descriptors, seccomp};
use sandhog_sys::descriptors::Newborn;
use sandhog_sys::process::{self, Forked};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Memory of the child: what a spawner has, several times over.
const MEMORY_BYTES: u64 = 256 << 20;
/// Itself.
const TASKS: u32 = 8;
/// What the child exits with where another step failed than a wall's.
const ELSEWHERE: u8 = 1;
/// From here on: the place of the wall in [`Wall::ALL`].
const FIRST_WALL: u8 = 2;

impl Spawner {
    /// The walls that may be missing and have been seen to fail. A directory's wall is seen when a directory is there.
    pub(super) fn rehearse(&mut self) -> Walls {
        let mut failed = Walls::new();
        let floor = &self.setting.floor;
        let mut left: Walls = floor.walls.iter().copied().filter(|wall| *wall != Wall::Directories).collect();
        let may_miss = floor.may_miss.clone();
        while !may_miss.is_disjoint(&left) {
            match self.first_to_fail(&left) {
                Some(wall) if may_miss.contains(&wall) && left.remove(&wall) => failed.insert(wall),
                // All of them stand, or one falls that must not: then nothing will be started here anyway.
                Some(_) | None => return failed,
            };
        }
        failed
    }

    /// The first of these walls that can't be built.
    fn first_to_fail(&mut self, walls: &Walls) -> Option<Wall> {
        let plan = ZygotePlan {
            walls: walls.clone(),
            program: Program::Compiler,
            cgroup_memory_bytes: MEMORY_BYTES,
            cgroup_tasks: TASKS,
            coredump: false,
            objects: false,
            sockets: false,
            slots: None,
        };
        let Settled { lease, name, cgroup } = match self.settle(&plan) {
            Ok(settled) => settled,
            Err(refusal) => return refusal.wall,
        };
        let failed = self.try_all(walls, lease.as_deref(), cgroup.as_ref());
        self.end_cgroup(cgroup, lease.or(name));
        failed
    }

    /// A child that builds all of them, in the way of a zygote: it enters what was made for it.
    fn try_all(&self, walls: &Walls, lease: Option<&Lease>, cgroup: Option<&cgroup::Cgroup>) -> Option<Wall> {
        let ids = lease.map(|lease| worker_ids(lease, None, walls.contains(&Wall::Namespaces)));
        let new_namespaces = NewNamespaces::of(walls);
        let start_directory = cgroup.and_then(cgroup::Cgroup::start_directory);
        let made = match new_namespaces {
            NewNamespaces::All => match self.make_namespaces(lease, start_directory) {
                Ok(made) => Some(made),
                Err(refusal) => return refusal.wall,
            },
            NewNamespaces::Mount | NewNamespaces::None => None,
        };
        let files = made.as_ref().map(|(files, _)| files.as_slice()).unwrap_or_default();
        let child = match process::fork_into(&self.token, new_namespaces.flags(), start_directory) {
            Ok(Forked::Parent(child)) => child,
            Ok(Forked::Child(newborn)) => {
                process::exit_now(self.seal_and_end(newborn, walls, cgroup, files, ids).into())
            }
            Err(error) => return wall_of_fork(&error),
        };
        match reap_now(child.pidfd.as_fd()) {
            Some(process::How::Exited(code)) => wall_of_code(code),
            Some(process::How::Signalled(_)) | None => None,
        }
    }

    /// In the child: every step of a zygote and of a worker. What it exits with.
    fn seal_and_end(
        &self,
        newborn: Newborn,
        walls: &Walls,
        cgroup: Option<&cgroup::Cgroup>,
        files: &[OwnedFd],
        ids: Option<Ids>,
    ) -> u8 {
        let entered = cgroup.map_or(Ok(()), |cgroup| {
            let entrances = cgroup.entrances(cgroup.start_directory().is_some()).map_err(io::Error::other)?;
            cgroup::enter_by(&entrances)
        });
        if entered.is_err() {
            return code_of(Some(Wall::Cgroup));
        }
        let groups = matches!(self.setting.privilege, Privilege::Root { .. });
        let entered: io::Result<()> = match NewNamespaces::of(walls) {
            NewNamespaces::All => namespaces::enter(files, groups).map_err(io::Error::other),
            NewNamespaces::Mount => namespaces::detach_mounts().map_err(io::Error::other),
            NewNamespaces::None => Ok(()),
        };
        if entered.is_err() {
            return code_of(Some(Wall::Namespaces));
        }
        let keep = vec![0, 1, 2];
        let zygote = steps::ZygoteContext { newborn, keep: keep.clone() };
        let given = steps::GivenContext { directories: Vec::new(), filter: seccomp::Filter::Zygote };
        let worker = steps::WorkerContext {
            newborn,
            rlimits: Rlimits { data_bytes: MEMORY_BYTES, file_bytes: 0, open_files: 16, cpu_s: None },
            reserved_files: descriptors::reserved(&keep, 16),
            keep,
            tasks: ids.is_none().then_some(TASKS.into()),
            ids,
            directories: Vec::new(),
            filter: seccomp::Narrowed { beneath: given.filter, filter: seccomp::Filter::WORKER },
        };
        let sealed = steps::build(&steps::ZYGOTE, walls, &zygote)
            .and_then(|()| steps::build(&steps::GIVEN, walls, &given))
            .and_then(|()| steps::build(&steps::WORKER, walls, &worker));
        match sealed {
            Ok(()) => 0,
            Err(failure) => code_of(steps::with_wall(failure).wall),
        }
    }
}

fn code_of(wall: Option<Wall>) -> u8 {
    let index = wall.and_then(|wall| Wall::ALL.into_iter().position(|other| other == wall));
    index.and_then(|index| u8::try_from(index).ok()).map_or(ELSEWHERE, |index| FIRST_WALL + index)
}

fn wall_of_code(code: i32) -> Option<Wall> {
    let index = code.checked_sub(FIRST_WALL.into())?;
    Wall::ALL.get(usize::try_from(index).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_tells_the_wall_and_success_tells_none() {
        for wall in Wall::ALL {
            assert_eq!(wall_of_code(code_of(Some(wall)).into()), Some(wall));
        }
        for code in [0, code_of(None).into(), -1, 100, i32::MAX, i32::MIN] {
            assert_eq!(wall_of_code(code), None, "{code}");
        }
    }
}
