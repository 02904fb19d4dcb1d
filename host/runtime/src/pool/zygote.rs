//! A zygote of a pool: started, given its module, and there until it is ended.
//!
//! Must not: know its workers.

use super::happening::{Happening, StartFailure, ZygoteNews};
use super::shared::Shared;
use crate::coordinator::Route;
use crate::modules;
use crate::note::{self, Note};
use crate::plan;
use crate::spawner::recv_ready;
use crate::zygote;
use sandhog_ipc::send_packet;
use sandhog_protocol::causes;
use sandhog_protocol::plan::Kind;
use sandhog_protocol::spawn::{Load, Loaded, ToSpawner};
use sandhog_protocol::verdict::LostCause;
use sandhog_supervisor::attempt::Event;
use sandhog_supervisor::outcome::Cause;
use sandhog_supervisor::pool::ZygoteId;
use sandhog_sys::ready;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};

/// The way to a zygote that was begun: it ends when this is used or dropped.
pub(super) struct Handle {
    _end: oneshot::Sender<()>,
}

/// Starts one. Whoever owns the pool hears when it is ready, and once that it has ended.
pub(super) fn begin(shared: &Arc<Shared>, id: ZygoteId) -> Handle {
    let (end, ends) = oneshot::channel();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let (notes, news) = mpsc::channel(note::NOTES);
        let number = shared.coordinator.register(Route { notes, on_started: None });
        let ended = Life { shared: &shared, number, news, is_there: false }.run(id, ends).await;
        shared.coordinator.forget(number);
        shared.tell(Happening::Zygote(id, ZygoteNews::Ended(ended.err())));
    });
    Handle { _end: end }
}

struct Life<'a> {
    shared: &'a Arc<Shared>,
    number: u32,
    news: mpsc::Receiver<Note>,
    /// The spawner was asked for it, and has not said that it ended.
    is_there: bool,
}

impl Life<'_> {
    /// Up to its end.
    ///
    /// # Errors
    /// Why it never was ready. Nothing is left of it then.
    async fn run(mut self, id: ZygoteId, mut ends: oneshot::Receiver<()>) -> Result<(), StartFailure> {
        let is_handler = tokio::select! {
            loaded = self.start() => loaded,
            // Nobody wants it any more.
            _ = &mut ends => Err(Cause::ZygoteLost),
        };
        let is_handler = match is_handler {
            Ok(is_handler) => is_handler,
            Err(cause) => {
                self.end().await;
                return Err(self.shared.start_failure(Some(cause)));
            }
        };
        self.shared.tell(Happening::Zygote(id, ZygoteNews::Ready { number: self.number, is_handler }));
        tokio::select! {
            _ = ended(&mut self.news, &mut self.is_there) => return Ok(()),
            _ = ends => {}
        }
        self.end().await;
        Ok(())
    }

    /// Whether its module is a handler, once it has that.
    async fn start(&mut self) -> Result<bool, Cause> {
        let shared = self.shared;
        let fuel = shared.job.limits.fuel.is_some();
        let mut remade = false;
        loop {
            match self.try_start().await? {
                Loaded::Ready { is_handler } => return Ok(is_handler),
                Loaded::Refused { reason } => return Err(Cause::Refused(reason)),
                Loaded::Stale { reason } if remade => return Err(Cause::Stale(reason)),
                Loaded::Stale { .. } => {
                    modules::forget(&shared.coordinator, &shared.granted.module, fuel);
                    remade = true;
                    // One that could not load its module waits for its end.
                    self.end().await;
                    shared.coordinator.forget(self.number);
                    let (notes, news) = mpsc::channel(note::NOTES);
                    self.number = shared.coordinator.register(Route { notes, on_started: None });
                    self.news = news;
                }
            }
        }
    }

    async fn try_start(&mut self) -> Result<Loaded, Cause> {
        let shared = self.shared;
        let walls = shared.walls().clone();
        let plan = plan::pool_zygote(&shared.job.limits, shared.settings.slots(), &walls);
        let client = shared.coordinator.client();
        let socket = zygote::start(client, self.number, &plan, &shared.granted.directories).await;
        self.is_there = socket.is_ok();
        let socket = socket.and_then(ready::watch).map_err(|error| of_machine(&error))?;
        let compiled = modules::compiled(&shared.coordinator, &shared.granted.module, &shared.job, &walls);
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

    /// Ends it, and waits for its end.
    async fn end(&mut self) {
        if !self.is_there {
            return;
        }
        let client = self.shared.coordinator.client();
        if client.send(&ToSpawner::EndZygote { zygote: self.number }, &[]).await.is_ok() {
            ended(&mut self.news, &mut self.is_there).await;
        }
    }
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
