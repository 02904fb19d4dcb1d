//! One attempt of a component: build, instantiate, call, report.

use super::{
    ComponentGuest, Prepared, handler,
    load::Entry,
    runtime, server,
    stores::{Failure, Stores, instantiate, reported},
};
use crate::{
    attempt::{Error, Outside, start_timers},
    report::Stage,
    session::Session,
};
use sandhog_channel::Large;
use sandhog_ipc::FrameBuffer;
use sandhog_protocol::{
    plan::{self, Access, GuestPlan},
    worker::{End, Report},
};
use std::{mem, os::fd::OwnedFd};
use wasmtime::{Store, component::ComponentExportIndex};

/// Runs the component as [`crate::run::run`] runs a module.
pub(crate) fn run(
    prepared: &Prepared,
    plan: &GuestPlan,
    directories: Vec<(OwnedFd, Access)>,
    outside: Outside<'_>,
) -> Result<Report, Error> {
    if let Some(reason) = unfit(prepared.entry(), plan, outside.connection.is_some()) {
        return Ok(Report::of(End::Refused { reason: reason.to_owned() }));
    }
    let timers = start_timers(plan).map_err(Error::Timers)?;
    let runtime = match plan.http {
        Some(_) => runtime::build_for_clients(),
        None => runtime::build(),
    };
    let runtime = runtime.map_err(Error::Runtime)?;
    let Outside { socket, buffer, connection, large, coredump, listeners } = outside;
    // The first one is for the last word.
    let socket = socket.try_clone_to_owned().map_err(Error::Socket)?;
    let report = match &prepared.entry {
        Entry::Command(function) => {
            let session = Session::new(socket, buffer, connection, large, plan).listening(listeners);
            let mut store = Stores { prepared, plan, directories: &directories }.first(session)?;
            let outcome = runtime.block_on(command(prepared, function, &mut store));
            let report = reported(outcome, &mut store, plan, coredump);
            // The process ends next, and the kernel gives everything back faster than the destructors would.
            mem::forget(store);
            report
        }
        Entry::Handler(function) => {
            let session = Session::new(socket, buffer, None, large, plan).listening(listeners);
            let stores = Stores { prepared, plan, directories: &directories };
            runtime.block_on(handler::serve(function, connection, (large, coredump), stores, session))?
        }
        Entry::Http(http) => {
            let session = Session::new(socket, buffer, None, large, plan);
            let (Some(settings), Some(connection)) = (plan.http.as_deref(), connection) else {
                return Ok(Report::of(End::Refused { reason: SERVES.to_owned() }));
            };
            runtime.block_on(server::serve((prepared, http), (plan, settings), directories, connection, session))?
        }
    };
    drop(timers);
    // A thread may still wait for a stream; it ends with the process.
    mem::forget(runtime);
    Ok(report)
}

const SERVES: &str = "it is a server of HTTP, which answers requests: use sandhog serve, or `listen` in a manifest";
const IS_PROGRAM: &str = "it is a program, which runs once, and no server of HTTP: use sandhog run";
const IS_HANDLER: &str = "it is a handler, which answers tasks, and no server of HTTP: use sandhog map";

/// Why a module is not what is wanted of it.
pub(crate) fn unfit(entry: plan::Entry, plan: &GuestPlan, connected: bool) -> Option<&'static str> {
    match (entry, plan.http.is_some()) {
        (plan::Entry::Http, true) if connected => None,
        (plan::Entry::Http, _) => Some(SERVES),
        (plan::Entry::Command, true) => Some(IS_PROGRAM),
        (plan::Entry::Handler, true) => Some(IS_HANDLER),
        (plan::Entry::Command | plan::Entry::Handler, false) => None,
    }
}

/// As [`crate::run::warm`]. A handler begins before its first task, so there is nothing to do for one.
pub(crate) fn warm(prepared: &Prepared) {
    match prepared.entry() {
        plan::Entry::Command => {}
        plan::Entry::Handler | plan::Entry::Http => return,
    }
    let plan = GuestPlan { args: vec![String::new()], ..GuestPlan::default() };
    let Ok(runtime) = runtime::build() else { return };
    let Ok(socket) = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 0) else { return };
    let session = Session::new(socket, FrameBuffer::default(), None, Large::Memory, &plan);
    let stores = Stores { prepared, plan: &plan, directories: &[] };
    // Dropped inside, as all that the library makes.
    runtime.block_on(async { drop(stores.first(session)) });
}

async fn command(
    prepared: &Prepared,
    function: &ComponentExportIndex,
    store: &mut Store<ComponentGuest>,
) -> Result<u32, Failure> {
    let running = |error| (Stage::Running, error);
    let instance = instantiate(prepared, store).await?;
    let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, function).map_err(running)?;
    let (outcome,) = run.call_async(&mut *store, ()).await.map_err(running)?;
    Ok(match outcome {
        Ok(()) => 0,
        Err(()) => 1,
    })
}
