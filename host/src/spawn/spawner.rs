//! The one process that keeps privilege: pid 1 of the runner's pid namespace, so that the kernel ends every zygote
//! and worker with it. It has one thread, reads bounded requests from the coordinator and bounded answers from
//! zygotes, and opens no path that either of them names.

use super::{IPC_FD, Privilege, Setting, ZYGOTE_NAME, fds};
use crate::ipc::{Closed, Received, pair, recv_packet, send_packet};
use crate::sandbox::namespaces::{self, IdMap};
use crate::sandbox::{cgroup, descriptors, directories, failure, landlock};
use crate::spawn::ids::Lease;
use crate::sys::process::{self, Child, Forked, Reaped, SingleThreaded};
use rustix::event::epoll;
use rustix::fs::{Mode, OFlags, openat};
use rustix::net::SocketType;
use rustix::process::{Pid, Signal, pidfd_send_signal, setsid};
use sandhog_protocol::limits;
use sandhog_protocol::plan::{Access, Wall, WorkerPlan, ZygotePlan};
use sandhog_protocol::spawn::{
    Exit, FromSpawner, FromZygote, How, Ids, SpawnFailure, ToSpawner, ToZygote, WeakWall, WorkerId, ZygoteId,
};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What the spawner keeps open from before it was forked.
pub(super) struct Files {
    /// Its channel to the coordinator.
    pub coordinator: OwnedFd,
    /// Sandhog's own executable, read-only.
    pub executable: OwnedFd,
    /// /proc as a directory.
    pub proc: OwnedFd,
    /// /dev/null, for what a zygote has instead of standard streams.
    pub null: OwnedFd,
}

/// Runs until the coordinator closes its end; then everything below has gone.
pub(super) fn main(token: SingleThreaded, setting: Setting, files: Files) -> ! {
    let code = match Spawner::new(token, setting, files).and_then(|mut spawner| {
        let end = spawner.serve();
        spawner.clear();
        end
    }) {
        Ok(()) => 0,
        Err(_) => 1,
    };
    process::exit_now(code)
}

/// Why a request could not be carried out, and which wall that concerns.
struct Refusal {
    wall: Option<Wall>,
    step: &'static str,
    error: Box<dyn std::error::Error>,
}

impl Refusal {
    fn new(wall: Option<Wall>, step: &'static str, error: impl Into<Box<dyn std::error::Error>>) -> Self {
        Self { wall, step, error: error.into() }
    }

    fn report(&self) -> SpawnFailure {
        SpawnFailure { wall: self.wall, failure: failure(self.step, self.error.as_ref()) }
    }
}

struct Zygote {
    pidfd: OwnedFd,
    /// In the spawner's namespace.
    pid: Pid,
    control: OwnedFd,
    plan: ZygotePlan,
    /// Above the lease, and so dropped before it: its name is the id, which must not be somebody else's by then.
    cgroup: Option<cgroup::Cgroup>,
    lease: Option<Lease>,
    /// Workers that were asked for and have not been reported yet.
    pending: Vec<WorkerId>,
    /// Workers that live.
    workers: usize,
    /// It has ended; it is kept for the cgroup of its last workers.
    ended: bool,
    /// Why it ended, in its own words.
    last_words: Option<SpawnFailure>,
}

struct Worker {
    pidfd: OwnedFd,
    /// In the spawner's namespace.
    pid: Pid,
    zygote: ZygoteId,
}

/// Which descriptor woke the loop.
#[derive(Clone, Copy)]
enum Source {
    Coordinator,
    Control(ZygoteId),
    ZygoteEnd(ZygoteId),
    WorkerEnd(WorkerId),
}

impl Source {
    const KIND: u32 = 32;

    fn data(self) -> epoll::EventData {
        let (kind, id) = match self {
            Self::Coordinator => (0, 0),
            Self::Control(zygote) => (1, zygote),
            Self::ZygoteEnd(zygote) => (2, zygote),
            Self::WorkerEnd(worker) => (3, worker),
        };
        epoll::EventData::new_u64(kind << Self::KIND | u64::from(id))
    }

    fn of(data: epoll::EventData) -> Self {
        let id = data.u64() as u32;
        match data.u64() >> Self::KIND {
            1 => Self::Control(id),
            2 => Self::ZygoteEnd(id),
            3 => Self::WorkerEnd(id),
            _ => Self::Coordinator,
        }
    }
}

struct Spawner {
    token: SingleThreaded,
    setting: Setting,
    files: Files,
    epoll: OwnedFd,
    /// Found at the first zygote that is to have a cgroup.
    hierarchies: Option<cgroup::Hierarchies>,
    zygotes: HashMap<ZygoteId, Zygote>,
    workers: HashMap<WorkerId, Worker>,
    /// Of all zygotes and workers that have not been reaped.
    pids: HashSet<Pid>,
}

impl Spawner {
    fn new(token: SingleThreaded, setting: Setting, files: Files) -> io::Result<Self> {
        // EPERM: a process group of this number exists, which the first process of a namespace can't meet.
        setsid()?;
        let _ = rustix::thread::set_name(c"sandhog-spawner");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut keep = vec![0, 1, 2, epoll.as_raw_fd()];
        keep.extend([&files.coordinator, &files.executable, &files.proc, &files.null].map(|fd| fd.as_raw_fd()));
        if let Privilege::Root { ids } = &setting.privilege {
            keep.push(ids.as_fd().as_raw_fd());
        }
        descriptors::keep_only(&keep).map_err(io::Error::other)?;
        // Its standard streams are the command's own: a spawner that outlives the command must not hold a pipe open.
        for number in 0..=2 {
            process::place(files.null.as_fd(), number)?;
        }
        let spawner = Self {
            token,
            setting,
            files,
            epoll,
            hierarchies: None,
            zygotes: HashMap::new(),
            workers: HashMap::new(),
            pids: HashSet::new(),
        };
        spawner.watch(spawner.files.coordinator.as_fd(), Source::Coordinator)?;
        spawner.tell(&FromSpawner::Ready { weak: spawner.weak_walls() }, &[])?;
        Ok(spawner)
    }

    /// The walls that this machine, or this person's rights, give less than in full.
    fn weak_walls(&self) -> Vec<WeakWall> {
        let landlock = landlock::abi().and_then(landlock::weakness).map(|why| WeakWall { wall: Wall::Landlock, why });
        let rootless = match self.setting.privilege {
            Privilege::Root { .. } => Vec::new(),
            Privilege::Rootless => vec![
                WeakWall {
                    wall: Wall::Identity,
                    why: "not started as root: workers keep your user id and groups".into(),
                },
                WeakWall {
                    wall: Wall::Cgroup,
                    why: "not started as root: RLIMIT_NPROC and RLIMIT_DATA stand in".into(),
                },
            ],
        };
        rootless.into_iter().chain(landlock).collect()
    }

    /// Known only once the hierarchies have been found.
    fn weak_cgroup(&self) -> Vec<WeakWall> {
        let why = self.hierarchies.as_ref().and_then(cgroup::Hierarchies::weakness);
        why.map(|why| WeakWall { wall: Wall::Cgroup, why }).into_iter().collect()
    }

    fn watch(&self, fd: BorrowedFd<'_>, source: Source) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, source.data(), epoll::EventFlags::IN)?)
    }

    fn tell(&self, message: &FromSpawner, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        send_packet(&self.files.coordinator, message, fds).map_err(io::Error::other)
    }

    /// Until the coordinator has gone. A breach of the protocol by the coordinator is an end as well.
    fn serve(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Err(rustix::io::Errno::INTR) => continue,
                answer => answer?,
            };
            for event in &events {
                match Source::of(event.data) {
                    Source::Coordinator => {
                        match recv_packet::<ToSpawner>(&self.files.coordinator).map_err(io::Error::other)? {
                            Ok(request) => self.request(request)?,
                            Err(Closed) => return Ok(()),
                        }
                    }
                    Source::Control(zygote) => self.hear_zygote(zygote)?,
                    Source::ZygoteEnd(zygote) => self.reap_zygote(zygote)?,
                    Source::WorkerEnd(worker) => self.reap_worker(worker)?,
                }
            }
        }
    }

    fn request(&mut self, request: Received<ToSpawner>) -> io::Result<()> {
        let Received { message, fds } = request;
        match message {
            ToSpawner::StartZygote { zygote, plan } => match self.start_zygote(zygote, plan, fds) {
                Ok(()) => self.tell(&FromSpawner::ZygoteStarted { zygote, weak: self.weak_cgroup() }, &[]),
                Err(refusal) => {
                    self.drop_zygote(zygote);
                    self.tell(&FromSpawner::ZygoteEnded { zygote, why: Some(refusal.report()) }, &[])
                }
            },
            ToSpawner::StartWorker { zygote, worker, plan } => match self.start_worker(zygote, worker, plan, fds) {
                Ok(()) => Ok(()),
                Err(refusal) => self.tell(&FromSpawner::WorkerRefused { worker, why: refusal.report() }, &[]),
            },
            ToSpawner::Kill { worker } => {
                if let Some(worker) = self.workers.get(&worker) {
                    let _ = pidfd_send_signal(&worker.pidfd, Signal::KILL);
                }
                Ok(())
            }
            ToSpawner::EndZygote { zygote } => {
                if let Some(zygote) = self.zygotes.get(&zygote) {
                    let _ = pidfd_send_signal(&zygote.pidfd, Signal::KILL);
                }
                Ok(())
            }
        }
    }

    fn start_zygote(&mut self, id: ZygoteId, plan: ZygotePlan, fds: Vec<OwnedFd>) -> Result<(), Refusal> {
        let refuse = |step, error: io::Error| Refusal::new(None, step, error);
        let [module] =
            <[OwnedFd; 1]>::try_from(fds).map_err(|_| refuse("read a request", io::ErrorKind::InvalidInput.into()))?;
        if self.zygotes.contains_key(&id) || self.zygotes.len() >= limits::PROCESSES {
            return Err(refuse("read a request", io::ErrorKind::InvalidInput.into()));
        }
        let lease = match &self.setting.privilege {
            Privilege::Root { ids } => {
                Some(ids.lease().map_err(|error| Refusal::new(Some(Wall::Identity), "take an id", error))?)
            }
            Privilege::Rootless => None,
        };
        let (control, theirs) = pair(SocketType::SEQPACKET).map_err(|error| refuse("make a socket", error))?;
        rustix::io::ioctl_fionbio(&control, true).map_err(|errno| refuse("make a socket", errno.into()))?;
        let own_namespaces = plan.walls.contains(&Wall::Namespaces);
        let child = self.fork_zygote(own_namespaces, &theirs, &module)?;
        drop((theirs, module));
        let map = own_namespaces.then(|| id_map(lease.as_ref()));
        let ids = lease.as_ref().map(|lease| worker_ids(lease, own_namespaces));
        let pid =
            proc_pid(&self.files.proc, child.0.pidfd.as_fd()).map_err(|error| refuse("start a zygote", error))?.own;
        let zygote = Zygote {
            pidfd: child.0.pidfd,
            pid,
            control,
            plan,
            lease,
            cgroup: None,
            pending: Vec::new(),
            workers: 0,
            ended: false,
            last_words: None,
        };
        self.pids.insert(pid);
        let zygote = self.zygotes.entry(id).or_insert(zygote);
        let setup = ToZygote::Setup { plan: zygote.plan.clone(), ids };
        if let Some(map) = map {
            write_maps(&self.files.proc, zygote.pidfd.as_fd(), &map)
                .map_err(|error| Refusal::new(Some(Wall::Namespaces), "map ids", error))?;
        }
        rustix::io::write(&child.1, b"g").map_err(|errno| refuse("start a zygote", errno.into()))?;
        send_packet(&zygote.control, &setup, &[]).map_err(|error| Refusal::new(None, "start a zygote", error))?;
        // Beside the zygote's start: after some quiet the kernel takes milliseconds for it (an RCU grace period).
        self.enter_cgroup(id)?;
        let zygote = &self.zygotes[&id];
        let watched = self.watch(zygote.control.as_fd(), Source::Control(id));
        watched
            .and_then(|()| self.watch(zygote.pidfd.as_fd(), Source::ZygoteEnd(id)))
            .map_err(|error| refuse("watch a zygote", error))
    }

    /// A child that waits for its ids and then becomes the executable again; with the end of the pipe that it waits on.
    fn fork_zygote(
        &self,
        own_namespaces: bool,
        control: &OwnedFd,
        module: &OwnedFd,
    ) -> Result<(Child, OwnedFd), Refusal> {
        let (waits, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|errno| Refusal::new(None, "make a pipe", io::Error::from(errno)))?;
        let namespaces = if own_namespaces { namespaces::ZYGOTE } else { 0 };
        match process::fork(&self.token, namespaces)
            .map_err(|error| Refusal::new(Some(Wall::Namespaces), "fork a zygote", error))?
        {
            Forked::Parent(child) => Ok((child, go)),
            Forked::Child => {
                drop(go);
                let groups = matches!(self.setting.privilege, Privilege::Root { .. });
                let error = become_zygote(&self.files, control, module, &waits, own_namespaces, groups);
                let words = FromZygote::Unsealed(failure("start the zygote's program", &error));
                let _ = send_packet(control, &words, &[]);
                process::exit_now(1)
            }
        }
    }

    fn enter_cgroup(&mut self, id: ZygoteId) -> Result<(), Refusal> {
        let Some(zygote) = self.zygotes.get_mut(&id).filter(|zygote| zygote.plan.walls.contains(&Wall::Cgroup)) else {
            return Ok(());
        };
        let refuse = |error: cgroup::Error| Refusal::new(Some(Wall::Cgroup), "limit a cgroup", error);
        let Some(lease) = &zygote.lease else {
            return Err(Refusal::new(Some(Wall::Cgroup), "limit a cgroup", "only root has ids to name one by"));
        };
        if self.hierarchies.is_none() {
            let found = cgroup::discover().map_err(refuse)?;
            sweep(&found, &self.setting.privilege);
            self.hierarchies = Some(found);
        }
        let Some(hierarchies) = &self.hierarchies else { return Ok(()) };
        let (bytes, tasks) = (zygote.plan.cgroup_memory_bytes, zygote.plan.cgroup_tasks);
        let cgroup = cgroup::create(hierarchies, &lease.zygote.to_string(), bytes, tasks.into()).map_err(refuse)?;
        let entered = cgroup.enter(zygote.pid).map_err(refuse);
        zygote.cgroup = Some(cgroup);
        entered
    }

    fn start_worker(
        &mut self,
        zygote: ZygoteId,
        worker: WorkerId,
        plan: WorkerPlan,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Refusal> {
        let invalid =
            || Refusal::new(None, "read a request", "no such zygote, a number in use, or a wrong count of descriptors");
        if fds.len() != 4 + plan.directories.len()
            || self.workers.contains_key(&worker)
            || self.workers.len() >= limits::PROCESSES
        {
            return Err(invalid());
        }
        let zygote = self.zygotes.get(&zygote).filter(|zygote| !zygote.ended).map(|_| zygote).ok_or_else(invalid)?;
        let fds = self.detach_directories(zygote, &plan.directories, fds)?;
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let zygote = self.zygotes.get_mut(&zygote).ok_or_else(invalid)?;
        send_packet(&zygote.control, &ToZygote::Clone { worker, plan }, &borrowed)
            .map_err(|error| Refusal::new(None, "ask the zygote for a worker", error))?;
        zygote.pending.push(worker);
        Ok(())
    }

    /// The channel and streams as they are, and every directory as a mount of its own.
    fn detach_directories(
        &self,
        zygote: ZygoteId,
        access: &[Access],
        mut fds: Vec<OwnedFd>,
    ) -> Result<Vec<OwnedFd>, Refusal> {
        let zygote = &self.zygotes[&zygote];
        if access.is_empty() || !zygote.plan.walls.contains(&Wall::Directories) {
            return Ok(fds);
        }
        let refuse = |error: directories::Error| Refusal::new(Some(Wall::Directories), "detach a directory", error);
        let id_map = match (&zygote.lease, zygote.plan.walls.contains(&Wall::Identity)) {
            (Some(lease), true) => {
                Some(self.make_id_map(lease).map_err(|error| Refusal::new(Some(Wall::Directories), "map ids", error))?)
            }
            _ => None,
        };
        let plain = fds.split_off(4);
        for (fd, access) in plain.iter().zip(access) {
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
                        format!("{}/ns/user", pid.outside),
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

    fn hear_zygote(&mut self, id: ZygoteId) -> io::Result<()> {
        let Some(zygote) = self.zygotes.get_mut(&id) else { return Ok(()) };
        match recv_packet::<FromZygote>(&zygote.control) {
            Ok(Ok(Received { message: FromZygote::Cloned { worker }, fds }))
                if fds.len() == 1 && take(&mut zygote.pending, worker) =>
            {
                for pidfd in fds {
                    self.adopt(id, worker, pidfd)?;
                }
                Ok(())
            }
            Ok(Ok(Received { message: FromZygote::CloneFailed { worker, failure }, fds }))
                if fds.is_empty() && take(&mut zygote.pending, worker) =>
            {
                self.tell(&FromSpawner::WorkerRefused { worker, why: SpawnFailure { wall: None, failure } }, &[])
            }
            Ok(Ok(Received { message: FromZygote::Unsealed(failure), .. })) => {
                let wall = crate::sandbox::steps::wall_of(&failure.step);
                zygote.last_words = Some(SpawnFailure { wall, failure });
                Ok(())
            }
            // Whoever holds its end now says nothing; the spawner waits for nobody.
            Err(error) if error.would_block() => Ok(()),
            // Closed, or not our protocol: whatever it is now, no worker comes from it any more.
            Ok(_) | Err(_) => {
                let _ = epoll::delete(&self.epoll, &zygote.control);
                let _ = pidfd_send_signal(&zygote.pidfd, Signal::KILL);
                Ok(())
            }
        }
    }

    /// A worker that its zygote reports. The pidfd is what a hostile zygote could lie with: it must be our child.
    fn adopt(&mut self, zygote: ZygoteId, worker: WorkerId, pidfd: OwnedFd) -> io::Result<()> {
        let pid = self.new_child(pidfd.as_fd());
        let Some(pid) = pid else {
            let why = SpawnFailure {
                wall: None,
                failure: failure("adopt a worker", &io::Error::from(io::ErrorKind::InvalidData)),
            };
            return self.tell(&FromSpawner::WorkerRefused { worker, why }, &[]);
        };
        self.watch(pidfd.as_fd(), Source::WorkerEnd(worker))?;
        self.tell(&FromSpawner::WorkerStarted { worker }, &[pidfd.as_fd()])?;
        self.pids.insert(pid);
        self.workers.insert(worker, Worker { pidfd, pid, zygote });
        if let Some(zygote) = self.zygotes.get_mut(&zygote) {
            zygote.workers += 1;
        }
        Ok(())
    }

    /// The number of a child that is neither a zygote nor a worker that is known already: nothing else can be the
    /// worker that a zygote has just made.
    fn new_child(&self, pidfd: BorrowedFd<'_>) -> Option<Pid> {
        let pid = proc_pid(&self.files.proc, pidfd).ok()?.own;
        (process::is_child(pidfd) && !self.pids.contains(&pid)).then_some(pid)
    }

    fn reap_worker(&mut self, id: WorkerId) -> io::Result<()> {
        let Some(worker) = self.workers.get(&id) else { return Ok(()) };
        let reaped = match process::reap(worker.pidfd.as_fd()) {
            Ok(Some(reaped)) => reaped,
            Ok(None) => return Ok(()),
            // Nobody else reaps here, so this can't be; were it so, it would cost this worker only.
            Err(_) => Reaped { how: process::How::Exited(1), cpu_us: 0, peak_rss_bytes: 0 },
        };
        let _ = epoll::delete(&self.epoll, &worker.pidfd);
        let (zygote, pid) = (worker.zygote, worker.pid);
        self.workers.remove(&id);
        self.pids.remove(&pid);
        let out_of_memory = self
            .zygotes
            .get(&zygote)
            .and_then(|zygote| zygote.cgroup.as_ref())
            .is_some_and(|cgroup| cgroup.out_of_memory().unwrap_or(false));
        let how = match reaped.how {
            process::How::Exited(code) => How::Exited(code),
            process::How::Signalled(signal) => How::Signalled(signal),
        };
        let exit = Exit { how, cpu_us: reaped.cpu_us, peak_rss_bytes: reaped.peak_rss_bytes, out_of_memory };
        self.tell(&FromSpawner::WorkerEnded { worker: id, exit }, &[])?;
        if let Some(zygote) = self.zygotes.get_mut(&zygote) {
            zygote.workers -= 1;
        }
        self.forget_if_empty(zygote);
        Ok(())
    }

    fn reap_zygote(&mut self, id: ZygoteId) -> io::Result<()> {
        // What it said last is worth more than how it died.
        self.hear_zygote(id)?;
        let Some(zygote) = self.zygotes.get_mut(&id).filter(|zygote| !zygote.ended) else { return Ok(()) };
        let Some(reaped) = process::reap(zygote.pidfd.as_fd())? else { return Ok(()) };
        let _ = (epoll::delete(&self.epoll, &zygote.control), epoll::delete(&self.epoll, &zygote.pidfd));
        zygote.ended = true;
        self.pids.remove(&zygote.pid);
        let why = zygote.last_words.take().or_else(|| unexpected(&reaped.how));
        let pending = std::mem::take(&mut zygote.pending);
        for worker in pending {
            let why = why.clone().unwrap_or_else(|| SpawnFailure {
                wall: None,
                failure: failure("clone a worker", &io::Error::other("its zygote has ended")),
            });
            self.tell(&FromSpawner::WorkerRefused { worker, why }, &[])?;
        }
        self.tell(&FromSpawner::ZygoteEnded { zygote: id, why }, &[])?;
        self.forget_if_empty(id);
        Ok(())
    }

    /// The cgroup goes with the last process that was in it.
    fn forget_if_empty(&mut self, id: ZygoteId) {
        if self.zygotes.get(&id).is_some_and(|zygote| zygote.ended && zygote.workers == 0) {
            self.zygotes.remove(&id);
        }
    }

    /// Ends a zygote whose start failed half-way.
    fn drop_zygote(&mut self, id: ZygoteId) {
        if let Some(zygote) = self.zygotes.remove(&id) {
            self.pids.remove(&zygote.pid);
            let _ = pidfd_send_signal(&zygote.pidfd, Signal::KILL);
            reap_now(zygote.pidfd.as_fd());
        }
    }

    /// Ends what is left, so that the cgroups can go: the kernel would end it, but after us.
    fn clear(&mut self) {
        let pidfds = self.zygotes.values().filter(|zygote| !zygote.ended).map(|zygote| &zygote.pidfd);
        let pidfds: Vec<&OwnedFd> = pidfds.chain(self.workers.values().map(|worker| &worker.pidfd)).collect();
        for pidfd in &pidfds {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
        for pidfd in pidfds {
            reap_now(pidfd.as_fd());
        }
        self.zygotes.clear();
    }
}

/// A zygote that nobody ended and that said nothing.
fn unexpected(how: &process::How) -> Option<SpawnFailure> {
    let text = match how {
        process::How::Exited(0) | process::How::Signalled(libc::SIGKILL) => return None,
        process::How::Exited(code) => format!("it exited with code {code}"),
        process::How::Signalled(signal) => format!("signal {signal} ended it"),
    };
    Some(SpawnFailure { wall: None, failure: failure("run a zygote", &io::Error::other(text)) })
}

/// Waits for a child that has been told to end, or that ends by itself at once, and reaps it.
fn reap_now(pidfd: BorrowedFd<'_>) {
    loop {
        let _ = rustix::event::poll(
            &mut [rustix::event::PollFd::from_borrowed_fd(pidfd, rustix::event::PollFlags::IN)],
            None,
        );
        if !matches!(process::reap(pidfd), Ok(None)) {
            return;
        }
    }
}

fn take(pending: &mut Vec<WorkerId>, worker: WorkerId) -> bool {
    let place = pending.iter().position(|other| *other == worker);
    place.map(|place| pending.swap_remove(place)).is_some()
}

/// Inside, the zygote is root and workers are 1; without privilege all are the person.
fn id_map(lease: Option<&Lease>) -> IdMap {
    match lease {
        Some(lease) => IdMap {
            uids: vec![(0, lease.zygote), (1, lease.worker_uid)],
            gids: vec![(0, lease.zygote), (1, lease.worker_gid)],
            deny_setgroups: false,
        },
        None => IdMap {
            uids: vec![(0, rustix::process::geteuid().as_raw())],
            gids: vec![(0, rustix::process::getegid().as_raw())],
            deny_setgroups: true,
        },
    }
}

fn worker_ids(lease: &Lease, own_namespaces: bool) -> Ids {
    if own_namespaces { Ids { uid: 1, gid: 1 } } else { Ids { uid: lease.worker_uid, gid: lease.worker_gid } }
}

/// In the child: descriptors in their places, ids, and the executable anew. Returns only on failure.
fn become_zygote(
    files: &Files,
    control: &OwnedFd,
    module: &OwnedFd,
    waits: &OwnedFd,
    own_namespaces: bool,
    groups: bool,
) -> io::Error {
    let prepared = || -> io::Result<()> {
        // Both ends of a pipe that closes without a byte: the spawner has gone.
        if rustix::io::read(waits, &mut [0])? == 0 {
            process::exit_now(1);
        }
        if own_namespaces {
            if groups {
                rustix::thread::set_thread_groups(&[])?;
            }
            let (uid, gid) = (rustix::process::Uid::ROOT, rustix::process::Gid::ROOT);
            rustix::thread::set_thread_res_gid(gid, gid, gid)?;
            rustix::thread::set_thread_res_uid(uid, uid, uid)?;
        }
        // Two may stand on each other's places: copies first, far above all places.
        let copy = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, 64);
        let (control, module, executable) = (copy(control)?, copy(module)?, copy(&files.executable)?);
        process::place(control.as_fd(), fds::CONTROL)?;
        process::place(module.as_fd(), fds::MODULE)?;
        let variable = std::ffi::CString::new(format!("{IPC_FD}={}", fds::CONTROL))?;
        Err(process::exec(executable.as_fd(), &[ZYGOTE_NAME], &[variable.as_c_str()]))
    };
    match prepared() {
        Ok(()) => io::ErrorKind::Other.into(),
        Err(error) => error,
    }
}

fn write_maps(proc: &OwnedFd, pidfd: BorrowedFd<'_>, map: &IdMap) -> io::Result<()> {
    let pid = proc_pid(proc, pidfd)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let process = openat(proc, pid.outside.to_string(), flags, Mode::empty())?;
    namespaces::map_ids(process.as_fd(), map).map_err(io::Error::other)
}

/// A child's numbers.
struct ProcPid {
    /// In the namespace that /proc shows.
    outside: i32,
    /// In the spawner's own, which is one below it.
    own: Pid,
}

/// The numbers of the process behind a pidfd, from its entry in fdinfo (pidfd_open(2); proc(5), `NSpid`).
fn proc_pid(proc: &OwnedFd, pidfd: BorrowedFd<'_>) -> io::Result<ProcPid> {
    let info =
        openat(proc, format!("self/fdinfo/{}", pidfd.as_raw_fd()), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = [0; 512];
    let length = rustix::io::read(&info, &mut text)?;
    let text = String::from_utf8_lossy(&text[..length]);
    let numbers = text.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let mut numbers = numbers.split_whitespace().map_while(|number| number.parse::<i32>().ok());
    let (Some(outside), Some(own)) = (numbers.next(), numbers.next().and_then(Pid::from_raw)) else {
        return Err(io::Error::other("a child's number could not be read"));
    };
    Ok(ProcPid { outside, own })
}

/// Removes the cgroups of commands that were killed: those whose id nobody holds.
fn sweep(hierarchies: &cgroup::Hierarchies, privilege: &Privilege) {
    let Privilege::Root { ids } = privilege else { return };
    // Held until all is swept, so that nobody takes such an id for a new cgroup meanwhile.
    let claimed = RefCell::new(Vec::new());
    let is_stale = |name: &str| {
        let lease = name.parse().ok().and_then(|zygote| ids.claim_stale(zygote));
        lease.map(|lease| claimed.borrow_mut().push(lease)).is_some()
    };
    // What can't be removed now is swept by the next start.
    let _ = cgroup::sweep(hierarchies, is_stale);
}
