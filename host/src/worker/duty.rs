//! What a worker does from its first line on: says that its walls are up, waits for `go`, works, reports, ends.

use super::{
    compile,
    engine::Prepared,
    run::{self, Outside},
};
use crate::doctor::probes;
use crate::ipc::{FrameBuffer, recv_frame, send_frame};
use crate::sys::{last_words, process};
use sandhog_channel::Large;
use sandhog_protocol::VERSION;
use sandhog_protocol::plan::{Access, CompilePlan, GuestPlan, Program, Work};
use sandhog_protocol::worker::{CompileReport, FromWorker, Report, SealFailure, ToWorker};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

/// All that a worker starts from.
pub(crate) struct Duty {
    pub channel: OwnedFd,
    /// To its parent, where it has one.
    pub connection: Option<OwnedFd>,
    /// The file for its core dump, where one is wanted.
    pub coredump: Option<OwnedFd>,
    /// What its zygote is for: it does that work, and no other.
    pub program: Program,
    /// Whether a cgroup counts what it makes: see [`sandhog_protocol::plan::ZygotePlan::counts_memory`].
    pub memory_is_counted: bool,
    /// Whether all walls are up.
    pub sealed: Result<(), SealFailure>,
    /// Granted, in the order of the plan.
    pub directories: Vec<(OwnedFd, Access)>,
    /// The loaded module, where the work is a guest.
    pub prepared: Option<Prepared>,
}

/// Does one attempt's work and ends the process.
pub(crate) fn work(duty: Duty) -> ! {
    let code = if answer(duty).is_some() { 0 } else { 1 };
    process::exit_now(code)
}

/// `None` where the coordinator has gone or does not speak our protocol: there is nobody to tell.
fn answer(duty: Duty) -> Option<()> {
    let Duty { channel, connection, coredump, program, memory_is_counted, sealed, directories, prepared } = duty;
    let large = if memory_is_counted { Large::Memory } else { Large::Pieces };
    if let Err(failure) = sealed {
        return send_frame(&channel, &FromWorker::Unsealed(failure)).ok();
    }
    let mut buffer = FrameBuffer::default();
    let ToWorker::Hello { version: VERSION } = recv_frame(&channel, &mut buffer).ok()?.ok()? else { return None };
    send_frame(&channel, &FromWorker::Hello { version: VERSION }).ok()?;
    // While the coordinator makes up its mind.
    prepared.iter().for_each(run::warm);
    let ToWorker::Go(work) = recv_frame(&channel, &mut buffer).ok()?.ok()? else { return None };
    let report = match (work, program) {
        (Work::Guest(plan), Program::Guest { .. }) => {
            let outside = Outside { socket: channel.as_fd(), buffer, connection, large, coredump };
            FromWorker::Ended(run_guest(&channel, prepared, &plan, directories, outside)?)
        }
        (Work::Compile(plan), Program::Compiler) => FromWorker::Compiled(compile_module(&channel, &plan)?),
        (Work::Probe(name), Program::Probe) => FromWorker::Probed(probes::run(&name, &channel, &directories)),
        (Work::Guest(_), Program::Compiler | Program::Probe)
        | (Work::Compile(_), Program::Guest { .. } | Program::Probe)
        | (Work::Probe(_), Program::Guest { .. } | Program::Compiler) => return None,
    };
    last_words::disarm();
    send_frame(&channel, &report).ok()
}

fn run_guest(
    channel: &OwnedFd,
    prepared: Option<Prepared>,
    plan: &GuestPlan,
    directories: Vec<(OwnedFd, Access)>,
    outside: Outside<'_>,
) -> Option<Report> {
    run::arm(channel.as_fd()).ok()?;
    // Without its module it was lied to by its zygote: it says nothing, and is lost.
    Some(run::run(&prepared?, plan, directories, outside))
}

fn compile_module(channel: &OwnedFd, plan: &CompilePlan) -> Option<CompileReport> {
    compile::arm(channel.as_fd()).ok()?;
    let stream = |number| process::borrow(number).try_clone_to_owned().ok().map(File::from);
    Some(compile::compile(plan, stream(0)?, stream(1)?))
}
