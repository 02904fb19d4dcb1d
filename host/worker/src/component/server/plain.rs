//! Instances of WASI 0.2: each answers one request at a time. A fresh one for each request, one of them made ahead; or some that
//! are kept, as many as there were requests at the same time.

use super::super::ComponentGuest;
use super::call::{Answered, Call, Fate, Running};
use super::ended;
use super::epochs::yielded;
use super::makings::{Makings, Stored};
use crate::report::Stage;
use hyper::Request;
use sandhog_protocol::worker::End;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

/// See the module.
pub(super) struct Plain {
    entry: ProxyPre<ComponentGuest>,
    makings: Makings,
    reuse: bool,
    /// Those that wait for a request; where none is used twice, at most one.
    idle: Mutex<Vec<Instance>>,
}

/// An instance that waits for a request.
struct Instance {
    stored: Stored,
    proxy: Proxy,
}

impl Plain {
    pub(super) fn new(entry: ProxyPre<ComponentGuest>, makings: Makings, reuse: bool) -> Self {
        Self { entry, makings, reuse, idle: Mutex::default() }
    }

    pub(super) fn makings(&self) -> &Makings {
        &self.makings
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn prepare(&self) -> Result<(), End> {
        if self.idle().is_empty() {
            let instance = self.make().await?;
            self.idle().push(instance);
        }
        Ok(())
    }

    async fn make(&self) -> Result<Instance, End> {
        let store = self.makings.store().map_err(|error| ended::broken(&error))?;
        let mut stored = Stored(store);
        stored.0.epoch_deadline_callback(|_| Ok(yielded()));
        let made = self.makings.epochs().tick_while(self.entry.instantiate_async(&mut stored.0)).await;
        let proxy = made.map_err(|error| ended::end(&error, Stage::Instantiating, &stored.0.data().limiter))?;
        Ok(Instance { stored, proxy })
    }

    pub(super) async fn call(self: &Arc<Self>, request: Request<WasiBody>) -> Result<Call, End> {
        let idle = self.idle().pop();
        let instance = match idle {
            Some(instance) => instance,
            None => self.make().await?,
        };
        let (answers, answer) = oneshot::channel();
        let fate = Fate::default();
        let running = Arc::clone(self).run(instance, request, answers, Arc::clone(&fate));
        Ok(Call { answer, running: Running::Alone(Box::pin(running)), fate })
    }

    async fn run(
        self: Arc<Self>,
        mut instance: Instance,
        request: Request<WasiBody>,
        answers: oneshot::Sender<Answered>,
        fate: Fate,
    ) {
        match self.makings.epochs().tick_while(instance.answer(request, answers)).await {
            Ok(()) if self.reuse => self.idle().push(instance),
            Ok(()) => {
                drop(instance);
                tokio::spawn(self.make_ahead());
            }
            Err(error) => {
                let end = ended::end(&error, Stage::Running, &instance.stored.0.data().limiter);
                // Before the store goes, and with it the answer's end.
                let _ = fate.set(end);
                drop(instance);
                tokio::spawn(self.make_ahead());
            }
        }
    }

    /// The process ends next.
    pub(super) fn leave(&self) {
        let idle = std::mem::take(&mut *self.idle());
        idle.into_iter().for_each(|instance| instance.stored.leave());
    }

    /// For the next request. Where that can't be done it is the next request that is told.
    async fn make_ahead(self: Arc<Self>) {
        // Those that wait come first.
        tokio::task::yield_now().await;
        let _ = self.prepare().await;
    }
}

impl Instance {
    async fn answer(&mut self, request: Request<WasiBody>, answers: oneshot::Sender<Answered>) -> wasmtime::Result<()> {
        let store = &mut self.stored.0;
        let mut http = store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request)?;
        let answer = http.new_response_outparam_from_callback(move |answer| {
            // Nobody waits for it any more where its time is over.
            let _ = answers.send(answer.map_err(|code| ended::without_answer(&in_words(&code))));
        })?;
        self.proxy.wasi_http_incoming_handler().call_handle(store, request, answer).await
    }
}

fn in_words(code: &ErrorCode) -> String {
    format!("the guest answered with an error: {code}")
}
