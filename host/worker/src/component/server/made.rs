//! A guest that is none, in place of a component: see `exercise`.
//!
//! Must not: be in a worker.

use super::call::{Answered, Call, Fate, Running};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::{Request, Response};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

/// A request as the guest had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub target: String,
    /// Bytes of its body. None: it broke off.
    pub body: Option<u64>,
}

/// The guest: it reads each body to its end, and answers with its length.
#[derive(Default)]
pub(super) struct Made {
    seen: Mutex<Vec<Seen>>,
}

impl Made {
    fn all(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.all().clone()
    }

    pub(super) fn call(self: &Arc<Self>, request: Request<WasiBody>) -> Call {
        let (answers, answer) = oneshot::channel();
        let work = Arc::clone(self).work(request, answers);
        Call { answer, running: Running::Alone(Box::pin(work)), fate: Fate::default() }
    }

    async fn work(self: Arc<Self>, request: Request<WasiBody>, answers: oneshot::Sender<Answered>) {
        let (head, body) = request.into_parts();
        let length = length(body).await;
        let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let seen = Seen { method: head.method.to_string(), target, body: length };
        self.all().push(seen);
        let text = format!("{}\n", length.unwrap_or_default());
        let _ = answers.send(Ok(Response::new(WasiBody::new(Whole(Some(text.into()))))));
    }
}

/// None: it broke off.
async fn length(body: WasiBody) -> Option<u64> {
    let (mut body, mut length) = (pin!(body), 0);
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        length += frame.ok()?.data_ref().map_or(0, Bytes::len) as u64;
    }
    Some(length)
}

struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}
