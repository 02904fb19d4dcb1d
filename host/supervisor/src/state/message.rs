//! The inputs and outputs of the states. This file is below their senders and their receivers.

use sandhog_protocol::control::Phase;
use sandhog_protocol::verdict::{HealthCheck, Verdict};
use sandhog_spec::service::{Boosts, Rules, Strategy};
use std::sync::Arc;
use std::time::Duration;

/// An instance's number, never used again.
pub type InstanceId = u64;

/// An attempt's number, given by [`super::Fleet`] and never used again: the fencing token. What concerns an attempt that has ended, or
/// is not known, changes nothing.
pub type AttemptNumber = u64;

/// A job as the fleet knows it.
#[derive(Clone, Debug)]
pub struct Definition {
    pub job: String,
    pub group: String,
    /// Jobs of the same group that are to be ready before it starts; none is missing, and there is no circle.
    pub after: Vec<String>,
    pub rules: Arc<Rules>,
}

/// An instance that is new to the fleet, or was known to the daemon before.
#[derive(Clone, Debug)]
pub struct KnownInstance {
    pub id: InstanceId,
    /// It is to be up. Of a job with a schedule: its runs take place.
    pub wanted: bool,
    /// Given up, and why.
    pub failed: Option<String>,
    /// It has done its work: for those that come after it that is as good as being ready.
    pub finished: bool,
    pub restarts: u64,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A group's strategy; groups without one have the default.
    Group {
        name: String,
        strategy: Strategy,
    },
    /// A job is new, or is to have other rules from its next attempt on. `instances` are all its instances: those that the
    /// fleet has already stay as they are (`wanted`, `failed` and `restarts` of them mean nothing), those that are not among
    /// them any more are stopped and then removed.
    Define {
        definition: Definition,
        instances: Vec<KnownInstance>,
    },
    /// Its instances are stopped and then removed.
    Delete {
        job: String,
    },
    /// They are to be up. One that has failed is given a new chance; of a job with a schedule its runs take place
    /// from now on.
    Start {
        ids: Vec<InstanceId>,
    },
    /// The same, but each that waits for its time by a schedule, or runs by one, runs now as if it were due. One that is
    /// down only waits for its time again.
    Run {
        ids: Vec<InstanceId>,
    },
    /// They are to be down, those that come after others first.
    Stop {
        ids: Vec<InstanceId>,
    },
    /// Down, then up again, without a pause, be they up or not.
    Restart {
        ids: Vec<InstanceId>,
    },
    /// One instance of a job at a time: another attempt is started, and when it is ready, the old one is told to go. Where
    /// it does not become ready the old one stays, and the reload of that job is over. One that is not up is started.
    Reload {
        ids: Vec<InstanceId>,
    },
    /// A run of a job with a schedule is due.
    Due {
        job: String,
    },

    /// Its turn to start has come: for how long it waited for others is no fault of its own.
    Launched {
        attempt: AttemptNumber,
    },
    /// Its guest has begun: what went before, such as compiling its module, is not lived.
    Began {
        attempt: AttemptNumber,
    },
    /// The attempt says that it is ready.
    Ready {
        attempt: AttemptNumber,
    },
    Heartbeat {
        attempt: AttemptNumber,
    },
    /// What [`Action::Check`] found.
    Checked {
        attempt: AttemptNumber,
        healthy: bool,
    },
    /// Its worker is held by somebody, or goes on: while it is held nothing is expected of it.
    Paused {
        attempt: AttemptNumber,
        paused: bool,
    },
    /// The daemon itself was held, and could not look at anything for so long.
    Suspended {
        late: Duration,
    },
    /// Resident memory of the attempt, in bytes.
    Memory {
        attempt: AttemptNumber,
        bytes: u64,
    },
    /// It must end before long: its replacement is to be ready before it is told to go.
    Retire {
        attempt: AttemptNumber,
        reason: String,
    },
    /// It has ended. Comes once for each [`Action::Spawn`].
    Ended {
        attempt: AttemptNumber,
        verdict: Verdict,
    },

    /// Time has passed: see [`super::Fleet::next_wake`].
    Tick,
    /// Everything is stopped, in reverse order, and nothing is started any more. What is wanted stays wanted.
    Shutdown,
    /// The same, at once.
    ShutdownNow,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start an attempt of the instance, with these limits in place of its own.
    Spawn { id: InstanceId, attempt: AttemptNumber, boosts: Boosts },
    /// Ask the attempt to stop; whoever carries this out ends it after its grace.
    Stop { attempt: AttemptNumber, reason: End },
    /// End the attempt at once.
    Kill { attempt: AttemptNumber, reason: End },
    /// Run the command of its health check, or make its request; [`Event::Checked`] is the answer. No other check of it runs meanwhile.
    Check { attempt: AttemptNumber },
    /// For those who watch.
    Tell { id: InstanceId, notice: Notice },
    /// What of the instance outlives the daemon has changed: `wanted`, `failed`, `finished`, `restarts`.
    Save { id: InstanceId },
    /// The instance is gone.
    Removed { id: InstanceId },
    /// After [`Event::Shutdown`]: nothing runs any more.
    Over,
}

/// Why an attempt is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Somebody has asked for it: `stop`, `restart`, `delete`, the daemon's end.
    Operator,
    /// Another one takes its place: reload, recycling, retirement, a schedule, a group's strategy.
    Replaced,
    /// This check failed.
    Unhealthy(HealthCheck),
}

/// What people hear of.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    Starting {
        attempt: AttemptNumber,
    },
    Ready {
        attempt: AttemptNumber,
    },
    Ended {
        attempt: AttemptNumber,
        verdict: Verdict,
    },
    /// The next try comes after this pause; with these limits in place of its own.
    Backoff {
        pause: Duration,
        raised: Boosts,
    },
    Failed {
        reason: String,
    },
    Stopping {
        attempt: AttemptNumber,
    },
    Stopped,
    /// It has ended and is not started again: it has done its work.
    Finished,
    /// It takes too much memory and is replaced.
    Recycled {
        attempt: AttemptNumber,
        bytes: u64,
    },
    Retiring {
        attempt: AttemptNumber,
        reason: String,
    },
    Unhealthy {
        attempt: AttemptNumber,
        check: HealthCheck,
    },
    /// Another attempt has taken its place.
    Reloaded {
        old: AttemptNumber,
        new: AttemptNumber,
    },
    ReloadFailed {
        reason: String,
    },
    /// A run that was due does not take place.
    Skipped,
}

/// An instance as others see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub phase: Phase,
    pub reason: Option<String>,
    /// Since when it is in this phase.
    pub since: Duration,
    /// The attempt that counts; during a reload the old one.
    pub attempt: Option<AttemptNumber>,
    pub wanted: bool,
    pub failed: Option<String>,
    /// It has done its work.
    pub finished: bool,
    pub restarts: u64,
    /// When its pause is over.
    pub next: Option<Duration>,
    /// A reload that concerns it has not ended.
    pub reloading: bool,
    /// Another run follows the one that has not ended.
    pub queued: bool,
    /// Limits that retries have changed: of the attempt that counts, or of the next one.
    pub raised: Boosts,
}
