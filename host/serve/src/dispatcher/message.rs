//! What reaches the task: below those who send it and the one that receives it.

use super::told::Standing;
use sandhog_protocol::http::FromServer;
use sandhog_supervisor::balance::{Breach, Config, WorkerId};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

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
        in_flight: Arc<AtomicU32>,
    },
    Finish {
        worker: WorkerId,
    },
    Bounds(Config),
}

/// From sockets: whoever sends it waits for room.
pub(crate) enum News {
    Accepted(Vec<(OwnedFd, SocketAddr)>),
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
