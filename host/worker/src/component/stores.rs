//! The stores of one attempt, one for each instance, and the report of its guest's end.
//!
//! Must not: call a guest.

use super::{ComponentGuest, Prepared, random::Kernel};
use crate::{
    attempt::Error,
    coredump,
    report::{self, Stage},
    session::Session,
    stdio,
    store::{self, Limiter},
};
use sandhog_protocol::{
    plan::{Access, GuestPlan},
    worker::{End, Report},
};
use std::os::fd::OwnedFd;
use wasmtime::{Store, component::Instance};

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
        // Without a coordinator this process is about to end.
        let _ = session.forget_all();
        let mut store = self.store(session, limiter.again())?;
        if let Some(fuel) = fuel {
            store.set_fuel(fuel).map_err(Error::Fuel)?;
        }
        Ok(store)
    }

    fn store(self, session: Session, limiter: Limiter) -> Result<Store<ComponentGuest>, Error> {
        let guest = ComponentGuest::new(self.plan, self.directories, session, limiter, Kernel::new().seed())?;
        let mut store = Store::new(&self.prepared.engine, guest);
        store.limiter(|guest| &mut guest.limiter);
        Ok(store)
    }
}

pub(super) async fn instantiate(prepared: &Prepared, store: &mut Store<ComponentGuest>) -> Result<Instance, Failure> {
    prepared.instance.instantiate_async(store).await.map_err(|error| (Stage::Instantiating, error))
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
