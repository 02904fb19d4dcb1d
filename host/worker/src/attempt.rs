//! The parts of an attempt that are the same for modules of all kinds: its connections, its timers, the reasons why it
//! can't begin.
//!
//! Must not: know how a module is run.

use super::wasi;
use sandhog_channel::Large;
use sandhog_ipc::FrameBuffer;
use sandhog_protocol::plan::GuestPlan;
use sandhog_sys::timer::{self, Running};
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    time::Duration,
};

/// Why an attempt could not even begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("failed to start the timers")]
    Timers(#[source] io::Error),
    #[error("failed to set the fuel")]
    Fuel(#[source] wasmtime::Error),
    #[error(transparent)]
    Host(#[from] wasi::Error),
    #[error("failed to duplicate the coordinator's socket")]
    Socket(#[source] io::Error),
    #[error("failed to build the runtime")]
    Runtime(#[source] io::Error),
    #[error("failed to call the guest: a host function waits where none may")]
    Waits,
}

/// Whom a guest speaks to, beside its streams; only a component has a connection.
pub(crate) struct Outside<'a> {
    /// The coordinator.
    pub(super) socket: BorrowedFd<'a>,
    /// What has come from there already.
    pub(super) buffer: FrameBuffer,
    /// Its parent, where it has a connection.
    pub(super) connection: Option<OwnedFd>,
    /// How it sends large messages.
    pub(super) large: Large,
    /// The file for its core dump, where one is wanted.
    pub(super) coredump: Option<OwnedFd>,
    /// Sockets on which it listens.
    pub(super) listeners: Vec<OwnedFd>,
}

pub(super) fn start_timers(plan: &GuestPlan) -> io::Result<Running> {
    timer::start(plan.timeout_ms.map(Duration::from_millis), plan.cpu_ms.map(Duration::from_millis))
}
