use super::blocking::RunningPool;
use crate::job::milliseconds;
use crate::{Error, Job};
use sandhog_protocol::pool::{self, FromPool, Kind, ToPool};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// A pool of workers to be started: what `sandhog pool` is told.
///
/// ```no_run
/// use sandhog_client::{Job, Pool, Timeout};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::of(Job::new("resize.wasm").memory(64 << 20)).workers(8).start()?;
/// // Many tasks are under way at once, from any number of threads.
/// let first = pool.submit::<_, u64>("a.svg")?;
/// let second = pool.submit::<_, u64>("b.svg")?;
/// println!("{:?}, {:?}", second.wait()?, first.wait()?);
/// // Or one after the other, as many at a time as there is room for.
/// for size in pool.map::<_, _, u64>(["c.svg", "d.svg"]) {
///     println!("{:?}", size?);
/// }
/// pool.close()?;
/// # Ok(())
/// # }
/// ```
///
/// Unless something else is said: a task at a time for each processor, each in a new process.
#[derive(Debug)]
#[must_use]
pub struct Pool {
    job: Job,
    flags: Vec<OsString>,
}

/// A command that has said hello.
pub(super) struct Started {
    pub child: Child,
    pub socket: UnixStream,
    pub kind: Kind,
    pub window: u64,
    pub window_bytes: u64,
}

impl Pool {
    /// Of workers of this module: a handler, or a program.
    pub fn new(module: impl AsRef<Path>) -> Self {
        Self::of(Job::new(module))
    }

    /// Of workers with what this job is granted, and with its limits. A job's time is each task's; its stdin and stdout are not
    /// used, its stderr is the command's.
    pub const fn of(job: Job) -> Self {
        Self { job, flags: Vec::new() }
    }

    /// Tasks at a time.
    pub fn workers(self, count: u32) -> Self {
        self.flag(format!("--workers={count}"))
    }

    /// Workers that are kept ready beside those that have a task.
    pub fn ready(self, count: u32) -> Self {
        self.flag(format!("--ready={count}"))
    }

    /// Of handlers: one worker does so many tasks, one after the other. They share its memory.
    pub fn reuse(self, tasks: u64) -> Self {
        self.flag(format!("--reuse={tasks}"))
    }

    /// Each worker has a zygote of its own, and no two share an address layout; a start takes milliseconds more.
    pub fn spawn_exec(self) -> Self {
        self.flag("--spawn=exec".to_owned())
    }

    /// How long a worker beyond those that are kept ready stays without a task, in whole milliseconds.
    pub fn idle(self, time: Duration) -> Self {
        self.flag(format!("--idle={}", milliseconds(time)))
    }

    /// Most tasks that wait for a worker. Whoever submits more waits.
    pub fn max_waiting(self, count: u64) -> Self {
        self.flag(format!("--max-waiting={count}"))
    }

    /// How long a task may wait for a worker unless it says something else, in whole milliseconds.
    pub fn wait_timeout(self, time: Duration) -> Self {
        self.flag(format!("--wait-timeout={}", milliseconds(time)))
    }

    /// Replaces a worker that has lived for so long, after its task; in whole milliseconds.
    pub fn recycle_after(self, time: Duration) -> Self {
        self.flag(format!("--recycle-after={}", milliseconds(time)))
    }

    /// Replaces a worker through which so many bytes of tasks and answers went, after its task.
    pub fn recycle_bytes(self, bytes: u64) -> Self {
        self.flag(format!("--recycle-bytes={bytes}B"))
    }

    fn flag(mut self, flag: String) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Starts it. Back when its workers can start: the module is compiled then.
    ///
    /// # Errors
    /// [`Error::NoExecutable`], [`Error::System`]; [`Error::PoolEnded`]: it could not begin, with the reason.
    pub fn start(self) -> Result<RunningPool, Error> {
        Ok(RunningPool::new(self.begin()?))
    }

    pub(super) fn begin(self) -> Result<Started, Error> {
        let (mut socket, theirs) = UnixStream::pair().map_err(Error::system("make a socket pair"))?;
        let child = Beginning(Some(self.job.start_pool(self.flags, OwnedFd::from(theirs))?));
        let hello = ToPool::hello()
            .encode()
            .and_then(|body| pool::frame(&body))
            .map_err(|error| Error::Invalid(error.to_string()))?;
        // One that has ended has said why.
        let _ = socket.write_all(&hello);
        match first_word(&mut socket)? {
            FromPool::Hello { kind, window, window_bytes, .. } => {
                Ok(Started { child: child.started(), socket, kind, window, window_bytes })
            }
            FromPool::Error { text } => Err(Error::PoolEnded(text)),
            other @ (FromPool::Answer { .. }
            | FromPool::Failure { .. }
            | FromPool::Verdict { .. }
            | FromPool::Invalid { .. }
            | FromPool::NotRun { .. }
            | FromPool::Refused { .. }
            | FromPool::Statistics(_)
            | FromPool::Ended { .. }) => Err(Error::PoolEnded(format!("it said {other:?} before hello"))),
        }
    }
}

/// A command that ends where it does not come to say hello.
struct Beginning(Option<Child>);

impl Beginning {
    fn started(mut self) -> Child {
        self.0.take().unwrap_or_else(|| unreachable!("it is taken once"))
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It has ended already, or it ends now.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn first_word(socket: &mut UnixStream) -> Result<FromPool, Error> {
    let gone = |_| Error::PoolEnded("it ended before it was ready; what it says of that is on its stderr".into());
    let wrong = |error: pool::Error| Error::PoolEnded(format!("its first word is none: {error}"));
    let mut header = [0; 4];
    socket.read_exact(&mut header).map_err(gone)?;
    let length = pool::frame_length(header, pool::FROM_POOL).map_err(wrong)?;
    let mut body = Vec::new();
    socket.take(length as u64).read_to_end(&mut body).map_err(gone)?;
    FromPool::decode(&body).map_err(wrong)
}
