//! Where a job has its keys in a manifest.

use crate::setting::Setting;
use std::collections::BTreeMap;

/// Where a job has its keys, as offsets.
#[derive(Clone, Debug, Default)]
pub(super) struct Positions {
    pub(super) job: usize,
    pub(super) keys: BTreeMap<Setting, usize>,
}

impl Positions {
    /// Of a setting; of the job itself where it is not written.
    pub(super) fn of(&self, setting: Option<Setting>) -> usize {
        setting.and_then(|setting| self.keys.get(&setting)).copied().unwrap_or(self.job)
    }
}
