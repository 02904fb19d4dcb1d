//! Coordinator ⇄ worker, over the worker's own stream socket. A worker never sends fds; it is sent some beside
//! [`Reply::Spawned`].
//!
//! ```text
//! coordinator: Hello ─────────── Go ──────────────────── Tells … ─────▶
//! worker:            Hello (it is sealed) ────── Asks … ────── Ended | Compiled | Probed ─▶ _exit(0)
//! ```

use crate::inspect::Inspection;
use crate::kinds::kinds;
use crate::objects::{FromKeeper, ToKeeper};
use crate::plan::{Kind, Work};
use crate::request::{Reply, Request};
use crate::spawn::Stamp;
use serde::{Deserialize, Serialize};

/// What the coordinator says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWorker {
    Hello {
        version: u32,
    },
    /// Start; once.
    Go(Work),
    /// To a guest, after [`ToWorker::Go`].
    Tells(Reply),
    /// To a keeper, after [`ToWorker::Go`]; fds as it says.
    Keeper(ToKeeper),
}

/// What a worker says. It is hostile: everything in it is checked and shortened before use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromWorker {
    /// All walls are up.
    Hello { version: u32 },
    /// Sealing failed, nothing was run.
    Unsealed(SealFailure),
    /// Of a guest that runs.
    Asks(Request),
    /// The guest has ended; nothing follows.
    Ended(Report),
    /// The compiler has ended; nothing follows.
    Compiled(CompileReport),
    /// What a probe of `sandhog doctor` found; nothing follows.
    Probed(ProbeReport),
    /// Up to its report, which follows.
    Stamps(Vec<Stamp>),
    /// Of a keeper.
    Kept(FromKeeper),
}

/// Which step of sealing failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealFailure {
    /// The step's name in `sandbox/steps.rs`.
    pub step: String,
    /// `errno`, 0 where there is none.
    pub errno: i32,
    /// What was tried, in words.
    pub what: String,
}

impl SealFailure {
    /// The `errno` of an executable that is no part of this installation. ENOEXEC: the kernel says the same of a file that is
    /// no executable. Source: errno(3), execve(2).
    pub const NO_EXECUTABLE: i32 = 8;
}

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub end: End,
    /// Linear memories at their largest, in bytes.
    pub peak_memory_bytes: u64,
    /// What the guest wrote to its stdout and its stderr, in bytes, as the worker counted it; None: it could not say. In a box,
    /// since reports travel in errors.
    pub written_bytes: Option<Box<[u64; 2]>>,
    /// Through its connection to its parent.
    pub messages_received: u64,
    pub messages_sent: u64,
    /// None: it had no file for one, or the engine did not end the guest.
    pub coredump: Option<Coredump>,
}

impl Report {
    /// A report that knows no more than how it ended.
    #[must_use]
    pub const fn of(end: End) -> Self {
        Self { end, peak_memory_bytes: 0, written_bytes: None, messages_received: 0, messages_sent: 0, coredump: None }
    }
}

/// What became of a core dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coredump {
    /// So many bytes are in its file.
    Written { bytes: u64 },
    /// There is none; a sentence for people.
    Failed { reason: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    Exited {
        code: u32,
    },
    Trapped {
        kind: TrapKind,
        message: String,
        backtrace: Vec<String>,
    },
    /// The wall-time limit ran out.
    Deadline,
    /// The CPU-time limit ran out.
    Cpu,
    Fuel,
    /// The guest died of memory that it was refused.
    Memory {
        wall: crate::verdict::MemoryWall,
    },
    /// The module can't be started; a sentence for people.
    Refused {
        reason: String,
    },
    /// The worker itself failed; a sentence for people.
    Broken {
        reason: String,
    },
}

kinds! {
    /// Why the engine ended a guest. Names of the WebAssembly specification where it has one.
    pub enum TrapKind {
        Unreachable = "unreachable",
        OutOfBoundsMemory = "out_of_bounds_memory",
        OutOfBoundsTable = "out_of_bounds_table",
        UndefinedElement = "undefined_element",
        IndirectCallTypeMismatch = "indirect_call_type_mismatch",
        IntegerOverflow = "integer_overflow",
        IntegerDivideByZero = "integer_divide_by_zero",
        InvalidConversion = "invalid_conversion",
        StackOverflow = "stack_overflow",
        UncaughtException = "uncaught_exception",
        /// Any other trap of the engine; the message says which.
        Other = "other",
    }
    else Other
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompileReport {
    /// Length of what was written to fd 1, in bytes.
    Done { bytes: u64, kind: Kind },
    /// What was asked for was a report.
    Inspected(Box<Inspection>),
    /// The module is not one that can be run; a sentence for people.
    Refused { reason: String },
    /// The compiler's CPU time ran out.
    Cpu,
    /// The compiler's memory ran out.
    Memory,
    /// What it made could not be written: an `errno`.
    Unwritten { errno: i32 },
    /// The compiler itself failed.
    Broken { reason: String },
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The forbidden thing did not happen.
    pub stopped: bool,
    /// By what: an errno's name, or what came through.
    pub detail: String,
}
