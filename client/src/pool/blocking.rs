use super::command::Started;
use super::map::Map;
use super::reply::{self, Output};
use super::state::{Frames, State};
use super::task::{self, CommandTask, Input, Limits, Task, Ticket};
use crate::connection::encode;
use crate::{Error, Timeout};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use sandhog_channel::Format;
use sandhog_protocol::pool::{self, FromPool, Id, Kind, Statistics, ToPool};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Read at once, in bytes: some thousand small answers.
const CHUNK: usize = 64 << 10;

/// How often a thread that can't write looks whether the one that reads has gone on its way.
const LOOK: Duration = Duration::from_millis(20);

/// A pool that runs. Clones are the same pool, for other threads.
///
/// It ends with its last clone and its last task, and whatever runs then is ended; [`RunningPool::close`] lets it end first.
#[derive(Clone, Debug)]
pub struct RunningPool {
    shared: Arc<Shared>,
}

/// What all who use a pool have in common. No thread is its own: one of those who wait reads, and hands the others theirs.
#[derive(Debug)]
pub(super) struct Shared {
    socket: UnixStream,
    kind: Kind,
    known: Mutex<Known>,
    /// Something has come, or nobody reads any more.
    changed: Condvar,
    /// Held while a frame is written.
    writing: Mutex<()>,
    child: Mutex<Child>,
}

#[derive(Debug)]
struct Known {
    state: State,
    /// With whoever reads.
    frames: Option<Frames>,
}

impl RunningPool {
    pub(super) fn new(started: Started) -> Self {
        let Started { child, socket, kind, window, window_bytes } = started;
        let known = Known { state: State::new(window, window_bytes), frames: Some(Frames::default()) };
        Self {
            shared: Arc::new(Shared {
                socket,
                kind,
                known: Mutex::new(known),
                changed: Condvar::new(),
                writing: Mutex::new(()),
                child: Mutex::new(child),
            }),
        }
    }

    /// Which tasks it takes.
    #[must_use]
    pub fn works(&self) -> Kind {
        self.shared.kind
    }

    /// Gives a handler a task. Waits while as many are under way as there is room for.
    ///
    /// # Errors
    /// Nothing was sent. [`Error::Invalid`], [`Error::TooLarge`], [`Error::Refused`], [`Error::PoolEnded`].
    pub fn submit<T: Serialize + ?Sized, R: DeserializeOwned>(&self, task: &T) -> Result<Task<R>, Error> {
        self.submit_within(task, Limits::default())
    }

    /// As [`Self::submit`], with limits of its own.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn submit_within<T: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        task: &T,
        limits: Limits,
    ) -> Result<Task<R>, Error> {
        let mut body = Vec::new();
        encode(task, &mut body)?;
        self.shared.submit(task::of_message(Format::Value, body, limits), Timeout::Never).map(Task::new)
    }

    /// As [`Self::submit`], for bytes that mean something to both ends alone.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn submit_bytes<R: DeserializeOwned>(&self, bytes: &[u8], limits: Limits) -> Result<Task<R>, Error> {
        let task = task::of_message(Format::Bytes, bytes.to_vec(), limits);
        self.shared.submit(task, Timeout::Never).map(Task::new)
    }

    /// Gives a command a task. Waits while as many are under way as there is room for.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn submit_input(&self, input: Input, limits: Limits) -> Result<CommandTask, Error> {
        self.shared.submit(task::of_input(input, limits), Timeout::Never).map(CommandTask::new)
    }

    /// A task for a handler, and its answer: the value, or the handler's own error.
    ///
    /// # Errors
    /// As [`Self::submit`] and [`Task::wait`].
    pub fn call<T: Serialize + ?Sized, R: DeserializeOwned>(&self, task: &T) -> Result<Result<R, String>, Error> {
        self.submit(task)?.wait()
    }

    /// A task for a command, and its end.
    ///
    /// # Errors
    /// As [`Self::submit`] and [`CommandTask::wait`].
    pub fn run(&self, input: Input) -> Result<Output, Error> {
        self.submit_input(input, Limits::default())?.wait()
    }

    /// The answers to many tasks, in the tasks' order. Tasks are taken as there is room for them.
    pub fn map<I, T, R>(&self, tasks: I) -> Map<I::IntoIter, R>
    where
        I: IntoIterator<Item = T>,
        T: Serialize,
        R: DeserializeOwned,
    {
        Map::new(self.clone(), tasks.into_iter())
    }

    /// As [`Self::submit`], but does not wait for room.
    ///
    /// # Errors
    /// As [`Self::submit`]; [`Error::WouldBlock`]: there is no room.
    pub fn try_submit<T: Serialize + ?Sized, R: DeserializeOwned>(&self, task: &T) -> Result<Task<R>, Error> {
        let mut body = Vec::new();
        encode(task, &mut body)?;
        self.shared.submit(task::of_message(Format::Value, body, Limits::default()), Timeout::Now).map(Task::new)
    }

    /// What it does now.
    ///
    /// # Errors
    /// [`Error::PoolEnded`].
    pub fn statistics(&self) -> Result<Statistics, Error> {
        self.shared.send(&ToPool::Statistics)?;
        // Answers to several who ask are the same to each.
        self.shared.read_until(Timeout::Never, |state| state.statistics.pop_front())
    }

    /// Lets everything that is under way end, and the pool with it. Answers that have come can still be had; a task that is submitted
    /// from now on is refused.
    ///
    /// # Errors
    /// [`Error::PoolEnded`]: it had ended before, or did not end well; with the reason.
    pub fn close(self) -> Result<(), Error> {
        self.shared.send(&ToPool::Close)?;
        let ended = self.shared.read_until::<std::convert::Infallible>(Timeout::Never, |_| None);
        let mut child = self.shared.child.lock().unwrap_or_else(PoisonError::into_inner);
        let status = child.wait().map_err(Error::system("wait for a pool"))?;
        drop(child);
        match ended {
            Err(error) if !status.success() => Err(error),
            _ => Ok(()),
        }
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, mut task: pool::Task, timeout: Timeout) -> Result<Ticket, Error> {
        task::check(&task, self.kind)?;
        let bytes = task.bytes() as u64;
        let id = self.read_until(timeout, |state| if state.over().is_some() { None } else { state.admit(bytes) })?;
        task.id = Id::Number(id);
        let sent = self.send(&ToPool::Task(task));
        match sent {
            Ok(()) => Ok(Ticket::new(Arc::clone(self), id)),
            Err(error) => {
                self.known().state.take_back(id);
                self.changed.notify_all();
                Err(error)
            }
        }
    }

    pub(super) fn reply(&self, id: i64, timeout: Timeout) -> Result<FromPool, Error> {
        self.read_until(timeout, |state| state.answer(id))
    }

    pub(super) fn cancel(&self, id: i64) -> Result<(), Error> {
        self.send(&ToPool::Cancel { id: Id::Number(id) })
    }

    pub(super) fn abandon(&self, id: i64) {
        if self.known().state.abandon(id) {
            // A pool that has ended has cancelled it.
            let _ = self.cancel(id);
        }
    }

    /// Reads, or lets another one read, until there is what is looked for.
    fn read_until<T>(&self, timeout: Timeout, mut look: impl FnMut(&mut State) -> Option<T>) -> Result<T, Error> {
        let end = End::new(timeout);
        let mut known = self.known();
        let mut is_last = false;
        loop {
            if let Some(found) = look(&mut known.state) {
                return Ok(found);
            }
            if let Some(over) = known.state.over() {
                return Err(over);
            }
            if is_last {
                return Err(end.error());
            }
            is_last = match known.frames.take() {
                Some(frames) => {
                    drop(known);
                    let (came, frames) = self.read(frames, end.left());
                    known = self.known();
                    known.take_in(frames);
                    self.changed.notify_all();
                    !came && end.is_over()
                }
                None => {
                    known = match end.left() {
                        Some(left) => self.changed.wait_timeout(known, left).unwrap_or_else(PoisonError::into_inner).0,
                        None => self.changed.wait(known).unwrap_or_else(PoisonError::into_inner),
                    };
                    end.is_over()
                }
            };
        }
    }

    /// Waits for something to come, and takes what is there. Whether something came.
    fn read(&self, mut frames: Frames, left: Option<Duration>) -> (bool, Result<Frames, String>) {
        match self.wait_for(PollFlags::IN, left) {
            Ok(ready) if ready.is_empty() => return (false, Ok(frames)),
            Ok(_) => {}
            Err(errno) => return (true, Err(format!("failed to wait for it: {errno}"))),
        }
        let mut chunk = vec![0; CHUNK];
        loop {
            match recv(&self.socket, &mut chunk[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) | Err(Errno::CONNRESET) => return (true, Err("its command has ended".into())),
                Ok((count, _)) => {
                    frames.push(&chunk[..count]);
                    return (true, Ok(frames));
                }
                Err(Errno::AGAIN) => return (true, Ok(frames)),
                Err(Errno::INTR) => {}
                Err(errno) => return (true, Err(format!("failed to read: {errno}"))),
            }
        }
    }

    /// Which of these news there is; none where the time was over.
    fn wait_for(&self, news: PollFlags, left: Option<Duration>) -> Result<PollFlags, Errno> {
        let end = left.and_then(|left| Instant::now().checked_add(left));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let mut polled = [PollFd::new(&self.socket, news)];
            match poll(&mut polled, left.as_ref()) {
                Err(Errno::INTR) => {}
                Ok(_) => return Ok(polled[0].revents()),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Writes a message, and reads while the pool takes no more.
    fn send(&self, message: &ToPool) -> Result<(), Error> {
        let body = message.encode().map_err(reply::unsendable)?;
        let frame = pool::frame(&body).map_err(|error| Error::Invalid(error.to_string()))?;
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = &frame[..];
        while !rest.is_empty() {
            match send(&self.socket, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.make_room()?,
                Err(_) => return Err(self.why_it_ended()),
            }
        }
        Ok(())
    }

    /// Until something can be written. The pool may wait for this program to read before it reads itself.
    fn make_room(&self) -> Result<(), Error> {
        let frames = self.known().frames.take();
        let Some(frames) = frames else {
            // Another thread reads, for as long as it needs an answer itself.
            let waited = self.wait_for(PollFlags::OUT, Some(LOOK));
            return waited.map(|_| ()).map_err(Error::system("wait for a pool"));
        };
        let news = self.wait_for(PollFlags::IN | PollFlags::OUT, None);
        let frames = match news {
            Ok(news) if news.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) => {
                self.read(frames, Some(Duration::ZERO)).1
            }
            Ok(_) | Err(_) => Ok(frames),
        };
        self.known().take_in(frames);
        self.changed.notify_all();
        news.map(|_| ()).map_err(Error::system("wait for a pool"))
    }

    /// What the pool has said of its end, as far as that has come.
    fn why_it_ended(&self) -> Error {
        self.read_until::<std::convert::Infallible>(Timeout::After(LOOK), |_| None)
            .err()
            .filter(|error| matches!(error, Error::PoolEnded(_)))
            .unwrap_or_else(|| Error::PoolEnded("its command has ended".into()))
    }
}

impl Known {
    /// Takes in what was read, and lets others read.
    fn take_in(&mut self, read: Result<Frames, String>) {
        let mut frames = match read {
            Ok(frames) => frames,
            Err(why) => {
                self.state.end(why);
                Frames::default()
            }
        };
        loop {
            match frames.next() {
                Ok(Some(message)) => self.state.hear(message),
                Ok(None) => break,
                Err(why) => {
                    self.state.end(why);
                    break;
                }
            }
        }
        self.frames = Some(frames);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // It has ended already, or it ends now: neither leaves anything to be done.
        let _: std::io::Result<()> = child.kill();
        let _: std::io::Result<ExitStatus> = child.wait();
    }
}

/// When to wait no longer.
struct End {
    timeout: Timeout,
    at: Option<Instant>,
}

impl End {
    fn new(timeout: Timeout) -> Self {
        let at = match timeout {
            Timeout::Never => None,
            Timeout::Now => Some(Instant::now()),
            Timeout::After(time) => Instant::now().checked_add(time),
        };
        Self { timeout, at }
    }

    fn left(&self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn is_over(&self) -> bool {
        self.left() == Some(Duration::ZERO)
    }

    const fn error(&self) -> Error {
        match self.timeout {
            Timeout::Now => Error::WouldBlock,
            Timeout::Never | Timeout::After(_) => Error::TimedOut,
        }
    }
}
