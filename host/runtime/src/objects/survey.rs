//! Looking at several objects at about the same time: what is seen of each comes one by one.

use super::message::Answer;
use super::row::Row;
use sandhog_protocol::objects::{ObjectId, ObjectState};
use std::collections::{BTreeMap, BTreeSet};

/// Who wants to know.
pub(super) enum Purpose {
    Show(Answer<Vec<Row>>),
    /// Whether there is a circle.
    Deadlocks,
}

pub(super) struct Survey {
    pub(super) purpose: Purpose,
    /// By the monotonic clock, in milliseconds.
    pub(super) begun_ms: u64,
    left: BTreeSet<ObjectId>,
    pub(super) seen: BTreeMap<ObjectId, ObjectState>,
}

impl Survey {
    pub(super) fn new(purpose: Purpose, begun_ms: u64, objects: impl IntoIterator<Item = ObjectId>) -> Self {
        Self { purpose, begun_ms, left: objects.into_iter().collect(), seen: BTreeMap::new() }
    }

    pub(super) fn see(&mut self, object: ObjectId, state: &ObjectState) {
        if self.left.remove(&object) {
            self.seen.insert(object, state.clone());
        }
    }

    /// It will not be seen any more.
    pub(super) fn miss(&mut self, object: ObjectId) {
        self.left.remove(&object);
    }

    pub(super) fn is_over(&self) -> bool {
        self.left.is_empty()
    }
}
