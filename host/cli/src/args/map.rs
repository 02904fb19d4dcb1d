//! Flags of `map`: those of a job's settings ([`super::flags`]), and what it has beside them.

use super::flags::{JobFlags, Of};
use super::spawn::Spawn;
use clap::{Args, ValueEnum, ValueHint};
use sandhog_spec::job::{Error, Settings};
use sandhog_spec::setting::{Command, Setting};
use sandhog_spec::units::{self, Size, Time, duration};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Headings of the help.
const TASKS: &str = "Tasks";
const RUNNING: &str = "How they run";
const RESULTS: &str = "Results";

/// A task's output waits in a file for those before it: no disk is filled by one task.
const MAX_OUTPUT: Size = Size::bytes(1 << 30);

/// What separates the arguments from tasks, as for GNU parallel.
const TASKS_FOLLOW: &str = ":::";

#[derive(Clone, Copy, Debug)]
pub struct OfMap;

impl Of for OfMap {
    const COMMAND: Command = Command::Map;

    const USUAL: &'static [(Setting, &'static str)] =
        &[(Setting::MaxOutput, "1GiB for each task"), (Setting::Timeout, "none; it counts from a task's start")];
}

/// How the input is cut into tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Input {
    /// Each line is a task
    Lines,
    /// Each value of JSON is a task
    Json,
    /// What a byte 0 ends is a task
    Null,
    /// Each line names a file whose content is a task
    Files,
}

/// What a failed task means for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Halt {
    /// Nothing
    Never,
    /// No more tasks begin
    Soon,
    /// What runs is ended
    Now,
}

/// What `map` has.
#[derive(Clone, Debug, Args)]
pub struct MapArgs {
    /// The module: a program of WASI 0.1, 0.2 or 0.3, or a handler; .wasm or .wat
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub module: PathBuf,

    /// A program's arguments, only after --. {} stands for the task, {.} for it without its extension, {/} for its last part,
    /// {//} for its directory, {/.} for its last part without extension, {#} for its number, {%} for its slot. Without one of
    /// the first five, the task is the program's stdin. What follows ::: there are the tasks
    #[arg(value_name = "ARGS", last = true)]
    pub args: Vec<OsString>,

    /// How the input is cut into tasks
    #[arg(long, value_enum, default_value_t = Input::Lines, hide_possible_values = true,
          value_name = "lines|json|null|files", help_heading = TASKS)]
    pub input: Input,

    /// A byte 0 ends a task, or with --input files a name, instead of a newline
    #[arg(short = '0', long, help_heading = TASKS)]
    pub null: bool,

    /// Read tasks from a file instead of stdin; - is stdin. Several are read one after the other
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = TASKS)]
    pub arg_file: Vec<PathBuf>,

    /// Hand over so many tasks at once: to a program as one run with so many arguments or lines, to a handler that is reused
    /// one behind the other
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000),
          help_heading = TASKS)]
    pub chunk: u32,

    /// Handlers only: tasks are bytes, not texts, and so are answers
    #[arg(long, help_heading = TASKS)]
    pub bytes: bool,

    /// How many tasks run at the same time [default: as many as there are processors]
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = RUNNING)]
    pub jobs: Option<u32>,

    /// How often a task that fails is tried
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000),
          help_heading = RUNNING)]
    pub retries: u32,

    /// How long a task may wait for its start [default: without end]
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = RUNNING)]
    pub wait_timeout: Option<Duration>,

    /// A new process for each task: what happens anyway
    #[arg(long, conflicts_with = "reuse", help_heading = RUNNING)]
    pub fresh: bool,

    /// Handlers only: one process does so many tasks
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..), help_heading = RUNNING)]
    pub reuse: Option<u32>,

    /// Where processes come from: shared, one zygote, whose address layout they share; exec, a zygote for each, which takes
    /// milliseconds more
    #[arg(long, value_enum, default_value_t = Spawn::Shared, hide_possible_values = true, value_name = "shared|exec",
          help_heading = RUNNING)]
    pub spawn: Spawn,

    /// What happens when a task has failed: never, soon (no more begin) or now (what runs is ended)
    #[arg(long, value_enum, default_value_t = Halt::Never, hide_possible_values = true, value_name = "never|soon|now",
          help_heading = RUNNING)]
    pub halt: Halt,

    /// Print results as they come, not in the order of their tasks
    #[arg(long, help_heading = RESULTS)]
    pub unordered: bool,

    /// Handlers only: print every answer as JSON, texts in quotes
    #[arg(long, conflicts_with = "bytes", help_heading = RESULTS)]
    pub json: bool,

    /// Write a line for each task that is done, in the columns of GNU parallel and with the verdict
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = RESULTS)]
    pub joblog: Option<PathBuf>,

    /// Leave out the tasks that the job log has, with whatever result
    #[arg(long, requires = "joblog", help_heading = RESULTS)]
    pub resume: bool,

    /// Leave out the tasks that have succeeded by the job log
    #[arg(long, requires = "joblog", help_heading = RESULTS)]
    pub resume_failed: bool,

    /// No bar on the terminal
    #[arg(long, help_heading = RESULTS)]
    pub no_progress: bool,

    #[command(flatten)]
    pub job: JobFlags<OfMap>,
}

impl MapArgs {
    /// What the guest gets as arguments, with places for tasks, and the tasks among them.
    pub fn words(&self) -> (&[OsString], Option<&[OsString]>) {
        match self.args.iter().position(|word| word == TASKS_FOLLOW) {
            Some(place) => (&self.args[..place], Some(&self.args[place + 1..])),
            None => (&self.args, None),
        }
    }

    /// The job that each task is a run of.
    ///
    /// # Errors
    /// A value is out of its bounds.
    pub fn settings(&self) -> Result<Settings, Error> {
        let settings = self.job.clone().settings(self.module.clone())?;
        let max_output = Some(settings.max_output.unwrap_or(MAX_OUTPUT));
        Ok(Settings { args: self.words().0.to_vec(), stdin: Some("none".into()), max_output, ..settings })
    }
}

fn parse_time(text: &str) -> Result<Duration, units::Error> {
    text.parse::<Time>().map(duration)
}
