//! A zygote that serves many, from the request for it to its end: a pool's, or one that instances of a job share.
//!
//! Must not: know its workers.

use crate::coordinator::{Coordinator, Route};
use crate::module::Module;
use crate::modules;
use crate::note::{self, Note};
use crate::spawner::recv_ready;
use crate::zygote;
use sandhog_ipc::send_packet;
use sandhog_protocol::causes;
use sandhog_protocol::plan::{Entry, Kind, ZygotePlan};
use sandhog_protocol::spawn::{Load, Loaded, ToSpawner, ZygoteId};
use sandhog_protocol::verdict::LostCause;
use sandhog_spec::job::Job;
use sandhog_supervisor::attempt::Event;
use sandhog_supervisor::outcome::Cause;
use sandhog_sys::ready;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// What one is made of.
pub(crate) struct Origin {
    pub coordinator: Arc<Coordinator>,
    pub job: Arc<Job>,
    pub module: Arc<Module>,
    pub directories: Vec<Arc<OwnedFd>>,
    pub plan: ZygotePlan,
}

/// One. Whoever has asked for it ends it by [`Life::end`] before it is dropped.
pub(crate) struct Life {
    origin: Origin,
    number: ZygoteId,
    news: mpsc::Receiver<Note>,
    /// The spawner was asked for it, and has not said that it ended.
    is_there: bool,
}

impl Life {
    /// One that is not asked for yet.
    pub(crate) fn new(origin: Origin) -> Self {
        let (number, news) = registered(&origin.coordinator);
        Self { origin, number, news, is_there: false }
    }

    /// At the spawner. Another one once it has been started.
    pub(crate) fn number(&self) -> ZygoteId {
        self.number
    }

    /// Starts it and gives it its module: whether that is a handler. What is left where the future is dropped, or where it fails,
    /// is for [`Self::end`].
    ///
    /// # Errors
    /// Why it can't start a worker.
    pub(crate) async fn start(&mut self) -> Result<Entry, Cause> {
        let mut remade = false;
        loop {
            match self.try_start().await? {
                Loaded::Ready { entry } => return Ok(entry),
                Loaded::Refused { reason } => return Err(Cause::Refused(reason)),
                Loaded::Stale { reason } if remade => return Err(Cause::Stale(reason)),
                Loaded::Stale { .. } => {
                    let Origin { coordinator, job, module, .. } = &self.origin;
                    modules::forget(coordinator, module, job.limits.metering());
                    remade = true;
                    // One that could not load its module waits for its end.
                    self.end().await;
                    self.origin.coordinator.forget(self.number);
                    (self.number, self.news) = registered(&self.origin.coordinator);
                }
            }
        }
    }

    async fn try_start(&mut self) -> Result<Loaded, Cause> {
        let Origin { coordinator, job, module, directories, plan } = &self.origin;
        let socket = zygote::start(coordinator.client(), self.number, plan, directories).await;
        self.is_there = socket.is_ok();
        let socket = socket.and_then(ready::watch).map_err(|error| of_machine(&error))?;
        let compiled = modules::compiled(coordinator, module, job, &plan.walls);
        let (module, kind) = tokio::select! {
            compiled = compiled => compiled?,
            cause = ended(&mut self.news, &mut self.is_there) => return Err(cause),
        };
        tokio::select! {
            loaded = load(&socket, module, kind) => match loaded {
                Some(loaded) => Ok(loaded),
                // It has closed without an answer: it ends, and its spawner says why.
                None => Err(ended(&mut self.news, &mut self.is_there).await),
            },
            cause = ended(&mut self.news, &mut self.is_there) => Err(cause),
        }
    }

    /// Waits for its end: why.
    pub(crate) async fn ended(&mut self) -> Cause {
        ended(&mut self.news, &mut self.is_there).await
    }

    /// Ends it, and waits for its end.
    pub(crate) async fn end(&mut self) {
        if !self.is_there {
            return;
        }
        let client = self.origin.coordinator.client();
        if client.send(&ToSpawner::EndZygote { zygote: self.number }, &[]).await.is_ok() {
            self.ended().await;
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.origin.coordinator.forget(self.number);
    }
}

fn registered(coordinator: &Coordinator) -> (ZygoteId, mpsc::Receiver<Note>) {
    let (notes, news) = mpsc::channel(note::NOTES);
    (coordinator.register(Route { notes, on_started: None }), news)
}

/// Waits for the end of a zygote: why.
async fn ended(news: &mut mpsc::Receiver<Note>, is_there: &mut bool) -> Cause {
    let cause = loop {
        match news.recv().await {
            Some(Note::Event(Event::ZygoteEnded(reason))) => break reason.map_or(Cause::ZygoteLost, Cause::Spawn),
            Some(Note::Event(Event::SpawnerLost)) | None => break Cause::SpawnerLost,
            Some(_) => {}
        }
    };
    *is_there = false;
    cause
}

/// Hands over the module; what the zygote says to it.
async fn load(socket: &AsyncFd<OwnedFd>, module: OwnedFd, kind: Kind) -> Option<Loaded> {
    // A socket that is new takes one packet.
    send_packet(socket.get_ref(), &Load::Module { kind }, &[module.as_fd()]).ok()?;
    Some(recv_ready::<Loaded>(socket).await.ok()?.ok()?.message)
}

fn of_machine(error: &std::io::Error) -> Cause {
    Cause::Failed(LostCause::Machine, causes::one_line(error))
}
