//! A pool for programs of tokio's. A task of that runtime reads, another one writes; no thread is started.

use super::command::{Pool, Started};
use super::reply::{self, Output};
use super::state::Frames;
use super::task::{self, Input, Limits};
use crate::Error;
use crate::connection::encode;
use sandhog_channel::{Format, Message};
use sandhog_protocol::pool::{self, FromPool, Id, Kind, Statistics, ToPool};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::marker::PhantomData;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

/// Read at once, in bytes: some thousand small answers.
const CHUNK: usize = 64 << 10;

/// A pool that runs, for tasks of tokio's runtime. Clones are the same pool.
///
/// ```no_run
/// # async fn example() -> Result<(), sandhog_client::Error> {
/// use sandhog_client::Pool;
///
/// let pool = Pool::new("resize.wasm").workers(8).start_async().await?;
/// let (first, second) = tokio::join!(pool.call::<_, u64>("a.svg"), pool.call::<_, u64>("b.svg"));
/// println!("{:?}, {:?}", first?, second?);
/// pool.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AsyncPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    kind: Kind,
    window_bytes: u32,
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    known: Mutex<Known>,
    /// Frames for the one who writes. What goes here is bounded by the window: a task, and a word to cancel it.
    frames: mpsc::UnboundedSender<Vec<u8>>,
    /// Why nothing more will come.
    over: watch::Sender<Option<String>>,
    child: Mutex<Child>,
}

#[derive(Debug, Default)]
struct Known {
    next: i64,
    tasks: HashMap<i64, Slot>,
    statistics: VecDeque<oneshot::Sender<Statistics>>,
}

/// A task under way, and its place among those.
#[derive(Debug)]
struct Slot {
    answer: oneshot::Sender<FromPool>,
    _count: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// A task that a handler has, or will have. Dropping it cancels it.
#[derive(Debug)]
pub struct AsyncTask<R> {
    ticket: Ticket,
    answer: PhantomData<fn() -> R>,
}

/// A task that a command has, or will have. Dropping it cancels it.
#[derive(Debug)]
pub struct AsyncCommandTask {
    ticket: Ticket,
}

#[derive(Debug)]
struct Ticket {
    shared: Arc<Shared>,
    id: i64,
    answer: Option<oneshot::Receiver<FromPool>>,
}

impl Pool {
    /// As [`Pool::start`], for tasks of tokio's runtime.
    ///
    /// # Errors
    /// As [`Pool::start`].
    pub async fn start_async(self) -> Result<AsyncPool, Error> {
        // It waits for the module to be compiled.
        let began = tokio::task::spawn_blocking(|| self.begin()).await;
        AsyncPool::new(began.map_err(|error| Error::system("start a pool")(io::Error::other(error)))??)
    }
}

impl AsyncPool {
    fn new(started: Started) -> Result<Self, Error> {
        let Started { child, socket, kind, window, window_bytes } = started;
        let mut child = Unstarted(Some(child));
        socket.set_nonblocking(true).map_err(Error::system("prepare a socket"))?;
        let (reading, writing) = UnixStream::from_std(socket).map_err(Error::system("prepare a socket"))?.into_split();
        let (frames, to_write) = mpsc::unbounded_channel();
        let permits = |count: u64| usize::try_from(count).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        let window_bytes = u32::try_from(window_bytes).unwrap_or(u32::MAX);
        let shared = Arc::new(Shared {
            kind,
            window_bytes,
            count: Arc::new(Semaphore::new(permits(window))),
            bytes: Arc::new(Semaphore::new(permits(window_bytes.into()))),
            known: Mutex::default(),
            frames,
            over: watch::channel(None).0,
            child: Mutex::new(child.0.take().ok_or(Error::Closed)?),
        });
        let known = Arc::downgrade(&shared);
        tokio::spawn(async move {
            let why = read(reading, &known).await;
            if let Some(shared) = known.upgrade() {
                shared.end(why);
            }
        });
        tokio::spawn(write(writing, to_write));
        Ok(Self { shared })
    }

    /// Which tasks it takes.
    #[must_use]
    pub fn works(&self) -> Kind {
        self.shared.kind
    }

    /// As [`crate::RunningPool::submit_within`].
    ///
    /// # Errors
    /// As there.
    pub async fn submit<T, R>(&self, task: &T, limits: Limits) -> Result<AsyncTask<R>, Error>
    where
        T: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let mut body = Vec::new();
        encode(task, &mut body)?;
        let ticket = self.shared.submit(task::of_message(Format::Value, body, limits)).await?;
        Ok(AsyncTask { ticket, answer: PhantomData })
    }

    /// As [`crate::RunningPool::submit_bytes`].
    ///
    /// # Errors
    /// As there.
    pub async fn submit_bytes<R: DeserializeOwned>(&self, bytes: &[u8], limits: Limits) -> Result<AsyncTask<R>, Error> {
        let ticket = self.shared.submit(task::of_message(Format::Bytes, bytes.to_vec(), limits)).await?;
        Ok(AsyncTask { ticket, answer: PhantomData })
    }

    /// As [`crate::RunningPool::submit_input`].
    ///
    /// # Errors
    /// As there.
    pub async fn submit_input(&self, input: Input, limits: Limits) -> Result<AsyncCommandTask, Error> {
        Ok(AsyncCommandTask { ticket: self.shared.submit(task::of_input(input, limits)).await? })
    }

    /// As [`crate::RunningPool::call`]. Dropping the future cancels the task.
    ///
    /// # Errors
    /// As there.
    pub async fn call<T, R>(&self, task: &T) -> Result<Result<R, String>, Error>
    where
        T: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        self.submit(task, Limits::default()).await?.wait().await
    }

    /// As [`crate::RunningPool::run`]. Dropping the future cancels the task.
    ///
    /// # Errors
    /// As there.
    pub async fn run(&self, input: Input) -> Result<Output, Error> {
        self.submit_input(input, Limits::default()).await?.wait().await
    }

    /// What it does now.
    ///
    /// # Errors
    /// [`Error::PoolEnded`].
    pub async fn statistics(&self) -> Result<Statistics, Error> {
        let (answer, statistics) = oneshot::channel();
        {
            // Asked for in the order in which the answers go.
            let mut known = self.shared.known();
            known.statistics.push_back(answer);
            self.shared.send(&ToPool::Statistics)?;
        }
        statistics.await.map_err(|_| self.shared.why_over())
    }

    /// As [`crate::RunningPool::close`].
    ///
    /// # Errors
    /// As there.
    pub async fn close(self) -> Result<(), Error> {
        self.shared.send(&ToPool::Close)?;
        let mut over = self.shared.over.subscribe();
        // The sender is in what this has.
        let _ = over.wait_for(Option::is_some).await;
        let shared = Arc::clone(&self.shared);
        let waited = tokio::task::spawn_blocking(move || shared.child().wait()).await;
        let waited = waited.unwrap_or_else(|error| Err(io::Error::other(error)));
        let status = waited.map_err(Error::system("wait for a pool"))?;
        if status.success() { Ok(()) } else { Err(self.shared.why_over()) }
    }
}

impl<R: DeserializeOwned> AsyncTask<R> {
    /// As [`crate::Task::wait`].
    ///
    /// # Errors
    /// As there.
    pub async fn wait(mut self) -> Result<Result<R, String>, Error> {
        reply::answer(self.ticket.reply().await?)
    }

    /// As [`crate::Task::wait_message`].
    ///
    /// # Errors
    /// As there.
    pub async fn wait_message(mut self) -> Result<Message, Error> {
        reply::message(self.ticket.reply().await?)
    }

    /// As [`crate::Task::cancel`].
    ///
    /// # Errors
    /// [`Error::PoolEnded`].
    pub fn cancel(&self) -> Result<(), Error> {
        self.ticket.cancel()
    }
}

impl AsyncCommandTask {
    /// As [`crate::CommandTask::wait`].
    ///
    /// # Errors
    /// As there.
    pub async fn wait(mut self) -> Result<Output, Error> {
        reply::output(self.ticket.reply().await?)
    }

    /// As [`crate::Task::cancel`].
    ///
    /// # Errors
    /// [`Error::PoolEnded`].
    pub fn cancel(&self) -> Result<(), Error> {
        self.ticket.cancel()
    }
}

impl Ticket {
    async fn reply(&mut self) -> Result<FromPool, Error> {
        let Some(answer) = &mut self.answer else { return Err(Error::Closed) };
        let reply = answer.await;
        self.answer = None;
        reply.map_err(|_| self.shared.why_over())
    }

    fn cancel(&self) -> Result<(), Error> {
        self.shared.send(&ToPool::Cancel { id: Id::Number(self.id) })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.answer.as_mut().is_some_and(|answer| answer.try_recv().is_err()) {
            // A pool that has ended has cancelled it.
            let _ = self.cancel();
        }
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn why_over(&self) -> Error {
        Error::PoolEnded(self.over.borrow().clone().unwrap_or_else(|| "its command has ended".into()))
    }

    /// The first reason counts. Whoever waits for an answer is told.
    fn end(&self, why: String) {
        self.over.send_if_modified(|over| over.is_none() && over.replace(why).is_none());
        *self.known() = Known::default();
        self.count.close();
    }

    async fn submit(self: &Arc<Self>, mut task: pool::Task) -> Result<Ticket, Error> {
        task::check(&task, self.kind)?;
        let bytes = u32::try_from(task.bytes()).unwrap_or(u32::MAX).min(self.window_bytes);
        let over = |_| self.why_over();
        let count = Arc::clone(&self.count).acquire_owned().await.map_err(over)?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(bytes).await.map_err(over)?;
        let (answer, answered) = oneshot::channel();
        let mut known = self.known();
        if self.over.borrow().is_some() {
            return Err(self.why_over());
        }
        known.next += 1;
        let id = known.next;
        task.id = Id::Number(id);
        self.send(&ToPool::Task(task))?;
        known.tasks.insert(id, Slot { answer, _count: count, _bytes: bytes });
        Ok(Ticket { shared: Arc::clone(self), id, answer: Some(answered) })
    }

    fn send(&self, message: &ToPool) -> Result<(), Error> {
        let body = message.encode().map_err(reply::unsendable)?;
        let frame = pool::frame(&body).map_err(|error| Error::Invalid(error.to_string()))?;
        self.frames.send(frame).map_err(|_| self.why_over())
    }

    /// Hands a message to whoever waits for it. The last one's reason, where it is that.
    fn hear(&self, message: FromPool) -> Option<String> {
        match &message {
            FromPool::Statistics(statistics) => {
                if let Some(asked) = self.known().statistics.pop_front() {
                    // Nobody may wait for it any more.
                    let _ = asked.send(*statistics);
                }
            }
            FromPool::Error { text } => {
                self.over.send_if_modified(|over| over.is_none() && over.replace(text.clone()).is_none());
            }
            FromPool::Ended { reason } => return Some(format!("its conversation is over ({reason})")),
            FromPool::Hello { .. } => return Some("it said hello twice".into()),
            FromPool::Answer { .. }
            | FromPool::Failure { .. }
            | FromPool::Verdict { .. }
            | FromPool::Invalid { .. }
            | FromPool::NotRun { .. }
            | FromPool::Refused { .. } => {
                let Some(Id::Number(id)) = message.id() else { return None };
                if let Some(slot) = self.known().tasks.remove(id) {
                    // Nobody may wait for it any more.
                    let _ = slot.answer.send(message);
                }
            }
        }
        None
    }
}

/// Until nothing more comes: why.
async fn read(mut reading: OwnedReadHalf, shared: &std::sync::Weak<Shared>) -> String {
    let (mut frames, mut chunk) = (Frames::default(), vec![0; CHUNK]);
    loop {
        match reading.read(&mut chunk).await {
            Ok(0) => return "its command has ended".into(),
            Ok(count) => frames.push(&chunk[..count]),
            Err(error) => return format!("failed to read: {error}"),
        }
        let Some(shared) = shared.upgrade() else { return "nobody uses it any more".into() };
        loop {
            match frames.next() {
                Ok(Some(message)) => {
                    if let Some(why) = shared.hear(message) {
                        return why;
                    }
                }
                Ok(None) => break,
                Err(why) => return why,
            }
        }
    }
}

/// Until nobody sends any more, or the pool has gone; whoever reads says why.
async fn write(mut writing: OwnedWriteHalf, mut frames: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        if writing.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// A command that ends where it does not come to be a pool.
struct Unstarted(Option<Child>);

impl Drop for Unstarted {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        end(self.child.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
}

/// It has ended already, or it ends now: neither leaves anything to be done.
fn end(child: &mut Child) {
    let _: io::Result<()> = child.kill();
    let _: io::Result<ExitStatus> = child.wait();
}
