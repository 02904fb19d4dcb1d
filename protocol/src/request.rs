//! A guest's requests, which its worker sends, and the answers to the worker. Everything in a request is hostile: the
//! coordinator checks it against the rights of the attempt that it comes from.

use crate::message::Message;
use crate::objects::{Attached, Dead, Kind, Member, ObjectId, Right, Rights};
use crate::plan::Access;
use crate::usage::WorkerUsage;
use crate::verdict::{Usage, Verdict};
use serde::{Deserialize, Serialize};

/// A child's number, given by the coordinator, unique for one parent and never used again.
pub type ChildId = u32;

/// What a worker asks for. [`Request::Spawn`] and [`Request::Usage`] have an answer. Whoever asks waits for that before it asks
/// for the next one, so no answer says to what it belongs. Requests are served one after the other, in their order, and a
/// worker that does not take its answers is not heard any more: it can't make anybody keep them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Answer: [`Reply::Spawned`] or [`Reply::NotSpawned`].
    Spawn(Box<ChildJob>),
    /// Ask a child to stop. Ended: nothing. A number that was never given is a breach; the same for [`Request::Kill`].
    Stop {
        child: ChildId,
    },
    Kill {
        child: ChildId,
    },
    /// What a child has used so far. Answer: [`Reply::Used`]. A number that was never given is a breach.
    Usage {
        child: ChildId,
    },
    /// It does its work from now on.
    Ready,
    Heartbeat,
    Progress {
        done: u64,
        total: Option<u64>,
        note: String,
    },
    Log {
        level: Level,
        text: String,
        fields: Vec<(String, String)>,
    },
    /// It listens for a stop.
    Listens,
    /// It reads its stdin from now on; said once, at its first read or its first wait for input.
    Reads,
    Retire {
        reason: String,
    },
    /// An object of its group that was granted to it. Answer: [`Reply::Attached`] or [`Reply::NotAttached`].
    Attach {
        object: String,
    },
    /// A new one without a name. The same answers.
    Create {
        kind: Kind,
    },
    /// Nobody in this attempt uses it any more. An object that it never had is a breach; the same for [`Request::Waits`].
    Detach {
        object: ObjectId,
    },
    /// Nobody in this attempt uses this end of a pipe without a name any more, which is closed by that. One that it does not have is
    /// none. A pipe that never was is a breach.
    HangUp {
        object: ObjectId,
        end: Right,
    },
    /// Who it was that died with a lock. Answer: [`Reply::Dead`].
    Dead {
        member: Member,
    },
    /// It has waited for this object for a while.
    Waits {
        object: ObjectId,
    },
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// Its name in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// A child as its parent describes it: see `wit/sandhog.wit`, `children.job`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildJob {
    pub module: String,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub directories: Vec<ChildDirectory>,
    pub modules: Vec<String>,
    pub objects: Vec<ChildObject>,
    /// So many without a name may it make.
    pub max_objects: u32,
    /// It may take sockets that others pass on.
    pub passed: bool,
    pub limits: ChildLimits,
    pub data: Option<Message>,
    /// Stdin, stdout, stderr.
    pub stdio: [ChildStdio; 3],
    pub connected: bool,
    pub detached: bool,
    pub fresh: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildDirectory {
    /// As the parent names it: one of its directories, or one below.
    pub path: String,
    pub name: String,
    pub access: Access,
}

/// An object of the parent's for its child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildObject {
    /// As the child names it.
    pub name: String,
    pub object: ObjectId,
    pub rights: Rights,
}

/// None: as much as the parent may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildLimits {
    pub memory_bytes: Option<u64>,
    pub timeout_ns: Option<u64>,
    pub cpu_ns: Option<u64>,
    pub fuel: Option<u64>,
    pub max_output_bytes: Option<u64>,
    pub max_file_bytes: Option<u64>,
    pub max_files: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChildStdio {
    Null,
    Inherit,
    Piped,
}

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// fds: the parent's end of the connection, where there is one, then of each piped stream: stdin, stdout, stderr.
    Spawned {
        child: ChildId,
        attempt: String,
    },
    NotSpawned(Refused),
    /// fds: its memory, for reading only where no right needs more, or of a pipe this end; then the worker's page as a member,
    /// where that comes along.
    Attached(Box<Attached>),
    NotAttached(Refused),
    /// None: it is not known any more.
    Dead(Option<Box<Dead>>),
    Used(WorkerUsage),
    /// Once for each child, after all that it is to hear of it.
    ChildEnded {
        child: ChildId,
        verdict: Verdict,
        code: u32,
        usage: Usage,
    },
    /// It is to stop. Once.
    Stop,
    /// Its stdin ends here because it could not be read, and not because it is at its end: an `errno`.
    InputFailed {
        errno: i32,
    },
}

/// Why a request is refused; each with a sentence. The same words as in `wit/sandhog.wit`, `types.error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    Denied(String),
    NotFound(String),
    Invalid(String),
    Quota(String),
}
