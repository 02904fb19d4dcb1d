//! The daemon's control socket: HTTP/JSON on a Unix socket for the person whose daemon it is.
//!
//! A connection goes through [`socket`] (who is it?), [`session`] (bytes, sizes and times), [`routes`] and [`call`]
//! (what is asked for?), and comes back by [`api`] and [`lines`]. What there is to ask for is in [`document`], which
//! `GET /v1/openapi.json` answers with.
//!
//! An [`address`] of the network, where one is asked for, has `GET /metrics` and nothing else.
//!
//! Must not: know how a job is run. A request becomes a call of [`super::fleet::Handle`].

mod address;
mod api;
mod call;
mod document;
mod limits;
mod lines;
mod patient;
mod query;
mod refused;
mod routes;
mod session;
pub mod socket;

pub use address::Address;
pub use limits::LINES as PAST_MAX;
pub use limits::Patience;
pub use session::PAST_LINES;
pub use socket::bind;

use super::fleet::Handle;

/// Serves the person with this uid, and root, until `stop` is done; then says good-bye to those who are connected, and
/// removes the socket. Nothing that a client does ends it, and a fault of ours while serving one ends that one's
/// connection alone.
pub async fn serve(
    listener: socket::Listener,
    owner: u32,
    jobs: Handle,
    patience: Patience,
    stop: impl Future<Output = ()>,
) {
    socket::serve(listener, owner, jobs, patience, stop).await;
}

/// Serves the numbers of the daemon to whoever can reach this address, until `stop` is done.
///
/// # Errors
/// The event loop does not take the socket.
pub fn serve_metrics(
    address: Address,
    jobs: Handle,
    patience: Patience,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<impl Future<Output = ()> + Send> {
    address::serve(address, jobs, patience, stop)
}

#[cfg(test)]
mod tests;
