//! A job that is kept up, checked: what runs, and the rules by which it is started, watched, and started again.

mod company;
mod effective;
pub mod error;
pub mod group;
mod health;
pub mod name;
mod new;
pub(crate) mod retry;
mod rules;
pub mod settings;

pub use super::setting::words::{Overlap, Restart, Strategy};
pub use company::check_company;
pub use error::Error;
pub use health::HealthRequest;
pub use name::DEFAULT_GROUP;
pub use retry::{Boosts, Retry, raised};
pub use rules::{Backoff, Intensity, LogRules, Ready, Rules};

use super::job::Job;
use super::schedule::Schedule;
use sandhog_protocol::control::JobSpec;

/// A job with the rules by which it is kept up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub job: Job,
    pub group: String,
    /// Jobs of its group that have to be ready before it starts.
    pub after: Vec<String>,
    pub instances: u32,
    pub rules: Rules,
    pub schedule: Option<Schedule>,
    /// What `health.command` runs.
    pub check: Option<Check>,
    pub logs: LogRules,
    /// What was written, with every setting that was not as it is then.
    spec: JobSpec,
}

/// The command of a health check: a module that runs sealed, with the grants of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name is the job's; no connection, no children, an output that nobody keeps, the check's time as its time-out.
    pub job: Job,
}

#[cfg(test)]
mod tests;
