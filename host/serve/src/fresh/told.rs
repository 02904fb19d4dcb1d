//! What is to be heard of a place, and what it is told: below those who tell it and those who hear it.

use crate::dispatcher::InFlight;
use sandhog_runtime::observer::Told;
use sandhog_runtime::pool::task::Finished;
use sandhog_runtime::record::VerdictRecord;

/// Hears of the workers of a place.
pub trait FreshTold: Send + Sync {
    /// This attempt is the place's worker from now on; nothing of its clients has been told yet.
    fn joins(&self, _attempt: &str) {}

    /// It takes its client.
    fn accepts(&self, _requests: InFlight) {}

    /// The attempt of a connection has ended, or never began: `finished.attempt`. The place has no other one before that is
    /// taken in.
    fn ended(&self, finished: Finished) -> Told<'_>;

    /// Whether the next worker that ends before it takes a connection is the place's last one, and whoever is above decides.
    fn is_trial(&self) -> bool {
        false
    }

    /// The place has no more workers, though they are wanted: why, and how the last one ended. None: the pool has ended.
    fn failed(&self, reason: &str, last: Option<Box<VerdictRecord>>);
}

/// What a place is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// Clients.
    Serve,
    /// No more of them: a worker that has none ends, one that has one ends with it.
    Drain,
    /// Nothing: its worker is killed.
    End,
}
