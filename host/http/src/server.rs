//! One loop that accepts, for whatever there is to accept from.

use crate::accept::{Accept, Closing};
use crate::connection::{self, Service};
use crate::limits::{ACCEPT_PAUSE, Patience};
use axum::Router;
use std::pin::pin;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Serves at most so many connections at once until `stop` is done; more wait in the kernel until one ends. Then it drops the
/// listener and says good-bye to those who are connected. Nothing that a client does ends it, and a fault of ours while
/// serving one ends that one's connection alone. `routes` is told of the end, for answers that go on until then.
pub async fn serve<L: Accept>(
    listener: L,
    connections_at_once: usize,
    patience: Patience,
    routes: impl FnOnce(Closing) -> Router,
    stop: impl Future<Output = ()>,
) {
    let (closes, closing) = watch::channel(());
    let service = Service { routes: routes(closing.clone()), patience, closing };
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < connections_at_once => match accepted {
                Ok(accepted) => drop(connections.spawn(connection::serve(accepted, service.clone()))),
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
