//! What a store holds for its guest.

use super::{
    hostcalls::Sharing,
    preview1::{Table, Texts},
    stdio::Stdio,
    store::Limiter,
};
use std::{os::fd::OwnedFd, sync::Arc, time::Instant};
use wasmtime::Memory;

/// The host's side of one guest, made anew for each attempt after the fork.
pub(crate) struct Guest {
    /// Its descriptors.
    pub(super) table: Table,
    pub(super) args: Texts,
    pub(super) environ: Texts,
    /// Its memory, once it has been looked up.
    pub(super) memory: Option<Memory>,
    pub(super) stdio: Stdio,
    pub(super) limiter: Limiter,
    /// What it has of objects, where it imports them.
    pub(super) sharing: Option<Sharing>,
    /// Zero of the guest's monotonic clock.
    pub(super) start: Instant,
    /// The detached mounts of its directories. With the last descriptor that open_tree(2) gave, the kernel dissolves such
    /// a mount; what was opened below goes on, but from then on every step through it takes the lock of all mounts, and
    /// openat2(2) answers EAGAIN to `..` behind a symbolic link (seen on Linux 6.18).
    #[expect(dead_code, reason = "held open, never read")]
    pub(super) mounts: Vec<Arc<OwnedFd>>,
}

/// A guest's way out that is no failure: `proc_exit` with this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest exited with code {0}")]
pub(super) struct Exit(pub(super) u32);

/// A guest handed a host function a pointer that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest passed {call} a pointer outside of its memory")]
pub(super) struct BadPointer {
    pub(super) call: &'static str,
}

/// A guest called a host function that needs a memory, and exports none under the name that WASI demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the module exports no memory under the name `memory`, which {call} needs")]
pub(super) struct NoMemory {
    pub(super) call: &'static str,
}
