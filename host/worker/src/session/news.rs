//! What the coordinator says of its own accord, for all sessions of an attempt: whichever of them hears it.
//!
//! Must not: hear, or wait.

use super::awaited::{Awaited, Change};
use super::ended::Ended;
use sandhog_protocol::request::ChildId;
use sandhog_protocol::verdict::{Usage, Verdict};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Its clones are one. A worker has one thread for its guest, so the lock is never contended.
#[derive(Clone, Default)]
pub(crate) struct News(Arc<Told>);

#[derive(Default)]
struct Told {
    heard: Mutex<Heard>,
    /// Something was heard.
    changed: Awaited,
}

#[derive(Default)]
struct Heard {
    /// It has been asked to stop.
    stops: bool,
    /// Children whose handle a guest has.
    children: BTreeMap<ChildId, Known>,
}

struct Known {
    attempt: String,
    /// How it has ended, if it has.
    ended: Option<Arc<Ended>>,
}

impl News {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until something is heard after this was called.
    pub(crate) fn change(&self) -> Change<'_> {
        self.0.changed.change()
    }

    pub(super) fn stop(&self) {
        self.heard().stops = true;
        self.0.changed.tell();
    }

    pub(super) fn stops(&self) -> bool {
        self.heard().stops
    }

    /// Somebody wants to know of its end.
    pub(super) fn wait_for(&self, child: ChildId, attempt: String) {
        self.heard().children.insert(child, Known { attempt, ended: None });
    }

    /// One that nobody wants to know of is nobody's business any more.
    pub(super) fn end(&self, child: ChildId, verdict: Verdict, code: u32, usage: Usage) {
        if let Some(Known { attempt, ended }) = self.heard().children.get_mut(&child) {
            *ended = Some(Arc::new(Ended { attempt: attempt.clone(), verdict, code, usage }));
        }
        self.0.changed.tell();
    }

    pub(super) fn ended(&self, child: ChildId) -> Option<Arc<Ended>> {
        self.heard().children.get(&child)?.ended.clone()
    }

    pub(super) fn forget(&self, child: ChildId) {
        self.heard().children.remove(&child);
    }
}
