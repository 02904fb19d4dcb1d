//! Why there is no such service: one sentence each, which names the key as a manifest has it.

use super::name;
use crate::config::text::escape;
use crate::config::units::{print_duration, print_size};
use crate::config::{job, schedule, units};
use std::time::Duration;

/// Why there is no such service. The text names the key and what was given.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// What a job of `run` could not have either.
    #[error("{}", without_dashes(&.0.to_string()))]
    Job(job::Error),
    #[error("health.command: {}", without_dashes(&.0.to_string()))]
    Check(job::Error),
    #[error("{error}")]
    Name { key: &'static str, error: name::Error },
    #[error("{key} \"{}\": {error}", escape(.text))]
    Value { key: &'static str, text: String, error: units::Error },
    #[error("{key} \"{}\": there is no such word; {advice}", escape(.word))]
    Word { key: &'static str, word: String, advice: String },
    #[error("{key} 0: no time at all")]
    NoTime { key: &'static str },
    #[error("{key} 0: {why}")]
    Zero { key: &'static str, why: &'static str },
    #[error("{key} {count}: more than {most}, {why}")]
    TooMany { key: &'static str, count: u64, most: u64, why: &'static str },
    #[error("{key} {}: less than {}, {why}", print_size(*.bytes), print_size(*.least))]
    TooSmall { key: &'static str, bytes: u64, least: u64, why: &'static str },
    #[error("there is no module: the job needs module = \"FILE\"")]
    NoModule,
    #[error("{key} \"{}\": not an absolute path", escape(.path))]
    Relative { key: &'static str, path: String },
    #[error("user {uid}:{gid}: a daemon gives each worker an id that nobody else has; leave user out")]
    Ids { uid: u32, gid: u32 },
    #[error("net \"{}\": there is no network but none", escape(.0))]
    Network(String),
    #[error("stdin: the name of the file is empty; write none for no input")]
    NoStdinFile,
    #[error("stdin \"-\": there is no command whose input it could have; name a file, or leave it out")]
    NoStdin,
    #[error("env \"{}\": the name of a variable is not empty and holds no \"=\"", escape(.0))]
    VariableName(String),
    #[error("backoff.most {}: less than backoff.first, {}", print_duration(*.most), print_duration(*.first))]
    Backoff { first: Duration, most: Duration },
    #[error("retry_on {verdict}: is named twice")]
    RetryTwice { verdict: &'static str },
    #[error("retry_on {verdict}: stop_on names it too; leave one of them out")]
    RetryAndStop { verdict: &'static str },
    #[error("retry_on stopped: who stops a job does not want another try")]
    RetryStopped,
    #[error("retry_on refused: another try would be refused for the same reason; leave it out")]
    RetryRefused,
    #[error("retry_on {verdict}: no limit makes it, so there is none to change; leave times and at_most out")]
    NothingToChange { verdict: &'static str },
    #[error("retry_on {verdict}: the job has no limit to start from; set {limit}, or leave times out")]
    NoLimit { verdict: &'static str, limit: &'static str },
    #[error("retry_on {verdict}: times {times}: write a number from 2 to 100, or leave it out")]
    Times { verdict: &'static str, times: u64 },
    #[error("retry_on {verdict}: at_most says how far times may go, and there is no times")]
    AtMostAlone { verdict: &'static str },
    #[error("retry_on {verdict}: at_most {at_most} is not more than {limit}, the limit of the first try")]
    AtMost { verdict: &'static str, at_most: String, limit: String },
    #[error("retry_on {verdict}: at_most {at_most} is more than {most}, the most that one job can have")]
    AtMostTooLarge { verdict: &'static str, at_most: String, most: String },
    #[error("ready \"{}\": neither said nor a time such as 1s", escape(.0))]
    Ready(String),
    #[error("ready {}: longer than start_timeout, {}", print_duration(*.ready), print_duration(*.start_timeout))]
    ReadyTooLate { ready: Duration, start_timeout: Duration },
    #[error("{key} \"{}\": is named twice", escape(.word))]
    Twice { key: &'static str, word: String },
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
    #[error("{key}: says how to check, and there is no check; set health.heartbeat or health.command")]
    NoCheck { key: &'static str },
    #[error("{key}: is for jobs with a schedule, and this one has none")]
    NoSchedule { key: &'static str },
    #[error("instances {0}: a job with a schedule has one instance")]
    ScheduledInstances(u64),
    #[error("restart always: a job with a schedule is started by the clock; write never or on-failure")]
    ScheduledRestart,
}

impl Error {
    /// The key that it is about, as manifests have it; of a table's, with the table's name. None: the job as a whole.
    pub(crate) fn key(&self) -> Option<&'static str> {
        Some(match self {
            Self::Job(error) => return key_of(&error.to_string()),
            Self::Check(_) => "health.command",
            Self::Name { key, .. }
            | Self::Value { key, .. }
            | Self::Word { key, .. }
            | Self::NoTime { key }
            | Self::Zero { key, .. }
            | Self::TooMany { key, .. }
            | Self::TooSmall { key, .. }
            | Self::Relative { key, .. }
            | Self::NoCheck { key }
            | Self::NoSchedule { key } => key,
            Self::NoModule => return None,
            Self::Ids { .. } => "user",
            Self::Network(_) => "net",
            Self::NoStdinFile | Self::NoStdin => "stdin",
            Self::VariableName(_) => "env",
            Self::Backoff { .. } => "backoff.most",
            Self::RetryTwice { .. }
            | Self::RetryAndStop { .. }
            | Self::RetryStopped
            | Self::RetryRefused
            | Self::NothingToChange { .. }
            | Self::NoLimit { .. }
            | Self::Times { .. }
            | Self::AtMostAlone { .. }
            | Self::AtMost { .. }
            | Self::AtMostTooLarge { .. } => "retry_on",
            Self::Twice { key, .. } => key,
            Self::Ready(_) | Self::ReadyTooLate { .. } => "ready",
            Self::Schedule(error) => error.key(),
            Self::ScheduledInstances(_) => "instances",
            Self::ScheduledRestart => "restart",
        })
    }

    /// What to do, where the error alone does not say it.
    pub(crate) fn hint(&self) -> Option<String> {
        let (Self::Job(error) | Self::Check(error)) = self else { return None };
        if let job::Error::UserIsRoot(_) | job::Error::UserKeepsRoot = error {
            return Some("leave user out for an identity that nobody else has".into());
        }
        error.hint().map(|hint| hint.replace("--", ""))
    }
}

/// Flags of `run` that errors of a job begin with, as keys.
const KEYS: [&str; 20] = [
    "argv0",
    "args",
    "dir",
    "env",
    "child",
    "max_children",
    "max_child_depth",
    "max_child_rate",
    "memory",
    "timeout",
    "cpu",
    "fuel",
    "max_output",
    "max_file",
    "max_files",
    "stdin",
    "user",
    "compile_timeout",
    "compile_memory",
    "allow_missing",
];

/// The sentence begins with the flag; what people have written comes later and stays as it is.
fn without_dashes(sentence: &str) -> String {
    let Some(rest) = sentence.strip_prefix("--") else { return sentence.into() };
    let end = rest.find([' ', ':']).unwrap_or(rest.len());
    format!("{}{}", rest[..end].replace('-', "_"), &rest[end..])
}

fn key_of(sentence: &str) -> Option<&'static str> {
    if sentence.starts_with("argument ") {
        return Some("args");
    }
    let sentence = without_dashes(sentence);
    let word = sentence.split([' ', ':']).next()?;
    KEYS.into_iter().find(|key| *key == word)
}
