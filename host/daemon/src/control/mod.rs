//! The daemon's control socket: HTTP/JSON on a Unix socket for the person whose daemon it is.
//!
//! A connection goes through [`socket`] (who is it?) and `sandhog-http` (bytes, sizes and times), a request through
//! [`routes`] (which one is it?), [`input`] and [`query`] (is it well formed?) and [`handlers`] (what does it ask of the
//! jobs?), and comes back by [`answer`] and [`lines`]. One definition in [`handlers`] is a route and its description: of
//! these and of the types a test makes [`document`], which `GET /v1/openapi.json` answers with.
//!
//! An address of the network, where one is asked for, has `GET /metrics` and nothing else.
//!
//! Must not: know how a job is run. A request becomes a call of [`super::fleet::Handle`].

mod answer;
mod api;
mod document;
mod handlers;
mod input;
mod limits;
mod lines;
mod query;
mod routes;
pub mod socket;

pub use answer::PAST_LINES;
pub use limits::LINES as PAST_MAX;
pub use sandhog_http::Patience;
pub use socket::bind;

use super::fleet::Handle;
use sandhog_http::{Refused, numbers};
use std::os::fd::OwnedFd;

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

/// Serves the numbers of the daemon to whoever can reach the address of this socket, which does not block, until `stop` is done.
///
/// # Errors
/// The event loop does not take the socket.
pub fn serve_metrics(
    socket: OwnedFd,
    jobs: Handle,
    patience: Patience,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<impl Future<Output = ()> + Send> {
    let page = move || {
        let jobs = jobs.clone();
        async move { jobs.metrics().await.map_err(Refused::from) }
    };
    numbers::serve(socket, patience, page, stop)
}

#[cfg(test)]
mod tests;
