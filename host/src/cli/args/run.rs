//! Flags of `run`, most of which `start` has as well.

use crate::config::job::Settings;
use crate::config::service::words::LEVELS;
use crate::config::units::{parse_count, parse_duration, parse_size};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use sandhog_protocol::plan::Wall;
use sandhog_protocol::request::Level;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

// Headings of the help.
const GRANTS: &str = "Grants";
const LIMITS: &str = "Limits";
const VIEW: &str = "The guest's view";
const WALLS: &str = "Walls";
const COMPILING: &str = "Compiling";

/// What `run` has.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// The module: a program of WASI 0.1, 0.2 or 0.3, or a handler; .wasm or .wat
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub module: PathBuf,

    /// What the guest gets as arguments; only after --
    #[arg(value_name = "ARGS", last = true)]
    pub args: Vec<OsString>,

    #[command(flatten)]
    pub job: JobArgs,

    /// Talk to it over file descriptor 3, or FD: a message is a line of JSON. IN,OUT: read from one, write to another
    #[arg(long, value_name = "FD|IN,OUT", num_args = 0..=1, require_equals = true, default_missing_value = "",
          help_heading = VIEW)]
    pub ipc: Option<String>,

    /// The worker's end of a connection, from a library that starts this command
    #[arg(long, value_name = "FD", hide = true)]
    pub channel: Option<u32>,

    /// Where its stdin comes from: a file, - for the command's own, or none [default: -]
    #[arg(long, value_name = "FILE|-|none", value_hint = ValueHint::FilePath, help_heading = VIEW)]
    pub stdin: Option<OsString>,

    /// Its streams are a terminal to it, whatever they are, and all that it writes passes unchanged. Otherwise control
    /// sequences other than colours are shown and not obeyed where it writes to a terminal
    #[arg(long, help_heading = VIEW)]
    pub tty: bool,

    /// Write why it ended and what it used, as one JSON object, to a file, a FIFO or /dev/fd/N
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub verdict: Option<PathBuf>,

    /// Leave a core dump of WebAssembly in a file when the engine ends it, for a debugger
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub coredump: Option<PathBuf>,
}

/// Grants and limits: what every command has that runs a job.
#[derive(Clone, Debug, Args)]
pub(crate) struct JobArgs {
    /// Let it use a directory: read-only unless :rw; as GUEST, else under the name given here
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro|rw]", value_hint = ValueHint::DirPath, help_heading = GRANTS)]
    pub directories: Vec<OsString>,

    /// Give it an environment variable; NAME alone passes one on
    #[arg(long, value_name = "NAME[=VALUE]", help_heading = GRANTS)]
    pub env: Vec<OsString>,

    /// Let it start FILE as its child, by this name; a child has no more than its parent
    #[arg(long = "child", value_name = "NAME=FILE", value_hint = ValueHint::FilePath, help_heading = GRANTS)]
    pub children: Vec<OsString>,

    /// Let children live on when it ends; the command then waits for them
    #[arg(long, help_heading = GRANTS)]
    pub allow_detached: bool,

    /// The network that it may use: none
    #[arg(long, value_name = "NETWORK", default_value = "none", value_parser = ["none"], help_heading = GRANTS)]
    pub net: String,

    /// Most memory of the guest [default: 512MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true, help_heading = LIMITS)]
    pub memory: Option<u64>,

    /// Longest time by the clock [default: none]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, help_heading = LIMITS)]
    pub timeout: Option<Duration>,

    /// Most CPU time [default: none]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, help_heading = LIMITS)]
    pub cpu: Option<Duration>,

    /// Most instructions, about: the same on every machine, but the guest runs slower [default: none]
    #[arg(long, value_name = "COUNT", value_parser = parse_count, allow_hyphen_values = true, help_heading = LIMITS)]
    pub fuel: Option<u64>,

    /// Most bytes on stdout and stderr together [default: none]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true, help_heading = LIMITS)]
    pub max_output: Option<u64>,

    /// Longest file that it may write; more is an error to the guest [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true, help_heading = LIMITS)]
    pub max_file: Option<u64>,

    /// Most files open at once; more is an error to the guest [default: 256]
    #[arg(long, value_name = "COUNT", value_parser = parse_count, allow_hyphen_values = true, help_heading = LIMITS)]
    pub max_files: Option<u64>,

    /// Most children alive at once, its children's included; more is an error to the guest [default: 16]
    #[arg(long, value_name = "COUNT", value_parser = parse_count, allow_hyphen_values = true, help_heading = LIMITS)]
    pub max_children: Option<u64>,

    /// How many generations of children there may be; more is an error to the guest [default: 3]
    #[arg(long, value_name = "COUNT", value_parser = parse_count, allow_hyphen_values = true, help_heading = LIMITS)]
    pub max_child_depth: Option<u64>,

    /// Most children started in a second; more is an error to the guest [default: 100]
    #[arg(long, value_name = "COUNT", value_parser = parse_count, allow_hyphen_values = true, help_heading = LIMITS)]
    pub max_child_rate: Option<u64>,

    /// Of a handler: a new instance for each task
    #[arg(long, help_heading = VIEW)]
    pub fresh: bool,

    /// Lines of its log, and its children's, to show on stderr: from this level on, or off [default: info]
    #[arg(long, value_name = "LEVEL", value_parser = log_parser(), help_heading = VIEW)]
    pub log: Option<LogLevel>,

    /// The guest's name for itself [default: the name of FILE]
    #[arg(long, value_name = "NAME", help_heading = VIEW)]
    pub argv0: Option<OsString>,

    /// Identity of the worker: auto (as root one of its own, else yours), keep (yours), or two ids [default: auto]
    #[arg(long, value_name = "auto|keep|UID:GID", allow_hyphen_values = true, help_heading = WALLS)]
    pub user: Option<String>,

    #[command(flatten)]
    pub compile: CompileArgs,
}

/// What every command has that compiles.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompileArgs {
    /// Run even though this machine can't build a wall; the verdict lists it as missing
    #[arg(long, value_name = "WALL", value_delimiter = ',', value_parser = wall_parser(), help_heading = WALLS)]
    pub allow_missing: Vec<Wall>,

    /// Most CPU time for compiling the module [default: 120s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, help_heading = COMPILING)]
    pub compile_timeout: Option<Duration>,

    /// Most memory for compiling the module [default: 2GiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true, help_heading = COMPILING)]
    pub compile_memory: Option<u64>,
}

impl CompileArgs {
    pub(super) fn settings(self, module: PathBuf) -> Settings {
        Settings {
            module,
            compile_cpu: self.compile_timeout,
            compile_memory_bytes: self.compile_memory,
            allow_missing: self.allow_missing.into_iter().collect(),
            ..Settings::default()
        }
    }
}

impl From<RunArgs> for Settings {
    fn from(args: RunArgs) -> Self {
        Self {
            stdin: args.stdin,
            tty: args.tty,
            verdict_file: args.verdict,
            coredump_file: args.coredump,
            ipc: args.ipc,
            channel: args.channel,
            ..args.job.settings(args.module, args.args)
        }
    }
}

impl JobArgs {
    /// What they say of a job; its stdin is for others to say.
    pub(crate) fn settings(self, module: PathBuf, args: Vec<OsString>) -> Settings {
        Settings {
            argv0: self.argv0,
            args,
            directories: self.directories,
            env: self.env,
            children: self.children,
            detached: self.allow_detached,
            max_children: self.max_children,
            max_child_depth: self.max_child_depth,
            max_child_rate: self.max_child_rate,
            fresh: self.fresh,
            memory_bytes: self.memory,
            timeout: self.timeout,
            cpu: self.cpu,
            fuel: self.fuel,
            max_output_bytes: self.max_output,
            max_file_bytes: self.max_file,
            max_files: self.max_files,
            user: self.user,
            ..self.compile.settings(module)
        }
    }
}

/// The least level of the log that is shown; none: off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogLevel(pub Option<Level>);

fn log_parser() -> impl TypedValueParser<Value = LogLevel> {
    PossibleValuesParser::new(LEVELS.map(|(name, _)| name)).try_map(|name| {
        let level = LEVELS.into_iter().find(|(known, _)| *known == name);
        level.map(|(_, level)| LogLevel(level)).ok_or_else(|| format!("there is no level {name:?}"))
    })
}

pub(super) fn wall_parser() -> impl TypedValueParser<Value = Wall> {
    PossibleValuesParser::new(Wall::ALL.map(Wall::name)).try_map(|name| {
        let wall = Wall::ALL.into_iter().find(|wall| wall.name() == name);
        wall.ok_or_else(|| format!("there is no wall {name:?}"))
    })
}
