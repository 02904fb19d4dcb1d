//! What reaches the task: below those who send it and the one that receives it.

use super::in_flight::InFlight;
use super::told::Standing;
use sandhog_protocol::http::FromServer;
use sandhog_supervisor::balance::{Breach, Config, WorkerId};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// A worker's socket, shared by whoever sends and whoever hears.
pub(crate) type Socket = Arc<AsyncFd<OwnedFd>>;

/// From those who keep workers up: a few for each attempt.
pub(super) enum Control {
    Join {
        worker: WorkerId,
        attempt: String,
        socket: Socket,
        standing: watch::Sender<Standing>,
        /// What it says of its requests, for others to see.
        in_flight: InFlight,
        /// It has no clients before it is admitted.
        held: bool,
    },
    Admit {
        worker: WorkerId,
    },
    /// A connection of the owner's own, for this worker alone.
    Ask {
        worker: WorkerId,
        socket: OwnedFd,
    },
    Finish {
        worker: WorkerId,
    },
    Bounds(Config),
}

/// A client that has connected.
pub(crate) struct Accepted {
    pub(super) socket: OwnedFd,
    pub(super) peer: SocketAddr,
    /// In the kernel's queue, as far as that matters.
    pub(super) waited: Duration,
    /// Its place among those that wait. None: it is one of the last, for which there is no bound.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

/// From sockets: whoever sends it waits for room.
pub(crate) enum News {
    Accepted(Vec<Accepted>),
    Said {
        worker: WorkerId,
        said: FromServer,
    },
    Broke {
        worker: WorkerId,
        breach: Breach,
    },
    HungUp {
        worker: WorkerId,
    },
    /// There may be room in its socket.
    Room {
        worker: WorkerId,
    },
    /// Its process has been reaped, and this is the last of it.
    Gone {
        worker: WorkerId,
    },
    /// No listener is left.
    Drain,
}
