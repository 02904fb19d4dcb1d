//! A group's keeper: an attempt like any other, of a zygote of its own, without a module and without a guest.
//!
//! Must not: know an object, or believe anything that it says.

use super::message::News;
use crate::coordinator::Coordinator;
use crate::driver::{Begin, Ends, GRACE, Order, Zygote};
use crate::note::{self, Note};
use crate::plan;
use crate::stop::StopRequest;
use sandhog_protocol::objects::{FromKeeper, ToKeeper};
use sandhog_protocol::plan::{Walls, Work};
use sandhog_protocol::verdict::{LostCause, StopReason};
use sandhog_supervisor::outcome::Cause;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{mpsc, watch};

/// What it says that has not been heard yet; the rest waits in its socket, and the keeper with it.
const SAID: usize = 8;

/// The way to one. It ends with this.
pub(super) struct Keeper {
    to: mpsc::UnboundedSender<(ToKeeper, Vec<OwnedFd>)>,
    /// Messages that wait in there.
    untold: Arc<AtomicUsize>,
    stop: watch::Sender<Option<StopRequest>>,
    /// What it says.
    pub(super) said: mpsc::Receiver<FromKeeper>,
    pub(super) news: mpsc::UnboundedReceiver<News>,
}

impl Keeper {
    /// Starts one for objects of so many bytes together.
    ///
    /// # Errors
    /// This process is at its limits. Nothing was begun.
    pub(super) fn begin(coordinator: &Arc<Coordinator>, memory_bytes: u64, walls: &Walls) -> io::Result<Self> {
        let (heard, said) = mpsc::channel(SAID);
        let (tell, news) = mpsc::unbounded_channel();
        let (to, mut messages) = mpsc::unbounded_channel();
        let (stop, stop_requests) = watch::channel(None);
        let null = || -> io::Result<OwnedFd> { Ok(File::options().read(true).write(true).open("/dev/null")?.into()) };
        let began = tell.clone();
        let order = Order {
            zygote: Zygote::Own(plan::keeper_zygote(memory_bytes, walls)),
            worker: plan::keeper_worker(memory_bytes),
            begin: Begin::AtOnce(Work::Keep),
            ends: Some(Ends { stdio: [null()?, null()?, null()?], connection: None, coredump: None }),
            listeners: Vec::new(),
            directories: Vec::new(),
            feed: None,
            pumps: Vec::new(),
            hard_deadline: None,
            requests: None,
            kept: Some(heard),
            grace: GRACE,
            began: Some(Box::new(move || drop(began.send(News::Began)))),
        };
        let (notes, inbox) = mpsc::channel(note::NOTES);
        let passed_on = notes.clone();
        let untold = Arc::<AtomicUsize>::default();
        let waiting = Arc::clone(&untold);
        tokio::spawn(async move {
            while let Some((message, fds)) = messages.recv().await {
                waiting.fetch_sub(1, Ordering::Relaxed);
                if passed_on.send(Note::Keep(message, fds)).await.is_err() {
                    return;
                }
            }
        });
        let coordinator = Arc::clone(coordinator);
        tokio::spawn(async move {
            let attempted = coordinator.attempt(order, None, stop_requests, (notes, inbox), None).await;
            let cause = match attempted {
                Ok(attempted) => attempted.facts.cause,
                Err(error) => Some(Cause::Failed(LostCause::Machine, error.to_string())),
            };
            let _ = tell.send(News::Ended(cause));
        });
        Ok(Self { to, untold, stop, said, news })
    }

    /// Once it has begun, in this order.
    pub(super) fn tell(&self, message: ToKeeper, fds: Vec<OwnedFd>) {
        self.untold.fetch_add(1, Ordering::Relaxed);
        // Where it has gone, news of that are on their way.
        let _ = self.to.send((message, fds));
    }

    /// How much it has not been told yet, since it does not read what it is told.
    pub(super) fn untold(&self) -> usize {
        self.untold.load(Ordering::Relaxed)
    }

    /// Ends it; news of that follow.
    pub(super) fn end(&self) {
        self.stop.send_replace(Some(StopRequest::Kill(StopReason::Parent)));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}
