//! An address of the network at which whoever can reach it gets the numbers, and nothing else.

use super::api::Api;
use super::limits::{ACCEPT_PAUSE, METRICS_CONNECTIONS, Patience};
use super::routes::METRICS;
use super::session::{self, Shared};
use sandhog_serve::listener::Listener;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The listening socket. It can be made before there is an event loop, and before privilege goes.
#[derive(Debug)]
pub struct Address {
    socket: OwnedFd,
    local: SocketAddr,
}

impl Address {
    /// Of a listener.
    #[must_use]
    pub fn new(listener: Listener) -> Self {
        let local = listener.address();
        Self { socket: listener.into_socket(), local }
    }

    /// With the port that was really taken.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }
}

/// As [`super::serve_metrics`] says.
pub(super) fn serve<A: Api>(
    address: Address,
    answers: A,
    patience: Patience,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<impl Future<Output = ()> + Send> {
    let listener = tokio::net::TcpListener::from_std(address.socket.into())?;
    Ok(accept(listener, answers, patience, stop))
}

async fn accept<A: Api>(
    listener: tokio::net::TcpListener,
    answers: A,
    patience: Patience,
    stop: impl Future<Output = ()>,
) {
    let (closes, closing) = watch::channel(());
    let shared = Shared::new(answers, &METRICS, patience, closing);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < METRICS_CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(session::serve(stream, None, shared.clone()))),
                Err(_) => tokio::select! {
                    () = &mut stop => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                },
            },
        }
    }
    drop((listener, closes));
    let all_gone = async { while connections.join_next().await.is_some() {} };
    // Who has not gone by then is cut off, when the set is dropped.
    let _ = tokio::time::timeout(patience.farewell, all_gone).await;
}
