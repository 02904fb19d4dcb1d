//! From what people have written to a service that has been checked.

use super::company::check_company;
use super::error::Reason;
use super::name::{self, Of};
use super::rules::narrow;
use super::{Check, DEFAULT_GROUP, Error, LogRules, Rules, Service, effective, retry};
use crate::http::HttpSettings;
use crate::job::{Job, Settings, Stdin, Surroundings, User};
use crate::schedule::Schedule;
use crate::setting::{Setting, Wrong, count, time};
use sandhog_protocol::control::JobSpec;
use std::ffi::OsString;
use std::path::Path;

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
        let rules = Rules::of(spec, retry::limits(&job))?;
        let service = Self {
            group: group.into(),
            after: each_once(Setting::After, &spec.after)?,
            instances: instances(spec.instances, schedule.is_some())?,
            check: check(spec, settings, surroundings)?,
            logs: LogRules::of(spec)?,
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
    let settings = Settings::of(spec).map_err(|error| Error::Job(error.into()))?;
    Ok(Settings { env: variables(spec)?, stdin: Some(stdin(spec.stdin.as_deref())?), ..settings })
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
    if spec.listen.is_some() {
        return Err(Wrong::whole(Setting::Schedule, Reason::ServesBySchedule).into());
    }
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
        objects: Vec::new(),
        net: Vec::new(),
        http: HttpSettings::default(),
        max_objects: None,
        fresh: false,
        timeout,
        stdin: Some("none".into()),
        ..settings
    };
    Ok(Some(Check { job: Job::new(settings, surroundings).map_err(Error::Check)? }))
}

fn each_once(setting: Setting, names: &[String]) -> Result<Vec<String>, Error> {
    let mut seen = std::collections::HashSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(Wrong::text(setting, name, Reason::Twice).into()),
        None => Ok(names.to_vec()),
    }
}
