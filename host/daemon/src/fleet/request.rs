//! What sessions ask of the one task.

use super::metrics::Snapshot;
use super::refusal::Refusal;
use super::settle::{Known, Named, Opened, Prepared};
use sandhog_protocol::control::{
    Daemon as About, Event, Instance, Job, JobSummary, ScaleRequest, SendReply, SendRequest, SharedObject, VerbRequest,
    VerbResult,
};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::{broadcast, oneshot};

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Jobs whose logs were asked for; of each these instances, or all.
pub(super) type Wanted = BTreeMap<String, Option<BTreeSet<u32>>>;

/// What a session asks.
pub(super) enum Request {
    About(Reply<About>),
    Instances(Vec<String>, Reply<Vec<Instance>>),
    Jobs(Vec<String>, Reply<Vec<JobSummary>>),
    Job(String, Reply<Job>),
    Objects(Reply<Vec<SharedObject>>),
    /// What is there, beside the jobs of these names.
    Known(BTreeSet<String>, Reply<Known>),
    Apply(Box<Prepared>, Reply<VerbResult>),
    /// Jobs of which a verb opens anew what they may use.
    ToOpen(Verb, Vec<String>, Reply<Vec<Named>>),
    Ask(Verb, VerbRequest, Opened, Reply<VerbResult>),
    Scale(ScaleRequest, Reply<VerbResult>),
    Send(SendRequest, Reply<Vec<SendReply>>),
    Logs(Vec<String>, Reply<Wanted>),
    Events(u64, usize, Reply<(Vec<Event>, broadcast::Receiver<Event>)>),
    Metrics(Reply<Snapshot>),
    ShutDown(Reply<()>),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Start,
    Stop,
    Restart,
    Reload,
    Delete,
    Signal,
}
