//! How far requests are kept apart: which instance answers one.

use super::super::load::Http;
use super::call::Call;
use super::concurrent::Concurrent;
use super::makings::Makings;
use super::plain::Plain;
use hyper::Request;
use sandhog_protocol::plan::{HttpPlan, Isolation};
use sandhog_protocol::worker::End;
use std::sync::Arc;
use wasmtime_wasi_http::WasiBody;

/// See the module.
pub(super) enum Instances {
    /// Of WASI 0.2: an instance answers one request at a time.
    Plain(Arc<Plain>),
    /// Of WASI 0.3: an instance answers as many as it likes.
    Concurrent(Arc<Concurrent>),
    /// None at all: see [`super::exercise`].
    #[cfg(any(feature = "exercise", test))]
    Made(Arc<super::made::Made>),
}

impl Instances {
    pub(super) fn new(http: &Http, plan: &HttpPlan, makings: Makings) -> Self {
        match http {
            Http::Incoming(entry) => {
                let reuse = match plan.isolation {
                    None | Some(Isolation::Instance) => false,
                    Some(Isolation::Reuse | Isolation::Process) => true,
                };
                Self::Plain(Arc::new(Plain::new(entry.clone(), makings, reuse)))
            }
            Http::Service(entry) => {
                let reuse = match plan.isolation {
                    Some(Isolation::Instance) => false,
                    None | Some(Isolation::Reuse | Isolation::Process) => true,
                };
                Self::Concurrent(Arc::new(Concurrent::new(entry.clone(), makings, reuse)))
            }
        }
    }

    /// Makes one ahead of the first request.
    ///
    /// # Errors
    /// Why none can be made.
    pub(super) async fn prepare(&self) -> Result<(), End> {
        match self {
            Self::Plain(plain) => plain.prepare().await,
            Self::Concurrent(concurrent) => concurrent.prepare().await,
            #[cfg(any(feature = "exercise", test))]
            Self::Made(_) => Ok(()),
        }
    }

    /// Hands a request to a guest.
    ///
    /// # Errors
    /// Why there is no instance for it.
    pub(super) async fn call(&self, request: Request<WasiBody>) -> Result<Call, End> {
        match self {
            Self::Plain(plain) => plain.call(request).await,
            Self::Concurrent(concurrent) => concurrent.call(request).await,
            #[cfg(any(feature = "exercise", test))]
            Self::Made(made) => Ok(made.call(request)),
        }
    }

    /// The process ends next.
    pub(super) fn leave(&self) {
        match self {
            Self::Plain(plain) => plain.leave(),
            // They are tasks of the runtime, which is not dropped.
            Self::Concurrent(_) => {}
            #[cfg(any(feature = "exercise", test))]
            Self::Made(_) => {}
        }
    }

    /// The most memory that all of them had at the same time, in bytes.
    pub(super) fn peak_bytes(&self) -> u64 {
        match self {
            Self::Plain(plain) => plain.makings().total().peak_bytes(),
            Self::Concurrent(concurrent) => concurrent.makings().total().peak_bytes(),
            #[cfg(any(feature = "exercise", test))]
            Self::Made(_) => 0,
        }
    }
}
