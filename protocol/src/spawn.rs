//! Coordinator ⇄ spawner ⇄ zygote, over `SOCK_SEQPACKET` sockets; and coordinator → zygote for the module.
//!
//! ```text
//! coordinator ──StartZygote [module socket, directories…]──▶ spawner ──exec──▶ zygote: Setup [namespaces…, cgroups…], Given
//! coordinator ──(module socket) Load [compiled module]─────────▶ zygote: Loaded | Refused
//! coordinator ──StartWorker [ipc, 0, 1, 2, connection?, directories…]──▶ spawner ──Clone [ipc, 0, 1, 2, connection?, mounts…]──▶ zygote ──clone──▶ worker
//! zygote ──Cloned [pidfd]──▶ spawner ──WorkerStarted [pidfd]──▶ coordinator … WorkerEnded
//! ```

use crate::{
    plan::{Entry, Kind, Wall, WorkerPlan, ZygotePlan},
    worker::SealFailure,
};
use serde::{Deserialize, Serialize};

/// The name of a daemon's control socket, in its runtime directory.
pub const CONTROL_SOCKET: &str = "control.sock";

/// A zygote's number, given by the coordinator, unique for one spawner.
pub type ZygoteId = u32;
/// A worker's number, given by the coordinator, unique for one spawner.
pub type WorkerId = u32;

/// What the coordinator asks of the spawner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToSpawner {
    /// fds: the zygote's end of its module socket.
    StartZygote {
        zygote: ZygoteId,
        plan: ZygotePlan,
    },
    /// fds: ipc, stdin, stdout, stderr, the end of its connection where it has one, then one for each directory.
    StartWorker {
        zygote: ZygoteId,
        worker: WorkerId,
        plan: WorkerPlan,
    },
    /// SIGKILL. Unknown or ended: nothing.
    Kill {
        worker: WorkerId,
    },
    /// SIGSTOP, or SIGCONT. Unknown or ended: nothing.
    Pause {
        worker: WorkerId,
    },
    Resume {
        worker: WorkerId,
    },
    /// The same for all workers, while the command itself is stopped. One that was paused alone stays so.
    PauseAll,
    ResumeAll,
    /// No more workers from it: end it.
    EndZygote {
        zygote: ZygoteId,
    },
    /// What a daemon leaves to be cleared away, whatever becomes of it. At most once. fds: its two locks, which are held until
    /// all is gone; the directory in which its control socket is, as soon as [`FromSpawner::Guarded`] has come.
    Guard,
}

/// What the spawner answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromSpawner {
    /// Which walls this machine can't give in full, with a reason for each.
    Ready {
        weak: Vec<WeakWall>,
    },
    /// `weak`: what has only shown itself now.
    ZygoteStarted {
        zygote: ZygoteId,
        weak: Vec<WeakWall>,
    },
    /// Whatever becomes of the daemon now, what it leaves is cleared away. A daemon makes nothing that it could leave before.
    Guarded,
    /// It ended, or could not be started.
    ZygoteEnded {
        zygote: ZygoteId,
        reason: Option<SpawnFailure>,
    },
    /// fds: the worker's pidfd.
    WorkerStarted {
        worker: WorkerId,
    },
    WorkerRefused {
        worker: WorkerId,
        reason: SpawnFailure,
    },
    WorkerEnded {
        worker: WorkerId,
        exit: Exit,
    },
    /// Its own, and those of a zygote.
    Stamps {
        spawner: Vec<Stamp>,
        zygote: Vec<Stamp>,
    },
}

/// When a process came where, while it was started: said only where the command was asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub place: String,
    /// The machine's monotonic clock, in nanoseconds (clock_gettime(2)).
    pub at_ns: u64,
}

impl Stamp {
    /// Those of another process, which may be hostile: few, with short places.
    #[must_use]
    pub fn bounded(mut stamps: Vec<Self>) -> Vec<Self> {
        /// More than a process has on its way.
        const MAX: usize = 64;
        /// Longer than any place of ours, in bytes.
        const PLACE: usize = 64;
        stamps.truncate(MAX);
        for Self { place, .. } in &mut stamps {
            place.truncate(place.floor_char_boundary(PLACE));
        }
        stamps
    }

    #[must_use]
    pub fn all(noted: Vec<(&'static str, u64)>) -> Vec<Self> {
        noted.into_iter().map(|(place, at_ns)| Self { place: place.to_owned(), at_ns }).collect()
    }
}

/// A wall that stands, but lower than designed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeakWall {
    pub wall: Wall,
    pub reason: String,
}

/// Which step failed on the privileged side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnFailure {
    /// The wall that could not be built; None where it is no wall that failed.
    pub wall: Option<Wall>,
    pub failure: SealFailure,
}

/// How a worker ended, as the kernel tells its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub how: How,
    /// User and system time, in microseconds.
    pub cpu_us: u64,
    /// Largest resident set, in bytes.
    pub peak_rss_bytes: u64,
    /// The kernel killed something in its cgroup for memory.
    pub out_of_memory: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    Exited(i32),
    Signalled(i32),
}

/// What the spawner tells a zygote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToZygote {
    /// First and once. fds: the namespaces that it enters, in the order of `FILES` in `host/sandbox/src/namespaces.rs`, where
    /// its plan has that wall; then files by which it enters its cgroup.
    Setup {
        plan: ZygotePlan,
        /// It has groups to give up.
        groups: bool,
    },
    /// Second and once. fds: as in [`ToSpawner::StartZygote`].
    Given,
    /// fds: as in [`ToSpawner::StartWorker`], the directories as detached mounts; then files by which the worker enters the cgroup
    /// of its slot, so many.
    Clone { worker: WorkerId, plan: WorkerPlan, ids: Option<Ids>, entrances: u32 },
}

/// Ids of a worker inside the zygote's user namespace; None: it keeps the zygote's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    pub uid: u32,
    pub gid: u32,
}

/// What a zygote answers its spawner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromZygote {
    /// fds: the worker's pidfd.
    Cloned {
        worker: WorkerId,
    },
    CloneFailed {
        worker: WorkerId,
        failure: SealFailure,
    },
    /// A step of its own sealing failed; it ends.
    Unsealed(SealFailure),
    /// Up to the clone of a worker.
    Stamps(Vec<Stamp>),
}

/// What the coordinator tells a zygote, over its module socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Load {
    /// fds: the compiled module, read-only.
    Module { kind: Kind },
}

/// What a zygote answers there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loaded {
    Ready {
        entry: Entry,
    },
    /// The compiled module is not one that this engine loads: make it again.
    Stale {
        reason: String,
    },
    /// The module can't be started; a sentence for people.
    Refused {
        reason: String,
    },
}
