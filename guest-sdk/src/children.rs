//! Jobs that this one starts: what `child_process` is in Node, and `subprocess` and `multiprocessing.Process` in Python.
//!
//! | Node | here |
//! | --- | --- |
//! | `fork(file)` | `Job::new(name).connected().spawn()` |
//! | `spawn(file)` | `Job::new(name).stdout(Stdio::Piped).spawn()` |
//! | `execFile(file)` | `Job::new(name).output(1 << 20)` |
//! | `child.send(message, socket)` | `child.send_with(&message, &socket)` |
//! | `new Worker(file, { workerData })` | `Job::new(name).data(&data)?.connected().spawn()` |

use crate::abi::sandhog::job::children as host;
use crate::channel::Connection;
use crate::error::{Error, Result, unless_it_would_wait};
use crate::message::Message;
use crate::net::{Handle, Sent, TcpListener, TcpStream};
use crate::rights::Granted;
use crate::streams::{Reader, Writer};
use crate::verdict::Verdict;
use crate::{Patience, nanoseconds};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::rc::Rc;
use std::time::Duration;

/// Where a child's stream leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdio {
    /// Nowhere: stdin ends at once, what is written is gone.
    Null,
    /// To this job's own stream.
    Inherit,
    /// To this job, which reads or writes it: [`Child::stdin`], [`Child::stdout`], [`Child::stderr`].
    Piped,
}

/// A directory for a child: this job's name for it, the child's, and whether for writing.
#[derive(Clone, Debug)]
struct Directory {
    path: String,
    name: String,
    write: bool,
}

impl Directory {
    fn as_param(&self) -> host::Directory<'_> {
        host::Directory { path: &self.path, name: &self.name, write: self.write }
    }
}

/// What to start. A child has what is listed here and nothing else: no variable, no directory is passed on by itself. Where
/// nothing is said, stdin is [`Stdio::Null`], stdout and stderr are [`Stdio::Inherit`], and the limits are this job's own.
///
/// ```standalone_crate
/// use sandhog::{Job, Result};
/// use std::time::Duration;
///
/// # fn main() -> Result<()> {
/// let job = Job::new("echo").arg("--verbose").env("LANG", "C").memory(64 << 20).timeout(Duration::from_secs(10)).connected();
/// let (first, second) = (job.spawn()?, job.spawn()?); // A job can be started as often as one likes.
/// first.send("hello")?;
/// assert_eq!(first.recv::<String>()?, "hello");
/// first.connection().unwrap().disconnect(); // An echo that nobody can hear any more ends.
/// second.kill();
/// assert!(first.wait()?.success());
/// assert!(!second.wait()?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a job does nothing until it is started"]
pub struct Job {
    module: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    directories: Vec<Directory>,
    modules: Vec<String>,
    /// `rights` has what fills it.
    pub(crate) objects: Vec<Granted>,
    max_objects: u32,
    passed: bool,
    limits: host::Limits,
    data: Option<Message>,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
    connected: bool,
    detached: bool,
    fresh: bool,
}

impl Job {
    /// A job by the name under which its module was granted: `sandhog run --child NAME=FILE`.
    pub fn new(module: impl Into<String>) -> Self {
        Self {
            module: module.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directories: Vec::new(),
            modules: Vec::new(),
            objects: Vec::new(),
            max_objects: 0,
            passed: false,
            limits: host::Limits {
                memory_bytes: None,
                timeout_ns: None,
                cpu_ns: None,
                fuel: None,
                max_output_bytes: None,
                max_file_bytes: None,
                max_files: None,
            },
            data: None,
            stdin: Stdio::Null,
            stdout: Stdio::Inherit,
            stderr: Stdio::Inherit,
            connected: false,
            detached: false,
            fresh: false,
        }
    }

    /// A handler, for [`Child::call`]: the same as [`new`](Self::new) and [`connected`](Self::connected).
    pub fn handler(module: impl Into<String>) -> Self {
        Self::new(module).connected()
    }

    /// One more argument. The child's own name comes before the first by itself.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments.
    pub fn args<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(T::into));
        self
    }

    /// A variable of its environment, which is empty else.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// So many objects without a name may the child make, out of those that this job may make (`--max-objects`): they are the
    /// child's until it has ended. Else it makes none. More than this job has left is [`Error::Quota`] at the start.
    pub fn max_objects(mut self, objects: u32) -> Self {
        self.max_objects = objects;
        self
    }

    /// It may take sockets that come with messages ([`Child::send_with`]). [`Error::Denied`] at the start: this job may use none
    /// itself (`--net`).
    pub fn passed(mut self) -> Self {
        self.passed = true;
        self
    }

    /// A directory of this job's, or one below it, for reading; `name` is what the child calls it.
    pub fn dir(mut self, path: impl Into<String>, name: impl Into<String>) -> Self {
        self.directories.push(Directory { path: path.into(), name: name.into(), write: false });
        self
    }

    /// The same for writing, too. [`Error::Denied`] at the start: this job may not write there itself.
    pub fn writable_dir(mut self, path: impl Into<String>, name: impl Into<String>) -> Self {
        self.directories.push(Directory { path: path.into(), name: name.into(), write: true });
        self
    }

    /// One of this job's modules that the child may start in its turn.
    pub fn module(mut self, name: impl Into<String>) -> Self {
        self.modules.push(name.into());
        self
    }

    /// What the child gets by [`initial_data`](crate::process::initial_data): `workerData` in Node. With the arguments and
    /// the environment at most 900 KiB. [`Error::Invalid`]: it can't be written as MessagePack.
    pub fn data<T: Serialize + ?Sized>(mut self, data: &T) -> Result<Self> {
        self.data = Some(Message::value(data)?);
        Ok(self)
    }

    /// The same, as it is.
    pub fn data_message(mut self, data: Message) -> Self {
        self.data = Some(data);
        self
    }

    /// The most memory that it may have, in bytes. More than this job's own is [`Error::Denied`]; the same for all limits.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.limits.memory_bytes = Some(bytes);
        self
    }

    /// How long it may run, by the clock.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.limits.timeout_ns = nanoseconds(Some(time));
        self
    }

    /// How long it may compute.
    pub fn cpu(mut self, time: Duration) -> Self {
        self.limits.cpu_ns = nanoseconds(Some(time));
        self
    }

    /// How many steps of WebAssembly it may do, about.
    pub fn fuel(mut self, steps: u64) -> Self {
        self.limits.fuel = Some(steps);
        self
    }

    /// The most that it may write to stdout and stderr together where they are inherited, in bytes.
    pub fn max_output(mut self, bytes: u64) -> Self {
        self.limits.max_output_bytes = Some(bytes);
        self
    }

    /// The largest file that it may write, in bytes.
    pub fn max_file(mut self, bytes: u64) -> Self {
        self.limits.max_file_bytes = Some(bytes);
        self
    }

    /// How many files it may have open at once.
    pub fn max_files(mut self, count: u32) -> Self {
        self.limits.max_files = Some(count);
        self
    }

    /// Where its stdin comes from. Where nothing is said: [`Stdio::Null`].
    pub fn stdin(mut self, stdin: Stdio) -> Self {
        self.stdin = stdin;
        self
    }

    /// Where its stdout goes to. Where nothing is said: [`Stdio::Inherit`].
    pub fn stdout(mut self, stdout: Stdio) -> Self {
        self.stdout = stdout;
        self
    }

    /// Where its stderr goes to. Where nothing is said: [`Stdio::Inherit`].
    pub fn stderr(mut self, stderr: Stdio) -> Self {
        self.stderr = stderr;
        self
    }

    /// With a connection between the two: [`Child::send`], [`Child::recv`].
    pub fn connected(mut self) -> Self {
        self.connected = true;
        self
    }

    /// It lives on when this job ends. Needs a grant of its own: `sandhog run --allow-detached`.
    pub fn detached(mut self) -> Self {
        self.detached = true;
        self
    }

    /// Of a handler: a new instance for each task, so that none finds what another left behind.
    pub fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    /// Starts it. Back as soon as it is on its way: what goes wrong from then on is in its verdict.
    ///
    /// [`Error::Denied`]: no module of this name was granted, or it is to have more than this job has; [`Error::Quota`]: too
    /// many children, too deep, or too fast; [`Error::Invalid`]: what is listed makes no sense.
    pub fn spawn(&self) -> Result<Child> {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let environment: Vec<_> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let directories: Vec<_> = self.directories.iter().map(Directory::as_param).collect();
        let modules: Vec<_> = self.modules.iter().map(String::as_str).collect();
        let objects: Vec<_> = self.objects.iter().map(Granted::as_param).collect();
        let child = host::spawn(host::Job {
            module: &self.module,
            arguments: &arguments,
            environment: &environment,
            directories: &directories,
            modules: &modules,
            objects: &objects,
            max_objects: self.max_objects,
            passed: self.passed,
            limits: self.limits,
            data: self.data.as_ref().map(Message::as_param),
            stdin: self.stdin.into(),
            stdout: self.stdout.into(),
            stderr: self.stderr.into(),
            connected: self.connected,
            detached: self.detached,
            fresh: self.fresh,
        })?;
        let connection = child.connection().map(Connection::new);
        Ok(Child { handle: Rc::new(child), connection, patience: None })
    }

    /// Starts it, reads its stdout and its stderr, and waits for its end: `execFile` in Node, `subprocess.run` in Python. A
    /// piped stdin ends at once.
    ///
    /// [`Error::TooLarge`]: the two had more than `max_bytes` together, and the child was killed for it. Errors as those of
    /// [`spawn`](Self::spawn) else. A child that fails is no error: look at the verdict.
    ///
    /// ```standalone_crate
    /// # use sandhog::{Error, Job, Result};
    /// # fn main() -> Result<()> {
    /// let output = Job::new("speak").args(["out loud", "under its breath"]).output(1 << 20)?;
    /// assert!(output.verdict.success());
    /// assert_eq!(output.stdout, b"out loud\n");
    /// assert_eq!(output.stderr, b"under its breath\n");
    ///
    /// let output = Job::new("speak").args(["out loud", "under its breath"]).output(10);
    /// assert_eq!(output.unwrap_err(), Error::TooLarge { max: 10 });
    /// # Ok(())
    /// # }
    /// ```
    pub fn output(&self, max_bytes: usize) -> Result<Output> {
        let child = self.clone().stdout(Stdio::Piped).stderr(Stdio::Piped).spawn()?;
        drop(child.stdin());
        let mut streams = [(child.stdout(), Vec::new()), (child.stderr(), Vec::new())];
        if let Err(error) = read_both(&mut streams, max_bytes) {
            child.kill();
            child.wait()?;
            return Err(error);
        }
        let [(_, stdout), (_, stderr)] = streams;
        Ok(Output { verdict: child.wait()?, stdout, stderr })
    }
}

/// Reads two streams to their ends, whichever has something: a child that waits for room in one must not wait for ever.
fn read_both(streams: &mut [(Option<Reader>, Vec<u8>); 2], max_bytes: usize) -> Result<()> {
    let mut left = max_bytes;
    loop {
        let open: Vec<_> = (0..2).filter(|at| streams[*at].0.is_some()).collect();
        let sources: Vec<_> = streams.iter().filter_map(|(reader, _)| reader.as_ref()).map(Source::Bytes).collect();
        if sources.is_empty() {
            return Ok(());
        }
        for index in wait_any(&sources)? {
            let (reader, bytes) = &mut streams[open[index]];
            // One more than is allowed shows that there is more.
            match reader.as_ref().map_or(Err(Error::Closed), |reader| reader.read_some(left.saturating_add(1))) {
                Ok(some) if some.len() > left => return Err(Error::TooLarge { max: max_bytes as u64 }),
                Ok(some) => {
                    left -= some.len();
                    bytes.extend_from_slice(&some);
                }
                Err(Error::Closed) => *reader = None,
                Err(error) => return Err(error),
            }
        }
    }
}

/// What [`Job::output`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Why the child ended.
    pub verdict: Verdict,
    /// All that it wrote to stdout.
    pub stdout: Vec<u8>,
    /// All that it wrote to stderr.
    pub stderr: Vec<u8>,
}

/// A job that was started. Clones are the same child. Dropping the last one does not end the child, which ends by itself, or
/// with this job; but the connection and the piped streams that nobody has taken close.
#[derive(Clone, Debug)]
pub struct Child {
    handle: Rc<host::Child>,
    connection: Option<Connection>,
    patience: Patience,
}

impl Child {
    /// The same child, for which no call waits longer than this: then it is [`Error::TimedOut`], or
    /// [`Error::WouldBlock`] where this is zero.
    pub fn within(&self, patience: Duration) -> Self {
        let connection = self.connection.as_ref().map(|connection| connection.within(patience));
        Self { handle: Rc::clone(&self.handle), connection, patience: Some(patience) }
    }

    /// The attempt's id.
    pub fn id(&self) -> String {
        self.handle.id()
    }

    /// The connection to it; `None`: it was started without.
    pub fn connection(&self) -> Option<Connection> {
        self.connection.clone()
    }

    fn connected(&self) -> Result<&Connection> {
        let missing = || Error::NotFound("a connection to this child: it was started without `connected()`".into());
        self.connection.as_ref().ok_or_else(missing)
    }

    /// [`Connection::limit`] of the connection to the child: the largest message, or answer to [`call`](Self::call), that is taken
    /// from it. For a child that is not trusted. [`Error::NotFound`]: there is no connection.
    pub fn limit(&self, max_bytes: u64) -> Result<()> {
        self.connected()?.limit(max_bytes);
        Ok(())
    }

    /// [`Connection::send`] to the child. [`Error::NotFound`]: there is no connection; the same for all that follow.
    pub fn send<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.connected()?.send(value)
    }

    /// [`Connection::send_bytes`] to the child.
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<()> {
        self.connected()?.send_bytes(bytes)
    }

    /// [`Connection::send_with`] to the child: a value, and a socket with it.
    pub fn send_with<'a, T: Serialize + ?Sized>(&self, value: &T, handle: impl Into<Sent<'a>>) -> Result<()> {
        self.connected()?.send_with(value, handle)
    }

    /// [`Connection::take_handle`] of the connection to the child; `None` also where there is none.
    pub fn take_handle(&self) -> Option<Handle> {
        self.connection.as_ref().and_then(Connection::take_handle)
    }

    /// [`Connection::recv`] from the child.
    pub fn recv<T: DeserializeOwned>(&self) -> Result<T> {
        self.connected()?.recv()
    }

    /// [`Connection::recv_bytes`] from the child.
    pub fn recv_bytes(&self) -> Result<Vec<u8>> {
        self.connected()?.recv_bytes()
    }

    /// [`Connection::try_recv`] from the child.
    pub fn try_recv<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        self.connected()?.try_recv()
    }

    /// Gives a task to a handler and waits for its answer.
    ///
    /// [`Error::Failed`]: the handler's own error; [`Error::Poisoned`]: the child died over it; [`Error::TimedOut`]: the
    /// answer is not there yet, and the next call waits for its own answer all the same.
    ///
    /// ```standalone_crate
    /// # use sandhog::{Error, Job, Result};
    /// # fn main() -> Result<()> {
    /// let greeter = Job::handler("hello-handler").spawn()?;
    /// let greeting: String = greeter.call("world")?;
    /// assert_eq!(greeting, "Hello, world!");
    /// let refused = greeter.call::<_, String>("");
    /// assert_eq!(refused, Err(Error::Failed("whom?".into())));
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<In: Serialize + ?Sized, Out: DeserializeOwned>(&self, task: &In) -> Result<Out> {
        self.call_message(&Message::value(task)?)?.decode()
    }

    /// The same with raw bytes.
    pub fn call_bytes(&self, task: impl Into<Vec<u8>>) -> Result<Vec<u8>> {
        self.call_message(&Message::bytes(task))?.into_bytes()
    }

    /// The same with messages of any format.
    pub fn call_message(&self, task: &Message) -> Result<Message> {
        let answer = self.handle.call(task.as_param(), nanoseconds(self.patience))?;
        answer.map(Message::from).map_err(Error::Failed)
    }

    /// The end of its stdin, if it is piped, at the first call.
    pub fn stdin(&self) -> Option<Writer> {
        self.handle.stdin().map(Writer::new)
    }

    /// The end of its stdout, if it is piped, at the first call.
    pub fn stdout(&self) -> Option<Reader> {
        self.handle.stdout().map(Reader::new)
    }

    /// The end of its stderr, if it is piped, at the first call.
    pub fn stderr(&self) -> Option<Reader> {
        self.handle.stderr().map(Reader::new)
    }

    /// Waits for its end; the same verdict at each call.
    pub fn wait(&self) -> Result<Verdict> {
        Ok(self.handle.wait(nanoseconds(self.patience))?.into())
    }

    /// Its verdict, if it has ended.
    pub fn try_wait(&self) -> Result<Option<Verdict>> {
        unless_it_would_wait(self.within(Duration::ZERO).wait())
    }

    /// What it has used so far; all zero until its process is there. Never waits for the child, so one that hangs is seen, too.
    /// [`Error::Closed`]: it has ended, and its verdict says what it used. [`Error::NotFound`]: nobody can tell on this machine.
    ///
    /// ```standalone_crate
    /// # use sandhog::{Error, Job, Result};
    /// # fn main() -> Result<()> {
    /// let echo = Job::new("echo").connected().spawn()?;
    /// echo.send("Is anybody there?")?;
    /// let _: String = echo.recv()?;
    /// let usage = echo.usage()?;
    /// println!("{:?} on the CPU, {} KiB of memory", usage.cpu, usage.resident_bytes >> 10);
    /// assert_eq!((usage.messages_received, usage.messages_sent), (1, 1));
    /// echo.kill();
    /// echo.wait()?;
    /// assert_eq!(echo.usage(), Err(Error::Closed));
    /// # Ok(())
    /// # }
    /// ```
    pub fn usage(&self) -> Result<LiveUsage> {
        Ok(self.handle.usage()?.into())
    }

    /// Asks it to stop: it has the grace time if it listens ([`stopping`](crate::process::stopping)), else it is ended at once.
    pub fn stop(&self) {
        self.handle.stop();
    }

    /// Ends it at once.
    pub fn kill(&self) {
        self.handle.kill();
    }
}

/// What a child that lives has used so far: its process, as the kernel counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveUsage {
    /// On the CPU, all threads together; to the microsecond. The difference of two by the time between them is how busy it was.
    pub cpu: Duration,
    /// Resident memory now, in bytes: what it has touched of its linear memories, and some 10 MiB of Sandhog's own, most of it
    /// shared with other jobs.
    pub resident_bytes: u64,
    /// The same at its largest so far.
    pub peak_resident_bytes: u64,
    /// Threads of its process, Sandhog's own: a guest has one.
    pub threads: u32,
    /// Messages that were sent to it, whether or not it has taken them.
    pub messages_received: u64,
    /// Messages that have been received from it.
    pub messages_sent: u64,
}

impl From<host::LiveUsage> for LiveUsage {
    fn from(usage: host::LiveUsage) -> Self {
        Self {
            cpu: Duration::from_micros(usage.cpu_us),
            resident_bytes: usage.resident_bytes,
            peak_resident_bytes: usage.peak_resident_bytes,
            threads: usage.threads,
            messages_received: usage.messages_received,
            messages_sent: usage.messages_sent,
        }
    }
}

/// Something that [`wait_any`] can wait for.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A message has come, or the other end has gone.
    Message(&'a Connection),
    /// There are bytes to read, or their end.
    Bytes(&'a Reader),
    /// A client waits to be accepted.
    Client(&'a TcpListener),
    /// There are bytes of a client's to read, or their end.
    Data(&'a TcpStream),
    /// The child has ended.
    Ended(&'a Child),
    /// This job has been asked to stop; counts as listening, as [`stopping`](crate::process::stopping) does.
    Stopping,
}

impl<'a> Source<'a> {
    fn as_param(&self) -> host::Source<'a> {
        match *self {
            Self::Message(connection) => host::Source::Message(connection.end()),
            Self::Bytes(reader) => host::Source::Bytes(reader.end()),
            Self::Client(listener) => host::Source::Client(listener.socket()),
            Self::Data(stream) => host::Source::Data(stream.socket()),
            Self::Ended(child) => host::Source::Ended(&child.handle),
            Self::Stopping => host::Source::Stopping,
        }
    }
}

/// Waits until something of this happens: the places in the list of all that has, in order. At most 1024 sources. What
/// `Promise.race` and `multiprocessing.connection.wait` are for.
///
/// ```standalone_crate
/// # use sandhog::{Job, Result, Source, wait_any};
/// # fn main() -> Result<()> {
/// let (quiet, loud) = (Job::new("echo").connected().spawn()?, Job::new("echo").connected().spawn()?);
/// loud.send("listen!")?;
/// let (from_quiet, from_loud) = (quiet.connection().unwrap(), loud.connection().unwrap());
/// let sources = [Source::Message(&from_quiet), Source::Message(&from_loud), Source::Ended(&quiet)];
/// assert_eq!(wait_any(&sources)?, [1]);
/// # Ok(())
/// # }
/// ```
pub fn wait_any(sources: &[Source<'_>]) -> Result<Vec<usize>> {
    wait(sources, None)
}

/// The same, but gives up after this time: [`Error::TimedOut`], or [`Error::WouldBlock`] where it is zero.
pub fn wait_any_within(sources: &[Source<'_>], patience: Duration) -> Result<Vec<usize>> {
    wait(sources, Some(patience))
}

fn wait(sources: &[Source<'_>], patience: Patience) -> Result<Vec<usize>> {
    let sources: Vec<_> = sources.iter().map(Source::as_param).collect();
    let indices = host::wait_any(&sources, nanoseconds(patience))?;
    Ok(indices.into_iter().map(|index| index as usize).collect())
}

impl From<Stdio> for host::Stdio {
    fn from(stdio: Stdio) -> Self {
        match stdio {
            Stdio::Null => Self::Null,
            Stdio::Inherit => Self::Inherit,
            Stdio::Piped => Self::Piped,
        }
    }
}
