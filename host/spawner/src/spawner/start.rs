//! Carries out the two requests that start something.

use super::bearer::Bearer;
use super::early::{self, Early};
use super::fd_kind::plain_fds;
use super::reaping;
use super::zygote_start::{self, NewNamespaces, id_map, proc_pid, worker_ids};
use super::{Begun, Pending, Refusal, Settled, Source, Spawner, Zygote};
use crate::ids::Lease;
use crate::leftovers;
use crate::{Delegated, Privilege};
use sandhog_ipc::send_packet;
use sandhog_protocol::limits;
use sandhog_protocol::plan::{Wall, WorkerPlan, ZygotePlan};
use sandhog_protocol::spawn::{ToZygote, WorkerId, ZygoteId};
use sandhog_sandbox::namespaces::{self, IdMap};
use sandhog_sandbox::{cgroup, directories};
use sandhog_sys::process::Child;
use sandhog_sys::stamps;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// Cgroups of others that may be met in a row before a zygote is refused: each is under an id that nobody else has, and of a
/// command that was killed.
const OCCUPIED: usize = 16;

/// What the refusal of a zygote names as its step, where it is no wall's.
const START: &str = "start a zygote";

impl Spawner {
    /// Begins the zygote that will be asked for first, so that it starts while the coordinator still does. Where that fails,
    /// whoever asks for it hears why.
    pub(super) fn begin_first(&mut self) {
        if let Some(plan) = self.setting.first.take() {
            self.begun = self.begin_zygote(plan).ok();
        }
    }

    /// # Errors
    /// Why it was not started. Where the table has it all the same, it has been started and is to be ended.
    pub(super) fn start_zygote(&mut self, id: ZygoteId, plan: ZygotePlan, fds: Vec<OwnedFd>) -> Result<(), Refusal> {
        self.validate_zygote(id, &plan, &fds)?;
        let begun = match self.begun.take() {
            Some(begun) if begun.plan == plan => begun,
            other => {
                other.into_iter().for_each(|begun| self.abandon(begun));
                self.begin_zygote(plan)?
            }
        };
        let zygote = self.zygotes.entry(id).or_insert_with(|| Zygote::new(begun));
        tell_zygote(&zygote.control, &ToZygote::Given, &fds)?;
        let zygote = &self.zygotes[&id];
        let watched = self.watch(zygote.control.as_fd(), Source::Control(id));
        watched
            .and_then(|()| self.watch(zygote.pidfd.as_fd(), Source::ZygoteEnd(id)))
            .map_err(|error| Refusal::new(None, "watch a zygote", error))
    }

    /// Lets its program start, makes its cgroup and its namespaces meanwhile, and hands those over.
    ///
    /// # Errors
    /// Why it was not begun; nothing of it is left.
    fn begin_zygote(&mut self, plan: ZygotePlan) -> Result<Begun, Refusal> {
        stamps::note("zygote begins");
        match self.early.take() {
            Some(early) if early.serves(&plan) => self.go_on(early, plan),
            other => {
                other.into_iter().for_each(Early::end);
                self.begin_anew(plan)
            }
        }
    }

    /// From where it was begun before its plan was known.
    fn go_on(&mut self, Early { child, number, control, bearer }: Early, plan: ZygotePlan) -> Result<Begun, Refusal> {
        self.children.insert(number);
        let settled = match self.settle(&plan) {
            Ok(settled) => settled,
            Err(refusal) => {
                self.end_child(&child, number);
                return Err(refusal);
            }
        };
        stamps::note("zygote has a cgroup");
        self.hand_over(Begun { plan, child, number, control, settled, mounts: None }, false, Some(bearer))
    }

    fn begin_anew(&mut self, plan: ZygotePlan) -> Result<Begun, Refusal> {
        let (control, theirs) = early::control().map_err(|error| Refusal::new(None, "make a socket", error))?;
        // What can be born in its cgroup needs it before.
        let early =
            if plan.walls.contains(&Wall::Cgroup) && cgroup::is_unified() { Some(self.settle(&plan)?) } else { None };
        let start_directory = early.as_ref().and_then(|settled| settled.cgroup.as_ref()?.start_directory());
        let (child, number) = match self.fork_zygote(&plan, start_directory, &theirs) {
            Ok(forked) => forked,
            Err(refusal) => {
                early.into_iter().for_each(|settled| self.give_back(settled));
                return Err(refusal);
            }
        };
        drop(theirs);
        let is_born_there = early.is_some();
        let settled = match early.map_or_else(|| self.settle(&plan), Ok) {
            Ok(settled) => settled,
            Err(refusal) => {
                self.end_child(&child, number);
                return Err(refusal);
            }
        };
        stamps::note("zygote has a cgroup");
        self.hand_over(Begun { plan, child, number, control, settled, mounts: None }, is_born_there, None)
    }

    fn hand_over(&mut self, begun: Begun, is_born_there: bool, bearer: Option<Bearer>) -> Result<Begun, Refusal> {
        match self.set_up(&begun, is_born_there, bearer) {
            Ok(mounts) => Ok(Begun { mounts, ..begun }),
            Err(refusal) => {
                self.abandon(begun);
                Err(refusal)
            }
        }
    }

    /// Makes its namespaces, where `bearer` does not have them already, and tells it all that it has to know of itself. Its mount
    /// namespace.
    fn set_up(&self, begun: &Begun, is_born_there: bool, bearer: Option<Bearer>) -> Result<Option<OwnedFd>, Refusal> {
        let Settled { lease, cgroup, .. } = &begun.settled;
        let own_namespaces = begun.plan.walls.contains(&Wall::Namespaces);
        let start_directory = cgroup.as_ref().and_then(cgroup::Cgroup::start_directory);
        // Whoever bore them ends when the zygote has been told: that is not waited for before.
        let (mut fds, _bearer) = match own_namespaces {
            true => {
                let bearer = bearer.map_or_else(|| self.make_bearer(start_directory), Ok)?;
                (self.open_namespaces(&bearer, lease.as_deref())?, Some(bearer))
            }
            false => (Vec::new(), None),
        };
        stamps::note("namespaces have ids");
        let entrances = cgroup.as_ref().map_or_else(|| Ok(Vec::new()), |cgroup| cgroup.entrances(is_born_there));
        fds.extend(entrances.map_err(|error| Refusal::new(Some(Wall::Cgroup), cgroup::STEP, error))?);
        let groups = matches!(self.setting.privilege, Privilege::Root { .. });
        let setup = ToZygote::Setup { plan: begun.plan.clone(), groups };
        tell_zygote(&begun.control, &setup, &fds)?;
        // The last one of its files: it takes /proc away.
        Ok(own_namespaces.then(|| fds.swap_remove(namespaces::FILES.len() - 1)))
    }

    /// The namespaces of a zygote, with its id map: those of a child that has no other purpose.
    pub(super) fn make_namespaces(
        &self,
        lease: Option<&Lease>,
        start_directory: Option<BorrowedFd<'_>>,
    ) -> Result<(Vec<OwnedFd>, Bearer), Refusal> {
        let bearer = self.make_bearer(start_directory)?;
        Ok((self.open_namespaces(&bearer, lease)?, bearer))
    }

    fn make_bearer(&self, start_directory: Option<BorrowedFd<'_>>) -> Result<Bearer, Refusal> {
        Bearer::fork(&self.token, namespaces::ZYGOTE, start_directory)
            .map_err(|error| Refusal::new(wall_of_fork(&error), "fork a zygote", explained(&error)))
    }

    fn open_namespaces(&self, bearer: &Bearer, lease: Option<&Lease>) -> Result<Vec<OwnedFd>, Refusal> {
        bearer.wait().map_err(|error| Refusal::new(wall_of_fork(&error), "fork a zygote", explained(&error)))?;
        stamps::note("namespaces are there");
        bearer
            .map(&self.files.proc, &id_map(lease))
            .and_then(|()| bearer.open(&self.files.proc, &namespaces::FILES))
            .map_err(|error| Refusal::new(Some(Wall::Namespaces), "map ids", error))
    }

    /// Ends one that nobody has asked for.
    pub(super) fn abandon(&mut self, begun: Begun) {
        let Begun { child, number, settled, .. } = begun;
        self.end_child(&child, number);
        self.give_back(settled);
    }

    fn end_child(&mut self, child: &Child, number: i32) {
        reaping::end_now(child);
        self.children.remove(&number);
    }

    fn give_back(&mut self, Settled { lease, name, cgroup }: Settled) {
        self.end_cgroup(cgroup, lease.or(name));
    }

    /// The zygote's ids and the cgroup of their name. Ids under which somebody has left a cgroup behind that does not go at once
    /// are passed over: they stay taken until it is gone.
    pub(super) fn settle(&mut self, plan: &ZygotePlan) -> Result<Settled, Refusal> {
        let slots = plan.slots.map(|slots| slots.count);
        for _ in 0..OCCUPIED {
            let lease = match &self.setting.privilege {
                Privilege::Root { ids, .. } => {
                    Some(ids.lease(slots).map_err(|error| Refusal::new(Some(Wall::Identity), "take an id", error))?)
                }
                Privilege::Rootless { .. } => None,
            };
            let name = self.number(slots)?;
            if let Some(own) = lease.as_ref().or(name.as_ref())
                && plan.walls.contains(&Wall::Cgroup)
                && !self.end_under(own)?
            {
                continue;
            }
            match self.make_cgroup(plan, lease.as_deref().or(name.as_deref()))? {
                Some(cgroup::Created::New(cgroup)) => return Ok(Settled { lease, name, cgroup: Some(cgroup) }),
                None => return Ok(Settled { lease, name, cgroup: None }),
                Some(cgroup::Created::Occupied(cgroup)) => {
                    if let Some(lease) = lease.or(name) {
                        self.leftovers.end_found(cgroup, lease);
                    }
                }
            }
        }
        let reason = "processes that can't be ended from here are in the cgroups of commands that were killed";
        Err(Refusal::new(Some(Wall::Cgroup), cgroup::STEP, reason))
    }

    /// Ends what those have left behind who had these ids before; whether all of it is gone.
    fn end_under(&mut self, lease: &Rc<Lease>) -> Result<bool, Refusal> {
        let hierarchies = self.hierarchies().map_err(|error| Refusal::new(Some(Wall::Cgroup), cgroup::STEP, error))?;
        let found = leftovers::under(hierarchies, lease);
        Ok(self.leftovers.end_under(found, lease))
    }

    /// A child that becomes another executable at once; with its number in the namespace that /proc shows.
    fn fork_zygote(
        &mut self,
        plan: &ZygotePlan,
        start_directory: Option<BorrowedFd<'_>>,
        control: &OwnedFd,
    ) -> Result<(Child, i32), Refusal> {
        let (executables, new_namespaces) = (&self.setting.executables, NewNamespaces::of(&plan.walls));
        let child =
            zygote_start::fork(&self.token, executables, plan.program, new_namespaces, start_directory, control)
                .map_err(|error| Refusal::new(wall_of_fork(&error), "fork a zygote", explained(&error)))?
                .map_err(|error| Refusal::new(None, zygote_start::PROGRAM, error))?;
        match proc_pid(&self.files.proc, child.pidfd.as_fd()) {
            Ok(number) => {
                self.children.insert(number);
                Ok((child, number))
            }
            Err(error) => {
                reaping::end_now(&child);
                Err(Refusal::new(None, START, error))
            }
        }
    }

    /// What names the cgroup of a zygote without ids of its own.
    pub(super) fn number(&self, slots: Option<u32>) -> Result<Option<Rc<Lease>>, Refusal> {
        match &self.setting.privilege {
            Privilege::Rootless { cgroups: Ok(Delegated { numbers, .. }) } => {
                numbers.lease(slots).map(Some).map_err(|error| Refusal::new(Some(Wall::Cgroup), "name a cgroup", error))
            }
            Privilege::Rootless { cgroups: Err(_) } | Privilege::Root { .. } => Ok(None),
        }
    }

    /// The zygote's cgroup, which it enters before it is given anything.
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
        let asked = self.zygotes.get(&zygote).filter(|zygote| !zygote.ended).ok_or_else(invalid)?;
        self.validate_worker(asked, &plan, &fds)?;
        if self.workers.contains_key(&worker) || self.workers.len() >= limits::PROCESSES {
            return Err(invalid());
        }
        let entrances = plan.slot.map_or_else(|| Ok(Vec::new()), |slot| self.occupy(zygote, slot, worker))?;
        let told = self.ask_for_worker(zygote, worker, &plan, fds, entrances);
        if told.is_err()
            && let Some(zygote) = self.zygotes.get_mut(&zygote)
        {
            zygote.vacate(plan.slot);
        }
        told
    }

    fn ask_for_worker(
        &mut self,
        id: ZygoteId,
        worker: WorkerId,
        plan: &WorkerPlan,
        fds: Vec<OwnedFd>,
        entrances: Vec<OwnedFd>,
    ) -> Result<(), Refusal> {
        let mut fds = self.detach_directories(id, plan, fds)?;
        stamps::note("worker is asked for");
        let slot = plan.slot;
        #[expect(clippy::cast_possible_truncation, reason = "a worker has one entrance for each hierarchy of cgroups")]
        let count = entrances.len() as u32;
        fds.extend(entrances);
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let Some(zygote) = self.zygotes.get_mut(&id) else { return Ok(()) };
        let own_namespaces = zygote.plan.walls.contains(&Wall::Namespaces);
        let ids = zygote.lease.as_ref().map(|lease| worker_ids(lease, slot, own_namespaces));
        let message = ToZygote::Clone { worker, plan: plan.clone(), ids, entrances: count };
        match send_packet(&zygote.control, &message, &borrowed) {
            // Whoever asks is told why when its end is seen: its last words are more than that it has gone.
            Err(error) if !error.is_gone() => return Err(Refusal::new(None, "ask the zygote for a worker", error)),
            Ok(()) | Err(_) => {}
        }
        zygote.pending.push(Pending { worker, slot });
        Ok(())
    }

    /// The channel, the streams and the connection as they are, and every directory as a mount of its own.
    fn detach_directories(
        &mut self,
        id: ZygoteId,
        plan: &WorkerPlan,
        mut fds: Vec<OwnedFd>,
    ) -> Result<Vec<OwnedFd>, Refusal> {
        let zygote = &self.zygotes[&id];
        if plan.directories.is_empty() || !zygote.plan.walls.contains(&Wall::Directories) {
            return Ok(fds);
        }
        let refuse = |error: directories::Error| Refusal::new(Some(Wall::Directories), "detach a directory", error);
        let id_map = match (&zygote.lease, zygote.plan.walls.contains(&Wall::Identity)) {
            (Some(lease), true) => Some(self.id_map_of(id, &Rc::clone(lease), plan.slot)?),
            _ => None,
        };
        let directories = fds.split_off(plain_fds(plan));
        for (fd, access) in directories.iter().zip(&plan.directories) {
            fds.push(directories::detach(fd.as_fd(), *access, id_map.as_ref().map(AsFd::as_fd)).map_err(refuse)?);
        }
        Ok(fds)
    }

    /// A user namespace in which the person's ids on disk are those of the worker in this slot. It takes a process to make one, so
    /// a slot keeps it.
    fn id_map_of(&mut self, id: ZygoteId, lease: &Lease, slot: Option<u32>) -> Result<Rc<OwnedFd>, Refusal> {
        let kept = slot.and_then(|slot| self.zygotes.get(&id)?.slots.get(&slot)?.id_map.clone());
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let made = self.make_id_map(lease.worker(slot.unwrap_or(0)));
        let made = Rc::new(made.map_err(|error| Refusal::new(Some(Wall::Directories), "map ids", error))?);
        if let Some(slot) = slot.and_then(|slot| self.zygotes.get_mut(&id)?.slots.get_mut(&slot)) {
            slot.id_map = Some(Rc::clone(&made));
        }
        Ok(made)
    }

    fn make_id_map(&self, (worker_uid, worker_gid): (u32, u32)) -> io::Result<OwnedFd> {
        let (uid, gid) = self.setting.person;
        let map = IdMap { uids: vec![(uid, worker_uid, 1)], gids: vec![(gid, worker_gid, 1)], deny_setgroups: false };
        let bearer = Bearer::fork(&self.token, namespaces::USER, None)?;
        bearer.wait()?;
        bearer.map(&self.files.proc, &map)?;
        bearer.open(&self.files.proc, &["user"])?.pop().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Whoever asks for it is told why it has gone when its end is seen: its last words are more than that it has.
fn tell_zygote(control: &OwnedFd, message: &ToZygote, fds: &[OwnedFd]) -> Result<(), Refusal> {
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    match send_packet(control, message, &fds) {
        Err(error) if !error.is_gone() => Err(Refusal::new(None, START, error)),
        Ok(()) | Err(_) => Ok(()),
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

/// Which wall a fork failed for: three are clone3(2)'s errors about the cgroup to be born in. A machine or a person at a limit
/// lacks no wall.
pub(super) fn wall_of_fork(error: &io::Error) -> Option<Wall> {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EBUSY | libc::EOPNOTSUPP) => Some(Wall::Cgroup),
        Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE) => None,
        _ => Some(Wall::Namespaces),
    }
}
