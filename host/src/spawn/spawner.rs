//! The one process that keeps privilege: pid 1 of the runner's pid namespace, so that the kernel ends every zygote
//! and worker with it. It has one thread, reads bounded requests from the coordinator and bounded answers from
//! zygotes, and opens no path that either of them names.

mod birth;
mod start;

use super::{Privilege, Setting};
use crate::ipc::{Closed, Received, recv_packet, send_packet};
use crate::sandbox::{cgroup, descriptors, failure, landlock, steps};
use crate::spawn::ids::Lease;
use crate::sys::process::{self, Reaped, SingleThreaded};
use birth::proc_pid;
use rustix::event::epoll;
use rustix::fs::{AtFlags, FileType, statat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, setsid, waitid};
use sandhog_protocol::plan::{Wall, ZygotePlan};
use sandhog_protocol::spawn::CONTROL_SOCKET;
use sandhog_protocol::spawn::{
    Exit, FromSpawner, FromZygote, How, SpawnFailure, ToSpawner, WeakWall, WorkerId, ZygoteId,
};
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
    guard: Option<Guard>,
}

/// What outlives a daemon that was killed. The locks go last: no other daemon begins before this one's things are gone.
struct Guard {
    /// Where its control socket is.
    sockets: OwnedFd,
    _locks: [OwnedFd; 2],
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
            guard: None,
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
        if let Privilege::Root { .. } = self.setting.privilege {
            // While the coordinator still starts. Whoever needs them asks again, and hears why there are none.
            let _ = self.hierarchies();
        }
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
            ToSpawner::Kill { worker } => self.signal(worker, Signal::KILL),
            ToSpawner::Pause { worker } => self.signal(worker, Signal::STOP),
            ToSpawner::Resume { worker } => self.signal(worker, Signal::CONT),
            ToSpawner::EndZygote { zygote } => {
                if let Some(zygote) = self.zygotes.get(&zygote) {
                    let _ = pidfd_send_signal(&zygote.pidfd, Signal::KILL);
                }
                Ok(())
            }
            ToSpawner::Guard => {
                let fds = <[OwnedFd; 3]>::try_from(fds).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                let [state, runtime, sockets] = fds;
                self.guard.get_or_insert(Guard { sockets, _locks: [state, runtime] });
                Ok(())
            }
        }
    }

    /// One that has ended needs no signal.
    fn signal(&self, worker: WorkerId, signal: Signal) -> io::Result<()> {
        if let Some(worker) = self.workers.get(&worker) {
            let _ = pidfd_send_signal(&worker.pidfd, signal);
        }
        Ok(())
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
                zygote.last_words = Some(steps::with_wall(failure));
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

    /// Ends what is left, so that the cgroups can go: the kernel would end it, but after us. All of it: a zygote may just have
    /// cloned a worker that nobody here has heard of.
    fn clear(&mut self) {
        // Fails only where there is nobody.
        let _ = process::kill_namespace(&self.token);
        while !matches!(waitid(WaitId::All, WaitIdOptions::EXITED), Err(Errno::CHILD)) {}
        self.zygotes.clear();
        if let Some(Guard { sockets, .. }) = self.guard.take() {
            remove_socket(&sockets);
        }
    }
}

/// Where the daemon ended by itself it has done so already. What is no socket is somebody else's.
fn remove_socket(directory: &OwnedFd) {
    let status = statat(directory, CONTROL_SOCKET, AtFlags::SYMLINK_NOFOLLOW);
    if status.is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Socket) {
        let _ = unlinkat(directory, CONTROL_SOCKET, AtFlags::empty());
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
