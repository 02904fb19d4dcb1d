//! One worker of a pool, from the request for it to its end: an attempt like any other, of a zygote that serves others as well.
//!
//! Must not: know tasks that wait, or other workers.

use super::happening::{StartFailure, WorkerEnded};
use super::kept::{Outputs, Passing};
use super::shared::Shared;
use crate::children::{self, AttemptTree};
use crate::driver::{Attempted, Begin, Ends, GRACE, Order, Zygote};
use crate::note::{self, Note, Sender};
use crate::observer::Keeper;
use crate::plan;
use crate::run;
use crate::stop::StopRequest;
use crate::streams::{Opened, Streams};
use crate::{attempt_id, error};
use sandhog_protocol::plan::{Identity, WorkerPlan};
use sandhog_protocol::spawn::ZygoteId as ZygoteNumber;
use sandhog_supervisor::pool::SlotId;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Where a worker is started.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) slot: SlotId,
    pub(super) zygote: ZygoteNumber,
}

/// What a worker is made of, before it is asked for.
pub(super) struct Plan {
    /// Its stdin.
    pub(super) input: OwnedFd,
    pub(super) connection: Option<OwnedFd>,
    pub(super) begin: Begin,
    pub(super) began: Option<Box<dyn FnOnce() + Send>>,
    pub(super) identity: Identity,
}

/// The way to an attempt.
#[derive(Clone)]
pub(super) struct Control {
    pub(super) notes: Sender,
    stop: watch::Sender<Option<StopRequest>>,
    /// The limit of wall time of its task, as its verdict names it.
    timeout: Arc<Mutex<Option<Duration>>>,
}

impl Control {
    pub(super) fn stop(&self, request: StopRequest) {
        self.stop.send_replace(Some(request));
    }

    pub(super) fn set_timeout(&self, timeout: Option<Duration>) {
        *self.timeout.lock().unwrap_or_else(PoisonError::into_inner) = timeout;
    }

    /// What it is told, if it is still there.
    pub(super) fn note(&self, note: Note) {
        if let Err(mpsc::error::TrySendError::Full(note)) = self.notes.try_send(note) {
            let notes = self.notes.clone();
            tokio::spawn(async move { notes.send(note).await.is_ok() });
        }
    }
}

/// Who it is.
///
/// # Errors
/// As getrandom(2).
pub(super) fn identity(shared: &Shared, slot: SlotId) -> io::Result<Identity> {
    let attempt = attempt_id::new_attempt_id()?;
    Ok(Identity { attempt, job: shared.job.name.clone(), instance: slot.0, number: 1, ..Identity::default() })
}

/// Begins an attempt; `over` is told when it is over.
///
/// # Errors
/// This process is at its limits. Nothing was begun.
pub(super) fn begin(
    shared: &Arc<Shared>,
    place: Place,
    plan: Plan,
    over: impl FnOnce(WorkerEnded) + Send + 'static,
) -> Result<Control, error::Error> {
    let Plan { input, connection, begin, began, identity } = plan;
    let outputs = Arc::new(Outputs::default());
    let keeper: Arc<dyn Keeper> = match shared.settings.is_fresh() {
        true => Arc::clone(&outputs) as Arc<dyn Keeper>,
        false => Arc::new(Passing { beside: shared.observer.beside() }),
    };
    let mut streams = Streams::of_pool(&shared.job, input, &keeper);
    let Opened { stdio, pumps, .. } = streams.open(None, true)?;
    let inherited = streams.inherited(&stdio)?;
    let (asks, requests) = mpsc::channel(children::REQUESTS);
    let order = Order {
        zygote: Zygote::Shared(place.zygote),
        worker: WorkerPlan {
            slot: shared.settings.place(place.slot),
            ..plan::guest_worker(&shared.job, connection.is_some())
        },
        begin,
        ends: Some(Ends { stdio, connection, coredump: None }),
        listeners: Vec::new(),
        directories: shared.granted.directories.clone(),
        feed: None,
        pumps,
        hard_deadline: None,
        requests: Some(asks),
        kept: None,
        grace: GRACE,
        began,
    };
    let (sender, notes) = mpsc::channel(note::NOTES);
    let (stop, stop_requests) = watch::channel(None);
    let control = Control { notes: sender.clone(), stop, timeout: Arc::default() };
    let (shared, timeout) = (Arc::clone(shared), Arc::clone(&control.timeout));
    let member = Arc::new(shared.member(identity));
    tokio::spawn(async move {
        let (observer, group) = (Arc::clone(&shared.observer), shared.group.clone());
        let tree = AttemptTree::new(&shared.coordinator, &shared.job, observer, GRACE, group);
        let served = children::serve(&tree, &member, inherited, requests, sender.clone(), stop_requests.clone());
        let on_started = shared.shows_processes.then(|| run::on_started(&tree, &member));
        let attempted = shared.coordinator.attempt(order, None, stop_requests, (sender, notes), on_started);
        let (attempted, ()) = tokio::join!(attempted, served);
        let timeout = *timeout.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = ended(&shared, attempted, timeout, streams, &outputs);
        if let Some(group) = &tree.group {
            group.ended(&member.identity.attempt, &ended.verdict);
        }
        over(ended);
        tree.wait_for_detached(shared.coordinator.stopped()).await;
    });
    Ok(control)
}

fn ended(
    shared: &Shared,
    attempted: io::Result<Attempted>,
    timeout: Option<Duration>,
    mut streams: Streams,
    outputs: &Outputs,
) -> WorkerEnded {
    let Attempted { facts, mut usage, unused } = match attempted {
        Ok(attempted) => attempted,
        Err(error) => return WorkerEnded::never(StartFailure::of_machine(&error)),
    };
    let passed = streams.settle();
    (usage.stdin_bytes, usage.output_bytes) = (passed.input, passed.output);
    if let Some(each) = passed.each {
        [usage.stdout_bytes, usage.stderr_bytes] = each.map(Some);
    }
    let verdict = shared.verdict(&facts, timeout);
    // What it was to be given is still here: it never began.
    let failure = unused.is_some().then(|| shared.start_failure(facts.cause));
    let [stdout, stderr] = outputs.take();
    WorkerEnded { failure, verdict, usage, stdout, stderr }
}
