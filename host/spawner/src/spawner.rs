//! The one process that keeps privilege: pid 1 of the runner's pid namespace, so that the kernel ends every zygote
//! and worker with it. It has one thread, reads bounded requests from the coordinator and bounded answers from
//! zygotes, and opens no path that either of them names.

mod bearer;
mod early;
mod ends;
mod fd_kind;
mod occupy;
mod pause;
mod reaping;
mod rehearsal;
mod reports;
mod slots;
mod start;
mod strangers;
mod validate;
mod weak;
mod zygote_start;

use super::leftovers::Leftovers;
use super::{Delegated, Executables, Privilege, RootSetting, Setting};
use crate::ids::Lease;
use early::Early;
use rustix::event::{Timespec, epoll};
use rustix::process::{Signal, pidfd_send_signal, setsid};
use sandhog_ipc::{Closed, Received, recv_packet, send_packet};
use sandhog_protocol::plan::{Wall, Walls, ZygotePlan};
use sandhog_protocol::spawn::{FromSpawner, SpawnFailure, ToSpawner, WorkerId, ZygoteId};
use sandhog_sandbox::{capabilities, cgroup, descriptors, failure};
use sandhog_sys::descriptors::{Newborn, StandardStream};
use sandhog_sys::process::{self, Child, SingleThreaded};
use sandhog_sys::{inherited, signal, stamps};
use slots::Slot;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};
use strangers::{StrangerId, Strangers};

/// What the spawner keeps open from before it was forked.
pub struct Files {
    /// Its channel to the coordinator.
    pub coordinator: OwnedFd,
    /// /proc as a directory.
    pub proc: OwnedFd,
    /// /dev/null, for what a zygote has instead of standard streams.
    pub null: OwnedFd,
}

/// Runs until the coordinator closes its end; then everything below has gone.
pub fn main(newborn: Newborn, token: SingleThreaded, setting: Setting, files: Files) -> ! {
    let kept = kept_of(&setting.privilege);
    let served = settle_in(newborn, &setting.executables, kept, &files)
        .and_then(|epoll| Spawner::new(token, setting, files, epoll, None)?.serve_to_the_end());
    process::exit_now(served.is_err().into())
}

/// As [`main`] for root, before there is a setting: it comes by the channel, once and before anything else, from a command that has
/// read nothing untrusted yet. What does not depend on it is begun meanwhile.
pub fn main_early(newborn: Newborn, token: SingleThreaded, executables: Executables, files: Files) -> ! {
    let served = settle_in(newborn, &executables, Vec::new(), &files).and_then(|epoll| {
        let early = Early::begin(&token, &executables, &files.proc);
        stamps::note("waits for its setting");
        match recv_packet::<RootSetting>(&files.coordinator).map_err(io::Error::other) {
            Ok(Ok(Received { message, fds })) => {
                let setting = message.into_setting(executables, fds)?;
                Spawner::new(token, setting, files, epoll, early)?.serve_to_the_end()
            }
            // The command has nothing to run, after all.
            Ok(Err(Closed)) => {
                early.into_iter().for_each(Early::end);
                Ok(())
            }
            Err(error) => Err(error),
        }
    });
    process::exit_now(served.is_err().into())
}

/// In the forked process: a session, signals and descriptors of its own. What it will wait with.
fn settle_in(newborn: Newborn, executables: &Executables, kept: Vec<RawFd>, files: &Files) -> io::Result<OwnedFd> {
    drop(stamps::take());
    stamps::note("begins");
    // EPERM: a process group of this number exists, which the first process of a namespace can't meet.
    setsid()?;
    forget_ignored_signals();
    let _ = rustix::thread::set_name(c"sandhog-spawner");
    capabilities::not_dumpable().map_err(io::Error::other)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let Executables { worker, compiler, .. } = executables;
    let Files { coordinator, proc, null } = files;
    let own = [&epoll, coordinator, worker, compiler, proc, null].map(|fd| fd.as_raw_fd());
    let keep: Vec<RawFd> = (0..=2).chain(own).chain(kept).collect();
    descriptors::keep_only(newborn, &keep).map_err(io::Error::other)?;
    // Its standard streams are the command's own: a spawner that outlives the command must not hold a pipe open.
    for stream in StandardStream::ALL {
        stream.replace(null.as_fd())?;
    }
    Ok(epoll)
}

/// The files that a privilege is made of.
fn kept_of(privilege: &Privilege) -> Vec<RawFd> {
    match privilege {
        Privilege::Root { ids, .. } => vec![ids.as_fd().as_raw_fd()],
        Privilege::Rootless { cgroups: Ok(Delegated { hierarchies, numbers }) } => {
            let files = hierarchies.as_fds().map(|fd| fd.as_raw_fd());
            std::iter::once(numbers.as_fd().as_raw_fd()).chain(files).collect()
        }
        Privilege::Rootless { cgroups: Err(_) } => Vec::new(),
    }
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

/// A zygote's ids and its cgroup, where it has any.
struct Settled {
    lease: Option<Rc<Lease>>,
    /// Names the cgroup where there is no lease of ids.
    name: Option<Rc<Lease>>,
    cgroup: Option<cgroup::Cgroup>,
}

/// A zygote whose program starts, and which waits to be told what it is for.
struct Begun {
    plan: ZygotePlan,
    child: Child,
    /// In the namespace that /proc shows.
    number: i32,
    control: OwnedFd,
    settled: Settled,
    mounts: Option<OwnedFd>,
}

struct Zygote {
    pidfd: OwnedFd,
    /// In the namespace that /proc shows.
    number: i32,
    control: OwnedFd,
    plan: ZygotePlan,
    /// Above the leases, and so dropped before them: its name is an id, which must not be somebody else's by then.
    cgroup: Option<cgroup::Cgroup>,
    lease: Option<Rc<Lease>>,
    /// Names the cgroup where there is no lease of ids.
    name: Option<Rc<Lease>>,
    /// Its mount namespace. The last one to leave it waits for the kernel to take it apart: the spawner, once it has told of the
    /// worker's end, and not the worker, whose end that would hold up.
    _mounts: Option<OwnedFd>,
    /// Workers that were asked for and have not been reported yet.
    pending: Vec<Pending>,
    /// Workers that live.
    workers: usize,
    /// Those of its slots that have had a worker.
    slots: HashMap<u32, Slot>,
    /// It has closed its socket or broken the protocol: nothing that it says counts any more.
    silenced: bool,
    /// It has ended; it is kept for the cgroup of its last workers.
    ended: bool,
    /// Why it ended, in its own words or in ours.
    last_words: Option<SpawnFailure>,
}

impl Zygote {
    fn new(Begun { plan, child, number, control, settled, mounts }: Begun) -> Self {
        let Settled { lease, name, cgroup } = settled;
        Self {
            pidfd: child.pidfd,
            number,
            control,
            plan,
            cgroup,
            lease,
            name,
            _mounts: mounts,
            pending: Vec::new(),
            workers: 0,
            slots: HashMap::new(),
            silenced: false,
            ended: false,
            last_words: None,
        }
    }
}

/// A worker that a zygote was asked for.
#[derive(Clone, Copy)]
struct Pending {
    worker: WorkerId,
    slot: Option<u32>,
}

struct Worker {
    pidfd: OwnedFd,
    /// In the namespace that /proc shows.
    number: i32,
    zygote: ZygoteId,
    slot: Option<u32>,
    pause: Pause,
}

/// Whether a worker stands still.
#[derive(Default)]
struct Pause {
    /// Somebody asked for this one.
    alone: bool,
    since: Option<Instant>,
}

/// Which descriptor woke the loop.
#[derive(Clone, Copy)]
enum Source {
    Coordinator,
    Control(ZygoteId),
    ZygoteEnd(ZygoteId),
    WorkerEnd(WorkerId),
    StrangerEnd(StrangerId),
}

impl Source {
    const KIND: u32 = 32;

    fn data(self) -> epoll::EventData {
        let (kind, id) = match self {
            Self::Coordinator => (0, 0),
            Self::Control(zygote) => (1, zygote),
            Self::ZygoteEnd(zygote) => (2, zygote),
            Self::WorkerEnd(worker) => (3, worker),
            Self::StrangerEnd(stranger) => (4, stranger),
        };
        epoll::EventData::new_u64(kind << Self::KIND | u64::from(id))
    }

    fn of(data: epoll::EventData) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the kind stands in the upper half")]
        let id = data.u64() as u32;
        match data.u64() >> Self::KIND {
            1 => Self::Control(id),
            2 => Self::ZygoteEnd(id),
            3 => Self::WorkerEnd(id),
            4 => Self::StrangerEnd(id),
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
    /// All workers stand still: the command is stopped.
    are_halted: bool,
    /// The numbers of all zygotes, workers and strangers that have not been reaped, as /proc shows them.
    children: HashSet<i32>,
    strangers: Strangers,
    leftovers: Leftovers,
    guard: Option<Guard>,
    /// What was begun before there was a plan.
    early: Option<Early>,
    /// A zygote that nobody has asked for yet.
    begun: Option<Begun>,
    /// The walls that it has seen fail itself: of those that may be missing, only these may.
    failed: Walls,
}

/// What outlives a daemon that was killed. The locks go last: no other daemon begins before this one's things are gone.
struct Guard {
    /// Where its control socket is.
    sockets: OwnedFd,
    _locks: [OwnedFd; 2],
}

impl Spawner {
    fn new(
        token: SingleThreaded,
        setting: Setting,
        files: Files,
        epoll: OwnedFd,
        early: Option<Early>,
    ) -> io::Result<Self> {
        let strangers = Strangers::new(&files.proc);
        let mut spawner = Self {
            token,
            setting,
            files,
            epoll,
            hierarchies: None,
            zygotes: HashMap::new(),
            workers: HashMap::new(),
            are_halted: false,
            children: HashSet::new(),
            strangers,
            leftovers: Leftovers::default(),
            guard: None,
            early,
            begun: None,
            failed: Walls::new(),
        };
        spawner.failed = spawner.rehearse();
        spawner.watch(spawner.files.coordinator.as_fd(), Source::Coordinator)?;
        stamps::note("is ready");
        spawner.tell(&FromSpawner::Ready { weak: spawner.weak_walls() }, &[])?;
        Ok(spawner)
    }

    fn watch(&self, fd: BorrowedFd<'_>, source: Source) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, source.data(), epoll::EventFlags::IN)?)
    }

    fn tell(&self, message: &FromSpawner, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        send_packet(&self.files.coordinator, message, fds).map_err(io::Error::other)
    }

    /// Until the coordinator has gone and everything below has.
    fn serve_to_the_end(mut self) -> io::Result<()> {
        let end = self.serve();
        self.clear();
        end
    }

    /// Until the coordinator has gone. A breach of the protocol by the coordinator is an end as well.
    fn serve(&mut self) -> io::Result<()> {
        self.begin_first();
        if self.setting.floor.walls.contains(&Wall::Cgroup) {
            // While the coordinator still starts. Whoever needs them asks again, and hears why there are none.
            let _ = self.hierarchies();
        }
        stamps::note("knows the cgroups");
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            let pause = self.pause();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), pause.as_ref()) {
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
                    Source::StrangerEnd(stranger) => self.reap_stranger(stranger),
                }
            }
            self.look_around();
        }
    }

    /// How long nothing is to be done but for events. In whole milliseconds, for which every kernel has the call.
    fn pause(&self) -> Option<Timespec> {
        let next = self.leftovers.next_look().into_iter().chain(self.strangers.next_look()).min()?;
        let millis = next.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
        Timespec::try_from(Duration::from_millis(u64::try_from(millis).ok()?)).ok()
    }

    /// What no descriptor tells.
    fn look_around(&mut self) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if is_due(self.strangers.next_look()) {
            self.look_for_strangers();
        }
        if is_due(self.leftovers.next_look()) {
            self.leftovers.look(Instant::now());
        }
    }

    fn request(&mut self, request: Received<ToSpawner>) -> io::Result<()> {
        let Received { message, fds } = request;
        fd_kind::validate_request(&message, &fds)?;
        match message {
            ToSpawner::StartZygote { zygote, plan } => {
                let is_known = self.zygotes.contains_key(&zygote);
                match self.start_zygote(zygote, plan, fds) {
                    Ok(()) => self.tell(&FromSpawner::ZygoteStarted { zygote, weak: self.weak_cgroup() }, &[]),
                    Err(refusal) => {
                        match !is_known && self.zygotes.contains_key(&zygote) {
                            true => self.end_unstarted(zygote, refusal.report())?,
                            false => {
                                self.tell(&FromSpawner::ZygoteEnded { zygote, reason: Some(refusal.report()) }, &[])?
                            }
                        }
                        self.take_to_heart(&refusal)
                    }
                }
            }
            ToSpawner::StartWorker { zygote, worker, plan } => match self.start_worker(zygote, worker, plan, fds) {
                Ok(()) => Ok(()),
                Err(refusal) => {
                    self.tell(&FromSpawner::WorkerRefused { worker, reason: refusal.report() }, &[])?;
                    self.take_to_heart(&refusal)
                }
            },
            ToSpawner::Kill { worker } => {
                // One that has ended needs no signal.
                if let Some(worker) = self.workers.get(&worker) {
                    let _ = pidfd_send_signal(&worker.pidfd, Signal::KILL);
                }
                Ok(())
            }
            ToSpawner::Pause { worker } => {
                self.pause_one(worker);
                Ok(())
            }
            ToSpawner::Resume { worker } => {
                self.resume_one(worker);
                Ok(())
            }
            ToSpawner::PauseAll => {
                self.pause_all();
                Ok(())
            }
            ToSpawner::ResumeAll => {
                self.resume_all();
                Ok(())
            }
            ToSpawner::EndZygote { zygote } => {
                if let Some(zygote) = self.zygotes.get(&zygote) {
                    let _ = pidfd_send_signal(&zygote.pidfd, Signal::KILL);
                }
                Ok(())
            }
            ToSpawner::Guard => {
                self.guard = Some(self.validate_guard(fds)?);
                self.tell(&FromSpawner::Guarded, &[])
            }
        }
    }
}

/// What the command was started to ignore is the command's business: neither zygotes nor workers inherit it. As the first
/// process of a namespace the spawner itself hears no signal whose disposition is the default.
fn forget_ignored_signals() {
    // SIGPIPE and SIGXFSZ are ignored by whoever started this one, and by each zygote.
    let ours = [libc::SIGPIPE, libc::SIGXFSZ];
    for number in (1..=signal::SIGNALS).filter(|number| inherited::ignores(*number) && !ours.contains(number)) {
        // It was ignored, so it is a signal that can be.
        let _ = signal::restore_default(number);
    }
}
