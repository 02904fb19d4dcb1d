//! What is to be heard of a place, and what it is told: below those who tell it and those who hear it.

use crate::dispatcher::InFlight;
use sandhog_runtime::observer::Told;
use sandhog_runtime::pool::task::Finished;

/// Hears of the workers of a place.
pub trait FreshTold: Send + Sync {
    /// This attempt is the place's worker from now on; nothing of its clients has been told yet.
    fn joins(&self, _attempt: &str) {}

    /// It takes its client.
    fn accepts(&self, _requests: InFlight) {}

    /// The attempt of a connection has ended, or never began: `finished.attempt`. The place has no other one before that is
    /// taken in.
    fn ended(&self, finished: Finished) -> Told<'_>;

    /// There are no more workers, and why.
    fn failed(&self, reason: &str);
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
