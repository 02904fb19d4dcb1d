//! What a job knows of itself, and what it tells whoever watches it.

use crate::abi::sandhog::job::process as host;
use crate::error::Result;
use crate::message::Message;
use crate::nanoseconds;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Who this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The attempt's id. Never used again, and later ones sort behind earlier ones: a fencing token.
    pub attempt: String,
    /// The job's name.
    pub job: String,
    /// Which of the job's instances, counted from 0.
    pub instance: u32,
    /// Which try of this instance, counted from 1.
    pub try_number: u32,
    /// The attempt that started this one; `None`: somebody outside did.
    pub parent: Option<String>,
    /// How many attempts are above this one.
    pub depth: u32,
}

/// Who this is.
///
/// ```standalone_crate
/// let me = sandhog::process::identity();
/// println!("{} of {}, started by {:?}", me.attempt, me.job, me.parent);
/// assert_eq!(me.try_number, 1);
/// ```
pub fn identity() -> Identity {
    let host::Identity { attempt, job, instance, try_, parent, depth } = host::get_identity();
    Identity { attempt, job, instance, try_number: try_, parent, depth }
}

/// The arguments, the program's own name first. As `std::env::args`; for handlers, too.
pub fn arguments() -> Vec<String> {
    host::arguments()
}

/// Names and values. As `std::env::vars`; for handlers, too.
pub fn environment() -> Vec<(String, String)> {
    host::environment()
}

/// Since the attempt began.
pub fn uptime() -> Duration {
    Duration::from_nanos(host::uptime())
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All linear memories now.
    pub used: u64,
    /// At their largest so far.
    pub peak: u64,
    /// The most that they may have (`--memory`).
    pub limit: u64,
}

/// How much memory there is, and how much of it is used.
///
/// ```standalone_crate
/// let memory = sandhog::process::memory();
/// assert!(memory.used <= memory.peak && memory.peak <= memory.limit);
/// ```
pub fn memory() -> Memory {
    let host::MemoryUse { used, peak, limit } = host::memory();
    Memory { used, peak, limit }
}

/// What whoever started this job gave along ([`Job::data`](crate::Job::data), `workerData` in Node); the same at each call.
/// `None`: nothing. [`Error::Invalid`](crate::Error::Invalid): it is not of this type.
pub fn initial_data<T: DeserializeOwned>() -> Result<Option<T>> {
    initial_message().map(|message| message.decode()).transpose()
}

/// The same, whatever it is.
pub fn initial_message() -> Option<Message> {
    host::initial_data().map(Message::from)
}

/// This job has started up and does its work from now on. The first call counts.
pub fn ready() {
    host::ready();
}

/// This job is alive. For one that is watched by its heartbeats.
pub fn heartbeat() {
    host::heartbeat();
}

/// How far this job is: `done` of `total` (`None`: nobody knows), and what it does just now, at most 200 bytes of it.
/// `sandhog run` shows it as a bar.
///
/// ```standalone_crate
/// for page in 1..=12 {
///     sandhog::process::progress(page, 12, "printing");
/// }
/// sandhog::process::progress(13, None, "pages that nobody counted");
/// ```
pub fn progress(done: u64, total: impl Into<Option<u64>>, note: &str) {
    host::progress(done, total.into(), note);
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// What helps its author.
    Debug,
    /// What its operator may want to know.
    Info,
    /// What its operator ought to look at.
    Warn,
    /// What went wrong.
    Error,
}

/// A line for people and machines, at most 16 KiB with all fields, of which 64 are kept. The macros [`info!`](crate::info)
/// and so on are shorter.
pub fn log(level: Level, text: &str, fields: &[(&str, &str)]) {
    let level = match level {
        Level::Trace => host::Level::Trace,
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    host::log(level, text, fields);
}

/// Whether this job has been asked to stop. Does not wait.
///
/// The first call says that this job listens: from then on it has the grace time to end by itself. One that never asks is
/// ended at once.
///
/// ```standalone_crate
/// for step in 0..1000 {
///     if sandhog::process::stopping() {
///         println!("stopped before step {step}");
///         break;
///     }
/// }
/// ```
pub fn stopping() -> bool {
    host::stopping(Some(0))
}

/// The same, but waits for that: a pause that ends early when it is time to go.
pub fn stopping_within(patience: Duration) -> bool {
    host::stopping(nanoseconds(Some(patience)))
}

/// This job must end before long and says why: its replacement is to be ready before.
pub fn retire(reason: &str) {
    host::retire(reason);
}

/// A line of the log: a level, a text as `format!` makes it, and behind a semicolon fields, whose values are whatever can be
/// displayed.
///
/// ```standalone_crate
/// use sandhog::process::Level;
///
/// let (pages, took) = (12, 3.5);
/// sandhog::log!(Level::Debug, "{pages} pages");
/// sandhog::info!("printed {} pages", pages; seconds = took, printer = "upstairs");
/// sandhog::warn!("out of paper");
/// ```
#[macro_export]
macro_rules! log {
    ($level:expr, $text:literal $(, $value:expr)* $(,)? $(; $($name:ident = $field:expr),* $(,)?)?) => {
        $crate::process::log(
            $level,
            &::std::format!($text $(, $value)*),
            &[$($((::std::stringify!($name), &*::std::string::ToString::to_string(&$field))),*)?],
        )
    };
}

/// [`log!`](crate::log) of level trace: every step.
#[macro_export]
macro_rules! trace {
    ($($line:tt)*) => { $crate::log!($crate::process::Level::Trace, $($line)*) };
}

/// [`log!`](crate::log) of level debug: what helps its author.
#[macro_export]
macro_rules! debug {
    ($($line:tt)*) => { $crate::log!($crate::process::Level::Debug, $($line)*) };
}

/// [`log!`](crate::log) of level info: what its operator may want to know.
#[macro_export]
macro_rules! info {
    ($($line:tt)*) => { $crate::log!($crate::process::Level::Info, $($line)*) };
}

/// [`log!`](crate::log) of level warn: what its operator ought to look at.
#[macro_export]
macro_rules! warn {
    ($($line:tt)*) => { $crate::log!($crate::process::Level::Warn, $($line)*) };
}

/// [`log!`](crate::log) of level error: what went wrong.
#[macro_export]
macro_rules! error {
    ($($line:tt)*) => { $crate::log!($crate::process::Level::Error, $($line)*) };
}
