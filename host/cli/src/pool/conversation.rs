//! A conversation with one program: takes its tasks, as many as there is room for, and tells what becomes of each.
//!
//! ```text
//! greeting ── hello ──▶ open ── close, end, nonsense, stop ──▶ draining ── all told ──▶ ended
//!     └── anything else ──────────────────────────────────────────▲
//! any state ── nobody reads any more ──▶ gone: what runs is ended
//! ```
//!
//! - open: messages are read one after the other. A task for which there is no room stops the reading until there is; so does
//!   something that is to be told while the program reads nothing.
//! - draining: nothing is read. What was accepted goes on to its end.
//!
//! Must not: hold more than its window of tasks, or answer one twice.

use super::answers::{Answers, Told};
use super::listen::Heard;
use super::outcome::Telling;
use super::serve::Serve;
use super::work::{self, Accepted};
use crate::args::PoolArgs;
use sandhog_protocol::pool::{self, Ended, FromPool, Id, Kind, Refusal, Statistics, ToPool, VERSION};
use sandhog_runtime::pool::task::Task;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};

/// Who submits: a command has one program.
const CLIENT: u64 = 1;

/// Most tasks with the pool for each of its workers, and beside those: the next one is there when a worker is free. Their
/// answers and open files are all that can be waiting for a program that reads nothing.
const AHEAD: u32 = 2;
const AHEAD_AT_LEAST: u32 = 16;

/// Most bytes of tasks under way together: one of the largest size.
const WINDOW_BYTES: u32 = 64 << 20;

/// What a conversation goes by.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub kind: Kind,
    pub workers: u32,
    /// Most tasks under way, and most bytes of them together; one that is larger is alone.
    pub count: u32,
    pub bytes: u32,
    /// Bytes of the arguments that each command has in front of its own.
    pub arguments: usize,
    /// How long a task may wait that does not say so.
    pub wait: Option<Duration>,
}

impl Window {
    pub(super) fn new(kind: Kind, args: &PoolArgs, workers: u32) -> Self {
        let waiting = u32::try_from(args.max_waiting).unwrap_or(u32::MAX);
        Self {
            kind,
            workers,
            count: waiting.saturating_add(workers),
            bytes: WINDOW_BYTES,
            arguments: args.args.iter().map(|argument| argument.len() + 1).sum(),
            wait: args.wait_timeout,
        }
    }
}

/// How a conversation ended.
#[derive(Debug)]
pub(super) enum End {
    Done(Ended),
    /// Nobody reads any more.
    Gone,
    Unwritable(io::Error),
}

/// A task's place among those under way; free again when the program has been told.
pub(super) struct Place {
    _count: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
    _turn: Option<OwnedSemaphorePermit>,
}

/// What a conversation needs of the outside.
pub(super) struct Around<'a> {
    pub heard: mpsc::Receiver<Vec<Heard>>,
    pub answers: Answers<Option<Place>>,
    /// Nobody reads the answers any more.
    pub gone: Pin<&'a mut (dyn Future<Output = ()> + Send)>,
    /// Something: the command was asked to end.
    pub stop: watch::Receiver<Option<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    Open,
    Draining(Ended),
}

/// Tasks without an answer, and how each is cancelled.
type UnderWay = Arc<Mutex<HashMap<Id, Arc<Notify>>>>;

struct Conversation<S> {
    pool: S,
    window: Window,
    state: State,
    /// Messages that have been read and not yet looked at.
    next: VecDeque<Heard>,
    /// A task for which there is no room yet.
    held: Option<Held>,
    /// What is to be told beside answers.
    telling: Option<FromPool>,
    under_way: UnderWay,
    room: Room,
    tell: mpsc::Sender<Told<Option<Place>>>,
    accepted: u64,
}

struct Held {
    accepted: Accepted,
    bytes: u32,
}

/// What there is room for.
#[derive(Clone)]
struct Room {
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Room {
    fn new(window: &Window) -> Self {
        let of = |count: u32| Arc::new(Semaphore::new(count as usize));
        let turns = window.workers.saturating_mul(AHEAD).max(AHEAD_AT_LEAST);
        Self { count: of(window.count), bytes: of(window.bytes), turns: of(turns) }
    }

    /// Waits for a place. None: never, for nobody closes it.
    async fn place(self, bytes: u32) -> Option<Place> {
        let count = self.count.acquire_owned().await.ok()?;
        let bytes = self.bytes.acquire_many_owned(bytes).await.ok()?;
        Some(Place { _count: count, _bytes: bytes, _turn: None })
    }
}

/// Holds a conversation to its end.
pub(super) async fn hold<S: Serve>(pool: S, window: Window, around: Around<'_>) -> End {
    let Around { mut heard, answers: Answers { tell, mut written }, mut gone, mut stop } = around;
    let mut conversation = Conversation::new(pool, window, tell);
    let mut tasks = JoinSet::new();
    loop {
        conversation.look();
        if conversation.is_draining() && conversation.telling.is_none() && tasks.is_empty() {
            break;
        }
        let place = conversation.held.as_ref().map(|held| conversation.room.clone().place(held.bytes));
        let (is_telling, is_listening) = (conversation.telling.is_some(), conversation.is_listening());
        tokio::select! {
            biased;
            () = &mut gone => return End::Gone,
            ended = &mut written => return end_of(ended),
            () = stopped(&mut stop), if !conversation.is_draining() => conversation.drain(Ended::Stopped),
            Some(joined) = tasks.join_next() => let_through(joined),
            Ok(permit) = conversation.tell.clone().reserve_owned(), if is_telling => {
                if let Some(message) = conversation.telling.take() {
                    permit.send(Told { telling: Telling::Message(message), place: None });
                }
            }
            Some(place) = some(place) => conversation.accept(place, &mut tasks),
            batch = heard.recv(), if is_listening => {
                conversation.next = batch.map_or_else(|| [Heard::End].into(), VecDeque::from);
            }
        }
    }
    conversation.say_farewell(&mut gone, written).await
}

/// Waits until the command was asked to end.
async fn stopped(stop: &mut watch::Receiver<Option<u8>>) {
    if stop.wait_for(Option::is_some).await.is_err() {
        std::future::pending().await
    }
}

async fn some<T>(future: Option<impl Future<Output = Option<T>>>) -> Option<T> {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// A task that panicked would have no answer.
fn let_through(joined: Result<(), JoinError>) {
    if let Err(error) = joined
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic)
    }
}

/// What it means that the writing has ended.
fn end_of(written: Result<io::Result<()>, oneshot::error::RecvError>) -> End {
    match written {
        Ok(Err(error)) if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
            End::Unwritable(error)
        }
        Ok(_) | Err(_) => End::Gone,
    }
}

impl<S: Serve> Conversation<S> {
    fn new(pool: S, window: Window, tell: mpsc::Sender<Told<Option<Place>>>) -> Self {
        let hello = FromPool::Hello {
            version: VERSION,
            kind: window.kind,
            workers: window.workers,
            window: window.count.into(),
            window_bytes: window.bytes.into(),
        };
        Self {
            pool,
            room: Room::new(&window),
            window,
            state: State::Greeting,
            next: VecDeque::new(),
            held: None,
            telling: Some(hello),
            under_way: UnderWay::default(),
            tell,
            accepted: 0,
        }
    }

    const fn is_draining(&self) -> bool {
        matches!(self.state, State::Draining(_))
    }

    fn is_listening(&self) -> bool {
        !self.is_draining() && self.next.is_empty() && self.held.is_none() && self.telling.is_none()
    }

    /// Looks at what has been read, until something has to be waited for.
    fn look(&mut self) {
        while !self.is_draining() && self.held.is_none() && self.telling.is_none() {
            let Some(heard) = self.next.pop_front() else { return };
            match heard {
                Heard::Message(message) => self.heed(message),
                Heard::Nonsense(text) => self.break_off(text),
                Heard::End => self.drain(Ended::Closed),
            }
        }
    }

    fn heed(&mut self, message: ToPool) {
        match (self.state, message) {
            (State::Greeting, ToPool::Hello { version: VERSION }) => self.state = State::Open,
            (State::Greeting, ToPool::Hello { version }) => {
                self.break_off(format!(
                    "version {version} of the protocol is not known here; this pool speaks {VERSION}"
                ));
            }
            (State::Greeting, ToPool::Task(_) | ToPool::Cancel { .. } | ToPool::Statistics | ToPool::Close) => {
                self.break_off("the first message is to be a hello".into());
            }
            (State::Open | State::Draining(_), ToPool::Hello { .. }) => self.break_off("a second hello".into()),
            (State::Open | State::Draining(_), ToPool::Task(task)) => self.take(task),
            (State::Open | State::Draining(_), ToPool::Cancel { id }) => {
                if let Some(cancelled) = self.under_way().get(&id) {
                    cancelled.notify_one();
                }
            }
            (State::Open | State::Draining(_), ToPool::Statistics) => {
                self.telling = Some(FromPool::Statistics(self.statistics()));
            }
            (State::Open | State::Draining(_), ToPool::Close) => self.drain(Ended::Closed),
        }
    }

    /// Accepts a task once there is room, or refuses it.
    fn take(&mut self, mut task: pool::Task) {
        let refuse = |id, reason, text| Some(FromPool::Refused { id, reason, text });
        if self.under_way().contains_key(&task.id) {
            let text = "a task of this id is under way".to_owned();
            self.telling = refuse(task.id, Refusal::DuplicateId, text);
            return;
        }
        let bytes = u32::try_from(task.bytes()).unwrap_or(u32::MAX).min(self.window.bytes);
        match work::input(&mut task, self.window.kind, self.window.arguments) {
            Err((reason, text)) => self.telling = refuse(task.id, reason, text),
            Ok(input) => {
                let wait = task.wait_ms.map(Duration::from_millis).or(self.window.wait);
                let timeout = task.timeout_ms.map(Duration::from_millis);
                let work = Task { input, client: CLIENT, timeout, wait };
                self.held =
                    Some(Held { accepted: Accepted { id: task.id, task: work, cancelled: Arc::default() }, bytes });
            }
        }
    }

    /// From here on it is answered, exactly once.
    fn accept(&mut self, place: Place, tasks: &mut JoinSet<()>) {
        let Some(Held { accepted, .. }) = self.held.take() else { return };
        self.accepted += 1;
        let id = accepted.id.clone();
        self.under_way().insert(id.clone(), Arc::clone(&accepted.cancelled));
        let (pool, turns, tell) = (self.pool.clone(), Arc::clone(&self.room.turns), self.tell.clone());
        let under_way = Arc::clone(&self.under_way);
        tasks.spawn(async move {
            let (telling, turn) = work::done(&pool, turns, accepted).await;
            // Before the program can have heard of it: then the id is free.
            under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            let place = Some(Place { _turn: turn, ..place });
            // Where nobody writes any more, nobody reads.
            let _ = tell.send(Told { telling, place }).await;
        });
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Id, Arc<Notify>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn statistics(&self) -> Statistics {
        let of_pool = self.pool.statistics();
        let under_way = self.under_way().len() as u64;
        let running = under_way.min(of_pool.busy);
        Statistics {
            running,
            waiting: under_way - running,
            accepted: self.accepted,
            answered: self.accepted - under_way,
            ..of_pool
        }
    }

    fn break_off(&mut self, text: String) {
        self.telling = Some(FromPool::Error { text });
        self.drain(Ended::Error);
    }

    /// Reads no more. A task that waits for room was not accepted.
    fn drain(&mut self, why: Ended) {
        self.state = State::Draining(why);
        self.next.clear();
        self.held = None;
    }

    /// The last word, and all that is still to be written.
    async fn say_farewell(
        self,
        gone: &mut (impl Future<Output = ()> + Unpin),
        written: oneshot::Receiver<io::Result<()>>,
    ) -> End {
        let State::Draining(reason) = self.state else { return End::Gone };
        let all = async {
            let farewell = Telling::Message(FromPool::Ended { reason });
            // Where nobody writes any more, `written` says why.
            let _ = self.tell.send(Told { telling: farewell, place: None }).await;
            drop(self);
            written.await
        };
        tokio::select! {
            biased;
            written = all => match written {
                Ok(Ok(())) => End::Done(reason),
                other => end_of(other),
            },
            () = gone => End::Gone,
        }
    }
}

#[cfg(test)]
mod tests;
