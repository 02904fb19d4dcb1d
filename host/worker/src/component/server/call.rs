//! A request that a guest is at: below the instances that answer, and the bodies that carry the answer on.

use hyper::Response;
use sandhog_protocol::worker::End;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

/// What the guest answers; or why it does not.
pub(super) type Answered = Result<Response<WasiBody>, End>;

/// A request that a guest is at.
pub(super) struct Call {
    /// Its answer. Without one: see `fate`.
    pub(super) answer: oneshot::Receiver<Answered>,
    /// The guest's work. Dropped, it ends.
    pub(super) running: Running,
    /// How the instance ended, where it is no more, and not because it was done.
    pub(super) fate: Fate,
}

pub(super) enum Running {
    /// An instance of its own: it works as long as this is polled, until this is ready.
    Alone(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// A part in an instance that works by itself.
    Shared(Lease),
}

pub(super) type Fate = Arc<OnceLock<End>>;

/// A request's part in its instance. Dropped before it is settled it retires the instance: nothing else ends what the guest
/// still does for the request.
pub(super) struct Lease {
    is_done: oneshot::Receiver<()>,
    settled: bool,
    /// Is told at its end whether it was settled.
    leave: Option<Box<dyn FnOnce(bool) + Send>>,
}

impl Lease {
    pub(super) fn new(is_done: oneshot::Receiver<()>, leave: impl FnOnce(bool) + Send + 'static) -> Self {
        Self { is_done, settled: false, leave: Some(Box::new(leave)) }
    }

    /// The client has the whole answer.
    pub(super) fn settle(mut self) {
        self.settled = true;
    }

    /// The client has gone: until the guest has answered all the same.
    pub(super) async fn until_answered(mut self) {
        // One that has ended needs nobody to end it.
        let _ = (&mut self.is_done).await;
        self.settled = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(leave) = self.leave.take() {
            leave(self.settled);
        }
    }
}
