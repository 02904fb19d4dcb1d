//! Asks for a zygote; `life` is one that serves many, `shared` are those that instances of a job share.
//!
//! Must not: wait for it to be there; the spawner's answer goes to whoever has its number.

pub(crate) mod life;
pub mod shared;

use crate::spawner::Client;
use rustix::net::SocketType;
use sandhog_ipc::pair;
use sandhog_protocol::plan::ZygotePlan;
use sandhog_protocol::spawn::{ToSpawner, ZygoteId};
use sandhog_sys::stamps;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Asks for one that is sealed so, and whose workers are granted these directories. Our end of its module socket, which does
/// not block.
///
/// # Errors
/// As socketpair(2): EMFILE. Where the spawner has gone, whoever listens to it hears that.
pub(super) async fn start(
    client: &Client,
    zygote: ZygoteId,
    plan: &ZygotePlan,
    directories: &[Arc<OwnedFd>],
) -> io::Result<OwnedFd> {
    let (module_socket, there) = pair(SocketType::SEQPACKET)?;
    rustix::io::ioctl_fionbio(&module_socket, true)?;
    stamps::note("zygote is asked for");
    let request = ToSpawner::StartZygote { zygote, plan: plan.clone() };
    let directories = directories.iter().map(AsFd::as_fd);
    let fds: Vec<BorrowedFd<'_>> = std::iter::once(there.as_fd()).chain(directories).collect();
    // Where this fails the spawner has gone, and its end of the socket says so.
    let _ = client.send(&request, &fds).await;
    Ok(module_socket)
}
