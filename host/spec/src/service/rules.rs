//! The rules by which a job is kept up, with their usual values: how it is started, watched, and started again, and how much
//! of its logs is kept.

use crate::setting::words::{LEVELS, Overlap, RESTARTS, Restart, find};
use crate::setting::{Setting, Usual};
use crate::units::duration;
use sandhog_protocol::request::Level;
use sandhog_protocol::verdict::VerdictKind;
use std::collections::BTreeSet;
use std::time::Duration;

/// How an instance is started, watched, and started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    pub restart: Restart,
    /// Verdicts after which it is tried again whatever `restart` says.
    pub retry_on: Vec<Retry>,
    /// Verdicts after which it is not retried whatever else says so.
    pub stop_on: BTreeSet<VerdictKind>,
    pub backoff: Backoff,
    pub intensity: Intensity,
    pub ready: Ready,
    /// How long an attempt may take to be ready; then it is unhealthy.
    pub start_timeout: Duration,
    /// Longest time between two heartbeats.
    pub heartbeat: Option<Duration>,
    /// How often the command of the health check runs.
    pub check_interval: Option<Duration>,
    /// Failures in a row that make an attempt unhealthy, of either check.
    pub failure_threshold: u32,
    /// How long it may take to stop once it was asked.
    pub grace: Duration,
    /// Resident memory at which an attempt is replaced, in bytes.
    pub recycle_memory_bytes: Option<u64>,
    /// It runs by a schedule, with this for what meets a run that has not ended.
    pub overlap: Option<Overlap>,
    /// Limits from which retries with a change start.
    pub limits: Boosts,
}

/// Try again after this verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub on: VerdictKind,
    /// With the limit that was met multiplied by this.
    pub factor: Option<u32>,
    /// And no larger than this: bytes or milliseconds.
    pub max: Option<u64>,
}

/// Limits that another try may have changed; None: the job's own, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Boosts {
    pub memory_bytes: Option<u64>,
    pub timeout_ms: Option<u64>,
    pub cpu_ms: Option<u64>,
    pub output_bytes: Option<u64>,
}

/// Pauses between tries: exponential, with full jitter (any time from nothing to the pause).
/// Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub max: Duration,
    /// How long an attempt has to be ready for the next pause to be the first one again.
    pub reset_after: Duration,
}

/// More restarts than this in this time, and it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    pub restarts: u32,
    pub within: Duration,
}

/// When an attempt is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// When it says so.
    Notify,
    /// When it says so or has lived this long.
    Lived(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRules {
    /// Longest log file, in bytes; a longer one is set aside.
    pub file_bytes: u64,
    /// How many are kept beside the one that is written to.
    pub files: u32,
    /// Least level of the guest's log that is kept; None: nothing is.
    pub level: Option<Level>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            restart: usual_word(Setting::Restart).and_then(|word| find(word, &RESTARTS).ok()).unwrap_or(Restart::Never),
            retry_on: Vec::new(),
            stop_on: BTreeSet::new(),
            backoff: Backoff::default(),
            intensity: Intensity::default(),
            ready: Ready::Lived(usual_time(Setting::Ready)),
            start_timeout: usual_time(Setting::StartTimeout),
            heartbeat: None,
            check_interval: None,
            failure_threshold: usual_count(Setting::HealthFailureThreshold),
            grace: usual_time(Setting::Grace),
            recycle_memory_bytes: None,
            overlap: None,
            limits: Boosts::default(),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: usual_time(Setting::BackoffFirst),
            max: usual_time(Setting::BackoffMax),
            reset_after: usual_time(Setting::BackoffResetAfter),
        }
    }
}

impl Default for Intensity {
    fn default() -> Self {
        Self { restarts: usual_count(Setting::IntensityRestarts), within: usual_time(Setting::IntensityWithin) }
    }
}

impl Default for LogRules {
    fn default() -> Self {
        Self {
            file_bytes: Setting::LogsSize.facts().usual.to_size().unwrap_or_default().to_bytes(),
            files: usual_count(Setting::LogsFiles),
            level: usual_word(Setting::Log).and_then(|word| find(word, &LEVELS).ok()).flatten(),
        }
    }
}

fn usual_time(setting: Setting) -> Duration {
    duration(setting.facts().usual.to_time().unwrap_or_default())
}

fn usual_count(setting: Setting) -> u32 {
    setting.facts().usual.to_count().and_then(|count| u32::try_from(count).ok()).unwrap_or_default()
}

fn usual_word(setting: Setting) -> Option<&'static str> {
    match setting.facts().usual {
        Usual::Word(word) => Some(word),
        Usual::Size(_) | Usual::Time(_) | Usual::Count(_) | Usual::No => None,
        Usual::Nothing | Usual::Depends(_) | Usual::Needed => None,
    }
}
