//! One attempt of a component: build, instantiate, call, report.

use super::{
    ComponentGuest, Prepared, handler,
    load::Entry,
    runtime,
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
    plan::{Access, GuestPlan},
    worker::Report,
};
use std::{mem, os::fd::OwnedFd};
use wasmtime::{Store, component::ComponentExportIndex};

/// Runs the component as [`crate::run::run`] runs a module.
pub(crate) fn run(
    prepared: &Prepared,
    plan: &GuestPlan,
    directories: &[(OwnedFd, Access)],
    outside: Outside<'_>,
) -> Result<Report, Error> {
    let timers = start_timers(plan).map_err(Error::Timers)?;
    let runtime = runtime::build().map_err(Error::Runtime)?;
    let stores = Stores { prepared, plan, directories };
    let Outside { socket, buffer, connection, large, coredump } = outside;
    // The first one is for the last word.
    let socket = socket.try_clone_to_owned().map_err(Error::Socket)?;
    let report = match &prepared.entry {
        Entry::Command(function) => {
            let session = Session::new(socket, buffer, connection, large, plan);
            let mut store = stores.first(session)?;
            let outcome = runtime.block_on(command(prepared, function, &mut store));
            let report = reported(outcome, &mut store, plan, coredump);
            // The process ends next, and the kernel gives everything back faster than the destructors would.
            mem::forget(store);
            report
        }
        Entry::Handler(function) => {
            let session = Session::new(socket, buffer, None, large, plan);
            runtime.block_on(handler::serve(function, connection, (large, coredump), stores, session))?
        }
    };
    drop(timers);
    // A thread may still wait for a stream; it ends with the process.
    mem::forget(runtime);
    Ok(report)
}

/// As [`crate::run::warm`]. A handler begins before its first task, so there is nothing to do for one.
pub(crate) fn warm(prepared: &Prepared) {
    if prepared.is_handler() {
        return;
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
