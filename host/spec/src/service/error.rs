//! Why there is no such service: one sentence each, which names the setting as a manifest has it.

use super::name;
use crate::setting::{self, Names, Setting, Wrong};
use crate::{job, schedule};

/// Why there is no such service.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What a job of `run` could not have either.
    #[error("{}", .0.told(Names::Keys))]
    Job(job::Error),
    #[error("{}: {}", Setting::HealthCommand.key(), .0.told(Names::Keys))]
    Check(job::Error),
    #[error("{error}")]
    Name { setting: Setting, error: name::Error },
    #[error(transparent)]
    Value(#[from] setting::Error),
    #[error(transparent)]
    Wrong(#[from] Wrong<Reason>),
    #[error("there is no module: the job needs module = \"FILE\"")]
    NoModule,
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
}

/// Why a setting of a service can't be met, where a value alone does not say it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("not an absolute path")]
    Relative,
    #[error("a daemon gives each worker an id that nobody else has; leave user out")]
    Ids,
    #[error("the name of the file is empty; write none for no input")]
    NoStdinFile,
    #[error("a daemon has no stdin to pass on; name a file, or leave it out")]
    NoStdin,
    #[error("the name of a variable is not empty and holds no \"=\"")]
    VariableName,
    #[error("less than backoff.first, {0}")]
    Backoff(String),
    #[error("is named twice")]
    Twice,
    #[error("neither notify nor a time such as 1s")]
    Ready,
    #[error("longer than start_timeout, {0}")]
    ReadyTooLate(String),
    /// Without a setting that it needs beside it.
    #[error("{0}")]
    Stray(&'static str),
    #[error("a job with a schedule has one instance")]
    ScheduledInstances,
    #[error("a job with a schedule is started by the clock; write never or on-failure")]
    ScheduledRestart,
    #[error("a job that serves HTTP is kept up, and has no schedule")]
    ServesBySchedule,
    #[error("a job that serves HTTP is ready when its workers accept connections; leave it out")]
    ServesReady,
    #[error("not a path such as /healthz: it begins with / and has no blanks, at most {0} bytes")]
    HealthPath(usize),
    #[error("a job has one check beside its heartbeats; leave health.command or health.path out")]
    TwoChecks,
    #[error("with isolation process no process lives on between two connections; leave it out, or choose another one")]
    Alone,
    #[error("{0}")]
    Retry(RetryReason),
}

/// What is wrong with one of `retry_on`; its verdict is what was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetryReason {
    #[error("stop_on names it too; leave one of them out")]
    AndStop,
    #[error("a job that was stopped on request is not retried; leave it out")]
    Stopped,
    #[error("another try would be refused for the same reason; leave it out")]
    Refused,
    #[error("no limit leads to it, so none can be raised; leave factor and max out")]
    NothingToChange,
    #[error("the job has no limit to start from; set {}, or leave factor out", .0.key())]
    NoLimit(Setting),
    #[error("factor {0}: write a number from 2 to 100, or leave it out")]
    Factor(u64),
    #[error("max bounds what factor makes of the limit, and there is no factor")]
    MaxAlone,
    #[error("max {max} is not more than {limit}, the limit of the first try")]
    Max { max: String, limit: String },
    #[error("max {max} is more than {ceiling}, the most that one job can have")]
    MaxTooLarge { max: String, ceiling: String },
}

impl Error {
    /// The setting that it is about; None: the job as a whole.
    pub const fn setting(&self) -> Option<Setting> {
        match self {
            Self::Job(error) => error.setting(),
            Self::Check(_) => Some(Setting::HealthCommand),
            Self::Name { setting, .. } => Some(*setting),
            Self::Value(error) => Some(error.setting),
            Self::Wrong(error) => Some(error.setting),
            Self::NoModule => None,
            Self::Schedule(error) => Some(error.setting),
        }
    }

    /// What to do, where the error alone does not say it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Job(error) | Self::Check(error) => error.hint(Names::Keys),
            Self::Name { .. } | Self::Value(_) | Self::Wrong(_) | Self::NoModule | Self::Schedule(_) => None,
        }
    }
}
