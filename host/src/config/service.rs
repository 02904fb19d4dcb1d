//! A job that is kept up, checked: what runs, and the rules by which it is started, watched, and started again.

pub(crate) mod error;
pub(crate) mod group;
pub(crate) mod name;
mod new;
mod retry;
pub(crate) mod settings;
pub(crate) mod words;

pub(crate) use error::Error;
pub(crate) use retry::raised;

use super::job::Job;
use super::schedule::Schedule;
use sandhog_protocol::verdict::VerdictKind;
use std::collections::BTreeSet;
use std::time::Duration;

/// The group of jobs that are in none.
pub(crate) const DEFAULT_GROUP: &str = "default";

/// A job with the rules by which it is kept up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub job: Job,
    pub group: String,
    /// Jobs of its group that are to be ready before it starts.
    pub after: Vec<String>,
    pub instances: u32,
    pub rules: Rules,
    pub schedule: Option<Schedule>,
    /// What `health.command` runs.
    pub check: Option<Check>,
    pub logs: LogRules,
}

/// How an instance is started, watched, and started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub restart: Restart,
    /// Verdicts after which it is tried again whatever `restart` says.
    pub retry_on: Vec<Retry>,
    /// Verdicts after which it is not tried again whatever else says so.
    pub stop_on: BTreeSet<VerdictKind>,
    pub backoff: Backoff,
    pub intensity: Intensity,
    pub ready: Ready,
    /// How long an attempt may take to be ready; then it is unhealthy.
    pub start_timeout: Duration,
    /// Longest time between two heartbeats.
    pub heartbeat: Option<Duration>,
    /// How often the command of the health check runs.
    pub check_every: Option<Duration>,
    /// Misses in a row that make an attempt unhealthy, of either check.
    pub misses: u32,
    /// How long it may take to stop once it was asked.
    pub grace: Duration,
    /// Resident memory at which an attempt is replaced, in bytes.
    pub recycle_memory_bytes: Option<u64>,
    /// It runs by a schedule, with this for what meets a run that has not ended.
    pub overlap: Option<Overlap>,
    /// Limits from which retries with a change start.
    pub limits: Boosts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    Never,
    /// After every verdict but `completed`, and `stopped` where it was asked to stop.
    OnFailure,
    Always,
}

/// Try again after this verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    pub on: VerdictKind,
    /// With the limit that was met multiplied by this.
    pub times: Option<u32>,
    /// And no larger than this: bytes or milliseconds.
    pub at_most: Option<u64>,
}

/// Limits that another try may have changed; None: the job's own, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Boosts {
    pub memory_bytes: Option<u64>,
    pub timeout_ms: Option<u64>,
    pub cpu_ms: Option<u64>,
    pub output_bytes: Option<u64>,
}

/// Pauses between tries: exponential, with full jitter (any time from nothing to the pause).
/// Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub first: Duration,
    pub most: Duration,
    /// How long an attempt has to be ready for the next pause to be the first one again.
    pub reset_after: Duration,
}

/// More restarts than this in this time, and it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intensity {
    pub restarts: u32,
    pub within: Duration,
}

/// When an attempt is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// When it says so.
    Said,
    /// When it says so or has lived this long.
    Lived(Duration),
}

/// What happens to the others of a group when one of it ends and is to be started again. The names are those of
/// Erlang/OTP, "Supervisor Behaviour".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Strategy {
    #[default]
    OneForOne,
    /// All are stopped and started again.
    OneForAll,
    /// Those that come after it are.
    RestForOne,
}

/// What happens when a run is due and the last one has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// The new one does not take place.
    Skip,
    /// It takes place afterwards; one waits at the most.
    Queue,
    /// The old one is stopped first.
    Replace,
}

/// The command of a health check: a module that runs sealed, with the grants of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// Its name is the job's; no connection, no children, an output that nobody keeps, the check's time as its time-out.
    pub job: Job,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogRules {
    /// Longest log file, in bytes; a longer one is set aside.
    pub file_bytes: u64,
    /// How many are kept beside the one that is written to.
    pub files: u32,
    /// Least level of the guest's log that is kept; None: nothing is.
    pub level: Option<sandhog_protocol::request::Level>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            // A service that ends well has done its work.
            restart: Restart::OnFailure,
            retry_on: Vec::new(),
            stop_on: BTreeSet::new(),
            backoff: Backoff::default(),
            intensity: Intensity::default(),
            // Long enough to find out what is wrong with its settings, short enough to wait for.
            ready: Ready::Lived(Duration::from_secs(1)),
            // A large module may be compiled first.
            start_timeout: Duration::from_secs(150),
            heartbeat: None,
            check_every: None,
            misses: 3,
            grace: Duration::from_secs(5),
            recycle_memory_bytes: None,
            overlap: None,
            limits: Boosts::default(),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), most: Duration::from_secs(30), reset_after: Duration::from_secs(10) }
    }
}

impl Default for Intensity {
    fn default() -> Self {
        Self { restarts: 5, within: Duration::from_secs(60) }
    }
}

impl Default for LogRules {
    fn default() -> Self {
        // A hundred megabytes for a job at the most.
        Self { file_bytes: 16 << 20, files: 5, level: Some(sandhog_protocol::request::Level::Info) }
    }
}

#[cfg(test)]
mod tests;
