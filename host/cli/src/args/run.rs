//! Flags of `run` alone; see [`super::flags`] for those of a job's settings.

use super::flags::{JobFlags, OfRun};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use sandhog_protocol::plan::Wall;
use sandhog_spec::job::{Error, Settings};
use std::ffi::OsString;
use std::path::PathBuf;

/// A heading of the help: that of the list.
const VIEW: &str = "The guest's view";

/// What `run` has.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The module: a program of WASI 0.1, 0.2 or 0.3, or a handler; .wasm or .wat
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub module: PathBuf,

    /// What the guest gets as arguments; only after --
    #[arg(value_name = "ARGS", last = true)]
    pub args: Vec<OsString>,

    #[command(flatten)]
    pub job: JobFlags<OfRun>,

    /// Talk to it over file descriptor 3, or FD: a message is a line of JSON. IN,OUT: read from one, write to another
    #[arg(long, value_name = "FD|IN,OUT", num_args = 0..=1, require_equals = true, default_missing_value = "",
          help_heading = VIEW)]
    pub ipc: Option<String>,

    /// The worker's end of a connection, from a library that starts this command
    #[arg(long, value_name = "FD", hide = true)]
    pub channel: Option<u32>,

    /// Where a library that starts this command asks what the job uses
    #[arg(long, value_name = "FD", hide = true)]
    pub usage: Option<u32>,

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

impl RunArgs {
    /// The job that they describe.
    ///
    /// # Errors
    /// A value is out of its bounds.
    pub fn settings(self) -> Result<Settings, Error> {
        Ok(Settings {
            args: self.args,
            stdin: self.stdin,
            tty: self.tty,
            verdict_file: self.verdict,
            coredump_file: self.coredump,
            ipc: self.ipc,
            channel: self.channel,
            ..self.job.settings(self.module)?
        })
    }
}

pub(super) fn wall_parser() -> impl TypedValueParser<Value = Wall> {
    PossibleValuesParser::new(Wall::ALL.map(Wall::name)).try_map(|name| {
        let wall = Wall::ALL.into_iter().find(|wall| wall.name() == name);
        wall.ok_or_else(|| format!("there is no wall {name:?}"))
    })
}
