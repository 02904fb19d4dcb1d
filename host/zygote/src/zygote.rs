//! The caisson: seals itself, loads engine and module once, and forks a worker for each attempt. It has one thread,
//! holds no secret, and draws no random number, since every worker would inherit it.

use crate::Workload;
use crate::worker::Worker;
use rustix::fs::{OFlags, fcntl_getfl};
use sandhog_ipc::{Closed, Received, recv_packet, send_packet};
use sandhog_protocol::plan::{Access, Kind, Metering, Program, Wall, Walls, WorkerPlan, ZygotePlan};
use sandhog_protocol::spawn::{FromZygote, Ids, Load, Loaded, Stamp, ToZygote, WorkerId};
use sandhog_protocol::start::{CONTROL_FD, IPC_FD, STAMPED, ZYGOTE};
use sandhog_protocol::worker::SealFailure;
use sandhog_sandbox::{cgroup, descriptors, failure, namespaces, rlimits, seccomp, steps};
use sandhog_sys::descriptors::{Newborn, StandardStream, inherited, is_open};
use sandhog_sys::process::{self, Forked, SingleThreaded};
use sandhog_sys::{stamps, text};
use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

pub(crate) struct Zygote<W: Workload> {
    pub(crate) token: SingleThreaded,
    pub(crate) control: OwnedFd,
    plan: ZygotePlan,
    module: Option<Module<W::Module>>,
}

/// A worker that it is to clone.
pub(crate) struct Asked {
    pub(crate) worker: WorkerId,
    pub(crate) plan: WorkerPlan,
    /// None: it keeps the zygote's.
    pub(crate) ids: Option<Ids>,
    /// As in [`ToZygote::Clone`], without the entrances.
    pub(crate) fds: Vec<OwnedFd>,
    /// Files by which it enters its cgroup.
    pub(crate) entrances: Vec<OwnedFd>,
}

/// The loaded module, and the numbers of the files that every instance maps again.
struct Module<M> {
    loaded: M,
    kind: Kind,
    files: Range<RawFd>,
}

/// Runs until the spawner closes its end, or until whatever else: without its spawner a zygote has no purpose.
///
/// `build`: the id of the build that this executable belongs to. A spawner of another build is told that and nothing else: its
/// words may mean something else.
pub fn main<W: Workload>(token: SingleThreaded, build: &str) -> ! {
    // A panic's message would go nowhere; where it matters it is caught and reported.
    std::panic::set_hook(Box::new(|_| {}));
    let code = if run::<W>(token, build).is_some() { 0 } else { 1 };
    process::exit_now(code)
}

/// Whether this process was started to be a zygote.
#[must_use]
pub fn is_wanted() -> bool {
    std::env::args_os().next().is_some_and(|name| name.as_encoded_bytes() == ZYGOTE.to_bytes())
}

fn run<W: Workload>(token: SingleThreaded, build: &str) -> Option<()> {
    let announced = std::env::var(IPC_FD).ok()?.parse::<RawFd>().ok()?;
    if announced != CONTROL_FD {
        return None;
    }
    if std::env::args_os().nth(2).as_deref() == Some(OsStr::from_bytes(STAMPED.to_bytes())) {
        stamps::begin();
    }
    stamps::note("program begins");
    let newborn = Newborn::of_program(&token)?;
    let control = inherited(CONTROL_FD)?;
    if std::env::args_os().nth(1).as_deref() != Some(OsStr::new(build)) {
        return of_another_build(&control);
    }
    let Received { message: ToZygote::Setup { plan, groups }, fds } = recv_packet(&control).ok()?.ok()? else {
        return None;
    };
    stamps::note("plan is there");
    if !W::serves(plan.program) {
        return None;
    }
    if let Err(failure) = settle_in(fds, &plan.walls, groups) {
        return unsealed(&control, failure);
    }
    let _ = rustix::thread::set_name(ZYGOTE);
    if plan.slots.is_some_and(|slots| slots.code_in_memory) {
        // One that can't be moved is slower and no worse.
        let _ = text::take_into_memory(&token);
    }
    // Inherited by the workers: a file that is too large is an error to the guest, not its end.
    rlimits::ignore_file_size_signal().ok()?;
    // Outside of a user namespace of its own the person's other processes would count as well.
    if plan.walls.is_superset(&[Wall::Rlimits, Wall::Namespaces].into())
        && !plan.walls.contains(&Wall::Cgroup)
        && let Err(error) = rlimits::limit_tasks(plan.tasks())
    {
        return unsealed(&control, failure("limits", &error));
    }
    let context = steps::ZygoteContext { newborn, keep: vec![0, 1, 2, CONTROL_FD] };
    if let Err(failure) = steps::build(&steps::ZYGOTE, &plan.walls, &context) {
        return unsealed(&control, failure);
    }
    let Received { message: ToZygote::Given, fds } = recv_packet(&control).ok()?.ok()? else { return None };
    let mut fds = fds.into_iter();
    let (module, directories) = (fds.next()?, fds.collect());
    let context = steps::GivenContext { directories, filter: steps::base_filter(&plan) };
    if let Err(failure) = steps::build(&steps::GIVEN, &plan.walls, &context) {
        return unsealed(&control, failure);
    }
    stamps::note("sealed");
    // Each worker gets mounts of its own.
    drop(context);
    let module = match plan.program {
        Program::Guest { metering } => match load_and_give_up::<W>(module, &control, &plan, metering)? {
            Some(module) => Some(module),
            None => return wait_for_the_end(&control),
        },
        Program::Compiler | Program::Probe | Program::Keeper => {
            drop(module);
            None
        }
    };
    stamps::note("has given up what only loading needed");
    // Compiled once here, so that a worker only loads it.
    seccomp::prepare(steps::final_filter(&plan, module.as_ref().map(|module| module.kind)));
    Zygote::<W> { token, control, plan, module }.serve()
}

/// Enters the cgroup and the namespaces that were made for it.
fn settle_in(mut fds: Vec<OwnedFd>, walls: &Walls, groups: bool) -> Result<(), SealFailure> {
    let count = if walls.contains(&Wall::Namespaces) { namespaces::FILES.len() } else { 0 };
    if fds.len() < count {
        return Err(failure(namespaces::STEP, &io::Error::from(io::ErrorKind::InvalidData)));
    }
    let cgroups = fds.split_off(count);
    cgroup::enter_by(&cgroups).map_err(|error| failure(cgroup::STEP, &error))?;
    if !fds.is_empty() {
        namespaces::enter(&fds, groups).map_err(|error| failure(namespaces::STEP, &error))?;
    }
    stamps::note("has entered its namespaces");
    Ok(())
}

/// Says so in words that every build understands.
fn of_another_build(control: &OwnedFd) -> Option<()> {
    let what = "the executable is of another build than the command: install all of one version".to_owned();
    let step = "start the zygote's program".to_owned();
    unsealed(control, SealFailure { step, errno: SealFailure::NO_EXECUTABLE, what })
}

/// Says which step failed, and ends: whatever it would do without it, it does not.
fn unsealed(control: &OwnedFd, failure: SealFailure) -> Option<()> {
    send_packet(control, &FromZygote::Unsealed(failure), &[]).ok()?;
    None
}

/// A zygote without a module is of no use, but it does not end by itself: the news of its end would go another way than
/// its answer, and might be there first.
fn wait_for_the_end(control: &OwnedFd) -> Option<()> {
    while recv_packet::<ToZygote>(control).ok()?.is_ok() {}
    Some(())
}

/// Loads the module, gives up what only that needed, and says so. Inside none: it can't be loaded, and whoever has it has been
/// told or has gone. Outside none: a wall can't be built.
fn load_and_give_up<W: Workload>(
    socket: OwnedFd,
    control: &OwnedFd,
    plan: &ZygotePlan,
    metering: Metering,
) -> Option<Option<Module<W::Module>>> {
    let (answer, module) = match load::<W>(&socket, metering, plan.coredump) {
        Some(Ok(module)) => {
            stamps::note("module is loaded");
            if let Err(failure) = steps::build(&steps::LOADED, &plan.walls, &()) {
                return unsealed(control, failure).map(|()| None);
            }
            (Loaded::Ready { entry: W::entry(&module.loaded) }, Some(module))
        }
        Some(Err(reason)) => (reason, None),
        None => return Some(None),
    };
    Some(send_packet(&socket, &answer, &[]).ok().and(module))
}

/// Waits for the compiled module and loads it; or why it can't be loaded. None where whoever has it has gone, or does not
/// speak our protocol.
fn load<W: Workload>(
    socket: &OwnedFd,
    metering: Metering,
    coredump: bool,
) -> Option<Result<Module<W::Module>, Loaded>> {
    let Received { message: Load::Module { kind }, fds } = recv_packet(socket).ok()?.ok()?;
    let [file] = <[OwnedFd; 1]>::try_from(fds).ok()?;
    stamps::note("module is there");
    if fcntl_getfl(&file).ok()? & OFlags::ACCMODE != OFlags::RDONLY {
        // Every worker has it open: one that was taken over would write what the next one executes.
        return Some(Err(Loaded::Refused { reason: "the compiled module came open for writing".into() }));
    }
    let first = file.as_raw_fd();
    Some(W::load(metering, coredump, kind, file.into()).and_then(|loaded| {
        // The kernel gives the lowest number that is free, so those of unnamed files follow on the file's.
        let end = (first..).find(|number| !is_open(*number));
        let end = end.ok_or_else(|| Loaded::Refused { reason: "it has too many files open".into() })?;
        Ok(Module { loaded, kind, files: first..end })
    }))
}

impl<W: Workload> Zygote<W> {
    fn serve(mut self) -> Option<()> {
        loop {
            match recv_packet(&self.control).ok()? {
                Ok(Received { message: ToZygote::Clone { worker, plan, ids, entrances }, mut fds }) => {
                    let first = fds.len().checked_sub(usize::try_from(entrances).ok()?)?;
                    let entrances = fds.split_off(first);
                    self.clone_worker(Asked { worker, plan, ids, fds, entrances })?
                }
                Ok(Received { message: ToZygote::Setup { .. } | ToZygote::Given, .. }) => return None,
                Err(Closed) => return Some(()),
            }
        }
    }

    #[cfg(feature = "hostile")]
    fn clone_worker(&mut self, asked: Asked) -> Option<()> {
        match asked.plan.lie.as_deref().map(sandhog_probes::zygotes::parse) {
            Some(steps) => self.lie(steps?, &asked),
            None => self.clone_honestly(asked),
        }
    }

    #[cfg(not(feature = "hostile"))]
    fn clone_worker(&mut self, asked: Asked) -> Option<()> {
        match asked.plan.lie {
            Some(_) => None,
            None => self.clone_honestly(asked),
        }
    }

    pub(crate) fn clone_honestly(&mut self, asked: Asked) -> Option<()> {
        stamps::note("worker is asked for");
        let worker = asked.worker;
        match process::fork_sibling(&self.token) {
            Ok(Forked::Parent(child)) => {
                stamps::note("worker is cloned");
                send_packet(&self.control, &FromZygote::Cloned { worker }, &[child.pidfd.as_fd()]).ok()?;
                match stamps::is_on() {
                    true => send_packet(&self.control, &FromZygote::Stamps(Stamp::all(stamps::take())), &[]).ok(),
                    false => Some(()),
                }
            }
            Ok(Forked::Child(newborn)) => self.become_worker(newborn, asked),
            Err(error) => {
                let failure = failure("clone a worker", &error);
                send_packet(&self.control, &FromZygote::CloneFailed { worker, failure }, &[]).ok()
            }
        }
    }

    /// In the child, which never returns: descriptors in their places, the walls, then the work.
    fn become_worker(&mut self, newborn: Newborn, asked: Asked) -> ! {
        let Asked { plan, ids, fds, entrances, .. } = asked;
        drop(stamps::take());
        stamps::note("process begins");
        // First of all: whatever it makes from here on is counted where it belongs.
        let entered = cgroup::enter_by(&entrances).map_err(|error| failure(cgroup::STEP, &error));
        let _ = rustix::thread::set_name(match self.plan.program {
            Program::Keeper => c"sandhog-keeper",
            Program::Guest { .. } | Program::Compiler | Program::Probe => c"sandhog-worker",
        });
        let mut fds = fds.into_iter();
        let (Some(channel), Some(stdin), Some(stdout), Some(stderr)) = (fds.next(), fds.next(), fds.next(), fds.next())
        else {
            process::exit_now(1)
        };
        let connection = if plan.connected { fds.next() } else { None };
        let coredump = if plan.coredump { fds.next() } else { None };
        let listeners: Vec<OwnedFd> = fds.by_ref().take(plan.listeners as usize).collect();
        let directories: Vec<(OwnedFd, Access)> = fds.zip(plan.directories).collect();
        for (stream, file) in StandardStream::ALL.into_iter().zip([&stdin, &stdout, &stderr]) {
            if stream.replace(file.as_fd()).is_err() {
                process::exit_now(1);
            }
        }
        let mut keep = vec![0, 1, 2, channel.as_raw_fd()];
        keep.extend(connection.iter().chain(&coredump).chain(&listeners).map(AsRawFd::as_raw_fd));
        keep.extend(self.module.iter().flat_map(|module| module.files.clone()));
        keep.extend(directories.iter().map(|(fd, _)| fd.as_raw_fd()));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "they came beside one packet, which has at most 253 descriptors"
        )]
        let granted = directories.len() as u32;
        // A guest's worker opens its channel once more, that of a component each directory as well.
        let opened = match self.module.as_ref().map(|module| module.kind) {
            Some(Kind::Component | Kind::Concurrent) => granted + 1,
            Some(Kind::Core) => 1,
            None => 0,
        };
        // The memory of an object and its page are open for as long as it takes to map them.
        let opened = if self.plan.objects { opened + 2 } else { opened };
        let reserved_files = opened + descriptors::reserved(&keep, plan.rlimits.open_files.saturating_add(opened));
        let context = steps::WorkerContext {
            newborn,
            reserved_files,
            keep,
            rlimits: plan.rlimits,
            tasks: ids.is_none().then_some(self.plan.tasks()),
            ids,
            directories,
            filter: steps::final_filter(&self.plan, self.module.as_ref().map(|module| module.kind)),
        };
        let sealed = entered.and_then(|()| steps::build(&steps::WORKER, &self.plan.walls, &context));
        stamps::note("sealed");
        // Their numbers are closed, or belong to 0, 1 and 2 as well: never to be closed again.
        std::mem::forget((stdin, stdout, stderr));
        let worker = Worker {
            channel,
            connection,
            coredump,
            program: self.plan.program,
            memory_is_counted: self.plan.counts_memory(),
            sealed,
            listeners,
            directories: context.directories,
            module: self.module.take().map(|module| module.loaded),
            waits: plan.slot.is_some(),
        };
        worker.main::<W>()
    }
}
