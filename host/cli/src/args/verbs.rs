//! Flags of the verbs that concern jobs which are kept up.

use super::run::wall_parser;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};
use sandhog_daemon::control::PAST_MAX;
use sandhog_protocol::plan::Wall;
use sandhog_spec::listen::parse_listen;
use sandhog_spec::units::{self, Time, duration, parse_count};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Lines and events of the past that are shown unless a number is given: what fits on a screen with the prompt.
const PAST: u64 = 20;

/// As many lines or events of the past as one answer has.
fn parse_past(text: &str) -> Result<u64, String> {
    let count = parse_count(text).map_err(|error| error.to_string())?;
    if count > PAST_MAX as u64 {
        return Err(format!(
            "more than {PAST_MAX}, the most of the past in one answer; the files of the logs have the rest"
        ));
    }
    Ok(count)
}

fn parse_duration(text: &str) -> Result<Duration, units::Error> {
    text.parse::<Time>().map(duration)
}

fn listen_parser(text: &str) -> Result<SocketAddr, String> {
    parse_listen(text).map_err(|reason| format!("{reason}: {}", reason.hint()))
}

/// What every verb has that can wait for its work to be done.
#[derive(Clone, Copy, Debug, Args)]
pub struct WaitArgs {
    /// Return when it is done: what happens anyway
    #[arg(long, conflicts_with = "no_wait")]
    pub wait: bool,

    /// Return at once, when the work has begun
    #[arg(long)]
    pub no_wait: bool,
}

/// What every verb has that reads a manifest.
#[derive(Clone, Debug, Args)]
pub struct ProfileArgs {
    /// The profile of the manifest: its settings take the place of others [default: $SANDHOG_PROFILE, else none]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// The manifest [default: sandhog.toml]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub profile: ProfileArgs,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct SchemaArgs {
    /// The reference of all keys, in Markdown
    #[arg(long, group = "form")]
    pub reference: bool,

    /// The manual page sandhog.toml(5), in roff
    #[arg(long, group = "form")]
    pub man: bool,

    /// A manifest with every key and what it means
    #[arg(long, group = "form")]
    pub sample: bool,
}

#[derive(Clone, Debug, Args)]
pub struct UpArgs {
    /// The manifest [default: sandhog.toml]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub profile: ProfileArgs,

    /// Print what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// For development: stay, and bring up what changes on disk, the manifest and the modules that it names, until Ctrl-C
    #[arg(long, conflicts_with_all = ["dry_run", "no_wait", "json"])]
    pub watch: bool,

    /// Where a daemon has to be started: a wall that its jobs may do without, as for sandhog daemon
    #[arg(long, value_name = "WALL", value_delimiter = ',', value_parser = wall_parser())]
    pub allow_missing: Vec<Wall>,

    #[command(flatten)]
    pub wait: WaitArgs,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct DownArgs {
    /// A manifest, or names, ids, groups, or all [default: sandhog.toml]
    #[arg(value_name = "FILE|NAME|all", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,

    /// End the daemon too. Alone: end only the daemon; what is up now is up again when one starts
    #[arg(long)]
    pub daemon: bool,

    #[command(flatten)]
    pub wait: WaitArgs,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Of stop, restart, reload and delete.
#[derive(Clone, Debug, Args)]
pub struct AskArgs {
    /// Names, ids, NAME/INSTANCE, groups, or all
    #[arg(value_name = "NAME|ID|GROUP|all", required = true)]
    pub select: Vec<String>,

    #[command(flatten)]
    pub wait: WaitArgs,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ScaleArgs {
    /// The job
    #[arg(value_name = "JOB")]
    pub job: String,

    /// How many instances it is to have
    #[arg(value_name = "COUNT", value_parser = parse_count, allow_hyphen_values = true)]
    pub instances: u64,

    #[command(flatten)]
    pub wait: WaitArgs,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct PsArgs {
    /// Names, ids, NAME/INSTANCE, or groups [default: all]
    #[arg(value_name = "NAME|ID|GROUP")]
    pub select: Vec<String>,

    /// The pools of your sandhog pool and sandhog map commands, too
    #[arg(short, long, conflicts_with = "select")]
    pub all: bool,

    /// Print a JSON array, one object for each instance, and for each pool
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct ObjectsArgs {
    /// Print a JSON array, one object for each
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The job
    #[arg(value_name = "JOB")]
    pub job: String,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct LogsArgs {
    /// Names, ids, NAME/INSTANCE, or groups [default: all]
    #[arg(value_name = "NAME|ID|GROUP")]
    pub select: Vec<String>,

    /// Go on with what they write from now on, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,

    /// How many lines of the past
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = parse_past, default_value_t = PAST)]
    pub lines: u64,

    /// The requests that jobs with `listen` have served, a line each, instead of what the jobs wrote
    #[arg(long)]
    pub access: bool,

    /// Print one JSON object a line, with the text as it was written
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct EventsArgs {
    /// Names, ids, NAME/INSTANCE, or groups [default: all]
    #[arg(value_name = "NAME|ID|GROUP")]
    pub select: Vec<String>,

    /// Go on with what happens from now on, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,

    /// How many events of the past
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = parse_past, default_value_t = PAST)]
    pub last: u64,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct MonitArgs {
    /// Names, ids, NAME/INSTANCE, or groups [default: all]
    #[arg(value_name = "NAME|ID|GROUP")]
    pub select: Vec<String>,

    /// Print what there is now as JSON, as ps --json does, and end
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct SendArgs {
    /// A name, an id, NAME/INSTANCE, a group, or all
    #[arg(value_name = "NAME|ID|GROUP|all")]
    pub select: String,

    /// The message, as JSON
    #[arg(value_name = "MESSAGE", allow_hyphen_values = true)]
    pub message: String,

    /// Wait this long for the next message of each, and print it
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub wait: Option<Duration>,

    /// Print a JSON array, one object for each instance
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct SignalArgs {
    /// A name, an id, NAME/INSTANCE, a group, or all
    #[arg(value_name = "NAME|ID|GROUP|all")]
    pub select: String,

    /// TERM and INT ask to stop; KILL ends it; STOP and CONT halt it and let it go on
    #[arg(value_name = "SIGNAL", value_parser = signal_parser(), ignore_case = true)]
    pub signal: String,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// SIGTERM and TERM are one signal.
fn signal_parser() -> PossibleValuesParser {
    const NAMES: [(&str, &str); 6] = [
        ("TERM", "SIGTERM"),
        ("INT", "SIGINT"),
        ("HUP", "SIGHUP"),
        ("KILL", "SIGKILL"),
        ("STOP", "SIGSTOP"),
        ("CONT", "SIGCONT"),
    ];
    NAMES.map(|(name, alias)| clap::builder::PossibleValue::new(name).alias(alias)).into()
}

#[derive(Clone, Debug, Args)]
pub struct DaemonArgs {
    /// A wall that jobs may do without where this machine can't build it, if they say so themselves (allow_missing)
    #[arg(long, value_name = "WALL", value_delimiter = ',', value_parser = wall_parser())]
    pub allow_missing: Vec<Wall>,

    /// An address that is taken before privilege goes, for a job with the same `listen`: a port below 1024. May come more than once
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen_parser)]
    pub listen: Vec<SocketAddr>,

    /// Where everybody who can reach it gets the numbers of all jobs: GET /metrics, for Prometheus, and nothing else
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen_parser)]
    pub metrics: Option<SocketAddr>,

    /// Where to say that it is ready: a descriptor, from `up` and `start`
    #[arg(long, value_name = "FD", hide = true)]
    pub ready_fd: Option<i32>,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct StartupArgs {
    /// For you alone, as systemd's user manager starts it [default: for the machine, by an account of its own]
    #[arg(long, conflicts_with = "root")]
    pub user: bool,

    /// For the machine, as root: each worker with an id and a cgroup of its own
    #[arg(long)]
    pub root: bool,

    /// For jobs that serve HTTP (`listen`): the unit leaves the daemon its network. Jobs have none all the same
    #[arg(long)]
    pub listen: bool,

    /// Print one JSON object: the unit's name, where it goes, and its text
    #[arg(long)]
    pub json: bool,
}
