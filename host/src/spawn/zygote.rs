//! The caisson: seals itself, loads engine and module once, and forks a worker for each attempt. It has one thread,
//! holds no secret, and draws no random number, since every worker would inherit it.

use super::{IPC_FD, fds};
use crate::doctor::probes::zygotes::{self, Step};
use crate::ipc::{Closed, Received, recv_packet, send_packet};
use crate::sandbox::{descriptors, failure, rlimits, seccomp, steps};
use crate::sys::process::{self, Child, Forked, SingleThreaded};
use crate::worker::engine::{self, Prepared};
use crate::worker::{self, Duty};
use rustix::fs::{OFlags, fcntl_getfl};
use sandhog_protocol::causes;
use sandhog_protocol::plan::{Access, Kind, Program, Wall, WorkerPlan, ZygotePlan};
use sandhog_protocol::spawn::{FromZygote, Ids, Load, Loaded, ToZygote, WorkerId};
use sandhog_protocol::worker::SealFailure;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

struct Zygote {
    token: SingleThreaded,
    control: OwnedFd,
    plan: ZygotePlan,
    ids: Option<Ids>,
    module: Option<Module>,
}

/// The loaded module, and the numbers of the files that every instance maps again.
struct Module {
    prepared: Prepared,
    kind: Kind,
    files: Range<RawFd>,
}

/// Runs until the spawner closes its end, or until whatever else: without its spawner a zygote has no purpose.
pub(crate) fn main(token: SingleThreaded) -> ! {
    // A panic's message would go nowhere; where it matters it is caught and reported.
    std::panic::set_hook(Box::new(|_| {}));
    let code = if run(token).is_some() { 0 } else { 1 };
    process::exit_now(code)
}

fn run(token: SingleThreaded) -> Option<()> {
    let announced = std::env::var(IPC_FD).ok()?.parse::<RawFd>().ok()?;
    if announced != fds::CONTROL {
        return None;
    }
    let (control, module) = (process::inherited(fds::CONTROL)?, process::inherited(fds::MODULE)?);
    let Received { message: ToZygote::Setup { plan, ids }, fds: directories } = recv_packet(&control).ok()?.ok()?
    else {
        return None;
    };
    let _ = rustix::thread::set_name(c"sandhog-zygote");
    // Inherited by the workers: a file that is too large is an error to the guest, not its end.
    rlimits::ignore_file_size_signal().ok()?;
    // Outside of a user namespace of its own the person's other processes would count as well.
    if plan.walls.is_superset(&[Wall::Rlimits, Wall::Namespaces].into())
        && !plan.walls.contains(&Wall::Cgroup)
        && let Err(error) = rlimits::limit_tasks(plan.cgroup_tasks)
    {
        return unsealed(&control, failure("limits", &error));
    }
    let mut keep = vec![0, 1, 2, fds::CONTROL, fds::MODULE];
    keep.extend(directories.iter().map(AsRawFd::as_raw_fd));
    let context = steps::ZygoteContext { keep, directories, filter: steps::base_filter(plan.program) };
    if let Err(failure) = steps::build(&steps::ZYGOTE, &plan.walls, &context) {
        return unsealed(&control, failure);
    }
    // Each worker gets mounts of its own.
    drop(context);
    let module = match plan.program {
        Program::Guest { fuel } => match load_and_give_up(module, &control, &plan, fuel)? {
            Some(module) => Some(module),
            None => return wait_for_the_end(&control),
        },
        Program::Compiler | Program::Probe => None,
    };
    // Compiled once here, so that a worker only loads it.
    seccomp::prepare(steps::final_filter(&plan, module.as_ref().map(|module| module.kind)));
    Zygote { token, control, plan, ids, module }.serve()
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
fn load_and_give_up(socket: OwnedFd, control: &OwnedFd, plan: &ZygotePlan, fuel: bool) -> Option<Option<Module>> {
    let (answer, module) = match load(&socket, fuel, plan.coredump) {
        Some(Ok(module)) => {
            if let Err(failure) = steps::build(&steps::LOADED, &plan.walls, &()) {
                return unsealed(control, failure).map(|()| None);
            }
            (Loaded::Ready, Some(module))
        }
        Some(Err(why)) => (why, None),
        None => return Some(None),
    };
    Some(send_packet(&socket, &answer, &[]).ok().and(module))
}

/// Waits for the compiled module and loads it; or why it can't be loaded. None where whoever has it has gone, or does not
/// speak our protocol.
fn load(socket: &OwnedFd, fuel: bool, coredump: bool) -> Option<Result<Module, Loaded>> {
    let Received { message: Load::Module { kind }, fds } = recv_packet(socket).ok()?.ok()?;
    let [file] = <[OwnedFd; 1]>::try_from(fds).ok()?;
    if fcntl_getfl(&file).ok()? & OFlags::ACCMODE != OFlags::RDONLY {
        // Every worker has it open: one that was taken over would write what the next one executes.
        return Some(Err(Loaded::Refused { reason: "the compiled module came open for writing".into() }));
    }
    let first = file.as_raw_fd();
    Some(match engine::load_for(fuel, coredump, kind, file.into()) {
        Ok(prepared) => {
            // The kernel gives the lowest number that is free, so those of unnamed files follow on the file's.
            let end = (first..).find(|number| !process::is_open(*number))?;
            Ok(Module { prepared, kind, files: first..end })
        }
        Err(error @ engine::Error::Stale(_)) => Err(Loaded::Stale { why: causes::one_line(&error) }),
        Err(error @ (engine::Error::Engine(_) | engine::Error::Timers(_) | engine::Error::Link(_))) => {
            Err(Loaded::Refused { reason: causes::one_line(&error) })
        }
    })
}

impl Zygote {
    fn serve(mut self) -> Option<()> {
        loop {
            match recv_packet(&self.control).ok()? {
                Ok(Received { message: ToZygote::Clone { worker, plan }, fds }) => {
                    self.clone_worker(worker, plan, fds)?
                }
                Ok(Received { message: ToZygote::Setup { .. }, .. }) => return None,
                Err(Closed) => return Some(()),
            }
        }
    }

    fn clone_worker(&mut self, worker: WorkerId, plan: WorkerPlan, fds: Vec<OwnedFd>) -> Option<()> {
        if let (Program::Probe, Some(steps)) = (self.plan.program, &plan.lie) {
            let steps = zygotes::parse(steps)?;
            return self.lie(steps, worker, plan, fds);
        }
        self.clone_honestly(worker, plan, fds)
    }

    fn clone_honestly(&mut self, worker: WorkerId, plan: WorkerPlan, fds: Vec<OwnedFd>) -> Option<()> {
        match process::fork_sibling(&self.token) {
            Ok(Forked::Parent(child)) => {
                send_packet(&self.control, &FromZygote::Cloned { worker }, &[child.pidfd.as_fd()]).ok()
            }
            Ok(Forked::Child) => self.become_worker(plan, fds),
            Err(error) => {
                let failure = failure("clone a worker", &error);
                send_packet(&self.control, &FromZygote::CloneFailed { worker, failure }, &[]).ok()
            }
        }
    }

    /// As a zygote that was taken over, for tests of those who hear it.
    fn lie(&mut self, steps: Vec<Step>, worker: WorkerId, plan: WorkerPlan, fds: Vec<OwnedFd>) -> Option<()> {
        let mut made: Option<Child> = None;
        for step in steps {
            let forked = match step {
                Step::Clone => process::fork_sibling(&self.token).ok()?,
                Step::Fork => process::fork(&self.token, 0).ok()?,
                Step::Worker => {
                    let fds = fds.iter().map(OwnedFd::try_clone).collect::<Result<_, _>>().ok()?;
                    self.clone_honestly(worker, plan.clone(), fds)?;
                    continue;
                }
                Step::Send(packet) => {
                    zygotes::send(self.control.as_fd(), &packet, None).ok()?;
                    continue;
                }
                Step::Pidfd(packet) => {
                    zygotes::send(self.control.as_fd(), &packet, Some(made.as_ref()?.pidfd.as_fd())).ok()?;
                    continue;
                }
                Step::File(packet) => {
                    zygotes::send(self.control.as_fd(), &packet, Some(fds.first()?.as_fd())).ok()?;
                    continue;
                }
                Step::Flood(packet) => loop {
                    zygotes::send(self.control.as_fd(), &packet, None).ok()?;
                },
                Step::Leave => return None,
            };
            match forked {
                Forked::Child => zygotes::stray(),
                Forked::Parent(child) => made = Some(child),
            }
        }
        zygotes::stay()
    }

    /// In the child, which never returns: descriptors in their places, the walls, then the work.
    fn become_worker(&mut self, plan: WorkerPlan, fds: Vec<OwnedFd>) -> ! {
        let _ = rustix::thread::set_name(c"sandhog-worker");
        let mut fds = fds.into_iter();
        let (Some(channel), Some(stdin), Some(stdout), Some(stderr)) = (fds.next(), fds.next(), fds.next(), fds.next())
        else {
            process::exit_now(1)
        };
        let connection = if plan.connected { fds.next() } else { None };
        let coredump = if plan.coredump { fds.next() } else { None };
        let directories: Vec<(OwnedFd, Access)> = fds.zip(plan.directories).collect();
        for (number, stream) in [&stdin, &stdout, &stderr].into_iter().enumerate() {
            if process::place(stream.as_fd(), number as RawFd).is_err() {
                process::exit_now(1);
            }
        }
        let mut keep = vec![0, 1, 2, channel.as_raw_fd()];
        keep.extend(connection.iter().chain(&coredump).map(AsRawFd::as_raw_fd));
        keep.extend(self.module.iter().flat_map(|module| module.files.clone()));
        keep.extend(directories.iter().map(|(fd, _)| fd.as_raw_fd()));
        // A guest's worker opens its channel once more, that of a component each directory as well.
        let opened = match self.module.as_ref().map(|module| module.kind) {
            Some(Kind::Component | Kind::Concurrent) => directories.len() as u32 + 1,
            Some(Kind::Core) => 1,
            None => 0,
        };
        let reserved_files = opened + descriptors::reserved(&keep, plan.rlimits.open_files.saturating_add(opened));
        let context = steps::WorkerContext {
            reserved_files,
            keep,
            rlimits: plan.rlimits,
            tasks: self.ids.is_none().then_some(u64::from(self.plan.cgroup_tasks)),
            ids: self.ids,
            directories,
            filter: steps::final_filter(&self.plan, self.module.as_ref().map(|module| module.kind)),
        };
        let sealed = steps::build(&steps::WORKER, &self.plan.walls, &context);
        // Their numbers are closed, or belong to 0, 1 and 2 as well: never to be closed again.
        std::mem::forget((stdin, stdout, stderr));
        worker::work(Duty {
            channel,
            connection,
            coredump,
            program: self.plan.program,
            memory_is_counted: self.plan.counts_memory(),
            sealed,
            directories: context.directories,
            prepared: self.module.take().map(|module| module.prepared),
        })
    }
}

/// Whether an executable started under this name is to be a zygote.
pub(crate) fn is_wanted(argv0: Option<&std::ffi::OsStr>) -> bool {
    argv0.is_some_and(|name| name.as_encoded_bytes() == super::ZYGOTE_NAME.to_bytes())
}
