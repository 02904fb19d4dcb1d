//! Flags of `start`: those of `run`, and the rules by which a job is kept up. They are called as in the manifest, where a
//! table's key `backoff.first` is the flag `--backoff-first`.

use super::run::JobArgs;
use super::verbs::WaitArgs;
use crate::config::units::{parse_count, parse_duration, parse_size, print_duration, print_size};
use clap::{Args, ValueHint};
use sandhog_protocol::control::{
    BackoffSpec, GroupSpec, HealthSpec, IntensitySpec, JobSpec, LogsSpec, RecycleSpec, RetrySpec,
};
use std::ffi::OsString;
use std::time::Duration;

// Headings of the help.
const KEPT_UP: &str = "Kept up";
const HEALTH: &str = "Ready and healthy";
const SCHEDULE: &str = "Schedule";
const LOGS: &str = "Logs";

#[derive(Clone, Debug, Args)]
pub(crate) struct StartArgs {
    /// A module: what ends in .wasm or .wat, is a file here, or has a slash. Else names, ids, groups, or all
    #[arg(value_name = "FILE|NAME|ID|GROUP|all", required = true, value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,

    /// What the guest gets as arguments; only after --
    #[arg(value_name = "ARGS", last = true)]
    pub args: Vec<OsString>,

    #[command(flatten)]
    pub service: ServiceArgs,

    #[command(flatten)]
    pub job: JobArgs,

    /// Where its stdin comes from: a file, or none [default: none]
    #[arg(long, value_name = "FILE|none", value_hint = ValueHint::FilePath, help_heading = "The guest's view")]
    pub stdin: Option<OsString>,

    #[command(flatten)]
    pub wait: WaitArgs,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// How a job is kept up.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServiceArgs {
    /// What it is to be called [default: the name of FILE, without its ending]
    #[arg(short, long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub name: Option<String>,

    /// The group that it is a part of [default: default]
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,

    /// How many of it [default: 1]
    #[arg(short, long, value_name = "COUNT", value_parser = parse_count, allow_hyphen_values = true)]
    pub instances: Option<u64>,

    /// A job of its group that is to be ready before it starts
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub after: Vec<String>,

    /// When it is started again: never, on-failure or always [default: on-failure]
    #[arg(long, value_name = "WHEN", value_parser = ["never", "on-failure", "always"], help_heading = KEPT_UP)]
    pub restart: Option<String>,

    /// Try again after this verdict whatever --restart says; with its limit times N, at most to MOST
    #[arg(long, value_name = "VERDICT[:N[:MOST]]", value_delimiter = ',', value_parser = parse_retry,
          help_heading = KEPT_UP)]
    pub retry_on: Vec<RetrySpec>,

    /// Do not try again after this verdict
    #[arg(long, value_name = "VERDICT", value_delimiter = ',', help_heading = KEPT_UP)]
    pub stop_on: Vec<String>,

    /// Longest first pause before it is started again; each next one is twice as long [default: 100ms]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = KEPT_UP)]
    pub backoff_first: Option<Duration>,

    /// Longest pause [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = KEPT_UP)]
    pub backoff_most: Option<Duration>,

    /// How long it has to be ready for the pauses to begin anew [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = KEPT_UP)]
    pub backoff_reset_after: Option<Duration>,

    /// More restarts than this, and it has failed [default: 5]
    #[arg(long, value_name = "COUNT", value_parser = parse_count, help_heading = KEPT_UP)]
    pub intensity_restarts: Option<u64>,

    /// Within which time they are counted [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = KEPT_UP)]
    pub intensity_within: Option<Duration>,

    /// How long it may take to stop once it was asked; then it is killed [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = KEPT_UP)]
    pub grace: Option<Duration>,

    /// Memory of its worker at which it is replaced [default: none]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = KEPT_UP)]
    pub recycle_memory: Option<u64>,

    /// When it is ready: when it says so, or when it has lived this long [default: its word, or 1s]
    #[arg(long, value_name = "said|TIME", help_heading = HEALTH)]
    pub ready: Option<String>,

    /// How long it may take to be ready [default: 150s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = HEALTH)]
    pub start_timeout: Option<Duration>,

    /// Longest time between two of its heartbeats [default: none]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = HEALTH)]
    pub health_heartbeat: Option<Duration>,

    /// A module that says whether it is healthy by completing; once more for each argument of it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, allow_hyphen_values = true, help_heading = HEALTH)]
    pub health_command: Vec<String>,

    /// How often that module runs
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = HEALTH)]
    pub health_every: Option<Duration>,

    /// How long that module may take
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = HEALTH)]
    pub health_timeout: Option<Duration>,

    /// Misses in a row that make it unhealthy [default: 3]
    #[arg(long, value_name = "COUNT", value_parser = parse_count, help_heading = HEALTH)]
    pub health_misses: Option<u64>,

    /// Run it at these times, rather than keep it up: a cron expression, such as "*/5 * * * *"
    #[arg(long, value_name = "CRON", help_heading = SCHEDULE)]
    pub schedule: Option<String>,

    /// Of the schedule, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", help_heading = SCHEDULE)]
    pub time_zone: Option<String>,

    /// What happens when a run is due and the last one has not ended [default: skip]
    #[arg(long, value_name = "WHAT", value_parser = ["skip", "queue", "replace"], help_heading = SCHEDULE)]
    pub overlap: Option<String>,

    /// Make up for runs that were missed while no daemon ran, by one
    #[arg(long, help_heading = SCHEDULE)]
    pub catch_up: bool,

    /// Longest log file; a longer one is set aside [default: 16MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = LOGS)]
    pub logs_size: Option<u64>,

    /// How many of those set aside are kept [default: 5]
    #[arg(long, value_name = "COUNT", value_parser = parse_count, help_heading = LOGS)]
    pub logs_files: Option<u64>,
}

impl ServiceArgs {
    /// The job that these flags describe; what it runs is for others to say.
    pub(crate) fn spec(&self) -> JobSpec {
        let time = |time: Option<Duration>| time.map(print_duration);
        JobSpec {
            name: self.name.clone().unwrap_or_default(),
            group: self.group.clone().unwrap_or_default(),
            instances: self.instances,
            after: self.after.clone(),
            restart: self.restart.clone(),
            retry_on: self.retry_on.clone(),
            stop_on: self.stop_on.clone(),
            backoff: BackoffSpec {
                first: time(self.backoff_first),
                most: time(self.backoff_most),
                reset_after: time(self.backoff_reset_after),
            },
            intensity: IntensitySpec { restarts: self.intensity_restarts, within: time(self.intensity_within) },
            grace: time(self.grace),
            recycle: RecycleSpec { memory: self.recycle_memory.map(print_size) },
            ready: self.ready.clone(),
            start_timeout: time(self.start_timeout),
            health: HealthSpec {
                heartbeat: time(self.health_heartbeat),
                command: self.health_command.clone(),
                every: time(self.health_every),
                timeout: time(self.health_timeout),
                misses: self.health_misses,
            },
            schedule: self.schedule.clone(),
            time_zone: self.time_zone.clone(),
            overlap: self.overlap.clone(),
            catch_up: self.catch_up,
            logs: LogsSpec { size: self.logs_size.map(print_size), files: self.logs_files },
            ..JobSpec::default()
        }
    }

    /// The group that the job is sent with.
    pub(crate) fn group(&self) -> GroupSpec {
        GroupSpec { name: self.group.clone().unwrap_or_else(|| GROUP.into()), strategy: None }
    }
}

/// The group of jobs that name none.
const GROUP: &str = "default";

/// `VERDICT`, `VERDICT:TIMES` or `VERDICT:TIMES:MOST`. Whether there is such a verdict, the daemon says.
fn parse_retry(text: &str) -> Result<RetrySpec, String> {
    let mut parts = text.splitn(3, ':');
    let verdict = parts.next().unwrap_or_default().to_owned();
    let times = parts.next().map(parse_count).transpose().map_err(|error| format!("how many times: {error}"))?;
    Ok(RetrySpec { verdict, times, at_most: parts.next().map(Into::into) })
}
