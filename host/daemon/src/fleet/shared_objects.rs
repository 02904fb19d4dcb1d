//! Which groups have objects, and which of their instances are up.
//!
//! Must not: know a job.

use sandhog_runtime::objects::Group;
use sandhog_supervisor::state::InstanceId;
use std::collections::{BTreeMap, BTreeSet};

/// By their groups.
#[derive(Default)]
pub(super) struct SharedObjects {
    pub(super) groups: BTreeMap<String, Group>,
    /// Groups whose jobs have changed since that was looked at.
    pub(super) changed: BTreeSet<String>,
    /// Instances of these groups that are up.
    up: BTreeSet<InstanceId>,
}

impl SharedObjects {
    pub(super) fn changed(&mut self, group: &str) {
        self.changed.insert(group.to_owned());
    }

    /// An instance is gone.
    pub(super) fn removed(&mut self, id: InstanceId, group: &str) {
        if self.up.remove(&id) {
            self.changed(group);
        }
    }

    pub(super) fn see(&mut self, id: InstanceId, group: &str, is_up: bool) {
        let was_up = self.up.contains(&id);
        if was_up != is_up {
            if is_up {
                self.up.insert(id)
            } else {
                self.up.remove(&id)
            };
            self.changed(group);
        }
    }
}
