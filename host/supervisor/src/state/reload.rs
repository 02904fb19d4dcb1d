//! How far the reload of a job is.

use super::message::{AttemptNumber, InstanceId};
use std::collections::BTreeSet;

/// A reload of a job.
#[derive(Debug, Default)]
pub(super) struct Reload {
    /// Instances whose turn comes yet.
    pub(super) queue: BTreeSet<InstanceId>,
    pub(super) step: Option<Step>,
}

/// The instance whose turn it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) id: InstanceId,
    /// Once its place was free: the old attempt and the new one.
    pub(super) attempts: Option<(AttemptNumber, AttemptNumber)>,
}
