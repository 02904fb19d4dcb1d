//! From what people have written to a service that has been checked.

use super::name::{self, Of};
use super::words::{LEVELS, OVERLAPS, RESTARTS, meaning, wall};
use super::{
    Backoff, Check, DEFAULT_GROUP, Error, Intensity, LogRules, Overlap, Ready, Restart, Rules, Service, Strategy,
    retry, words,
};
use crate::config::job::{Job, Settings, Stdin, Surroundings, User};
use crate::config::schedule::Schedule;
use crate::config::units::{parse_duration, parse_size};
use sandhog_protocol::control::JobSpec;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most instances of a job: each is two processes, and a machine has some ten thousand.
pub(crate) const INSTANCES_MOST: u64 = 1000;

/// Most misses in a row: at a check every ten seconds that is three hours.
const MISSES_MOST: u64 = 1000;

/// Most restarts that are counted: the time of each is kept.
const RESTARTS_MOST: u64 = 10_000;

/// Shortest log file, in bytes: some lines long.
const LOG_LEAST: u64 = 4096;

/// Most log files of a job: more would be a directory that takes long to look through.
const LOG_FILES_MOST: u64 = 1000;

/// How often the command of a health check runs, and how long it may take.
const CHECK_EVERY: Duration = Duration::from_secs(10);
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

impl Service {
    /// The service that a table of a manifest describes. Paths are absolute.
    ///
    /// # Errors
    /// The first setting that can't be met.
    pub(crate) fn new(spec: &JobSpec, surroundings: Surroundings<'_>) -> Result<Self, Error> {
        name::check(Of::Job, &spec.name).map_err(|error| Error::Name { key: "name", error })?;
        let group = if spec.group.is_empty() { DEFAULT_GROUP } else { &spec.group };
        name::check(Of::Group, group).map_err(|error| Error::Name { key: "group", error })?;
        let settings = settings(spec)?;
        let job = Job::new(settings.clone(), surroundings).map_err(Error::Job)?;
        check_paths(&job)?;
        if let User::Ids { uid, gid } = job.user {
            return Err(Error::Ids { uid, gid });
        }
        let schedule = schedule(spec)?;
        Ok(Self {
            group: group.into(),
            after: each_once("after", &spec.after)?,
            instances: instances(spec.instances, schedule.is_some())?,
            rules: rules(spec, &job, schedule.is_some())?,
            check: check(spec, settings, surroundings)?,
            logs: logs(spec)?,
            schedule,
            job,
        })
    }
}

impl Strategy {
    /// The strategy of a group; the default where none is named.
    ///
    /// # Errors
    /// There is none of that name.
    pub(crate) fn new(word: Option<&str>) -> Result<Self, Error> {
        word.map_or(Ok(Self::default()), |word| meaning("strategy", word, &words::STRATEGIES))
    }

    /// As manifests have it.
    pub(crate) fn name(self) -> &'static str {
        words::word(self, &words::STRATEGIES)
    }
}

/// What it has in common with a job of `run`.
fn settings(spec: &JobSpec) -> Result<Settings, Error> {
    if spec.module.is_empty() {
        return Err(Error::NoModule);
    }
    if let Some(network) = spec.net.as_deref().filter(|network| *network != "none") {
        return Err(Error::Network(network.into()));
    }
    let words = |words: &[String]| words.iter().map(OsString::from).collect();
    Ok(Settings {
        name: Some(spec.name.clone()),
        module: PathBuf::from(&spec.module),
        argv0: spec.argv0.as_ref().map(OsString::from),
        args: words(&spec.args),
        directories: words(&spec.dir),
        env: variables(spec)?,
        children: words(&spec.child),
        detached: spec.allow_detached,
        max_children: spec.max_children,
        max_child_depth: spec.max_child_depth,
        max_child_rate: spec.max_child_rate,
        fresh: spec.fresh,
        tty: false,
        memory_bytes: size("memory", spec.memory.as_deref())?,
        timeout: time("timeout", spec.timeout.as_deref())?,
        cpu: time("cpu", spec.cpu.as_deref())?,
        fuel: spec.fuel,
        max_output_bytes: size("max_output", spec.max_output.as_deref())?,
        max_file_bytes: size("max_file", spec.max_file.as_deref())?,
        max_files: spec.max_files,
        stdin: Some(stdin(spec.stdin.as_deref())?),
        user: spec.user.clone(),
        compile_cpu: time("compile_timeout", spec.compile_timeout.as_deref())?,
        compile_memory_bytes: size("compile_memory", spec.compile_memory.as_deref())?,
        allow_missing: spec.allow_missing.iter().map(|word| wall(word)).collect::<Result<_, _>>()?,
        // There is no command that could have them.
        verdict_file: None,
        coredump_file: None,
        ipc: None,
        channel: None,
    })
}

fn variables(spec: &JobSpec) -> Result<Vec<OsString>, Error> {
    let variable = |(name, value): (&String, &String)| match name.as_str() {
        "" => Err(Error::VariableName(name.clone())),
        name if name.contains('=') => Err(Error::VariableName(name.into())),
        name => Ok(format!("{name}={value}").into()),
    };
    spec.env.iter().map(variable).collect()
}

fn stdin(text: Option<&str>) -> Result<OsString, Error> {
    match text {
        None => Ok("none".into()),
        Some("") => Err(Error::NoStdinFile),
        Some("-") => Err(Error::NoStdin),
        Some(file) => Ok(file.into()),
    }
}

/// The daemon is somewhere else than whoever wrote the paths.
fn check_paths(job: &Job) -> Result<(), Error> {
    let directories = job.grants.directories.iter().map(|directory| ("dir", directory.host.as_path()));
    let children = job.grants.modules.iter().map(|(_, file)| ("child", file.as_path()));
    let stdin = match &job.stdin {
        Stdin::File(file) => Some(("stdin", file.as_path())),
        Stdin::Inherit | Stdin::None => None,
    };
    let mut paths = [("module", job.module.as_path())].into_iter().chain(directories).chain(children).chain(stdin);
    let relative = paths.find(|(_, path)| path.is_relative());
    match relative {
        Some((key, path)) => Err(Error::Relative { key, path: path.to_string_lossy().into() }),
        None => Ok(()),
    }
}

fn schedule(spec: &JobSpec) -> Result<Option<Schedule>, Error> {
    let Some(expression) = &spec.schedule else {
        let keys =
            [("time_zone", spec.time_zone.is_some()), ("overlap", spec.overlap.is_some()), ("catch_up", spec.catch_up)];
        let stray = keys.into_iter().find(|(_, is_set)| *is_set);
        return stray.map_or(Ok(None), |(key, _)| Err(Error::NoSchedule { key }));
    };
    Ok(Some(Schedule::new(expression, spec.time_zone.as_deref(), spec.catch_up)?))
}

fn instances(count: Option<u64>, scheduled: bool) -> Result<u32, Error> {
    match at_most("instances", count, INSTANCES_MOST, "the most of one job")? {
        None => Ok(1),
        Some(count) if scheduled && count != 1 => Err(Error::ScheduledInstances(count.into())),
        Some(count) => Ok(count),
    }
}

fn rules(spec: &JobSpec, job: &Job, scheduled: bool) -> Result<Rules, Error> {
    let defaults = Rules::default();
    let stop_on = retry::stop_on(&spec.stop_on)?;
    let limits = retry::limits(job);
    let rules = Rules {
        restart: restart(spec.restart.as_deref(), scheduled)?,
        retry_on: retry::retry_on(&spec.retry_on, &stop_on, &limits)?,
        stop_on,
        backoff: backoff(spec)?,
        intensity: intensity(spec)?,
        ready: ready(spec.ready.as_deref())?.unwrap_or(defaults.ready),
        start_timeout: some_time("start_timeout", spec.start_timeout.as_deref())?.unwrap_or(defaults.start_timeout),
        heartbeat: some_time("health.heartbeat", spec.health.heartbeat.as_deref())?,
        misses: some("health.misses", spec.health.misses, MISSES_MOST)?.unwrap_or(defaults.misses),
        check_every: check_every(spec)?,
        grace: time("grace", spec.grace.as_deref())?.unwrap_or(defaults.grace),
        recycle_memory_bytes: recycle(spec)?,
        overlap: overlap(spec, scheduled)?,
        limits,
    };
    match rules.ready {
        Ready::Lived(time) if time > rules.start_timeout => {
            Err(Error::ReadyTooLate { ready: time, start_timeout: rules.start_timeout })
        }
        Ready::Lived(_) | Ready::Said => Ok(rules),
    }
}

/// What runs by the clock is run again by the clock.
fn restart(word: Option<&str>, scheduled: bool) -> Result<Restart, Error> {
    let default = if scheduled { Restart::Never } else { Rules::default().restart };
    match word.map_or(Ok(default), |word| meaning("restart", word, &RESTARTS))? {
        Restart::Always if scheduled => Err(Error::ScheduledRestart),
        restart => Ok(restart),
    }
}

fn backoff(spec: &JobSpec) -> Result<Backoff, Error> {
    let (spec, defaults) = (&spec.backoff, Backoff::default());
    let first = some_time("backoff.first", spec.first.as_deref())?;
    let most = some_time("backoff.most", spec.most.as_deref())?;
    let backoff = Backoff {
        first: first.unwrap_or_else(|| most.map_or(defaults.first, |most| most.min(defaults.first))),
        most: most.unwrap_or_else(|| first.map_or(defaults.most, |first| first.max(defaults.most))),
        reset_after: some_time("backoff.reset_after", spec.reset_after.as_deref())?.unwrap_or(defaults.reset_after),
    };
    let Backoff { first, most, .. } = backoff;
    if most < first { Err(Error::Backoff { first, most }) } else { Ok(backoff) }
}

fn intensity(spec: &JobSpec) -> Result<Intensity, Error> {
    let (spec, defaults) = (&spec.intensity, Intensity::default());
    let why = "the most that are counted";
    Ok(Intensity {
        restarts: at_most("intensity.restarts", spec.restarts, RESTARTS_MOST, why)?.unwrap_or(defaults.restarts),
        within: some_time("intensity.within", spec.within.as_deref())?.unwrap_or(defaults.within),
    })
}

/// `said`, or a time.
fn ready(text: Option<&str>) -> Result<Option<Ready>, Error> {
    match text {
        Some("said") => Ok(Some(Ready::Said)),
        Some(text) if !text.starts_with(|first: char| first.is_ascii_digit()) => Err(Error::Ready(text.into())),
        text => Ok(time("ready", text)?.map(Ready::Lived)),
    }
}

fn recycle(spec: &JobSpec) -> Result<Option<u64>, Error> {
    match size("recycle.memory", spec.recycle.memory.as_deref())? {
        Some(0) => {
            Err(Error::Zero { key: "recycle.memory", why: "every worker has more; leave it out for no recycling" })
        }
        bytes => Ok(bytes),
    }
}

fn overlap(spec: &JobSpec, scheduled: bool) -> Result<Option<Overlap>, Error> {
    let word = spec.overlap.as_deref().map(|word| meaning("overlap", word, &OVERLAPS)).transpose()?;
    // Two at once are what nobody expects.
    Ok(scheduled.then(|| word.unwrap_or(Overlap::Skip)))
}

fn check_every(spec: &JobSpec) -> Result<Option<Duration>, Error> {
    let health = &spec.health;
    let has_command = !health.command.is_empty();
    let stray = [
        ("health.every", health.every.is_some() && !has_command),
        ("health.timeout", health.timeout.is_some() && !has_command),
        ("health.misses", health.misses.is_some() && !has_command && health.heartbeat.is_none()),
    ];
    if let Some((key, _)) = stray.into_iter().find(|(_, is_set)| *is_set) {
        return Err(Error::NoCheck { key });
    }
    let every = some_time("health.every", spec.health.every.as_deref())?.unwrap_or(CHECK_EVERY);
    Ok((!spec.health.command.is_empty()).then_some(every))
}

/// The command of the health check, with what the job is granted, but alone: it starts nobody and talks to nobody.
fn check(spec: &JobSpec, settings: Settings, surroundings: Surroundings<'_>) -> Result<Option<Check>, Error> {
    let timeout = some_time("health.timeout", spec.health.timeout.as_deref())?.unwrap_or(CHECK_TIMEOUT);
    let Some((module, args)) = spec.health.command.split_first() else { return Ok(None) };
    if !Path::new(module).is_absolute() {
        return Err(Error::Relative { key: "health.command", path: module.clone() });
    }
    let settings = Settings {
        module: module.into(),
        argv0: None,
        args: args.iter().map(OsString::from).collect(),
        children: Vec::new(),
        detached: false,
        fresh: false,
        timeout: Some(timeout),
        stdin: Some("none".into()),
        ..settings
    };
    Ok(Some(Check { job: Job::new(settings, surroundings).map_err(Error::Check)? }))
}

fn logs(spec: &JobSpec) -> Result<LogRules, Error> {
    let defaults = LogRules::default();
    let file_bytes = size("logs.size", spec.logs.size.as_deref())?.unwrap_or(defaults.file_bytes);
    if file_bytes < LOG_LEAST {
        let why = "which holds some lines";
        return Err(Error::TooSmall { key: "logs.size", bytes: file_bytes, least: LOG_LEAST, why });
    }
    Ok(LogRules {
        file_bytes,
        files: at_most("logs.files", spec.logs.files, LOG_FILES_MOST, "the most of one job")?.unwrap_or(defaults.files),
        level: spec.log.as_deref().map_or(Ok(defaults.level), |word| meaning("log", word, &LEVELS))?,
    })
}

fn each_once(key: &'static str, names: &[String]) -> Result<Vec<String>, Error> {
    let mut seen = std::collections::HashSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(Error::Twice { key, word: name.clone() }),
        None => Ok(names.to_vec()),
    }
}

fn size(key: &'static str, text: Option<&str>) -> Result<Option<u64>, Error> {
    let parse = |text: &str| parse_size(text).map_err(|error| Error::Value { key, text: text.into(), error });
    text.map(parse).transpose()
}

fn time(key: &'static str, text: Option<&str>) -> Result<Option<Duration>, Error> {
    let parse = |text: &str| parse_duration(text).map_err(|error| Error::Value { key, text: text.into(), error });
    text.map(parse).transpose()
}

fn some_time(key: &'static str, text: Option<&str>) -> Result<Option<Duration>, Error> {
    match time(key, text)? {
        Some(Duration::ZERO) => Err(Error::NoTime { key }),
        time => Ok(time),
    }
}

fn at_most(key: &'static str, count: Option<u64>, most: u64, why: &'static str) -> Result<Option<u32>, Error> {
    match count {
        Some(count) if count > most => Err(Error::TooMany { key, count, most, why }),
        count => Ok(count.and_then(|count| u32::try_from(count).ok())),
    }
}

fn some(key: &'static str, count: Option<u64>, most: u64) -> Result<Option<u32>, Error> {
    match at_most(key, count, most, "the most that are counted")? {
        Some(0) => Err(Error::Zero { key, why: "write 1 or more" }),
        count => Ok(count),
    }
}
