//! Flags of the commands that build, inspect, make and examine.

use super::flags::{JobFlags, OfBuild};
use super::run::wall_parser;
use clap::{Args, ValueHint};
use sandhog_protocol::plan::Wall;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub struct BuildArgs {
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
    pub compile: JobFlags<OfBuild>,
}

#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// The module: .wasm or .wat, core module or component
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub module: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub compile: JobFlags<OfBuild>,
}

#[derive(Clone, Debug, Args)]
pub struct NewArgs {
    /// Where it is to be; the last part is its name
    #[arg(value_name = "NAME", value_hint = ValueHint::DirPath)]
    pub path: PathBuf,

    /// A handler: a function that is called for each task
    #[arg(long)]
    pub handler: bool,

    /// A service: a function that is called for each HTTP request
    #[arg(long, conflicts_with = "handler")]
    pub http: bool,
}

#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
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
