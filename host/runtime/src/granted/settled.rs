//! The granted files of a service, for as long as the service is known.

use super::record::Record;
use super::usable::Granted;
use super::writable::FileId;
use crate::capacity::Held;
use crate::zygote::shared::SharedZygotes;
use sandhog_spec::setting::Setting;
use std::collections::HashSet;
use std::sync::Arc;

/// What a job that is kept up may use, opened, and what is remembered of it.
pub struct Settled {
    pub job: Granted,
    /// For the command of its health check.
    pub check: Option<Granted>,
    pub record: Record,
    /// Where its instances share them.
    pub zygotes: Arc<SharedZygotes>,
    /// Directories that its paths lead through: who may write one of them may lead them elsewhere.
    pub(super) passes: HashSet<FileId>,
    pub(super) _held: Held,
}

impl Settled {
    /// Which of a job's settings lead to something else than `before`, as keys of a manifest.
    pub fn differing(&self, before: &Self) -> Vec<Setting> {
        self.record.differing(&before.record)
    }

    /// Directories by which somebody who may write there could lead it elsewhere.
    pub fn passes(&self) -> impl Iterator<Item = FileId> {
        self.passes.iter().copied()
    }
}
