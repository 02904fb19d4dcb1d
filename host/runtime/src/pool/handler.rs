//! A worker whose guest answers messages: it begins as soon as it is sealed, and has its tasks by its connection, one after the
//! other.
//!
//! Must not: hold more answers than it has asked for, or wait for anybody but by the event loop.

use super::happening::{Answer, Happening, WorkerNews};
use super::shared::Shared;
use super::worker::{self, Control, Place};
use crate::driver::Begin;
use crate::error::Error;
use crate::note::Note;
use crate::plan;
use crate::room;
use sandhog_channel::{Batch, Endpoint, Error as ChannelError, Format, Incoming, Timeout};
use sandhog_protocol::causes;
use sandhog_protocol::limits;
use sandhog_protocol::message::Message;
use sandhog_protocol::plan::{GuestPlan, Identity, Work};
use sandhog_supervisor::pool::SlotId;
use sandhog_sys::ready;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// The way to one.
pub(super) struct Handler {
    pub(super) control: Control,
    identity: Identity,
    /// None: it is given no more tasks, and ends when it has answered those that it has.
    tasks: Option<mpsc::UnboundedSender<Arc<Message>>>,
}

impl Handler {
    /// # Errors
    /// This process is at its limits. Nothing was begun.
    pub(super) fn begin(shared: &Arc<Shared>, place: Place) -> Result<Self, Error> {
        let slot = place.slot;
        let (ours, theirs) = sandhog_channel::pair()?;
        let socket = ready::watch_reading(ours.as_fd().try_clone_to_owned()?)?;
        let null = std::fs::File::open("/dev/null")?;
        let identity = worker::identity(shared, slot)?;
        let plan = GuestPlan {
            // Each task has its own, which the pool watches over; a worker waits for as long as it is wanted.
            timeout_ms: None,
            together: shared.settings.together,
            ..plan::guest(&shared.job, identity.clone(), None)
        };
        let (ready, over) = (Arc::clone(shared), Arc::clone(shared));
        let (tasks, asked) = mpsc::unbounded_channel();
        let (ended, ends) = tokio::sync::oneshot::channel();
        let plan = worker::Plan {
            input: null.into(),
            connection: Some(theirs),
            begin: Begin::AtOnce(Work::Guest(Box::new(plan))),
            began: Some(Box::new(move || ready.tell(Happening::Worker(slot, WorkerNews::Ready)))),
            identity: identity.clone(),
        };
        let control = worker::begin(shared, place, plan, move |over| drop(ended.send(over)))?;
        let connection = Connection {
            endpoint: Endpoint::new(ours, limits::MESSAGE),
            socket,
            asked,
            room: None,
            waiting: VecDeque::new(),
            batch: Batch::default(),
            is_finishing: false,
            slot,
            control: control.clone(),
        };
        tokio::spawn(async move {
            connection.serve(&over).await;
            // All that it said has been heard by now.
            if let Ok(ended) = ends.await {
                over.tell(Happening::Worker(slot, WorkerNews::Ended(Box::new(ended))));
            }
        });
        Ok(Self { control, identity, tasks: Some(tasks) })
    }

    pub(super) fn assign(&self, message: Arc<Message>) {
        if let Some(tasks) = &self.tasks {
            // Where it has gone, its end is on its way.
            let _ = tasks.send(message);
        }
    }

    /// It ends by itself when it has answered what it has.
    pub(super) fn finish(&mut self) {
        self.tasks = None;
    }

    pub(super) fn attempt(&self) -> &str {
        &self.identity.attempt
    }
}

/// Our end of its connection.
struct Connection {
    endpoint: Endpoint,
    /// The same socket, in the event loop.
    socket: AsyncFd<OwnedFd>,
    asked: mpsc::UnboundedReceiver<Arc<Message>>,
    /// Where they wait for room.
    room: Option<AsyncFd<OwnedFd>>,
    /// Tasks that it has no room for.
    waiting: VecDeque<Arc<Message>>,
    /// Those that are just being sent.
    batch: Batch,
    /// No more tasks come.
    is_finishing: bool,
    slot: SlotId,
    control: Control,
}

impl Connection {
    /// Until it is closed.
    async fn serve(mut self, shared: &Shared) {
        loop {
            tokio::select! {
                task = self.asked.recv(), if !self.is_finishing => {
                    match task {
                        Some(task) => self.waiting.push_back(task),
                        None => self.is_finishing = true,
                    }
                    // Those that were given together go together.
                    while let Ok(task) = self.asked.try_recv() {
                        self.waiting.push_back(task);
                    }
                    if !self.send() {
                        return self.give_up();
                    }
                }
                ready = self.socket.readable() => {
                    let Ok(mut ready) = ready else { return self.give_up() };
                    match self.endpoint.step(limits::MESSAGE) {
                        Ok(Some(incoming)) => if !hear(shared, self.slot, incoming) {
                            return self.break_off("its answer is not what its packet said");
                        },
                        Ok(None) => {}
                        Err(ChannelError::WouldBlock) => ready.clear_ready(),
                        Err(ChannelError::Broken(broken)) => return self.break_off(&causes::one_line(&broken)),
                        Err(_) => return,
                    }
                }
                ready = room::is_there(self.room.as_ref()) => {
                    // What has room now may have none in a moment: the socket says so itself.
                    let Ok(mut ready) = ready else { return self.give_up() };
                    ready.clear_ready();
                    drop(ready);
                    if !self.send() {
                        return self.give_up();
                    }
                }
            }
        }
    }

    /// Sends what there is room for. False: it takes nothing more.
    fn send(&mut self) -> bool {
        while !self.waiting.is_empty() {
            let (count, sent) = match self.batch() {
                0 => (1, self.send_first()),
                count => (count, self.endpoint.send_batch(self.batch.as_bytes().unwrap_or_default(), Timeout::Now)),
            };
            match sent {
                Ok(()) => drop(self.waiting.drain(..count)),
                Err(ChannelError::WouldBlock) => return self.wait_for_room(),
                // What it has answered before it went is still to be heard.
                Err(ChannelError::Closed) => self.waiting.clear(),
                Err(_) => return false,
            }
        }
        self.room = None;
        if self.is_finishing {
            self.endpoint.finish_sending();
        }
        true
    }

    /// False: this process can't hear of any.
    fn wait_for_room(&mut self) -> bool {
        if self.room.is_none() {
            self.room = ready::watch_room(&self.socket).ok();
        }
        self.room.is_some()
    }

    /// Puts as many tasks as fit into one packet; how many. 0: the first is alone.
    fn batch(&mut self) -> usize {
        self.batch.clear();
        if self.waiting.len() > 1 {
            let _ = self.waiting.iter().all(|task| self.batch.push(task.format, &task.body));
        }
        self.batch.count()
    }

    fn send_first(&mut self) -> Result<(), ChannelError> {
        let Some(task) = self.waiting.front() else { return Ok(()) };
        self.endpoint.send(task.format, &task.body, Timeout::Now)
    }

    /// Nothing can be said to it or heard of it any more.
    fn give_up(mut self) {
        self.endpoint.disconnect();
    }

    /// It broke the rules, as no worker of ours does.
    fn break_off(self, what: &str) {
        self.control.note(Note::breach(format!("what it sent through its connection: {what}")));
        self.give_up();
    }
}

/// False: it is not what its packet said.
fn hear(shared: &Shared, slot: SlotId, incoming: Incoming) -> bool {
    let Ok(Some(Message { format, body })) = incoming.read() else { return false };
    let answer = match format {
        Format::Value | Format::Bytes => Answer::Message(Message { format, body }),
        Format::Failure => Answer::Failure(String::from_utf8_lossy(&body).into_owned()),
    };
    shared.tell(Happening::Worker(slot, WorkerNews::Answered(answer)));
    true
}
