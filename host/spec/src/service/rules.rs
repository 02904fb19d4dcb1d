//! The rules by which a job is kept up: how it is started, watched, and started again, and how much of its logs is kept. Each
//! rule has its meaning here and is read here, from what was written and what the list of settings says of the rest.
//!
//! Must not: know a usual value or a bound. Those are the list's.

use super::error::{Error, Reason};
use super::health::HealthRequest;
use super::retry::{self, Boosts, Retry};
use crate::setting::words::{LEVELS, OVERLAPS, Overlap, RESTARTS, Restart, meaning};
use crate::setting::{Setting, Wrong, count, size, time};
use crate::units::{Time, Written, duration, print_duration};
use sandhog_protocol::control::JobSpec;
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
    /// How often the command of the health check runs, or its request is made.
    pub check_interval: Option<Duration>,
    /// The request that its workers are to answer.
    pub health_request: Option<HealthRequest>,
    /// Failures in a row that make an attempt unhealthy, of either check.
    pub failure_threshold: u32,
    /// How long it may take to stop once it was asked.
    pub grace: Duration,
    /// Resident memory at which an attempt is replaced, in bytes.
    pub recycle_memory_bytes: Option<u64>,
    /// It runs by a schedule, with this for what meets a run that has not ended.
    pub overlap: Option<Overlap>,
    /// Its instances come from one zygote.
    pub shared_zygote: bool,
    /// Limits from which retries with a change start.
    pub limits: Boosts,
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

/// How long a worker that retires by the number of its requests has to have been ready for its successor to come at once, where
/// nothing is said. A busy one does ten thousand requests in half a second, and 10 s of readiness would mean a pause after
/// each. At the worst a hundred are started in a second.
const SERVED: Duration = Duration::from_millis(10);

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

impl Rules {
    /// The rules that are written, with the usual ones where none are. `limits`: the job's own.
    ///
    /// # Errors
    /// The first that can't be met.
    pub fn of(spec: &JobSpec, limits: Boosts) -> Result<Self, Error> {
        let stop_on = retry::stop_on(&spec.stop_on)?;
        let start_timeout = lasts(Setting::StartTimeout, spec.start_timeout.as_ref())?;
        let heartbeat = time(Setting::HealthHeartbeat, spec.health.heartbeat.as_ref())?;
        let interval = lasts(Setting::HealthInterval, spec.health.interval.as_ref())?;
        let health_request = HealthRequest::of(spec)?;
        let is_checked = !spec.health.command.is_empty() || health_request.is_some();
        let recycle = size(Setting::RecycleMemory, spec.recycle.memory.as_ref())?;
        Ok(Self {
            restart: restart(spec)?,
            retry_on: retry::retry_on(&spec.retry_on, &stop_on, &limits)?,
            stop_on,
            backoff: Backoff::of(spec)?,
            intensity: Intensity::of(spec)?,
            ready: Ready::of(spec, start_timeout)?,
            start_timeout,
            heartbeat: heartbeat.map(duration),
            check_interval: is_checked.then_some(interval),
            health_request,
            failure_threshold: narrow(count(Setting::HealthFailureThreshold, spec.health.failure_threshold)?),
            grace: lasts(Setting::Grace, spec.grace.as_ref())?,
            recycle_memory_bytes: recycle.map(|size| size.to_bytes()),
            overlap: overlap(spec)?,
            shared_zygote: spec.shared_zygote,
            limits,
        })
    }
}

impl Backoff {
    /// Where one end of the pauses is set alone, it moves the other.
    fn of(spec: &JobSpec) -> Result<Self, Error> {
        let retires = spec.max_requests.is_some() && spec.listen.is_some();
        let spec = &spec.backoff;
        let reset_after = lasts(Setting::BackoffResetAfter, spec.reset_after.as_ref())?;
        let first = lasts(Setting::BackoffFirst, spec.first.as_ref())?;
        let max = lasts(Setting::BackoffMax, spec.max.as_ref())?;
        let backoff = Self {
            first: if spec.first.is_none() { first.min(max) } else { first },
            max: if spec.max.is_none() { max.max(first) } else { max },
            reset_after: if retires && spec.reset_after.is_none() { SERVED } else { reset_after },
        };
        if backoff.max < backoff.first {
            let reason = Reason::Backoff(print_duration(first));
            return Err(Wrong::given(Setting::BackoffMax, print_duration(max), reason).into());
        }
        Ok(backoff)
    }
}

impl Intensity {
    fn of(spec: &JobSpec) -> Result<Self, Error> {
        Ok(Self {
            restarts: narrow(count(Setting::IntensityRestarts, spec.intensity.restarts)?),
            within: lasts(Setting::IntensityWithin, spec.intensity.within.as_ref())?,
        })
    }
}

impl Ready {
    /// `notify`, or a time.
    fn of(spec: &JobSpec, start_timeout: Duration) -> Result<Self, Error> {
        let lived = match spec.ready.as_deref() {
            Some("notify") => return Ok(Self::Notify),
            // Its workers say when they accept.
            None if spec.listen.is_some() => return Ok(Self::Notify),
            Some(text) if spec.listen.is_some() => {
                return Err(Wrong::text(Setting::Ready, text, Reason::ServesReady).into());
            }
            Some(text) if !text.starts_with(|first: char| first.is_ascii_digit()) => {
                return Err(Wrong::text(Setting::Ready, text, Reason::Ready).into());
            }
            text => lasts(Setting::Ready, text.map(Into::into).as_ref())?,
        };
        if lived > start_timeout {
            let reason = Reason::ReadyTooLate(print_duration(start_timeout));
            return Err(Wrong::given(Setting::Ready, print_duration(lived), reason).into());
        }
        Ok(Self::Lived(lived))
    }
}

impl LogRules {
    /// As [`Rules::of`].
    ///
    /// # Errors
    /// As [`Rules::of`].
    pub fn of(spec: &JobSpec) -> Result<Self, Error> {
        Ok(Self {
            file_bytes: size(Setting::LogsSize, spec.logs.size.as_ref())?.unwrap_or_default().to_bytes(),
            files: narrow(count(Setting::LogsFiles, spec.logs.files)?),
            level: one_of(Setting::Log, spec.log.as_deref(), &LEVELS)?,
        })
    }
}

/// What runs by the clock is run again by the clock.
fn restart(spec: &JobSpec) -> Result<Restart, Error> {
    let is_scheduled = spec.schedule.is_some();
    match &spec.restart {
        None if is_scheduled => Ok(Restart::Never),
        // An instance that has served as many requests as it may ends well, and its work goes on.
        None if spec.listen.is_some() => Ok(Restart::Always),
        word => match one_of(Setting::Restart, word.as_deref(), &RESTARTS)? {
            Restart::Always if is_scheduled => {
                Err(Wrong::given(Setting::Restart, "always", Reason::ScheduledRestart).into())
            }
            restart @ (Restart::Never | Restart::OnFailure | Restart::Always) => Ok(restart),
        },
    }
}

fn overlap(spec: &JobSpec) -> Result<Option<Overlap>, Error> {
    let overlap = one_of(Setting::Overlap, spec.overlap.as_deref(), &OVERLAPS)?;
    Ok(spec.schedule.is_some().then_some(overlap))
}

/// The meaning of a word, or of the usual one.
fn one_of<T: Copy>(setting: Setting, written: Option<&str>, words: &[(&'static str, T)]) -> Result<T, Error> {
    let usual = setting.facts().usual.to_text().unwrap_or_default();
    Ok(meaning(setting, written.unwrap_or(&usual), words)?)
}

/// A time that has a usual value.
fn lasts(setting: Setting, written: Option<&Written<Time>>) -> Result<Duration, Error> {
    Ok(duration(time(setting, written)?.unwrap_or_default()))
}

/// A count that has a usual value; bounds of the list keep it below 32 bits.
pub(super) fn narrow(count: Option<u64>) -> u32 {
    u32::try_from(count.unwrap_or_default()).unwrap_or(u32::MAX)
}
