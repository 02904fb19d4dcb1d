//! `sandhog:job/types`: what several interfaces speak of, to and from the session's own.

use crate::session::{self, Ended};
use sandhog_protocol::message;
use sandhog_protocol::verdict::Verdict as Reason;
use sandhog_sys::process;
use wasmtime::component::{ComponentType, Lift, Lower, WasmList};

/// Nanoseconds.
pub(super) type Timeout = Option<u64>;

#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Format {
    #[component(name = "value")]
    Value,
    #[component(name = "bytes")]
    Bytes,
    #[component(name = "failure")]
    Failure,
}

/// A message from a guest. Its body is in the guest's memory still, however long the guest says that it is.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Outgoing {
    pub(super) format: Format,
    pub(super) body: WasmList<u8>,
}

/// A message to a guest.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Incoming {
    pub(super) format: Format,
    pub(super) body: Vec<u8>,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(super) enum Error {
    #[component(name = "closed")]
    Closed,
    #[component(name = "timed-out")]
    TimedOut,
    #[component(name = "would-block")]
    WouldBlock,
    #[component(name = "too-large")]
    TooLarge(u64),
    #[component(name = "denied")]
    Denied(String),
    #[component(name = "not-found")]
    NotFound(String),
    #[component(name = "exists")]
    #[expect(dead_code, reason = "of the interface; nothing that is named can be made yet")]
    Exists(String),
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "poisoned")]
    Poisoned(Box<Death>),
    #[component(name = "quota")]
    Quota(String),
    #[component(name = "stopping")]
    Stopping,
    #[component(name = "broken")]
    Broken,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub(super) enum VerdictKind {
    #[component(name = "completed")]
    Completed,
    #[component(name = "failed")]
    Failed,
    #[component(name = "trapped")]
    Trapped,
    #[component(name = "deadline")]
    Deadline,
    #[component(name = "cpu")]
    Cpu,
    #[component(name = "memory")]
    Memory,
    #[component(name = "output")]
    Output,
    #[component(name = "denied")]
    Denied,
    #[component(name = "killed")]
    Killed,
    #[component(name = "stopped")]
    Stopped,
    #[component(name = "unhealthy")]
    Unhealthy,
    #[component(name = "lost")]
    Lost,
    #[component(name = "refused")]
    Refused,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Verdict {
    pub(super) kind: VerdictKind,
    pub(super) code: u32,
    pub(super) detail: String,
    pub(super) used: Usage,
}

/// Which attempt died, and why.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Death {
    pub(super) attempt: String,
    pub(super) verdict: Verdict,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Usage {
    #[component(name = "start-us")]
    pub(super) start_us: u64,
    #[component(name = "wall-ms")]
    pub(super) wall_ms: u64,
    #[component(name = "cpu-ms")]
    pub(super) cpu_ms: u64,
    #[component(name = "peak-memory-bytes")]
    pub(super) peak_memory_bytes: u64,
    #[component(name = "stdin-bytes")]
    pub(super) stdin_bytes: u64,
    #[component(name = "stdout-bytes")]
    pub(super) stdout_bytes: u64,
    #[component(name = "stderr-bytes")]
    pub(super) stderr_bytes: u64,
    #[component(name = "messages-received")]
    pub(super) messages_received: u64,
    #[component(name = "messages-sent")]
    pub(super) messages_sent: u64,
}

/// What a host call comes to. Without a coordinator there is nobody to work for, so that is the end of the process.
#[inline]
pub(super) fn answer<T>(result: Result<T, session::Error>) -> Result<T, Error> {
    result.map_err(Error::from)
}

impl From<session::Error> for Error {
    #[cold]
    fn from(error: session::Error) -> Self {
        match error {
            session::Error::Closed => Self::Closed,
            session::Error::TimedOut => Self::TimedOut,
            session::Error::WouldBlock => Self::WouldBlock,
            session::Error::TooLarge { max } => Self::TooLarge(max),
            session::Error::Denied(right) => Self::Denied(right),
            session::Error::NotFound(name) => Self::NotFound(name),
            session::Error::Invalid(reason) => Self::Invalid(reason),
            session::Error::Poisoned(ended) => Self::Poisoned(Box::new(ended.as_ref().into())),
            session::Error::Quota(bound) => Self::Quota(bound),
            session::Error::Stopping => Self::Stopping,
            session::Error::Broken => Self::Broken,
            session::Error::Gone => process::exit_now(1),
        }
    }
}

/// The same where all that can go wrong is that the coordinator has gone.
pub(super) fn or_default<T: Default>(result: Result<T, session::Error>) -> T {
    answer(result).unwrap_or_default()
}

impl From<Format> for message::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Value => Self::Value,
            Format::Bytes => Self::Bytes,
            Format::Failure => Self::Failure,
        }
    }
}

impl From<message::Message> for Incoming {
    fn from(message: message::Message) -> Self {
        let format = match message.format {
            message::Format::Value => Format::Value,
            message::Format::Bytes => Format::Bytes,
            message::Format::Failure => Format::Failure,
        };
        Self { format, body: message.body }
    }
}

impl From<&Ended> for Death {
    fn from(ended: &Ended) -> Self {
        Self { attempt: ended.attempt.clone(), verdict: ended.into() }
    }
}

impl From<&Ended> for Verdict {
    fn from(ended: &Ended) -> Self {
        let used = &ended.usage;
        Self {
            kind: kind(&ended.verdict),
            code: ended.code,
            detail: detail(&ended.verdict),
            used: Usage {
                start_us: used.start_us,
                wall_ms: used.wall_ms,
                cpu_ms: used.cpu_ms,
                peak_memory_bytes: used.peak_memory_bytes,
                stdin_bytes: used.stdin_bytes,
                // A guest hears of a stream that nobody could count as of one without a byte.
                stdout_bytes: used.stdout_bytes.unwrap_or_default(),
                stderr_bytes: used.stderr_bytes.unwrap_or_default(),
                messages_received: used.messages_received,
                messages_sent: used.messages_sent,
            },
        }
    }
}

const fn kind(verdict: &Reason) -> VerdictKind {
    match verdict {
        Reason::Completed { .. } => VerdictKind::Completed,
        Reason::Failed { .. } => VerdictKind::Failed,
        Reason::Trapped { .. } => VerdictKind::Trapped,
        Reason::Deadline { .. } => VerdictKind::Deadline,
        Reason::Cpu { .. } => VerdictKind::Cpu,
        Reason::Memory { .. } => VerdictKind::Memory,
        Reason::Output { .. } => VerdictKind::Output,
        Reason::Denied { .. } => VerdictKind::Denied,
        Reason::Killed { .. } => VerdictKind::Killed,
        Reason::Stopped { .. } => VerdictKind::Stopped,
        Reason::Unhealthy { .. } => VerdictKind::Unhealthy,
        Reason::Lost { .. } => VerdictKind::Lost,
        Reason::Refused { .. } => VerdictKind::Refused,
        // The coordinator is of this version: it says no such thing.
        Reason::Unknown => VerdictKind::Lost,
    }
}

/// The limit, the trap, the signal or the reason; empty where the kind says it all.
fn detail(verdict: &Reason) -> String {
    match verdict {
        Reason::Completed { .. } | Reason::Failed { .. } | Reason::Unknown => String::new(),
        Reason::Trapped { message, .. } => message.clone(),
        Reason::Deadline { limit }
        | Reason::Cpu { limit, .. }
        | Reason::Memory { limit, .. }
        | Reason::Output { limit } => limit.clone(),
        Reason::Denied { syscall } => syscall.clone().unwrap_or_default(),
        Reason::Killed { signal, .. } => signal.clone(),
        Reason::Stopped { graceful: true, .. } => "it ended by itself".to_owned(),
        Reason::Stopped { graceful: false, .. } => "it was ended".to_owned(),
        Reason::Unhealthy { check } => check.failure().to_owned(),
        Reason::Lost { reason, .. } => reason.clone(),
        Reason::Refused { reason } => reason.clone(),
    }
}
