//! One attempt of a component: build, instantiate, call, report.

use super::{ComponentGuest, Prepared, handler, load::Entry, runtime};
use crate::{
    coredump,
    report::{self, Stage},
    run::{Error, Outside, start_timers},
    session::Session,
    stdio,
    store::{self, Limiter},
};
use sandhog_channel::Large;
use sandhog_ipc::FrameBuffer;
use sandhog_protocol::{
    plan::{Access, GuestPlan},
    worker::{End, Report},
};
use std::{mem, os::fd::OwnedFd};
use wasmtime::{
    Store,
    component::{ComponentExportIndex, Instance},
};

/// How far a call of the engine's came, and why not further.
pub(super) type Failure = (Stage, wasmtime::Error);

/// What the stores of one attempt are made of: one for a command, one after the other for a handler.
#[derive(Clone, Copy)]
pub(super) struct Stores<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) plan: &'a GuestPlan,
    /// Held open: see [`crate::guest::Guest`], `mounts`.
    pub(super) directories: &'a [(OwnedFd, Access)],
}

impl Stores<'_> {
    /// A store for the first instance.
    pub(super) fn first(self, session: Session) -> Result<Store<ComponentGuest>, Error> {
        let mut store = self.store(session, Limiter::of_component(self.plan.memory_bytes))?;
        store::give_fuel(&mut store, self.prepared.fuel, self.plan.fuel).map_err(Error::Fuel)?;
        Ok(store)
    }

    /// A store for an instance after the one in `before`: nothing is left of that but what counts for the attempt.
    pub(super) fn next(self, before: Store<ComponentGuest>) -> Result<Store<ComponentGuest>, Error> {
        let fuel = if self.prepared.fuel { Some(before.get_fuel().map_err(Error::Fuel)?) } else { None };
        let ComponentGuest { mut session, limiter, .. } = before.into_data();
        session.forget_all();
        let mut store = self.store(session, limiter.again())?;
        if let Some(fuel) = fuel {
            store.set_fuel(fuel).map_err(Error::Fuel)?;
        }
        Ok(store)
    }

    fn store(self, session: Session, limiter: Limiter) -> Result<Store<ComponentGuest>, Error> {
        let guest = ComponentGuest::new(self.plan, self.directories, session, limiter)?;
        let mut store = Store::new(&self.prepared.engine, guest);
        store.limiter(|guest| &mut guest.limiter);
        Ok(store)
    }
}

/// Runs the component as [`crate::run::run`] runs a module.
pub fn run(
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
pub(super) fn reported(
    outcome: Result<u32, Failure>,
    store: &mut Store<ComponentGuest>,
    plan: &GuestPlan,
    file: Option<OwnedFd>,
) -> Report {
    let (end, error) = match outcome {
        Ok(code) => (End::Exited { code }, None),
        Err((stage, error)) => (report::end(&error, stage, &store.data().limiter), Some(error)),
    };
    let coredump = error.and_then(|error| coredump::write(&error, &end, store, plan.args.first(), file));
    let guest = store.data();
    let counts = guest.session.counts();
    Report {
        end,
        written_bytes: stdio::written(),
        peak_memory_bytes: guest.limiter.peak_bytes(),
        messages_received: counts.received,
        messages_sent: counts.sent,
        coredump,
    }
}

/// As [`crate::run::warm`].
pub fn warm(prepared: &Prepared) {
    let plan = GuestPlan { args: vec![String::new()], ..GuestPlan::default() };
    let Ok(runtime) = runtime::build() else { return };
    let Ok(socket) = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 0) else { return };
    let session = Session::new(socket, FrameBuffer::default(), None, Large::Memory, &plan);
    let stores = Stores { prepared, plan: &plan, directories: &[] };
    // Dropped inside, as all that the library makes.
    runtime.block_on(async { drop(stores.first(session)) });
}
