//! What all connections of a worker share.

use super::gate::Gate;
use super::instances::Instances;
use super::told::Told;
use sandhog_protocol::plan::HttpPlan;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// See the module.
pub(super) struct Server {
    pub(super) plan: HttpPlan,
    pub(super) told: Told,
    pub(super) gate: Gate,
    pub(super) instances: Instances,
    /// True: no new connections, and those that there are end as soon as they can.
    finishing: watch::Sender<bool>,
    /// Requests so far.
    requests: AtomicU64,
    /// It has asked for its end.
    retires: AtomicBool,
    /// It is to be asked for.
    retiring: tokio::sync::Notify,
}

impl Server {
    pub(super) fn new(plan: HttpPlan, told: Told, instances: Instances) -> Self {
        Self {
            plan,
            told,
            gate: Gate::new(plan.concurrency, plan.waiting),
            instances,
            finishing: watch::Sender::new(false),
            requests: AtomicU64::new(0),
            retires: AtomicBool::new(false),
            retiring: tokio::sync::Notify::new(),
        }
    }

    pub(super) fn finish(&self) {
        self.finishing.send_replace(true);
    }

    pub(super) fn is_finishing(&self) -> bool {
        *self.finishing.borrow()
    }

    /// Until it is finishing.
    pub(super) async fn finishing(&self) {
        // The sender is in this same structure.
        let _ = self.finishing.subscribe().wait_for(|finishing| *finishing).await;
    }

    /// The number of a request that begins.
    pub(super) fn number(&self) -> u64 {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if self.plan.max_requests.is_some_and(|most| number >= most) {
            self.retire();
        }
        number
    }

    /// It is to be replaced.
    pub(super) fn retire(&self) {
        if !self.retires.swap(true, Ordering::Relaxed) {
            self.retiring.notify_one();
        }
    }

    /// Until it is to be replaced.
    pub(super) async fn retiring(&self) {
        self.retiring.notified().await;
    }

    /// The time of a request.
    pub(super) fn request_time(&self) -> Option<Duration> {
        self.plan.request_ms.map(Duration::from_millis)
    }
}
