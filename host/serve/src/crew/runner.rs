//! Whoever runs attempts: the coordinator. In tests somebody plays it.
//!
//! Must not: decide which attempt runs.

use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::error::Error;
use sandhog_runtime::record::VerdictRecord;
use sandhog_runtime::run::Kept;
use sandhog_runtime::stop::StopRequests;
use std::pin::Pin;
use std::sync::Arc;

pub(super) type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub(super) trait Runner: Send + Sync {
    /// One attempt to its verdict.
    fn run(&self, kept: Kept, stop_requests: StopRequests) -> Running<'_, Result<VerdictRecord, Error>>;

    /// Comes back when no attempt can be run any more, and none runs.
    fn is_lost(&self) -> Running<'_, ()>;
}

struct Coordinated(Arc<Coordinator>);

/// The coordinator as one.
pub(super) fn of(coordinator: &Arc<Coordinator>) -> Arc<dyn Runner> {
    Arc::new(Coordinated(Arc::clone(coordinator)))
}

impl Runner for Coordinated {
    fn run(&self, kept: Kept, stop_requests: StopRequests) -> Running<'_, Result<VerdictRecord, Error>> {
        Box::pin(self.0.run_kept(kept, stop_requests))
    }

    fn is_lost(&self) -> Running<'_, ()> {
        Box::pin(self.0.spawner_is_lost())
    }
}
