//! What is kept, as it is given back.

use sandhog_protocol::control::{EndedAttempt, GroupSpec, JobSpec};
use sandhog_runtime::granted::{Record, WasWritable};

/// Ended attempts that are kept of each instance.
pub(super) const ENDED: usize = 10;

/// What there was when the daemon started.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stored {
    pub groups: Vec<GroupSpec>,
    /// In the order that they were given.
    pub jobs: Vec<StoredJob>,
    /// Directories that jobs could write.
    pub was_writable: Vec<WasWritable>,
    /// The last sign of life of the daemon before: see [`super::Store::put_alive`].
    pub alive_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredJob {
    pub spec: JobSpec,
    pub source: Option<String>,
    /// What it was granted.
    pub granted: Option<Record>,
    /// When its last run by the schedule was due.
    pub last_due_ms: Option<u64>,
    /// By their ids.
    pub instances: Vec<StoredInstance>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredInstance {
    pub row: InstanceRow,
    /// Newest first.
    pub ended: Vec<EndedAttempt>,
}

/// What changes of an instance, but for how its attempts ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InstanceRow {
    pub id: u64,
    /// From 0.
    pub instance: u32,
    /// It is to be up.
    pub wanted: bool,
    /// It was given up, for this reason.
    pub failed: Option<String>,
    /// It has done its work.
    pub finished: bool,
    /// The attempt that runs.
    pub attempt: Option<String>,
    pub restarts: u64,
}
