//! All commands, each with its line of help and what it takes; and what `sandhog help` explains.
//!
//! Must not: read a command line.

use super::examples::{
    BUILD_EXAMPLES, COMPLETIONS_EXAMPLES, DOCTOR_EXAMPLES, EXAMPLES, HELP_EXAMPLES, INSPECT_EXAMPLES, MAN_EXAMPLES,
    MAP_EXAMPLES, NEW_EXAMPLES, POOL_EXAMPLES, RUN_EXAMPLES, SERVE_EXAMPLES,
};
use super::map::MapArgs;
use super::pool::PoolArgs;
use super::run::RunArgs;
use super::serve::ServeArgs;
use super::start::StartArgs;
use super::tools::{BuildArgs, DoctorArgs, InspectArgs, NewArgs};
use super::verb_examples as verb;
use super::verbs::{
    AskArgs, CheckArgs, DaemonArgs, DownArgs, EventsArgs, LogsArgs, MonitArgs, ObjectsArgs, PsArgs, ScaleArgs,
    SchemaArgs, SendArgs, ShowArgs, SignalArgs, StartupArgs, UpArgs,
};
use clap::builder::styling::{AnsiColor, Effects, Style, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

/// Widest line of a help text, in columns: what a person reads without losing the line.
pub(super) const WIDEST: usize = 100;

const STYLES: Styles = Styles::styled()
    .header(Style::new().effects(Effects::BOLD))
    .usage(Style::new().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Green.on_default());

/// Run WebAssembly programs that you do not trust, each sealed in a process of its own.
#[derive(Debug, Parser)]
#[command(
    name = "sandhog",
    bin_name = "sandhog",
    version,
    styles = STYLES,
    max_term_width = WIDEST,
    disable_help_subcommand = true,
    after_help = EXAMPLES,
    long_about = "Run WebAssembly programs that you do not trust, each sealed in a process of its own.\n\n\
        A job is sealed twice: by WebAssembly and by the kernel. It gets what you grant, and nothing else."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a module, sealed
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Run a module for each task of an input, many at the same time, each sealed
    #[command(after_help = MAP_EXAMPLES)]
    Map(Box<MapArgs>),
    /// Hold workers of a module ready, for a program that sends tasks and gets answers
    #[command(after_help = POOL_EXAMPLES)]
    Pool(Box<PoolArgs>),
    /// Serve HTTP with a module, in sealed workers behind one address
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<ServeArgs>),

    /// Bring up the jobs of a manifest, and keep them up
    #[command(after_help = verb::UP)]
    Up(UpArgs),
    /// Stop and delete the jobs of a manifest, or others; end the daemon
    #[command(after_help = verb::DOWN)]
    Down(DownArgs),
    /// Start a new job from a module, or jobs that were stopped
    #[command(after_help = verb::START)]
    Start(Box<StartArgs>),
    /// Stop jobs; they stay on the list
    #[command(after_help = verb::STOP)]
    Stop(AskArgs),
    /// Stop jobs and start them again
    #[command(after_help = verb::RESTART)]
    Restart(AskArgs),
    /// Replace instances one at a time, each new one ready before its old one goes
    #[command(after_help = verb::RELOAD)]
    Reload(AskArgs),
    /// Stop jobs and forget them
    #[command(after_help = verb::DELETE, aliases = ["del", "rm"])]
    Delete(AskArgs),
    /// Set how many instances a job has
    #[command(after_help = verb::SCALE)]
    Scale(ScaleArgs),
    /// List the jobs: state, last verdict, restarts, CPU, memory
    #[command(after_help = verb::PS, visible_aliases = ["list", "ls"], alias = "status")]
    Ps(PsArgs),
    /// List the objects that jobs share: who holds them, who waits, how full they are
    #[command(after_help = verb::OBJECTS)]
    Objects(ObjectsArgs),
    /// Show all that is known of a job
    #[command(after_help = verb::SHOW, aliases = ["describe", "info"])]
    Show(ShowArgs),
    /// Show what jobs have written
    #[command(after_help = verb::LOGS)]
    Logs(LogsArgs),
    /// Show what has happened: starts, ends, restarts, failures
    #[command(after_help = verb::EVENTS)]
    Events(EventsArgs),
    /// Watch the jobs live in the terminal
    #[command(after_help = verb::MONIT)]
    Monit(MonitArgs),
    /// Send a message to jobs, and print what they answer
    #[command(after_help = verb::SEND)]
    Send(SendArgs),
    /// Send a signal to jobs
    #[command(after_help = verb::SIGNAL)]
    Signal(SignalArgs),
    /// Check a manifest and print every setting that it comes to
    #[command(after_help = verb::CHECK)]
    Check(CheckArgs),
    /// Print the schema of manifests for editors, or their reference for people
    #[command(after_help = verb::SCHEMA)]
    Schema(SchemaArgs),
    /// Keep jobs up, in the foreground
    #[command(after_help = verb::DAEMON)]
    Daemon(DaemonArgs),
    /// Print a systemd unit that keeps the daemon up
    #[command(after_help = verb::STARTUP)]
    Startup(StartupArgs),

    /// Validate a module, make a component of it where it carries one's type, and compile it beforehand
    #[command(after_help = BUILD_EXAMPLES)]
    Build(BuildArgs),
    /// Say what a module is, what it imports and exports, and which flags it would need
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(InspectArgs),
    /// Make a guest's crate in Rust that builds and runs as it is
    #[command(after_help = NEW_EXAMPLES)]
    New(NewArgs),
    /// Say which walls this machine gives, and try each of them
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Print a script that completes commands and flags in a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the manual page of a command, or write all pages into a folder
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
    /// Explain a command, or the exit codes
    #[command(after_help = HELP_EXAMPLES)]
    Help(HelpArgs),
}

#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArgs {
    pub shell: Shell,
}

/// Shells for which there is a completion script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
}

#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// A command; without one, that of sandhog itself
    pub topic: Option<Topic>,

    /// Write the pages of all commands into this folder, one file each: sandhog.1, sandhog-run.1 …
    #[arg(short, long, value_name = "FOLDER", conflicts_with = "topic", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct HelpArgs {
    /// A command, or exit-codes
    pub topic: Option<Topic>,
}

/// What `sandhog help` explains beside itself: every command by its name, and the exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Topic {
    Run,
    Map,
    Pool,
    Serve,
    Up,
    Down,
    Start,
    Stop,
    Restart,
    Reload,
    Delete,
    Scale,
    Ps,
    Objects,
    Show,
    Logs,
    Events,
    Monit,
    Send,
    Signal,
    Check,
    Schema,
    Daemon,
    Startup,
    Build,
    Inspect,
    New,
    Doctor,
    Completions,
    Man,
    ExitCodes,
}
