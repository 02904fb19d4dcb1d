//! What can be said on the command line, as clap types. No I/O: what is to be shown is returned.

mod parse;

pub(crate) use parse::{Stop, long_help, parse};

use crate::config::job::Settings;
use crate::config::units::{parse_count, parse_duration, parse_size};
use clap::builder::styling::{AnsiColor, Effects, Style, Styles};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use sandhog_protocol::plan::Wall;
use sandhog_protocol::request::Level;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Widest line of a help text, in columns: what a person reads without losing the line.
const WIDEST: usize = 100;

const STYLES: Styles = Styles::styled()
    .header(Style::new().effects(Effects::BOLD))
    .usage(Style::new().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Green.on_default());

// Headings of the help.
const GRANTS: &str = "Grants";
const LIMITS: &str = "Limits";
const VIEW: &str = "The guest's view";
const WALLS: &str = "Walls";
const COMPILING: &str = "Compiling";

const EXAMPLES: &str = "\
Examples:
  sandhog run hello.wasm                     run a module: no files, no network, no environment
  sandhog run --dir data words.wasm -- data  let it read one directory
  sandhog inspect program.wasm               what a program is, and which flags it needs
  sandhog doctor                             what this machine can do to seal a job
  sandhog help run                           every flag of run, with examples
  sandhog help exit-codes                    what the exit code says

Environment:
  SANDHOG_CACHE_DIR    where compiled modules are kept [default: ~/.cache/sandhog]
  SANDHOG_RUNTIME_DIR  where root's commands note the ids in use [default: /run/sandhog]
  NO_COLOR             any value: no colour";

const RUN_EXAMPLES: &str = "\
Examples:
  sandhog run hello.wasm
      Run a module. It sees no files, no network and no environment.

  sandhog run --dir texts words.wasm -- texts/moby.txt
      Let it read one directory. What follows -- goes to the guest.

  sandhog run --dir /srv/in::/in --dir /srv/out::/out:rw filter.wasm
      Two directories under other names; it may write to the second.

  sandhog run --memory 64MiB --timeout 30s --cpu 10s job.wasm < input > output
      Limits. Each ends the guest with a verdict and an exit code of its own.

  sandhog run --verdict verdict.json job.wasm
      Write down why it ended and what it used, as one JSON object.

  sandhog run --child resize=resize.wasm --max-children 4 album.wasm
      Let it start resize.wasm as its child, under that name, with no more rights than its own.

  sandhog run --ipc=3,4 handler.wasm 3< tasks 4> answers
      Talk to it: each line of JSON is a message. --ipc alone takes fd 3 for both directions.

Sizes are 64MiB, 1.5GiB or 10MB; times are 500ms, 30s, 1m30s or 2h.
The exit code is the guest's own; where Sandhog ended it, see: sandhog help exit-codes

Environment:
  SANDHOG_CACHE_DIR    where compiled modules are kept [default: ~/.cache/sandhog]
  SANDHOG_RUNTIME_DIR  where root's commands note the ids in use [default: /run/sandhog]";

const BUILD_EXAMPLES: &str = "\
Examples:
  sandhog build target/wasm32-wasip1/release/sum.wasm -o sum.wasm
      Afterwards the first `sandhog run sum.wasm` starts as fast as every other one.

  sandhog build program.wat -o program.wasm
      From text to binary.

What is written is a module that any engine can run, not machine code: that is in the cache.
The exit code is 0, or that of `sandhog run` for what can't be run.";

const INSPECT_EXAMPLES: &str = "\
Examples:
  sandhog inspect program.wasm         what it is, what it needs, and the flags for that
  sandhog inspect --json program.wasm  the same as one JSON object

Nothing of the module is run. It is read by a sealed process with the compiler's limits.";

const NEW_EXAMPLES: &str = "\
Examples:
  sandhog new greet             a program: cd greet; cargo test; cargo run
  sandhog new --handler resize  a function that is called for each task

The SDK for guests goes along in the crate; the compiler needs the target wasm32-wasip1.";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  sandhog doctor          a table: each wall, whether it stands here, and what it alone stops
  sandhog doctor --json   the same as one JSON object, for scripts
  sudo sandhog doctor     what it is for root, who gets every wall

The exit code is 0 where every wall that must stand does, and each trial ends as it must; else 1.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  sandhog completions bash > ~/.local/share/bash-completion/completions/sandhog
  sandhog completions zsh > ~/.zfunc/_sandhog
  sandhog completions fish > ~/.config/fish/completions/sandhog.fish
  sandhog completions elvish >> ~/.config/elvish/rc.elv";

const HELP_EXAMPLES: &str = "\
Examples:
  sandhog help run
  sandhog help exit-codes";

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
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a module, sealed
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
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
    /// Explain a command, or the exit codes
    #[command(after_help = HELP_EXAMPLES)]
    Help(HelpArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// The module: a program of WASI 0.1, 0.2 or 0.3, or a handler; .wasm or .wat
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub module: PathBuf,

    /// What the guest gets as arguments; only after --
    #[arg(value_name = "ARGS", last = true)]
    pub args: Vec<OsString>,

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

    /// The guest's name for itself [default: the name of FILE]
    #[arg(long, value_name = "NAME", help_heading = VIEW)]
    pub argv0: Option<OsString>,

    /// Identity of the worker: auto (as root one of its own, else yours), keep (yours), or two ids [default: auto]
    #[arg(long, value_name = "auto|keep|UID:GID", allow_hyphen_values = true, help_heading = WALLS)]
    pub user: Option<String>,

    #[command(flatten)]
    pub compile: CompileArgs,

    /// Write why it ended and what it used, as one JSON object, to a file, a FIFO or /dev/fd/N
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub verdict: Option<PathBuf>,
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
    fn settings(self, module: PathBuf) -> Settings {
        Settings {
            module,
            compile_cpu: self.compile_timeout,
            compile_memory_bytes: self.compile_memory,
            allow_missing: self.allow_missing.into_iter().collect(),
            ..Settings::default()
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BuildArgs {
    /// The module: .wasm or .wat, core module or component
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub module: PathBuf,

    /// Where the built module goes; replaced as a whole
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,

    /// Print what was built as one JSON object
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub compile: CompileArgs,
}

impl From<BuildArgs> for Settings {
    fn from(args: BuildArgs) -> Self {
        args.compile.settings(args.module)
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct InspectArgs {
    /// The module: .wasm or .wat, core module or component
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub module: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub compile: CompileArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct NewArgs {
    /// Where it is to be; the last part is its name
    #[arg(value_name = "NAME", value_hint = ValueHint::DirPath)]
    pub path: PathBuf,

    /// A handler: a function that is called for each task
    #[arg(long)]
    pub handler: bool,
}

impl From<InspectArgs> for Settings {
    fn from(args: InspectArgs) -> Self {
        args.compile.settings(args.module)
    }
}

impl From<RunArgs> for Settings {
    fn from(args: RunArgs) -> Self {
        Self {
            name: None,
            argv0: args.argv0,
            args: args.args,
            directories: args.directories,
            env: args.env,
            children: args.children,
            detached: args.allow_detached,
            max_children: args.max_children,
            max_child_depth: args.max_child_depth,
            max_child_rate: args.max_child_rate,
            fresh: args.fresh,
            memory_bytes: args.memory,
            timeout: args.timeout,
            cpu: args.cpu,
            fuel: args.fuel,
            max_output_bytes: args.max_output,
            max_file_bytes: args.max_file,
            max_files: args.max_files,
            stdin: args.stdin,
            user: args.user,
            verdict_file: args.verdict,
            ipc: args.ipc,
            channel: args.channel,
            ..args.compile.settings(args.module)
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    /// Try one probe only
    #[arg(long, value_name = "NAME", hide = true)]
    pub probe: Option<String>,

    /// With these walls only
    #[arg(long, value_name = "WALL", value_delimiter = ',', value_parser = wall_parser(), hide = true,
          conflicts_with = "without")]
    pub with: Option<Vec<Wall>>,

    /// With all walls but these
    #[arg(long, value_name = "WALL", value_delimiter = ',', value_parser = wall_parser(), hide = true)]
    pub without: Option<Vec<Wall>>,

    /// What `run` would be given: the probe is then in the place of that job's guest
    #[arg(value_name = "RUN", last = true, hide = true, requires = "probe")]
    pub run: Vec<OsString>,
}

impl DoctorArgs {
    /// The job whose guest's place the probe takes; `None` where it takes none.
    ///
    /// # Errors
    /// As [`parse`].
    pub(crate) fn job(&self) -> Result<Option<RunArgs>, Stop> {
        if self.run.is_empty() {
            return Ok(None);
        }
        let words = ["sandhog", "run"].map(OsString::from).into_iter().chain(self.run.iter().cloned());
        let Command::Run(args) = parse(words)?.command else { return Ok(None) };
        Ok(Some(*args))
    }
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct CompletionsArgs {
    pub shell: Shell,
}

/// Shells for which there is a completion script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct HelpArgs {
    /// A command, or exit-codes
    pub topic: Option<Topic>,
}

/// What `sandhog help` explains beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Topic {
    Run,
    Build,
    Inspect,
    New,
    Doctor,
    Completions,
    ExitCodes,
}

/// The least level of the log that is shown; none: off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogLevel(pub Option<Level>);

fn log_parser() -> impl TypedValueParser<Value = LogLevel> {
    const LEVELS: [(&str, Option<Level>); 6] = [
        ("trace", Some(Level::Trace)),
        ("debug", Some(Level::Debug)),
        ("info", Some(Level::Info)),
        ("warn", Some(Level::Warn)),
        ("error", Some(Level::Error)),
        ("off", None),
    ];
    PossibleValuesParser::new(LEVELS.map(|(name, _)| name)).try_map(|name| {
        let level = LEVELS.into_iter().find(|(known, _)| *known == name);
        level.map(|(_, level)| LogLevel(level)).ok_or_else(|| format!("there is no level {name:?}"))
    })
}

fn wall_parser() -> impl TypedValueParser<Value = Wall> {
    PossibleValuesParser::new(Wall::ALL.map(Wall::name)).try_map(|name| {
        let wall = Wall::ALL.into_iter().find(|wall| wall.name() == name);
        wall.ok_or_else(|| format!("there is no wall {name:?}"))
    })
}
