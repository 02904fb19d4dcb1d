//! Owns a pool: one task that tells the policy what happens, and does what it says.
//!
//! Must not: decide anything that the policy can, or wait for anything but news.

mod ends;
mod starts;

use super::command::Command;
use super::handler::Handler;
use super::happening::{Answer, Happening, StartFailure, Submitted, WorkerEnded, WorkerNews, ZygoteNews};
use super::input::{Given, Kept};
use super::server::Server;
use super::settings::{Measured, START_FAILURES, WorkerKind, locked};
use super::shared::Shared;
use super::starts::{Start, Starts};
use super::task::{Finished, Input, Task};
use super::worker::Control;
use super::zygote;
use crate::stop::{StopRequest, StopRequests};
use sandhog_protocol::plan::Entry;
use sandhog_protocol::verdict::{StopReason, Verdict};
use sandhog_supervisor::pool::{Action, ClientId, Event, How, SlotId, State, TaskId, ZygoteId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// News that are taken in before others have their turn.
const BATCH: usize = 256;

/// Why a pool has no more workers, to whoever asks for one.
const CLOSED: &str = "the pool has been closed";

pub(super) struct Actor {
    shared: Arc<Shared>,
    policy: State,
    beginning: Instant,
    happenings: mpsc::UnboundedReceiver<Happening>,
    stopped: StopRequests,
    zygotes: HashMap<ZygoteId, Zygote>,
    slots: HashMap<SlotId, Slot>,
    /// What is to be started once all that others wait for is done.
    starts: Starts,
    tasks: HashMap<TaskId, Waiting>,
    /// Those that no worker has.
    queued: HashSet<TaskId>,
    /// Why nothing can be started, as far as that has shown itself.
    failure: Option<StartFailure>,
    /// Whoever opened the pool waits for its first zygote.
    opened: Option<oneshot::Sender<Result<WorkerKind, Verdict>>>,
    statistics: Arc<Mutex<Measured>>,
    is_over: watch::Sender<bool>,
    /// What runs is to end, and why.
    stop: Option<StopReason>,
}

struct Zygote {
    /// It ends with this.
    _handle: zygote::Handle,
    /// At the spawner, once it is ready.
    number: Option<u32>,
}

/// A worker.
struct Slot {
    worker: Worker,
    asked: Instant,
    is_ready: bool,
    /// Its tasks in their order; the first is the one that it does.
    tasks: VecDeque<TaskId>,
    /// What a handler answered that is there for one task alone, until it has ended.
    answer: Option<Answer>,
    /// What became of it.
    ended: Option<Box<WorkerEnded>>,
    /// Tasks whose end is settled, and which end with it.
    leaving: Vec<Waiting>,
}

enum Worker {
    Command(Command),
    Handler(Handler),
    Server(Server),
}

impl Worker {
    fn control(&self) -> &Control {
        match self {
            Self::Command(command) => &command.control,
            Self::Handler(handler) => &handler.control,
            Self::Server(server) => &server.control,
        }
    }

    fn attempt(&self) -> &str {
        match self {
            Self::Command(command) => command.attempt(),
            Self::Handler(handler) => handler.attempt(),
            Self::Server(server) => server.attempt(),
        }
    }
}

/// A task that is not finished.
struct Waiting {
    input: Kept,
    timeout: Option<Duration>,
    answer: oneshot::Sender<Finished>,
    submitted: Instant,
    began: Option<Instant>,
    slot: Option<SlotId>,
    /// Its place among those that wait.
    place: Option<tokio::sync::OwnedSemaphorePermit>,
    /// Bytes of it.
    bytes: u64,
}

impl Actor {
    pub(super) fn new(
        shared: Arc<Shared>,
        policy: State,
        happenings: mpsc::UnboundedReceiver<Happening>,
        opened: oneshot::Sender<Result<WorkerKind, Verdict>>,
        statistics: Arc<Mutex<Measured>>,
        is_over: watch::Sender<bool>,
    ) -> Self {
        let stopped = shared.coordinator.stopped();
        Self {
            shared,
            policy,
            beginning: Instant::now(),
            happenings,
            stopped,
            zygotes: HashMap::new(),
            slots: HashMap::new(),
            starts: Starts::default(),
            tasks: HashMap::new(),
            queued: HashSet::new(),
            failure: None,
            opened: Some(opened),
            statistics,
            is_over,
            stop: None,
        }
    }

    /// Until nothing is left of the pool.
    pub(super) async fn run(mut self) {
        let mut stopped = self.stopped.clone();
        let mut is_over = self.step(Event::Tick);
        while !is_over {
            if !self.starts.is_empty() {
                // Answers and tasks go first: whoever has them does not wait for a start.
                tokio::task::yield_now().await;
                is_over = self.start_all();
                continue;
            }
            self.publish();
            let wake = self.policy.next_wake().map(|at| self.beginning + at);
            tokio::select! {
                biased;
                Ok(reason) = async { stopped.wait_for(Option::is_some).await.map(|stop| *stop) },
                    if self.stop.is_none() => is_over = self.stop(reason),
                Some(happening) = self.happenings.recv() => is_over = self.take_all(happening),
                () = sleep_until(wake) => is_over = self.step(Event::Tick),
            }
        }
        self.publish();
        self.is_over.send_replace(true);
    }

    fn take_all(&mut self, first: Happening) -> bool {
        let mut is_over = self.take(first);
        for _ in 0..BATCH {
            match self.happenings.try_recv() {
                Ok(happening) => is_over |= self.take(happening),
                Err(_) => break,
            }
        }
        is_over
    }

    fn take(&mut self, happening: Happening) -> bool {
        match happening {
            Happening::Submitted(submitted) => self.submitted(*submitted),
            Happening::Cancelled(task) => self.step(Event::Cancelled { task }),
            Happening::Zygote(zygote, news) => self.zygote_news(zygote, news),
            Happening::Worker(slot, news) => self.worker_news(slot, news),
            Happening::Close { drain } => self.step(Event::Close { drain }),
        }
    }

    /// The command is to stop: what waits never begins, and what runs is asked to end.
    fn stop(&mut self, request: Option<StopRequest>) -> bool {
        let reason = match request {
            Some(StopRequest::Stop(reason) | StopRequest::Kill(reason)) => reason,
            Some(StopRequest::Unhealthy(_) | StopRequest::SigKill | StopRequest::Breach(_)) | None => {
                StopReason::Terminate
            }
        };
        self.stop = Some(reason);
        for task in self.queued.clone() {
            self.step(Event::Cancelled { task });
        }
        for slot in self.slots.values() {
            slot.worker.control().stop(StopRequest::Stop(reason));
        }
        self.step(Event::Close { drain: true })
    }

    fn submitted(&mut self, submitted: Submitted) -> bool {
        let Submitted { id, task, answer, at, place } = submitted;
        let Task { input, client, timeout, wait } = task;
        let limit = match self.shared.kind.get() {
            // The attempt has it.
            Some(WorkerKind::Command) | None => None,
            Some(WorkerKind::Handler) => timeout.or(self.shared.job.limits.timeout),
        };
        let bytes = match &input {
            Input::Message(message) => message.body.len(),
            Input::Command { arguments, stdin } => stdin.len() + arguments.iter().map(String::len).sum::<usize>(),
            Input::Clients(_) => 0,
        };
        let waiting = Waiting {
            input: input.into(),
            timeout,
            answer,
            submitted: at,
            began: None,
            slot: None,
            place: Some(place),
            bytes: bytes as u64,
        };
        self.tasks.insert(id, waiting);
        self.queued.insert(id);
        self.step(Event::Submitted { task: id, client: ClientId(client), wait, limit })
    }

    fn zygote_news(&mut self, id: ZygoteId, news: ZygoteNews) -> bool {
        match news {
            ZygoteNews::Ready { number, entry } => {
                if let Some(zygote) = self.zygotes.get_mut(&id) {
                    zygote.number = Some(number);
                }
                let kind = match entry {
                    Entry::Command => WorkerKind::Command,
                    // It begins at once, and says that it can't do without clients.
                    Entry::Handler | Entry::Http => WorkerKind::Handler,
                };
                let kind = *self.shared.kind.get_or_init(|| kind);
                if let Some(opened) = self.opened.take() {
                    let _ = opened.send(Ok(kind));
                }
                self.step(Event::ZygoteReady { zygote: id })
            }
            ZygoteNews::Ended(failure) => {
                self.zygotes.remove(&id);
                let is_final = self.failed(failure);
                self.refuse_to_open(is_final);
                self.step(Event::ZygoteEnded { zygote: id, is_final })
            }
        }
    }

    /// Whoever opens the pool waits for no further try where that is of no use.
    fn refuse_to_open(&mut self, is_final: bool) {
        let tried = self.policy.counts().failed_starts + 1;
        if let Some(failure) = self.failure.as_ref().filter(|_| is_final || tried >= START_FAILURES.into())
            && let Some(opened) = self.opened.take()
        {
            let _ = opened.send(Err(failure.verdict.clone()));
        }
    }

    /// Remembers a failure; whether it is final.
    fn failed(&mut self, failure: Option<StartFailure>) -> bool {
        let is_final = failure.as_ref().is_some_and(|failure| failure.is_final);
        self.failure = failure.or(self.failure.take());
        is_final
    }

    fn worker_news(&mut self, id: SlotId, news: WorkerNews) -> bool {
        let Some(slot) = self.slots.get_mut(&id) else { return false };
        match news {
            WorkerNews::Ready => {
                slot.is_ready = true;
                locked(&self.statistics).starts.note(slot.asked.elapsed());
                self.step(Event::WorkerReady { slot: id })
            }
            WorkerNews::Answered(answer) => self.answered(id, answer),
            WorkerNews::Ended(ended) => self.ended(id, ended),
        }
    }

    /// An answer to its first task.
    fn answered(&mut self, id: SlotId, answer: Answer) -> bool {
        let Some(slot) = self.slots.get_mut(&id) else { return false };
        if self.shared.settings.is_fresh() {
            // It is told with what it wrote, when it has ended.
            slot.answer.get_or_insert(answer);
            return false;
        }
        let Some(task) = slot.tasks.pop_front() else { return false };
        let bytes = self.tasks.get(&task).map_or(0, |task| task.bytes) + answer.length();
        slot.answer = Some(answer);
        // The next one begins now.
        let next = slot.tasks.front().copied();
        if let Some(next) = next.and_then(|next| self.tasks.get_mut(&next)) {
            next.began = Some(Instant::now());
        }
        let is_over = self.step(Event::TaskDone { slot: id, task, bytes });
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.answer = None;
        }
        is_over
    }

    fn ended(&mut self, id: SlotId, ended: Box<WorkerEnded>) -> bool {
        let Some(slot) = self.slots.get_mut(&id) else { return false };
        // Those behind its first task have not begun: they are given to another one.
        for task in slot.tasks.drain(1.min(slot.tasks.len())..) {
            if let Some(waiting) = self.tasks.get_mut(&task) {
                (waiting.slot, waiting.began) = (None, None);
                self.queued.insert(task);
            }
        }
        let (is_ready, failure) = (slot.is_ready, ended.failure.clone());
        let answered = if slot.answer.is_some() { slot.tasks.front().copied() } else { None };
        slot.ended = Some(ended);
        let mut is_over = false;
        if let Some(task) = answered {
            is_over |= self.step(Event::TaskDone { slot: id, task, bytes: 0 });
        }
        is_over |= if is_ready {
            self.step(Event::WorkerEnded { slot: id })
        } else {
            let is_final = self.failed(failure);
            self.slots.remove(&id);
            self.step(Event::WorkerRefused { slot: id, is_final })
        };
        is_over
    }

    /// Tells the policy, and does what it says. True: nothing is left.
    fn step(&mut self, event: Event) -> bool {
        let actions = self.policy.step(self.beginning.elapsed(), event);
        // Its slot may be filled again by one of these.
        let mut gone = if let Event::WorkerEnded { slot } = event { self.slots.remove(&slot) } else { None };
        let mut is_over = false;
        for action in &actions {
            if let Action::Finish { task, how: How::Overdue } = action {
                self.is_overdue(*task);
            }
        }
        for action in actions {
            match action {
                Action::StartZygote { zygote } => self.starts.push(Start::Zygote(zygote)),
                Action::EndZygote { zygote } => drop(self.zygotes.remove(&zygote)),
                Action::StartWorker { slot, zygote } => self.starts.push(Start::Worker(slot, zygote)),
                Action::Assign { slot, task } => self.assign(slot, task),
                Action::Retire { slot } => {
                    is_over |= self.start_now(slot);
                    self.retire(slot);
                }
                Action::Kill { slot } => {
                    is_over |= self.start_now(slot);
                    self.kill(slot);
                }
                Action::Finish { task, how } => self.finish(task, how, &mut gone),
                Action::Ended => is_over = true,
            }
        }
        for waiting in gone.as_mut().map(|slot| std::mem::take(&mut slot.leaving)).into_iter().flatten() {
            self.died(waiting, &mut gone);
        }
        is_over
    }

    fn assign(&mut self, id: SlotId, task: TaskId) {
        let (Some(slot), Some(waiting)) = (self.slots.get_mut(&id), self.tasks.get_mut(&task)) else { return };
        self.queued.remove(&task);
        waiting.place = None;
        waiting.slot = Some(id);
        if slot.tasks.is_empty() {
            waiting.began = Some(Instant::now());
        }
        slot.tasks.push_back(task);
        match (&mut slot.worker, waiting.input.give()) {
            (Worker::Command(command), Given::Command { arguments, stdin }) => {
                command.assign(&self.shared, arguments, stdin, waiting.timeout);
            }
            (Worker::Handler(handler), Given::Message(message)) => {
                handler.control.set_timeout(waiting.timeout);
                handler.assign(message);
                if self.shared.settings.is_fresh() {
                    handler.finish();
                }
            }
            // Whoever submits knows the kind.
            (Worker::Command(command), Given::Message(message)) => {
                command.assign(&self.shared, Vec::new(), message.body.clone(), waiting.timeout);
            }
            (Worker::Server(server), Given::Clients(clients)) => server.assign(&clients),
            (Worker::Handler(_), Given::Command { .. } | Given::Clients(_))
            | (Worker::Command(_), Given::Clients(_))
            | (Worker::Server(_), Given::Command { .. } | Given::Message(_)) => self.kill(id),
        }
    }

    fn retire(&mut self, id: SlotId) {
        match self.slots.get_mut(&id).map(|slot| &mut slot.worker) {
            Some(Worker::Handler(handler)) => handler.finish(),
            Some(Worker::Server(server)) => server.finish(),
            // It has nothing that it could lose.
            Some(Worker::Command(command)) => command.control.stop(StopRequest::Kill(StopReason::Replaced)),
            None => {}
        }
    }

    fn kill(&self, id: SlotId) {
        if let Some(slot) = self.slots.get(&id) {
            slot.worker.control().stop(StopRequest::Kill(self.stop.unwrap_or(StopReason::Operator)));
        }
    }

    fn publish(&self) {
        locked(&self.statistics).counts = self.policy.counts();
    }
}

impl Answer {
    fn length(&self) -> u64 {
        let length = match self {
            Self::Message(message) => message.body.len(),
            Self::Failure(text) => text.len(),
        };
        length as u64
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
