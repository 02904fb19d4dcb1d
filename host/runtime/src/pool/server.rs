//! A worker that serves HTTP: it is ready when its guest has begun, is handed to whoever has clients for it, and its end is the
//! task's.
//!
//! Must not: speak to it. Its owner handles its messages and chooses its clients.

use super::happening::{Happening, WorkerNews};
use super::shared::Shared;
use super::task::{Clients, Serving};
use super::worker::{self, Control, Place};
use crate::driver::Begin;
use crate::error::Error;
use crate::plan;
use sandhog_protocol::plan::{Identity, Work};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The way to one.
pub(super) struct Server {
    pub(super) control: Control,
    identity: Identity,
    /// The owner's end of its connection, until it is an owner's. Where it closes, the worker ends.
    connection: Option<OwnedFd>,
}

impl Server {
    /// # Errors
    /// This process is at its limits. Nothing was begun.
    pub(super) fn begin(shared: &Arc<Shared>, place: Place) -> Result<Self, Error> {
        let slot = place.slot;
        let (ours, theirs) = sandhog_channel::pair()?;
        let null = std::fs::File::open("/dev/null")?;
        let identity = worker::identity(shared, slot)?;
        let (ready, over) = (Arc::clone(shared), Arc::clone(shared));
        let plan = worker::Plan {
            input: null.into(),
            connection: Some(theirs),
            begin: Begin::AtOnce(Work::Guest(Box::new(plan::guest(&shared.job, identity.clone(), None)))),
            began: Some(Box::new(move || ready.tell(Happening::Worker(slot, WorkerNews::Ready)))),
            identity: identity.clone(),
        };
        let control = worker::begin(shared, place, plan, move |ended| {
            over.tell(Happening::Worker(slot, WorkerNews::Ended(Box::new(ended))));
        })?;
        Ok(Self { control, identity, connection: Some(ours) })
    }

    /// Hands it over. One at a time, and once: it ends with its task.
    pub(super) fn assign(&mut self, clients: &Clients) {
        if let Some(connection) = self.connection.take() {
            clients.are_served_by(Serving { attempt: self.identity.attempt.clone(), connection });
        }
    }

    /// It has nobody to serve, and ends by itself.
    pub(super) fn finish(&mut self) {
        self.connection = None;
    }

    pub(super) fn attempt(&self) -> &str {
        &self.identity.attempt
    }
}
