//! Carries out the two requests that start something.

use super::birth::{Born, become_zygote, id_map, proc_pid, worker_ids, write_maps};
use super::ends::reap_now;
use super::place::plain_fds;
use super::{Refusal, Settled, Source, Spawner, Zygote};
use crate::ids::Lease;
use crate::leftovers;
use crate::{Delegated, Privilege};
use rustix::fs::{Mode, OFlags, openat};
use rustix::net::SocketType;
use sandhog_ipc::{pair, send_packet};
use sandhog_protocol::limits;
use sandhog_protocol::plan::{Program, Wall, WorkerPlan, ZygotePlan};
use sandhog_protocol::spawn::{FromZygote, ToZygote, WorkerId, ZygoteId};
use sandhog_protocol::worker::SealFailure;
use sandhog_sandbox::namespaces::{self, IdMap};
use sandhog_sandbox::{cgroup, directories, failure};
use sandhog_sys::process::{self, Child, Forked};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Cgroups of others that may be met in a row before a zygote is refused: each is under an id that nobody else has, and of a
/// command that was killed.
const OCCUPIED: usize = 16;

impl Spawner {
    /// # Errors
    /// Why it was not started. Where the table has it all the same, it has been born and is to be ended.
    pub(super) fn start_zygote(&mut self, id: ZygoteId, plan: ZygotePlan, fds: Vec<OwnedFd>) -> Result<(), Refusal> {
        let refuse = |step, error: io::Error| Refusal::new(None, step, error);
        self.admit_zygote(id, &plan, &fds)?;
        let mut fds = fds.into_iter();
        let module = fds.next().ok_or_else(|| refuse("read a request", io::ErrorKind::InvalidInput.into()))?;
        let directories: Vec<OwnedFd> = fds.collect();
        let (control, theirs) = pair(SocketType::SEQPACKET).map_err(|error| refuse("make a socket", error))?;
        rustix::io::ioctl_fionbio(&control, true).map_err(|errno| refuse("make a socket", errno.into()))?;
        let own_namespaces = plan.walls.contains(&Wall::Namespaces);
        let settled = self.settle(&plan)?;
        let (child, go) = self.fork_zygote(&plan, settled.cgroup.as_ref(), &theirs, &module)?;
        drop((theirs, module));
        let map = own_namespaces.then(|| id_map(settled.lease.as_ref()));
        let ids = settled.lease.as_ref().map(|lease| worker_ids(lease, own_namespaces));
        let number = match proc_pid(&self.files.proc, child.pidfd.as_fd()) {
            Ok(number) => number,
            Err(error) => {
                // Without a number it is a stranger, and is ended as one.
                self.strangers.look_soon();
                self.end_cgroup(settled.cgroup, settled.lease.or(settled.name));
                return Err(refuse("start a zygote", error));
            }
        };
        let setup = ToZygote::Setup { plan: plan.clone(), ids };
        let zygote = Zygote::new(child, number, control, plan, settled);
        self.children.insert(number);
        let zygote = self.zygotes.entry(id).or_insert(zygote);
        if let Some(map) = map {
            write_maps(&self.files.proc, zygote.pidfd.as_fd(), &map)
                .map_err(|error| Refusal::new(Some(Wall::Namespaces), "map ids", error))?;
        }
        // Before it goes on: it may end at once, with the reason in its last words, and then nothing can be sent.
        let directories: Vec<BorrowedFd<'_>> = directories.iter().map(AsFd::as_fd).collect();
        send_packet(&zygote.control, &setup, &directories)
            .map_err(|error| Refusal::new(None, "start a zygote", error))?;
        rustix::io::write(&go, b"g").map_err(|errno| refuse("start a zygote", errno.into()))?;
        let zygote = &self.zygotes[&id];
        let watched = self.watch(zygote.control.as_fd(), Source::Control(id));
        watched
            .and_then(|()| self.watch(zygote.pidfd.as_fd(), Source::ZygoteEnd(id)))
            .map_err(|error| refuse("watch a zygote", error))
    }

    /// The zygote's ids and the cgroup of their name. Ids whose cgroup somebody has left behind, and which does not go at
    /// once, are passed over: they stay taken until it is gone.
    pub(super) fn settle(&mut self, plan: &ZygotePlan) -> Result<Settled, Refusal> {
        for _ in 0..OCCUPIED {
            let lease = match &self.setting.privilege {
                Privilege::Root { ids, .. } => {
                    Some(ids.lease().map_err(|error| Refusal::new(Some(Wall::Identity), "take an id", error))?)
                }
                Privilege::Rootless { .. } => None,
            };
            let name = self.number()?;
            match self.make_cgroup(plan, lease.as_ref().or(name.as_ref()))? {
                Some(cgroup::Created::New(cgroup)) => return Ok(Settled { lease, name, cgroup: Some(cgroup) }),
                None => return Ok(Settled { lease, name, cgroup: None }),
                Some(cgroup::Created::Occupied(cgroup)) => {
                    if let Some(lease) = lease.or(name) {
                        self.leftovers.end_found(cgroup, lease);
                    }
                }
            }
        }
        let why = "processes that can't be ended from here are in the cgroups of commands that were killed";
        Err(Refusal::new(Some(Wall::Cgroup), cgroup::STEP, why))
    }

    /// A child that waits for its ids and then becomes another executable; with the end of the pipe that it waits on.
    fn fork_zygote(
        &self,
        plan: &ZygotePlan,
        cgroup: Option<&cgroup::Cgroup>,
        control: &OwnedFd,
        module: &OwnedFd,
    ) -> Result<(Child, OwnedFd), Refusal> {
        let (waits, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|errno| Refusal::new(None, "make a pipe", io::Error::from(errno)))?;
        let born_into = Born::of(&plan.walls);
        match process::fork_into(&self.token, born_into.flags(), cgroup.and_then(cgroup::Cgroup::birthplace))
            .map_err(|error| Refusal::new(Some(wall_of_fork(&error)), "fork a zygote", explained(&error)))?
        {
            Forked::Parent(child) => Ok((child, go)),
            Forked::Child => {
                drop(go);
                // Both ends of a pipe that closes without a byte: the spawner has gone.
                if !matches!(rustix::io::read(&waits, &mut [0]), Ok(1)) {
                    process::exit_now(1);
                }
                let words = FromZygote::Unsealed(self.become_zygote(born_into, plan.program, cgroup, control, module));
                let _ = send_packet(control, &words, &[]);
                process::exit_now(1)
            }
        }
    }

    /// In the child: the cgroup, then the executable of its program. Returns only on failure, with the step that failed.
    fn become_zygote(
        &self,
        born_into: Born,
        program: Program,
        cgroup: Option<&cgroup::Cgroup>,
        control: &OwnedFd,
        module: &OwnedFd,
    ) -> SealFailure {
        if let Err(error) = cgroup.map_or(Ok(()), cgroup::Cgroup::enter) {
            return failure(cgroup::STEP, &error);
        }
        let groups = matches!(self.setting.privilege, Privilege::Root { .. });
        failure(
            "start the zygote's program",
            &become_zygote(&self.setting.executables, program, control, module, born_into, groups),
        )
    }

    /// What names the cgroup of a zygote without ids of its own.
    pub(super) fn number(&self) -> Result<Option<Lease>, Refusal> {
        match &self.setting.privilege {
            Privilege::Rootless { cgroups: Ok(Delegated { numbers, .. }) } => {
                numbers.lease().map(Some).map_err(|error| Refusal::new(Some(Wall::Cgroup), "name a cgroup", error))
            }
            Privilege::Rootless { cgroups: Err(_) } | Privilege::Root { .. } => Ok(None),
        }
    }

    /// The zygote's cgroup, which it enters before its program starts.
    fn make_cgroup(&mut self, plan: &ZygotePlan, lease: Option<&Lease>) -> Result<Option<cgroup::Created>, Refusal> {
        if !plan.walls.contains(&Wall::Cgroup) {
            return Ok(None);
        }
        let refuse = |error: cgroup::Error| Refusal::new(Some(Wall::Cgroup), cgroup::STEP, error);
        let Some(lease) = lease else {
            return Err(Refusal::new(Some(Wall::Cgroup), cgroup::STEP, "none was handed over"));
        };
        let hierarchies = self.hierarchies().map_err(refuse)?;
        let (bytes, tasks) = (plan.cgroup_memory_bytes, plan.cgroup_tasks);
        cgroup::create(hierarchies, &lease.name(), bytes, tasks).map(Some).map_err(refuse)
    }

    /// Found once, and swept then.
    pub(super) fn hierarchies(&mut self) -> Result<&cgroup::Hierarchies, cgroup::Error> {
        let found = match (self.hierarchies.take(), &self.setting.privilege) {
            (Some(found), _) => found,
            (None, Privilege::Root { ids, .. }) => {
                let found = cgroup::discover()?;
                let left = leftovers::find(&found, ids);
                left.into_iter().for_each(|(cgroup, lease)| self.leftovers.end_found(cgroup, lease));
                found
            }
            (None, Privilege::Rootless { cgroups: Ok(Delegated { hierarchies, numbers }) }) => {
                let left = leftovers::find(hierarchies, numbers);
                left.into_iter().for_each(|(cgroup, lease)| self.leftovers.end_found(cgroup, lease));
                hierarchies.clone()
            }
            (None, Privilege::Rootless { cgroups: Err(_) }) => return Err(cgroup::Error::none()),
        };
        Ok(self.hierarchies.insert(found))
    }

    pub(super) fn start_worker(
        &mut self,
        zygote: ZygoteId,
        worker: WorkerId,
        plan: WorkerPlan,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Refusal> {
        let invalid = || Refusal::new(None, "read a request", "no such zygote, or a number in use");
        let program = self.zygotes.get(&zygote).filter(|zygote| !zygote.ended).ok_or_else(invalid)?.plan.program;
        self.admit_worker(program, &plan, &fds)?;
        if self.workers.contains_key(&worker) || self.workers.len() >= limits::PROCESSES {
            return Err(invalid());
        }
        let fds = self.detach_directories(zygote, &plan, fds)?;
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let zygote = self.zygotes.get_mut(&zygote).ok_or_else(invalid)?;
        match send_packet(&zygote.control, &ToZygote::Clone { worker, plan }, &borrowed) {
            // Whoever asks is told why when its end is seen: its last words are more than that it has gone.
            Err(error) if !error.is_gone() => return Err(Refusal::new(None, "ask the zygote for a worker", error)),
            Ok(()) | Err(_) => {}
        }
        zygote.pending.push(worker);
        Ok(())
    }

    /// The channel, the streams and the connection as they are, and every directory as a mount of its own.
    fn detach_directories(
        &self,
        zygote: ZygoteId,
        plan: &WorkerPlan,
        mut fds: Vec<OwnedFd>,
    ) -> Result<Vec<OwnedFd>, Refusal> {
        let zygote = &self.zygotes[&zygote];
        if plan.directories.is_empty() || !zygote.plan.walls.contains(&Wall::Directories) {
            return Ok(fds);
        }
        let refuse = |error: directories::Error| Refusal::new(Some(Wall::Directories), "detach a directory", error);
        let id_map = match (&zygote.lease, zygote.plan.walls.contains(&Wall::Identity)) {
            (Some(lease), true) => {
                Some(self.make_id_map(lease).map_err(|error| Refusal::new(Some(Wall::Directories), "map ids", error))?)
            }
            _ => None,
        };
        let directories = fds.split_off(plain_fds(plan));
        for (fd, access) in directories.iter().zip(&plan.directories) {
            fds.push(directories::detach(fd.as_fd(), *access, id_map.as_ref().map(AsFd::as_fd)).map_err(refuse)?);
        }
        Ok(fds)
    }

    /// A user namespace in which the person's ids on disk are the worker's: a child that lives just long enough to
    /// open it.
    fn make_id_map(&self, lease: &Lease) -> io::Result<OwnedFd> {
        let (waits, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        match process::fork(&self.token, namespaces::USER)? {
            Forked::Child => {
                drop(go);
                let _ = rustix::io::read(&waits, &mut [0]);
                process::exit_now(0)
            }
            Forked::Parent(child) => {
                let (uid, gid) = self.setting.person;
                let map = IdMap {
                    uids: vec![(uid, lease.worker_uid)],
                    gids: vec![(gid, lease.worker_gid)],
                    deny_setgroups: false,
                };
                let opened = write_maps(&self.files.proc, child.pidfd.as_fd(), &map).and_then(|()| {
                    let pid = proc_pid(&self.files.proc, child.pidfd.as_fd())?;
                    Ok(openat(
                        &self.files.proc,
                        format!("{pid}/ns/user"),
                        OFlags::RDONLY | OFlags::CLOEXEC,
                        Mode::empty(),
                    )?)
                });
                drop(go);
                reap_now(child.pidfd.as_fd());
                opened
            }
        }
    }
}

/// Why a fork with namespaces failed, with what is missing; source: clone(2), user_namespaces(7).
fn explained(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => format!(
            "{error}: this process may have no user namespace, as none may in a chroot; start it outside of the chroot, or as a \
             container's root (pivot_root) with CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID and CAP_KILL"
        ),
        Some(libc::EAGAIN) => {
            format!("{error}: this user has as many processes as RLIMIT_NPROC (ulimit -u) lets it have")
        }
        _ => error.to_string(),
    }
}

/// Which wall a fork failed for: these are clone3(2)'s errors about the cgroup to be born in.
pub(super) fn wall_of_fork(error: &io::Error) -> Wall {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EBUSY | libc::EOPNOTSUPP) => Wall::Cgroup,
        _ => Wall::Namespaces,
    }
}
