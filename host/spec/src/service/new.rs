//! From what people have written to a service that has been checked.

use super::error::Reason;
use super::name::{self, Of};
use super::{
    Backoff, Check, DEFAULT_GROUP, Error, Intensity, LogRules, Overlap, Ready, Restart, Rules, Service, effective,
    retry,
};
use crate::job::{Job, Settings, Stdin, Surroundings, User};
use crate::schedule::Schedule;
use crate::setting::words::{LEVELS, OVERLAPS, RESTARTS, meaning};
use crate::setting::{self, Setting, Wrong, count, time};
use crate::units::{Time, Written, duration, print_duration};
use sandhog_protocol::control::JobSpec;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

impl Service {
    /// The service that a table of a manifest describes. Paths are absolute.
    ///
    /// # Errors
    /// The first setting that can't be met.
    pub fn new(spec: &JobSpec, surroundings: Surroundings<'_>) -> Result<Self, Error> {
        name::check(Of::Job, &spec.name).map_err(|error| Error::Name { setting: Setting::Name, error })?;
        let group = if spec.group.is_empty() { DEFAULT_GROUP } else { &spec.group };
        name::check(Of::Group, group).map_err(|error| Error::Name { setting: Setting::Group, error })?;
        let settings = settings(spec)?;
        let job = Job::new(settings.clone(), surroundings).map_err(Error::Job)?;
        check_paths(&job)?;
        if let User::Ids { uid, gid } = job.user {
            return Err(Wrong::given(Setting::User, format_args!("{uid}:{gid}"), Reason::Ids).into());
        }
        let schedule = schedule(spec)?;
        let rules = rules(spec, &job, schedule.is_some())?;
        let service = Self {
            group: group.into(),
            after: each_once(Setting::After, &spec.after)?,
            instances: instances(spec.instances, schedule.is_some())?,
            check: check(spec, settings, surroundings)?,
            logs: logs(spec)?,
            spec: effective::spec(spec, &job, &rules, schedule.as_ref()),
            rules,
            schedule,
            job,
        };
        // Last: what it is has to be right before what it goes with.
        check_company(spec)?;
        Ok(service)
    }
}

/// What it has in common with a job of `run`.
fn settings(spec: &JobSpec) -> Result<Settings, Error> {
    if spec.module.is_empty() {
        return Err(Error::NoModule);
    }
    if let Some(network) = spec.net.as_deref().filter(|network| *network != "none") {
        return Err(Wrong::text(Setting::Net, network, Reason::Network).into());
    }
    let settings = Settings::of(spec).map_err(|error| Error::Job(error.into()))?;
    Ok(Settings { env: variables(spec)?, stdin: Some(stdin(spec.stdin.as_deref())?), ..settings })
}

/// Settings that mean nothing without another one.
fn check_company(spec: &JobSpec) -> Result<(), Error> {
    for setting in Setting::ALL.iter().filter(|setting| setting.takes().is_set(spec)) {
        if let Some(with) = &setting.facts().with
            && !with.settings.iter().any(|other| other.takes().is_set(spec))
        {
            return Err(Wrong::whole(*setting, Reason::Stray(with.reason)).into());
        }
    }
    Ok(())
}

fn variables(spec: &JobSpec) -> Result<Vec<OsString>, Error> {
    let variable = |(name, value): (&String, &String)| match name.as_str() {
        "" => Err(Wrong::text(Setting::Env, name, Reason::VariableName).into()),
        name if name.contains('=') => Err(Wrong::text(Setting::Env, name, Reason::VariableName).into()),
        name => Ok(format!("{name}={value}").into()),
    };
    spec.env.iter().map(variable).collect()
}

fn stdin(text: Option<&str>) -> Result<OsString, Error> {
    match text {
        None => Ok("none".into()),
        Some("") => Err(Wrong::whole(Setting::Stdin, Reason::NoStdinFile).into()),
        Some("-") => Err(Wrong::text(Setting::Stdin, "-", Reason::NoStdin).into()),
        Some(file) => Ok(file.into()),
    }
}

/// The daemon is somewhere else than whoever wrote the paths.
fn check_paths(job: &Job) -> Result<(), Error> {
    let directories = job.grants.directories.iter().map(|directory| (Setting::Dir, directory.host.as_path()));
    let children = job.grants.modules.iter().map(|(_, file)| (Setting::Child, file.as_path()));
    let stdin = match &job.stdin {
        Stdin::File(file) => Some((Setting::Stdin, file.as_path())),
        Stdin::Inherit | Stdin::None => None,
    };
    let module = [(Setting::Module, job.module.as_path())];
    let mut paths = module.into_iter().chain(directories).chain(children).chain(stdin);
    match paths.find(|(_, path)| path.is_relative()) {
        Some((setting, path)) => Err(Wrong::text(setting, &path.to_string_lossy(), Reason::Relative).into()),
        None => Ok(()),
    }
}

fn schedule(spec: &JobSpec) -> Result<Option<Schedule>, Error> {
    let Some(expression) = &spec.schedule else { return Ok(None) };
    Ok(Some(Schedule::new(expression, spec.time_zone.as_deref(), spec.catch_up)?))
}

fn instances(written: Option<u64>, scheduled: bool) -> Result<u32, Error> {
    match narrow(count(Setting::Instances, written)?) {
        count if scheduled && count != 1 => {
            Err(Wrong::given(Setting::Instances, count, Reason::ScheduledInstances).into())
        }
        count => Ok(count),
    }
}

fn rules(spec: &JobSpec, job: &Job, scheduled: bool) -> Result<Rules, Error> {
    let stop_on = retry::stop_on(&spec.stop_on)?;
    let limits = retry::limits(job);
    let start_timeout = lasts(Setting::StartTimeout, spec.start_timeout.as_ref())?;
    let heartbeat = time(Setting::HealthHeartbeat, spec.health.heartbeat.as_ref())?;
    let interval = lasts(Setting::HealthInterval, spec.health.interval.as_ref())?;
    let recycle = setting::size(Setting::RecycleMemory, spec.recycle.memory.as_ref())?;
    Ok(Rules {
        restart: restart(spec.restart.as_deref(), scheduled)?,
        retry_on: retry::retry_on(&spec.retry_on, &stop_on, &limits)?,
        stop_on,
        backoff: backoff(spec)?,
        intensity: intensity(spec)?,
        ready: ready(spec.ready.as_deref(), start_timeout)?,
        start_timeout,
        heartbeat: heartbeat.map(duration),
        failure_threshold: narrow(count(Setting::HealthFailureThreshold, spec.health.failure_threshold)?),
        check_interval: (!spec.health.command.is_empty()).then_some(interval),
        grace: lasts(Setting::Grace, spec.grace.as_ref())?,
        recycle_memory_bytes: recycle.map(|size| size.to_bytes()),
        overlap: overlap(spec, scheduled)?,
        limits,
    })
}

/// What runs by the clock is run again by the clock.
fn restart(word: Option<&str>, scheduled: bool) -> Result<Restart, Error> {
    let default = if scheduled { Restart::Never } else { Rules::default().restart };
    match word.map_or(Ok(default), |word| meaning(Setting::Restart, word, &RESTARTS))? {
        Restart::Always if scheduled => Err(Wrong::given(Setting::Restart, "always", Reason::ScheduledRestart).into()),
        restart => Ok(restart),
    }
}

/// Where one end of the pauses is set alone, it moves the other.
fn backoff(spec: &JobSpec) -> Result<Backoff, Error> {
    let spec = &spec.backoff;
    let first = lasts(Setting::BackoffFirst, spec.first.as_ref())?;
    let max = lasts(Setting::BackoffMax, spec.max.as_ref())?;
    let backoff = Backoff {
        first: if spec.first.is_none() { first.min(max) } else { first },
        max: if spec.max.is_none() { max.max(first) } else { max },
        reset_after: lasts(Setting::BackoffResetAfter, spec.reset_after.as_ref())?,
    };
    if backoff.max < backoff.first {
        let reason = Reason::Backoff(print_duration(first));
        return Err(Wrong::given(Setting::BackoffMax, print_duration(max), reason).into());
    }
    Ok(backoff)
}

fn intensity(spec: &JobSpec) -> Result<Intensity, Error> {
    Ok(Intensity {
        restarts: narrow(count(Setting::IntensityRestarts, spec.intensity.restarts)?),
        within: lasts(Setting::IntensityWithin, spec.intensity.within.as_ref())?,
    })
}

/// `notify`, or a time.
fn ready(text: Option<&str>, start_timeout: Duration) -> Result<Ready, Error> {
    let lived = match text {
        Some("notify") => return Ok(Ready::Notify),
        Some(text) if !text.starts_with(|first: char| first.is_ascii_digit()) => {
            return Err(Wrong::text(Setting::Ready, text, Reason::Ready).into());
        }
        text => lasts(Setting::Ready, text.map(Into::into).as_ref())?,
    };
    if lived > start_timeout {
        let reason = Reason::ReadyTooLate(print_duration(start_timeout));
        return Err(Wrong::given(Setting::Ready, print_duration(lived), reason).into());
    }
    Ok(Ready::Lived(lived))
}

fn overlap(spec: &JobSpec, scheduled: bool) -> Result<Option<Overlap>, Error> {
    let usual = Setting::Overlap.facts().usual.to_text().unwrap_or_default();
    let overlap = meaning(Setting::Overlap, spec.overlap.as_ref().unwrap_or(&usual), &OVERLAPS)?;
    Ok(scheduled.then_some(overlap))
}

/// The command of the health check, with what the job is granted, but alone: it starts nobody and talks to nobody.
fn check(spec: &JobSpec, settings: Settings, surroundings: Surroundings<'_>) -> Result<Option<Check>, Error> {
    let timeout = time(Setting::HealthTimeout, spec.health.timeout.as_ref())?;
    let Some((module, args)) = spec.health.command.split_first() else { return Ok(None) };
    if !Path::new(module).is_absolute() {
        return Err(Wrong::text(Setting::HealthCommand, module, Reason::Relative).into());
    }
    let settings = Settings {
        module: module.into(),
        argv0: None,
        args: args.iter().map(OsString::from).collect(),
        children: Vec::new(),
        detached: false,
        fresh: false,
        timeout,
        stdin: Some("none".into()),
        ..settings
    };
    Ok(Some(Check { job: Job::new(settings, surroundings).map_err(Error::Check)? }))
}

fn logs(spec: &JobSpec) -> Result<LogRules, Error> {
    let size = setting::size(Setting::LogsSize, spec.logs.size.as_ref())?;
    let level = LogRules::default().level;
    Ok(LogRules {
        file_bytes: size.unwrap_or_default().to_bytes(),
        files: narrow(count(Setting::LogsFiles, spec.logs.files)?),
        level: spec.log.as_deref().map_or(Ok(level), |word| meaning(Setting::Log, word, &LEVELS))?,
    })
}

fn each_once(setting: Setting, names: &[String]) -> Result<Vec<String>, Error> {
    let mut seen = std::collections::HashSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(Wrong::text(setting, name, Reason::Twice).into()),
        None => Ok(names.to_vec()),
    }
}

/// A time that has a usual value.
fn lasts(setting: Setting, written: Option<&Written<Time>>) -> Result<Duration, Error> {
    Ok(duration(time(setting, written)?.unwrap_or_default()))
}

/// A count that has a usual value; bounds of the list keep it below 32 bits.
fn narrow(count: Option<u64>) -> u32 {
    u32::try_from(count.unwrap_or_default()).unwrap_or(u32::MAX)
}
