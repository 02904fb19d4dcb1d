//! How the places of a command stand together.

use super::told::FreshTold;
use crate::dispatcher::InFlight;
use crate::status::Status;
use sandhog_runtime::observer::Told;
use sandhog_runtime::pool::task::Finished;
use sandhog_runtime::record::VerdictRecord;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::watch;

/// Hears of all places, and passes it on.
pub(super) struct Hearing {
    told: Arc<dyn FreshTold>,
    /// It takes the place of others that serve.
    is_successor: bool,
    /// Places that have not been given up.
    left: AtomicU32,
    status: watch::Sender<Status>,
}

impl Hearing {
    /// Of one place.
    pub(super) fn new(told: Arc<dyn FreshTold>, is_successor: bool) -> Arc<Self> {
        Arc::new(Self { told, is_successor, left: AtomicU32::new(1), status: watch::Sender::new(Status::Starting) })
    }

    /// There are so many more.
    pub(super) fn more(&self, places: u32) {
        self.left.fetch_add(places, Ordering::Relaxed);
    }

    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }
}

impl FreshTold for Hearing {
    fn joins(&self, attempt: &str) {
        self.told.joins(attempt);
    }

    fn accepts(&self, requests: InFlight) {
        self.status.send_if_modified(|status| {
            let is_first = *status == Status::Starting;
            if is_first {
                *status = Status::Serving;
            }
            is_first
        });
        self.told.accepts(requests);
    }

    fn ended(&self, finished: Finished) -> Told<'_> {
        self.told.ended(finished)
    }

    fn is_trial(&self) -> bool {
        self.is_successor && *self.status.borrow() == Status::Starting
    }

    fn failed(&self, reason: &str, last: Option<Box<VerdictRecord>>) {
        self.told.failed(reason, last.clone());
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.status.send_replace(Status::Failed { reason: reason.into(), last });
        }
    }
}
