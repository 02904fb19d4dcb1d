use crate::connection::Connection;
use crate::{Error, Timeout, Verdict};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use sandhog_protocol::usage::{LiveUsage, WorkerUsage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

/// Longest verdict, in bytes. The largest that Sandhog gives is a trap's, with 64 frames of 4 KiB.
const VERDICT: u64 = 1 << 20;

/// How long a job that has closed its connection over a task may take to end, until it counts as alive.
const ENDING: Duration = Duration::from_secs(5);

/// How long the command may take to say what its job uses: it asks nobody but the kernel.
const ANSWER: Duration = Duration::from_secs(5);

/// A job that was started: its connection, its streams, its end.
///
/// It ends when this is dropped, unless it has been waited for.
#[derive(Debug)]
pub struct Running {
    connection: Connection,
    /// Where the command is asked what the job uses.
    usage: Connection,
    child: Child,
    file: File,
    status: Option<ExitStatus>,
}

impl Deref for Running {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Running {
    pub(crate) const fn new(child: Child, connection: Connection, usage: Connection, file: File) -> Self {
        Self { connection, usage, child, file, status: None }
    }

    /// A task for a handler, and its answer: the value, or the handler's own error.
    ///
    /// # Errors
    /// [`Error::Poisoned`]: the job died over it. [`Error::TimedOut`]: the answer is not there yet, and the next call waits
    /// for its own all the same. [`Error::Unexpected`]: the answer is of another type.
    pub fn call<T, R>(&mut self, task: &T, timeout: Timeout) -> Result<Result<R, String>, Error>
    where
        T: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        match self.connection.call(task, timeout) {
            Err(Error::Closed) => match self.wait_timeout(Timeout::After(ENDING)) {
                Ok(verdict) => Err(Error::Poisoned(Box::new(verdict))),
                Err(Error::TimedOut) => Err(Error::Closed),
                Err(error) => Err(error),
            },
            answer => answer,
        }
    }

    /// The end of its stdin, where that is piped; once.
    pub const fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The end of its stdout, where that is piped; once.
    pub const fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The end of its stderr, where that is piped; once.
    pub const fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// What it has used so far: its own worker, without the jobs that it starts and without the command. All is zero until
    /// it begins. The job is not asked, so one that hangs is seen, too. Messages: [`Connection::counts`].
    ///
    /// # Errors
    /// [`Error::Closed`]: it has ended, and its verdict says what it used. [`Error::NotShown`]. [`Error::TimedOut`]: the
    /// command does not answer, for it has been stopped.
    pub fn usage(&mut self) -> Result<LiveUsage, Error> {
        if self.status.is_some() {
            return Err(Error::Closed);
        }
        match self.usage.call::<(), WorkerUsage>(&(), Timeout::After(ANSWER))? {
            Ok(WorkerUsage::Alive(usage)) => Ok(usage),
            Ok(WorkerUsage::Ended) => Err(Error::Closed),
            Ok(WorkerUsage::Unknown) | Err(_) => Err(Error::NotShown),
        }
    }

    /// Asks it to stop: it has its grace time if it listens for that, else it is ended at once. Nothing happens if it has
    /// ended.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn stop(&mut self) -> Result<(), Error> {
        if self.status.is_some() {
            return Ok(());
        }
        // Nobody else reaps it, so the id is still its own.
        kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(Error::system("stop a job"))
    }

    /// Ends it at once; what it had started ends with it. There is no verdict then.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn kill(&mut self) -> Result<(), Error> {
        self.child.kill().map_err(Error::system("end a job"))
    }

    /// Waits for its end. What it waits for itself, such as a message or room for one, is the caller's to give first. A
    /// piped stdin is closed.
    ///
    /// # Errors
    /// [`Error::NoVerdict`]: the command did not run it, or was killed. The same at each call.
    pub fn wait(&mut self) -> Result<Verdict, Error> {
        drop(self.child.stdin.take());
        let status = self.child.wait().map_err(Error::system("wait for a job"))?;
        self.ended(status)
    }

    /// As [`Self::wait`], and not longer than that.
    ///
    /// # Errors
    /// As [`Self::wait`]; [`Error::TimedOut`], [`Error::WouldBlock`].
    pub fn wait_timeout(&mut self, timeout: Timeout) -> Result<Verdict, Error> {
        match timeout {
            Timeout::Never => self.wait(),
            Timeout::Now => self.try_wait()?.ok_or(Error::WouldBlock),
            Timeout::After(duration) => {
                if self.status.is_none() {
                    self.poll_end(duration)?;
                }
                self.try_wait()?.ok_or(Error::TimedOut)
            }
        }
    }

    /// Its verdict, if it has ended.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn try_wait(&mut self) -> Result<Option<Verdict>, Error> {
        let status = self.child.try_wait().map_err(Error::system("look after a job"))?;
        status.map(|status| self.ended(status)).transpose()
    }

    /// Until it has ended, or the time is over.
    fn poll_end(&self, duration: Duration) -> Result<(), Error> {
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty());
        let pidfd = pidfd.map_err(Error::system("watch a job"))?;
        let end = Instant::now().checked_add(duration);
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], left.as_ref()) {
                Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(Error::system("watch a job")(errno)),
            }
        }
    }

    fn ended(&mut self, status: ExitStatus) -> Result<Verdict, Error> {
        self.status = Some(status);
        let length = self.file.metadata().map_err(Error::system("read a verdict"))?.len();
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        let (Some(code), 1..=VERDICT) = (code, length) else { return Err(Error::NoVerdict(status)) };
        let length = usize::try_from(length).map_err(|_| Error::NoVerdict(status))?;
        let mut json = vec![0; length];
        self.file.read_exact_at(&mut json, 0).map_err(Error::system("read a verdict"))?;
        Verdict::parse(&json, code)
    }

    /// The id of the `sandhog` process. Of no use once it has been waited for.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.status.is_none() {
            // It has ended already, or it ends now: neither leaves anything to be done.
            let _: io::Result<()> = self.child.kill();
            let _: io::Result<ExitStatus> = self.child.wait();
        }
    }
}
