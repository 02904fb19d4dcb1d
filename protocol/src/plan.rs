//! The walls of a process and its work, as plain data. The coordinator makes a plan from a job's grants; spawner, zygote
//! and worker carry it out and add nothing to it.

use crate::message::Message;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One kernel mechanism around a worker. The order is the order in which people read them, not the one in
/// which they are built: see `host/sandbox/README.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wall {
    /// User, mount, net, ipc, uts, cgroup and pid namespaces of its own; no further ones.
    Namespaces,
    /// An empty, read-only root.
    Root,
    /// A user and group id of its own, no supplementary groups.
    Identity,
    /// No capabilities, nothing to regain them by.
    Capabilities,
    /// Limits on data, file size, open files, CPU, core dumps.
    Rlimits,
    /// Limits on memory and tasks.
    Cgroup,
    /// Granted directories as detached mounts: nosuid, nodev, read-only unless granted otherwise.
    Directories,
    /// Nothing but the granted directories; no TCP; signals and abstract sockets scoped.
    Landlock,
    /// An allow-list of system calls.
    Seccomp,
}

impl Wall {
    /// All of them, in the order of the type.
    pub const ALL: [Self; 9] = [
        Self::Namespaces,
        Self::Root,
        Self::Identity,
        Self::Capabilities,
        Self::Rlimits,
        Self::Cgroup,
        Self::Directories,
        Self::Landlock,
        Self::Seccomp,
    ];

    /// The name in messages, flags and verdicts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Root => "root",
            Self::Identity => "identity",
            Self::Capabilities => "capabilities",
            Self::Rlimits => "rlimits",
            Self::Cgroup => "cgroup",
            Self::Directories => "directories",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

/// The walls to be built around one process.
pub type Walls = BTreeSet<Wall>;

/// How a zygote is to be sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZygotePlan {
    pub walls: Walls,
    /// What its workers run.
    pub program: Program,
    /// Memory for zygote and workers together, in bytes, as the cgroup counts it.
    pub cgroup_memory_bytes: u64,
    /// Tasks (processes and threads) of zygote and workers together.
    pub cgroup_tasks: u32,
    /// The engine notes at each trap what a core dump needs.
    pub coredump: bool,
    /// Its workers may use objects of their group: memory that several processes have.
    pub objects: bool,
    /// Its workers may use TCP sockets that they are given.
    pub sockets: bool,
    /// It serves many attempts: each of its workers has a place with a cgroup and an identity of its own. None: one worker, which
    /// shares the zygote's cgroup.
    pub slots: Option<Slots>,
}

/// Places for workers of one zygote. A slot has one worker at a time; those after each other have its cgroup and its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// At most [`crate::limits::SLOTS`].
    pub count: u32,
    /// Memory of a slot's worker, in bytes, as the cgroup counts it.
    pub memory_bytes: u64,
    /// Tasks (processes and threads) of a slot's worker.
    pub tasks: u32,
    /// Workers come often: the zygote moves its code into memory first, so that they meet no faults. It takes 20 MiB.
    pub code_in_memory: bool,
}

impl ZygotePlan {
    /// Whether a cgroup counts the memory that its workers make. Where none does, no worker makes any that no process owns: its
    /// large messages go in pieces (see [`crate::message`]).
    #[must_use]
    pub fn counts_memory(&self) -> bool {
        self.walls.contains(&Wall::Cgroup)
    }

    /// Tasks of it and all its workers together, where one limit counts them.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        let slots = self.slots.map_or(0, |slots| u64::from(slots.count) * u64::from(slots.tasks));
        u64::from(self.cgroup_tasks) + slots
    }
}

/// What the workers of one zygote run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Program {
    /// A compiled module, loaded by the zygote; `metering` and its kind say with which engine settings it was compiled.
    Guest { metering: Metering },
    /// The compiler: no module in the zygote, threads in the worker.
    Compiler,
    /// Native code of `sandhog doctor` that tries what is forbidden.
    Probe,
    /// The keeper of a group's objects: no module, no guest.
    Keeper,
}

/// How a worker is to be sealed. Its listening sockets travel beside it as fds, then its granted directories, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerPlan {
    pub rlimits: Rlimits,
    /// It has a connection to its parent.
    pub connected: bool,
    /// A file for its core dump comes along.
    pub coredump: bool,
    /// TCP sockets that listen, at most [`crate::limits::LISTENERS`]; only where [`ZygotePlan::sockets`] says so.
    pub listeners: u32,
    pub directories: Vec<Access>,
    /// Its place, where its zygote has slots.
    pub slot: Option<u32>,
    /// Where the program is a probe: the steps of a zygote that lies, instead of a clone.
    pub lie: Option<String>,
}

/// What a granted directory may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    ReadOnly,
    ReadWrite,
}

/// Limits of one process, see getrlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimits {
    /// RLIMIT_DATA: private writable memory, in bytes.
    pub data_bytes: u64,
    /// RLIMIT_FSIZE: largest file that it may write, in bytes.
    pub file_bytes: u64,
    /// RLIMIT_NOFILE: files that the guest may hold open, beside the worker's own.
    pub open_files: u32,
    /// RLIMIT_CPU, in seconds: the backstop behind the CPU timer. None: unlimited.
    pub cpu_s: Option<u64>,
}

/// What a worker is to do once it is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    Guest(Box<GuestPlan>),
    Compile(CompilePlan),
    Probe(String),
    /// Keep the objects of a group.
    Keep,
}

/// One run of a guest. `stdin`, `stdout` and `stderr` are the worker's fds 0, 1 and 2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestPlan {
    /// `argv`, the program's own name first.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Where the guest sees each directory of [`WorkerPlan::directories`], in that order.
    pub directories: Vec<String>,
    /// Linear memories together, in bytes.
    pub memory_bytes: u64,
    /// Wall time from `go`, in milliseconds. None: unlimited.
    pub timeout_ms: Option<u64>,
    /// CPU time, in milliseconds. None: unlimited.
    pub cpu_ms: Option<u64>,
    /// Units of the engine's fuel. None: unlimited.
    pub fuel: Option<u64>,
    pub identity: Identity,
    /// What whoever started it gave along.
    pub data: Option<Message>,
    /// Of a handler: a new instance for each task.
    pub fresh: bool,
    /// It may use objects of its group, as [`ZygotePlan::objects`] says to its zygote.
    pub objects: bool,
    /// It may use sockets of TCP, as [`ZygotePlan::sockets`] says to its zygote.
    pub sockets: bool,
    /// Those that others pass on, too.
    pub passed: bool,
    /// Of a handler: what it answers to tasks that came in one packet goes back in as few packets.
    pub together: bool,
    /// Which of stdin, stdout and stderr the guest is to take for a terminal.
    pub terminals: [bool; 3],
    /// It serves HTTP: what comes through its connection are connections of clients, see [`crate::http`].
    pub http: Option<Box<HttpPlan>>,
    /// To which of stdout and stderr the worker writes the length of each of the guest's calls before its bytes
    /// ([`crate::limits::OUTPUT_CALL_HEADER`] bytes, the lowest first), so that what was written in one call can stay whole.
    pub whole_calls: [bool; 2],
}

/// How a worker serves HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpPlan {
    /// None: as fits its world, [`Isolation::Instance`] for WASI 0.2 and [`Isolation::Reuse`] for 0.3.
    pub isolation: Option<Isolation>,
    /// Requests at the same time: as many instances, where each has one of its own. At least 1.
    pub concurrency: u32,
    /// Requests that wait for their turn beyond those. One more is answered with 503.
    pub waiting: u32,
    /// Connections at the same time. One more is declined.
    pub connections: u32,
    /// Requests until it retires. None: no bound.
    pub max_requests: Option<u64>,
    /// From the end of a request's head to the end of its answer, in milliseconds. None: unlimited.
    pub request_ms: Option<u64>,
    /// Linear memories of one instance, in bytes; [`GuestPlan::memory_bytes`] is for all instances together.
    pub request_memory_bytes: u64,
    /// Of a request, in bytes; beyond it 413.
    pub body_bytes: u64,
    /// Of a request, all headers together, in bytes; beyond it 431.
    pub header_bytes: u32,
    /// How long a client may take for a request's head, in milliseconds; beyond it 408. For HTTP/2 it is that of a connection's
    /// first bytes.
    pub header_ms: u64,
    /// How long a connection may be idle between two requests, and a client may take none of an answer or send none of a body, in
    /// milliseconds.
    pub idle_ms: u64,
}

/// How far requests are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// A new instance for each request.
    Instance,
    /// An instance answers many requests; of WASI 0.3 also at the same time: what ends it, a trap for one, ends all that it is
    /// at. One that takes too long is let go of alone, and the instance ends when the others are answered.
    Reuse,
    /// A worker for each connection: it takes one, and ends with it. Its requests share an instance.
    Process,
}

/// Who an attempt is: see `wit/sandhog.wit`, `process.identity`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub attempt: String,
    pub job: String,
    pub instance: u32,
    /// Which try of this instance, counted from 1.
    pub number: u32,
    /// The attempt that started it.
    pub parent: Option<String>,
    pub depth: u32,
}

/// What a module is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Entry {
    /// A program that runs once.
    Command,
    /// `handle` of our world `handler`: it answers tasks that come through its connection.
    Handler,
    /// An interface of `wasi:http`: it answers requests of clients whose connections come through its connection.
    Http,
}

/// What a module is, as far as its zygote and its worker differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A core module with the functions of WASI 0.1.
    Core,
    /// A component without anything of WASI 0.3.
    Component,
    /// A component whose functions can be asynchronous, as in WASI 0.3: the engine needs another setting, which every call
    /// pays for.
    Concurrent,
}

/// What is compiled into a module beside its own code, for limits. It decides with which settings of the engine a compiled module
/// can be loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Metering {
    /// The counter of fuel.
    pub fuel: bool,
    /// Epochs: the guest looks at a counter in its loops, so that others have their turn and one call can be ended alone.
    pub epochs: bool,
}

/// One compilation: the module is read from fd 0, the compiled module is written to fd 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompilePlan {
    pub metering: Metering,
    /// Threads that the compiler may use.
    pub threads: u32,
    pub cpu_ms: u64,
    pub output: CompileOutput,
}

/// What a compiler is to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompileOutput {
    /// Machine code, for a zygote.
    Code,
    /// The module in the form in which it would be compiled: binary, and a component where it carries a component's type.
    Module,
    /// Nothing: what the module is and needs is told in the report.
    Report,
}
