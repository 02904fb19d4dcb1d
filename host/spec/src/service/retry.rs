//! After which verdicts another try is made, and with what changed.

use super::error::{Error, Reason, RetryReason};
use crate::job::{Job, MEMORY_MAX};
use crate::setting::words::verdict;
use crate::setting::{self, Setting, Wrong};
use crate::units::millis;
use crate::units::{self, Size, Time};
use sandhog_protocol::control::RetrySpec;
use sandhog_protocol::verdict::VerdictKind;
use std::collections::BTreeSet;
use std::time::Duration;

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

impl Boosts {
    /// The job with the limits of another try.
    #[must_use]
    pub fn applied_to(self, mut job: Job) -> Job {
        let limits = &mut job.limits;
        let Self { memory_bytes, timeout_ms, cpu_ms, output_bytes } = self;
        limits.memory_bytes = memory_bytes.unwrap_or(limits.memory_bytes);
        limits.timeout = timeout_ms.map(Duration::from_millis).or(limits.timeout);
        limits.cpu = cpu_ms.map(Duration::from_millis).or(limits.cpu);
        limits.max_output_bytes = output_bytes.or(limits.max_output_bytes);
        job
    }
}

/// Fewest times as much: once as much would change nothing.
pub(crate) const TIMES_MIN: u64 = 2;

/// Most that a limit is multiplied with at once: ten tries of it are beyond anything that can be counted.
pub(crate) const FACTOR_MAX: u64 = 100;

/// What a limit is measured in.
#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Milliseconds,
}

impl Unit {
    fn parse(self, text: &str) -> Result<u64, units::Error> {
        match self {
            Self::Bytes => text.parse().map(Size::to_bytes),
            Self::Milliseconds => text.parse().map(Time::to_millis),
        }
    }

    fn print(self, value: u64) -> String {
        match self {
            Self::Bytes => Size::bytes(value).to_string(),
            Self::Milliseconds => Time::millis(value).to_string(),
        }
    }
}

/// The limit behind a verdict.
struct Limit {
    setting: Setting,
    unit: Unit,
    value: Option<u64>,
    /// More is never possible.
    ceiling: Option<u64>,
}

/// The limits of a job that retries with a change start from.
pub(super) fn limits(job: &Job) -> Boosts {
    Boosts {
        memory_bytes: Some(job.limits.memory_bytes),
        timeout_ms: job.limits.timeout.map(millis),
        cpu_ms: job.limits.cpu.map(millis),
        output_bytes: job.limits.max_output_bytes,
    }
}

pub(super) fn stop_on(words: &[String]) -> Result<BTreeSet<VerdictKind>, Error> {
    words.iter().map(|word| Ok(verdict(Setting::StopOn, word)?)).collect()
}

/// # Errors
/// The first entry that makes no sense.
pub(super) fn retry_on(
    specs: &[RetrySpec],
    stop_on: &BTreeSet<VerdictKind>,
    limits: &Boosts,
) -> Result<Vec<Retry>, Error> {
    let (mut retries, mut seen) = (Vec::new(), BTreeSet::new());
    for spec in specs {
        let retry = parse(spec, limits)?;
        if !seen.insert(retry.on) {
            return Err(Wrong::given(Setting::RetryOn, retry.on.name(), Reason::Twice).into());
        }
        if stop_on.contains(&retry.on) {
            return Err(wrong(retry.on, RetryReason::AndStop));
        }
        retries.push(retry);
    }
    Ok(retries)
}

fn parse(spec: &RetrySpec, limits: &Boosts) -> Result<Retry, Error> {
    let on = verdict(Setting::RetryOn, &spec.verdict)?;
    match on {
        VerdictKind::Stopped => return Err(wrong(on, RetryReason::Stopped)),
        VerdictKind::Refused => return Err(wrong(on, RetryReason::Refused)),
        VerdictKind::Completed
        | VerdictKind::Failed
        | VerdictKind::Trapped
        | VerdictKind::Deadline
        | VerdictKind::Cpu
        | VerdictKind::Memory
        | VerdictKind::Output
        | VerdictKind::Denied
        | VerdictKind::Killed
        | VerdictKind::Unhealthy
        | VerdictKind::Lost
        // It has no name that a manifest could say.
        | VerdictKind::Unknown => {}
    }
    let Some(factor) = spec.factor else {
        return match &spec.max {
            Some(_) => Err(wrong(on, RetryReason::MaxAlone)),
            None => Ok(Retry { on, factor: None, max: None }),
        };
    };
    let limit = limit_of(on, limits).ok_or_else(|| wrong(on, RetryReason::NothingToChange))?;
    let value = limit.value.ok_or_else(|| wrong(on, RetryReason::NoLimit(limit.setting)))?;
    let few = u32::try_from(factor).ok().filter(|factor| (TIMES_MIN..=FACTOR_MAX).contains(&u64::from(*factor)));
    let few = few.ok_or_else(|| wrong(on, RetryReason::Factor(factor)))?;
    let max = spec.max.as_deref().map(|text| parse_max(on, text, &limit, value)).transpose()?;
    Ok(Retry { on, factor: Some(few), max: max.or(limit.ceiling) })
}

fn wrong(on: VerdictKind, reason: RetryReason) -> Error {
    Wrong::given(Setting::RetryOn, on.name(), Reason::Retry(reason)).into()
}

fn parse_max(on: VerdictKind, text: &str, limit: &Limit, value: u64) -> Result<u64, Error> {
    let unreadable = |error| Wrong::text(Setting::RetryOn, text, setting::Reason::Unreadable(error));
    let max = limit.unit.parse(text).map_err(unreadable)?;
    let shown = |value| limit.unit.print(value);
    if max <= value {
        return Err(wrong(on, RetryReason::Max { max: shown(max), limit: shown(value) }));
    }
    match limit.ceiling {
        Some(ceiling) if max > ceiling => {
            Err(wrong(on, RetryReason::MaxTooLarge { max: shown(max), ceiling: shown(ceiling) }))
        }
        Some(_) | None => Ok(max),
    }
}

/// The limits that retries have changed, for people: key, the job's own, what is in force.
pub fn raised(own: &Boosts, now: &Boosts) -> Vec<(&'static str, String, String)> {
    let value = |on, boosts: &Boosts| limit_of(on, boosts).and_then(|limit| Some((limit.value?, limit)));
    let line = |on| {
        let (now, limit) = value(on, now)?;
        let shown = |value| limit.unit.print(value);
        Some((limit.setting.key(), value(on, own).map_or_else(|| "none".into(), |(own, _)| shown(own)), shown(now)))
    };
    [VerdictKind::Memory, VerdictKind::Deadline, VerdictKind::Cpu, VerdictKind::Output]
        .into_iter()
        .filter_map(line)
        .collect()
}

/// What a retry's `max` is as people write it.
pub(super) fn print_max(on: VerdictKind, value: u64) -> String {
    limit_of(on, &Boosts::default()).map_or_else(String::new, |limit| limit.unit.print(value))
}

/// The limit that an attempt met with this verdict; None: there is none.
fn limit_of(on: VerdictKind, limits: &Boosts) -> Option<Limit> {
    let limit = |setting, unit, value, ceiling| Some(Limit { setting, unit, value, ceiling });
    match on {
        VerdictKind::Memory => limit(Setting::Memory, Unit::Bytes, limits.memory_bytes, Some(MEMORY_MAX)),
        VerdictKind::Deadline => limit(Setting::Timeout, Unit::Milliseconds, limits.timeout_ms, None),
        VerdictKind::Cpu => limit(Setting::Cpu, Unit::Milliseconds, limits.cpu_ms, None),
        VerdictKind::Output => limit(Setting::MaxOutput, Unit::Bytes, limits.output_bytes, None),
        VerdictKind::Completed
        | VerdictKind::Failed
        | VerdictKind::Trapped
        | VerdictKind::Denied
        | VerdictKind::Killed
        | VerdictKind::Stopped
        | VerdictKind::Unhealthy
        | VerdictKind::Lost
        | VerdictKind::Refused
        | VerdictKind::Unknown => None,
    }
}
