//! One attempt of a component: build, instantiate, call, report.

use super::{ComponentGuest, Prepared, handler, load::Entry, runtime};
use crate::worker::{
    report::{self, Stage},
    run::{Error, start_timers},
    store,
};
use sandhog_protocol::{
    plan::{Access, GuestPlan},
    worker::{End, Report},
};
use std::{mem, os::fd::OwnedFd, time::Instant};
use wasmtime::{
    Store,
    component::{ComponentExportIndex, Instance},
};

/// How far a call of the engine's came, and why not further.
pub(super) type Failure = (Stage, wasmtime::Error);

/// Runs the component as [`crate::worker::run::run`] runs a module; `connection` leads to its parent.
pub(in crate::worker) fn run(
    prepared: &Prepared,
    plan: &GuestPlan,
    directories: &[(OwnedFd, Access)],
    connection: Option<OwnedFd>,
) -> Result<Report, Error> {
    let timers = start_timers(plan).map_err(Error::Timers)?;
    let runtime = runtime::build().map_err(Error::Runtime)?;
    let birth = Instant::now();
    let report = match &prepared.entry {
        Entry::Command(function) => {
            let mut store = store(prepared, plan, directories, birth)?;
            let outcome = runtime.block_on(command(prepared, function, &mut store));
            let report = reported(outcome, &store);
            // The process ends next, and the kernel gives everything back faster than the destructors would.
            mem::forget(store);
            report
        }
        Entry::Handler(function) => runtime.block_on(async {
            let store = || store(prepared, plan, directories, birth);
            handler::serve(prepared, function, plan.fresh, connection, store).await
        })?,
    };
    drop(timers);
    // A thread may still wait for a stream; it ends with the process.
    mem::forget(runtime);
    Ok(report)
}

/// A store for one instance, with the limits of `plan`.
fn store(
    prepared: &Prepared,
    plan: &GuestPlan,
    directories: &[(OwnedFd, Access)],
    birth: Instant,
) -> Result<Store<ComponentGuest>, Error> {
    let guest = ComponentGuest::new(plan, directories, birth)?;
    let mut store = Store::new(&prepared.engine, guest);
    store.limiter(|guest| &mut guest.limiter);
    store::give_fuel(&mut store, prepared.fuel, plan.fuel).map_err(Error::Fuel)?;
    Ok(store)
}

pub(super) async fn instantiate(prepared: &Prepared, store: &mut Store<ComponentGuest>) -> Result<Instance, Failure> {
    prepared.instance.instantiate_async(store).await.map_err(|error| (Stage::Instantiating, error))
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

/// What the guest came to, with what it used.
pub(super) fn reported(outcome: Result<u32, Failure>, store: &Store<ComponentGuest>) -> Report {
    let limiter = &store.data().limiter;
    let end = match outcome {
        Ok(code) => End::Exited { code },
        Err((stage, error)) => report::end(&error, stage, limiter),
    };
    Report { peak_memory_bytes: limiter.peak_bytes(), ..Report::of(end) }
}

/// As [`crate::worker::run::warm`].
pub(in crate::worker) fn warm(prepared: &Prepared) {
    let plan = GuestPlan { args: vec![String::new()], ..GuestPlan::default() };
    let Ok(runtime) = runtime::build() else { return };
    if let Ok(store) = store(prepared, &plan, &[], Instant::now()) {
        runtime.block_on(async { drop(store) });
    }
}
