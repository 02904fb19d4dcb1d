//! The state of a group between two searches for deadlocks.

use super::asked::Deadlock;
use sandhog_protocol::objects::ObjectId;
use std::collections::BTreeSet;
use std::time::Duration;

/// What is watched for circles of waiting.
#[derive(Default)]
pub(super) struct Watch {
    /// Locks that somebody has waited for.
    pub(super) waited: BTreeSet<ObjectId>,
    pub(super) due: Option<Duration>,
    pub(super) looked: Option<Duration>,
    /// Circles that were told and are still there.
    pub(super) told: BTreeSet<Deadlock>,
}

impl Watch {
    /// When it is to be looked.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    pub(super) fn forget(&mut self, object: ObjectId) {
        self.waited.remove(&object);
    }
}
