//! What instances are made of, for as long as the worker lives.
//!
//! Must not: call a guest.

use super::super::ComponentGuest;
use super::super::random::Kernel;
use super::epochs::Epochs;
use crate::session::Session;
use crate::store::{Limiter, Total, give_fuel};
use crate::{attempt, component::Prepared};
use sandhog_protocol::plan::{Access, GuestPlan, HttpPlan};
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::{Engine, Store};

/// See the module.
pub(super) struct Makings {
    engine: Engine,
    epochs: Epochs,
    plan: GuestPlan,
    request_memory_bytes: u64,
    directories: Vec<(OwnedFd, Access)>,
    fuel: bool,
    total: Arc<Total>,
    /// All instances' sessions are beside this one.
    session: Mutex<Session>,
    seeds: Mutex<Kernel>,
}

impl Makings {
    /// `directories` are the plan's, in its order.
    pub(super) fn new(
        (prepared, epochs): (&Prepared, Epochs),
        plan: &GuestPlan,
        http: &HttpPlan,
        directories: Vec<(OwnedFd, Access)>,
        session: Session,
    ) -> Self {
        Self {
            engine: prepared.engine.clone(),
            epochs,
            plan: plan.clone(),
            request_memory_bytes: http.request_memory_bytes,
            directories,
            fuel: prepared.fuel,
            total: Arc::new(Total::new(plan.memory_bytes)),
            session: Mutex::new(session),
            seeds: Mutex::new(Kernel::new()),
        }
    }

    pub(super) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    pub(super) fn total(&self) -> &Total {
        &self.total
    }

    /// A store for one instance, with nothing of another one's but what the attempt has as a whole.
    ///
    /// # Errors
    /// Where a granted directory can't be opened.
    pub(super) fn store(&self) -> Result<Store<ComponentGuest>, attempt::Error> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).beside();
        let seed = self.seeds.lock().unwrap_or_else(PoisonError::into_inner).seed();
        let limiter = Limiter::of_instance(self.request_memory_bytes, &self.total);
        let guest = ComponentGuest::new(&self.plan, &self.directories, session, limiter, seed)?;
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.limiter);
        give_fuel(&mut store, self.fuel, self.plan.fuel).map_err(attempt::Error::Fuel)?;
        store.set_epoch_deadline(1);
        Ok(store)
    }
}

/// The store of one instance. What the guest still has of the attempt goes with it.
pub(super) struct Stored(pub(super) Store<ComponentGuest>);

impl Stored {
    /// What the guest still has of the attempt goes. Its memory goes with the process, which ends next: the kernel gives everything
    /// back faster than the destructors would.
    pub(super) fn leave(mut self) {
        // Without a coordinator this process is about to end.
        let _ = self.0.data_mut().session.forget_all();
        mem::forget(self);
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        // Without a coordinator this process is about to end.
        let _ = self.0.data_mut().session.forget_all();
    }
}
