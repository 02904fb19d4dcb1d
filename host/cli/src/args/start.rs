//! Flags of `start`: those of a job's settings ([`super::flags`]), and what it has beside them.

use super::flags::{JobFlags, OfStart};
use super::verbs::WaitArgs;
use clap::{Args, ValueHint};
use sandhog_protocol::control::GroupSpec;
use sandhog_spec::service::DEFAULT_GROUP;
use std::ffi::OsString;

#[derive(Clone, Debug, Args)]
pub struct StartArgs {
    /// A module: what ends in .wasm or .wat, is a file here, or has a slash. Else names, ids, groups, or all
    #[arg(value_name = "FILE|NAME|ID|GROUP|all", required = true, value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,

    /// What the guest gets as arguments; only after --
    #[arg(value_name = "ARGS", last = true)]
    pub args: Vec<OsString>,

    #[command(flatten)]
    pub job: JobFlags<OfStart>,

    #[command(flatten)]
    pub wait: WaitArgs,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl StartArgs {
    /// The group that the job is sent with.
    pub fn group(&self) -> GroupSpec {
        let name = if self.job.spec.group.is_empty() { DEFAULT_GROUP } else { &self.job.spec.group };
        GroupSpec { name: name.into(), strategy: None }
    }
}
