//! The messages between a daemon and the command line, or any other program: JSON over HTTP on a Unix socket. The routes are in
//! `host/daemon/src/control/`; here are the bodies. The comments of these types are the descriptions in `docs/openapi.json`,
//! whose schemas are generated from them (feature `openapi`).
//!
//! Times of day are milliseconds since 1970-01-01 UTC; durations and sizes that people have set stay as they wrote them
//! (`30s`, `64MiB`).

use crate::kinds::kinds;
use crate::limits;
pub use crate::serving::{Requests, Serving};
pub use crate::sharing::{ObjectUser, ObjectWaiter, SharedObject};
use crate::units::{Size, Time, Written};
use crate::verdict::{Usage, Verdict};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A job as people describe it: one `[job.NAME]` table of `sandhog.toml`, or the flags of `sandhog start`. What is left
/// out has its default. Paths are absolute: they are opened by the daemon, as the person whom it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobSpec {
    pub name: String,
    /// Its group; empty: the one that it is sent with.
    pub group: String,
    pub module: String,
    pub argv0: Option<String>,
    pub args: Vec<String>,
    /// As `--dir` has them.
    pub dir: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// As `--child` has them: `NAME=FILE`.
    pub child: Vec<String>,
    pub allow_detached: bool,
    /// As `--object` has them: `NAME: KIND(ARGUMENTS) RIGHT …`.
    pub objects: Vec<String>,
    /// Objects without a name that an attempt may make.
    pub max_objects: Option<u64>,
    /// Of all objects of its group.
    pub objects_memory: Option<Written<Size>>,
    pub max_children: Option<u64>,
    pub max_child_depth: Option<u64>,
    pub max_child_rate: Option<u64>,
    pub net: Vec<String>,
    /// Where it serves HTTP: `ADDRESS:PORT`. The settings from here to `idle_timeout` mean something with it only.
    pub listen: Option<String>,
    /// auto, instance, reuse or process.
    pub isolation: Option<String>,
    /// Requests at the same time in one worker.
    pub concurrency: Option<u64>,
    /// Requests that wait in one worker.
    pub queue: Option<u64>,
    pub max_connections: Option<u64>,
    /// Requests after which another worker takes its place.
    pub max_requests: Option<u64>,
    /// A time, or `none`.
    pub request_timeout: Option<String>,
    /// Of one instance.
    pub request_memory: Option<Written<Size>>,
    /// Of a request.
    pub max_body: Option<Written<Size>>,
    /// Of a request, all together.
    pub max_headers: Option<Written<Size>>,
    pub header_timeout: Option<Written<Time>>,
    pub idle_timeout: Option<Written<Time>>,
    pub fresh: bool,
    pub memory: Option<Written<Size>>,
    pub timeout: Option<Written<Time>>,
    pub cpu: Option<Written<Time>>,
    pub fuel: Option<u64>,
    pub max_output: Option<Written<Size>>,
    pub max_file: Option<Written<Size>>,
    pub max_files: Option<u64>,
    pub stdin: Option<String>,
    pub user: Option<String>,
    pub compile_timeout: Option<Written<Time>>,
    pub compile_memory: Option<Written<Size>>,
    pub allow_missing: Vec<String>,
    /// Its instances come from one zygote, and share its address layout.
    pub shared_zygote: bool,
    /// Least level of its log that is kept: trace, debug, info, warn, error or off.
    pub log: Option<String>,
    /// Jobs of the same group that are to be ready before it starts.
    pub after: Vec<String>,
    pub instances: Option<u64>,
    /// never, on-failure or always.
    pub restart: Option<String>,
    pub retry_on: Vec<RetrySpec>,
    pub stop_on: Vec<String>,
    pub backoff: BackoffSpec,
    pub intensity: IntensitySpec,
    /// `notify`: when it says so; a time: when it has lived that long; none: whichever comes first, its word or a second.
    pub ready: Option<String>,
    /// How long it may take to be ready.
    pub start_timeout: Option<Written<Time>>,
    pub health: HealthSpec,
    /// How long it may take to stop once it was asked.
    pub grace: Option<Written<Time>>,
    pub recycle: RecycleSpec,
    /// When to run it: a cron expression. A job with one runs then, and is not kept up.
    pub schedule: Option<String>,
    /// Of the schedule; an IANA name, such as Europe/Berlin.
    pub time_zone: Option<String>,
    /// skip, queue or replace.
    pub overlap: Option<String>,
    pub catch_up: bool,
    pub logs: LogsSpec,
    /// The profile of its manifest with which it is described. It is no setting: it says which ones were read.
    pub profile: Option<String>,
}

/// Try again after this verdict, with another limit where one is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RetrySpec {
    /// The name of a verdict.
    pub verdict: String,
    /// Multiplies the limit that was met for the next try.
    pub factor: Option<u64>,
    /// The largest value that it grows to, in the limit's own unit.
    pub max: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackoffSpec {
    pub first: Option<Written<Time>>,
    pub max: Option<Written<Time>>,
    /// How long an attempt has to be ready for the next pause to be the first one again.
    pub reset_after: Option<Written<Time>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntensitySpec {
    pub restarts: Option<u64>,
    pub within: Option<Written<Time>>,
}

/// Checks; each that is set is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthSpec {
    /// It is to call `heartbeat` at least this often.
    pub heartbeat: Option<Written<Time>>,
    /// A module and its arguments, run sealed with the grants of the job: healthy where it completes.
    pub command: Vec<String>,
    /// A path that it answers by HTTP: healthy where the status is from 200 to 399.
    pub path: Option<String>,
    /// How often the check runs.
    pub interval: Option<Written<Time>>,
    /// How long the check may take.
    pub timeout: Option<Written<Time>>,
    /// Failures in a row that make the attempt unhealthy.
    pub failure_threshold: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecycleSpec {
    /// Resident memory of its worker at which an attempt is replaced.
    pub memory: Option<Written<Size>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogsSpec {
    /// Longest log file; a longer one is set aside.
    pub size: Option<Written<Size>>,
    /// How many are kept beside the one that is written to.
    pub files: Option<u64>,
}

/// What a job is a part of: one manifest, or what `start` starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Which of its jobs start again when one fails: one-for-one, one-for-all or rest-for-one.
    pub strategy: Option<String>,
}

/// `POST /v1/apply`: these jobs are to be up, in these groups. Jobs of `source` that are not among them are deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ApplyRequest {
    /// Where this comes from: a manifest's absolute path. Null: nothing is deleted.
    pub source: Option<String>,
    /// Groups of these jobs; one that is left out has its defaults.
    pub groups: Vec<GroupSpec>,
    /// All that are to be up, at most [`limits::JOBS`].
    #[cfg_attr(feature = "openapi", schema(max_items = 20_000))]
    #[serde(deserialize_with = "jobs")]
    pub jobs: Vec<JobSpec>,
    /// Say what would change, and change nothing.
    pub dry_run: bool,
    /// They are to be new: refused where one of these names is there.
    pub create: bool,
}

/// A list of jobs that is refused when it gets too long, not when it has been read.
fn jobs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<JobSpec>, D::Error> {
    struct Jobs;
    impl<'de> Visitor<'de> for Jobs {
        type Value = Vec<JobSpec>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(out, "a list of at most {} jobs", limits::JOBS)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut jobs = Vec::new();
            while let Some(job) = list.next_element()? {
                if jobs.len() == limits::JOBS {
                    return Err(A::Error::invalid_length(jobs.len() + 1, &self));
                }
                jobs.push(job);
            }
            Ok(jobs)
        }
    }
    deserializer.deserialize_seq(Jobs)
}

/// What an [`ApplyRequest`] does to one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// Its name.
    pub job: String,
    /// What is done to it.
    pub change: ChangeKind,
    /// Keys of settings that differ.
    pub keys: Vec<String>,
}

kinds! {
    /// What an [`ApplyRequest`] does to a job.
    pub enum ChangeKind {
        /// It is new.
        Create = "create",
        /// It is as it was, and is started where it is not up.
        Keep = "keep",
        /// It runs with other settings: reloaded, one instance at a time.
        Change = "change",
        /// The manifest has it no more.
        Delete = "delete",
    }
}

/// `POST /v1/{start,stop,restart,reload,delete}`, and `/v1/signal` with a signal. To start a job with a schedule by its name
/// runs it now; by its group, or by `all`, it only waits for its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct VerbRequest {
    /// Names, ids, `NAME/INSTANCE`, groups, or `all`.
    pub select: Vec<String>,
    /// Answer when it is done, not when it is begun.
    pub wait: bool,
    /// Of `signal`: TERM, INT, HUP, KILL, STOP or CONT.
    pub signal: Option<String>,
}

/// `POST /v1/scale`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ScaleRequest {
    /// Its name.
    pub job: String,
    /// How many instances it is to have.
    pub instances: u64,
    /// Answer when it is done, not when it is begun.
    pub wait: bool,
}

/// `POST /v1/send`: a message to each instance that is selected; answered by one [`SendReply`] for each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SendRequest {
    /// Names, ids, `NAME/INSTANCE`, groups, or `all`.
    pub select: Vec<String>,
    /// JSON, in its own text, as on `--ipc`.
    pub message: String,
    /// Wait for its next message for this long, in milliseconds; 0: do not wait.
    pub wait_ms: u64,
}

/// What became of a message to one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SendReply {
    /// Of the instance.
    pub id: u64,
    /// Its job's name.
    pub job: String,
    /// Its number among the job's instances, from 0.
    pub instance: u32,
    /// What it sent, as JSON text.
    pub message: Option<String>,
    /// Why there is no answer, or why it was not sent.
    pub error: Option<String>,
}

/// What became of a [`VerbRequest`], an [`ApplyRequest`] or a [`ScaleRequest`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerbResult {
    /// Of an [`ApplyRequest`]: a change for each job.
    pub changes: Vec<Change>,
    /// Those that it concerns, as they are now.
    pub instances: Vec<Instance>,
    /// What went wrong with some of them, a sentence each.
    pub problems: Vec<String>,
    /// What the operator should know of an [`ApplyRequest`], a sentence each.
    pub warnings: Vec<String>,
    /// Those for which there was nothing to do.
    #[serde(default)]
    pub unchanged: Vec<Unchanged>,
}

/// A job, or an instance of it, that is as it was asked to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unchanged {
    /// Its name.
    pub job: String,
    /// Its number among the job's instances, from 0. Null: the job as a whole.
    pub instance: Option<u32>,
    /// How it is, as the end of a sentence: "it is stopped already".
    pub reason: String,
}

/// A line of `GET /v1/jobs`: a job, whether or not it has an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobSummary {
    /// Its name.
    pub job: String,
    /// Its group's name.
    pub group: String,
    /// How many it is to have.
    pub instances: u64,
}

kinds! {
    /// Where an instance is in its life.
    pub enum Phase {
        /// Not to be up: never started, or it has ended and is not to be started again.
        Idle = "idle",
        /// It waits for the jobs that it comes after.
        Waiting = "waiting",
        /// It waits for its next time by the schedule.
        Scheduled = "scheduled",
        /// Its attempt is not ready yet.
        Starting = "starting",
        /// Its attempt is ready.
        Running = "running",
        /// Its attempt was asked to stop.
        Stopping = "stopping",
        /// It waits for the next try.
        Backoff = "backoff",
        /// Somebody has stopped it.
        Stopped = "stopped",
        /// It is given up.
        Failed = "failed",
    }
}

/// One instance of a job: a line of `ps`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Instance {
    /// Its number, never used again.
    pub id: u64,
    /// Its job's name.
    pub job: String,
    /// Its group's name.
    pub group: String,
    /// Its number among the job's instances, from 0.
    pub instance: u32,
    /// Where it is in its life.
    pub phase: Phase,
    /// Why it failed, or what it waits for.
    pub reason: Option<String>,
    /// Another attempt is to take the place of the one that runs.
    pub reloading: bool,
    /// Its worker is held by a signal until it gets another (`signal NAME STOP`, `CONT`).
    pub paused: bool,
    /// Since when it is in this phase, in milliseconds since 1970-01-01 UTC.
    pub since_ms: u64,
    /// The id of the attempt that runs.
    pub attempt: Option<String>,
    /// Of its worker, as the daemon's machine counts processes.
    pub pid: Option<u32>,
    /// Since when the attempt runs, in milliseconds since 1970-01-01 UTC.
    pub started_ms: Option<u64>,
    /// In thousandths of one processor, since the last look.
    pub cpu_permille: Option<u32>,
    /// CPU time of its worker so far, user and system, in milliseconds.
    pub cpu_ms: Option<u64>,
    /// Resident memory of its worker, in bytes.
    pub memory_bytes: Option<u64>,
    /// The same at its largest so far, in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Messages that it was sent through its connection to the daemon, where it has one, whether or not it has taken them.
    pub messages_received: Option<u64>,
    /// Messages that have been received from it.
    pub messages_sent: Option<u64>,
    /// How often it was started again.
    pub restarts: u64,
    /// How its last attempt ended.
    pub last: Option<EndedAttempt>,
    /// When it runs next, by its schedule or after its pause, in milliseconds since 1970-01-01 UTC.
    pub next_ms: Option<u64>,
    /// What the attempt said of its progress last.
    pub progress: Option<String>,
    /// Limits that a retry has changed: of the attempt that runs, or of the next one.
    #[serde(default)]
    pub raised: Vec<RaisedLimit>,
    /// Requests of the attempt that runs, where its job serves HTTP.
    #[serde(default)]
    pub requests: Option<Requests>,
    /// The profile of its manifest with which its job is up.
    #[serde(default)]
    pub profile: Option<String>,
}

/// A limit that a retry has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RaisedLimit {
    /// The key of its setting: memory, timeout, cpu or max_output.
    pub limit: String,
    /// What the job's own settings say.
    pub configured: String,
    /// What is in force.
    pub now: String,
}

/// An attempt that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndedAttempt {
    /// Its id.
    pub attempt: String,
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// How it ended, in one sentence.
    pub text: String,
    /// The code that `sandhog run` ends with.
    pub code: u8,
    /// Why it ended.
    pub verdict: Verdict,
    /// What it used.
    pub usage: Usage,
}

/// `GET /v1/jobs/NAME`: all that is known of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Job {
    /// Its settings as they were given.
    pub spec: JobSpec,
    /// The manifest that it comes from.
    pub source: Option<String>,
    /// Every setting with its default, as `check` prints it: key and value.
    pub settings: Vec<(String, String)>,
    /// Those that it has.
    pub instances: Vec<Instance>,
    /// The last attempts that have ended, newest first, at most ten for each instance.
    pub ended: Vec<EndedAttempt>,
    /// How it serves HTTP, where it does.
    #[serde(default)]
    pub serving: Option<Serving>,
}

/// A line of a job's log. `GET /v1/logs` answers with one of them a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLine {
    /// When it was written, in milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// Its job's name. Empty: the daemon's own word on lines that were read too slowly.
    pub job: String,
    /// The number of the instance among the job's, from 0.
    pub instance: u32,
    /// The id of the attempt that wrote it.
    pub attempt: String,
    /// Where it comes from.
    pub stream: LogStream,
    /// Without its end. Bytes that are no UTF-8 are replaced. Control characters are as the guest wrote them.
    pub text: String,
}

kinds! {
    /// Where a line of a log comes from.
    pub enum LogStream {
        /// The guest's stdout.
        Out = "out",
        /// The guest's stderr.
        Err = "err",
        /// The guest's `log`.
        Log = "log",
        /// Sandhog's own word on the attempt.
        Sandhog = "sandhog",
        /// A line for each request that the attempt has served.
        Access = "access",
    }
}

/// Something that has happened. `GET /v1/events` answers with one of them a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// From 1, without gaps, since the daemon was started.
    pub number: u64,
    /// When it happened, in milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// The job's name. Null: the daemon itself.
    pub job: Option<String>,
    /// The number of the instance among the job's, from 0. Null: it concerns the job as a whole.
    pub instance: Option<u32>,
    /// The id of the instance.
    pub id: Option<u64>,
    /// The id of the attempt.
    pub attempt: Option<String>,
    /// What has happened.
    pub kind: EventKind,
    /// The same in one sentence.
    pub text: String,
    /// Of an attempt that has ended: why.
    pub verdict: Option<Verdict>,
    /// What the job sent to its parent, as JSON text.
    pub message: Option<String>,
}

kinds! {
    /// What has happened.
    pub enum EventKind {
        /// A job is new.
        Created = "created",
        /// An attempt starts.
        Starting = "starting",
        /// An attempt does its work from now on.
        Ready = "ready",
        /// An attempt has ended; the verdict says how.
        Ended = "ended",
        /// An instance is started again after a pause.
        Backoff = "backoff",
        /// An instance is given up, or a job can't be brought back.
        Failed = "failed",
        /// An attempt is asked to stop.
        Stopping = "stopping",
        /// An instance has stopped, as somebody asked.
        Stopped = "stopped",
        /// An instance has done its work and is not started again.
        Finished = "finished",
        /// A check of an attempt has failed.
        Unhealthy = "unhealthy",
        /// An attempt takes too much memory and is replaced.
        Recycled = "recycled",
        /// An attempt asks to be replaced.
        Retiring = "retiring",
        /// Another attempt has taken the place of one.
        Reloaded = "reloaded",
        /// An attempt was to be replaced and is not.
        ReloadFailed = "reload-failed",
        /// A run by the schedule does not take place, since the last one has not ended.
        Skipped = "skipped",
        /// A job has sent a message to its parent.
        Message = "message",
        /// A job can send and get no more messages.
        Disconnected = "disconnected",
        /// Jobs of a group wait for each other, each for a lock that the next one holds.
        Deadlock = "deadlock",
        /// A job accepts connections from now on.
        Listening = "listening",
        /// A job accepts no connections any more: nothing of it is up.
        Closed = "closed",
        /// A request came to nothing: the guest failed, or took too long.
        RequestFailed = "request-failed",
        /// A job was deleted.
        Deleted = "deleted",
        /// The daemon can't keep what it should: a disk is full.
        Problem = "problem",
        /// The daemon has started.
        DaemonStarted = "daemon-started",
        /// The daemon stops everything and ends.
        DaemonStopping = "daemon-stopping",
    }
}

/// The daemon itself: `GET /v1/daemon`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Daemon {
    /// Of Sandhog.
    pub version: String,
    /// Of the daemon's process.
    pub pid: u32,
    /// When it was started, in milliseconds since 1970-01-01 UTC.
    pub started_ms: u64,
    /// The directory where it keeps jobs and logs.
    pub state_dir: String,
    /// Where it is asked: the control socket.
    pub socket: String,
    /// How many jobs it has.
    pub jobs: u64,
    /// How many instances they have.
    pub instances: u64,
}

/// `POST /v1/shutdown`: the daemon stops all jobs in reverse order and ends; what was up is up again with the next daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {}

/// The body of every answer that is no success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// One sentence: what is wrong, and where.
    pub error: String,
    /// What to do about it.
    pub hint: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Word;
    use crate::kinds::tests::{NEWER, hold};

    #[test]
    fn every_kind_that_a_daemon_says_is_its_word() {
        let newer = Word::new(NEWER).unwrap();
        hold(EventKind::ALL, EventKind::Unknown(newer));
        hold(ChangeKind::ALL, ChangeKind::Unknown(newer));
        hold(Phase::ALL, Phase::Unknown(newer));
        hold(LogStream::ALL, LogStream::Unknown(newer));
    }
}
