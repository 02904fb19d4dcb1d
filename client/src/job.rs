use crate::Error;
use crate::connection::Connection;
use crate::running::Running;
use command_fds::CommandFdExt;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::fcntl_dupfd_cloexec;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How a job may use a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    ReadWrite,
}

/// A job to be started. It has what is listed here, and nothing else: no file, no variable, no network.
///
/// Unless something else is said: 512 MiB of memory and no limit of time; no stdin; stdout and stderr are this program's.
#[derive(Debug)]
pub struct Job {
    executable: Option<OsString>,
    module: OsString,
    flags: Vec<OsString>,
    args: Vec<OsString>,
    stdin: Option<Stdio>,
    stdout: Stdio,
    stderr: Stdio,
}

impl Job {
    /// Of this module: a WebAssembly program or component, in a file.
    #[must_use]
    pub fn new(module: impl AsRef<Path>) -> Self {
        Self {
            executable: None,
            module: module.as_ref().into(),
            flags: Vec::new(),
            args: Vec::new(),
            stdin: None,
            stdout: Stdio::inherit(),
            stderr: Stdio::inherit(),
        }
    }

    /// The `sandhog` to start it with. Else the one that the variable `SANDHOG` names, else the first in `PATH`.
    #[must_use]
    pub fn executable(mut self, path: impl AsRef<Path>) -> Self {
        self.executable = Some(path.as_ref().into());
        self
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.args.push(argument.as_ref().into());
        self
    }

    /// Its name for itself. Else the module's.
    #[must_use]
    pub fn argv0(self, name: impl AsRef<OsStr>) -> Self {
        self.flag("--argv0", [name.as_ref()])
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.flag("--env", [name.as_ref(), OsStr::new("="), value.as_ref()])
    }

    /// A directory, by the name that it has for the job.
    #[must_use]
    pub fn dir(self, host: impl AsRef<Path>, guest: impl AsRef<OsStr>, access: Access) -> Self {
        let access = match access {
            Access::ReadOnly => ":ro",
            Access::ReadWrite => ":rw",
        };
        self.flag("--dir", [host.as_ref().as_os_str(), OsStr::new("::"), guest.as_ref(), OsStr::new(access)])
    }

    /// Lets it start this file as its child, by this name.
    #[must_use]
    pub fn child(self, name: &str, file: impl AsRef<Path>) -> Self {
        self.flag("--child", [OsStr::new(name), OsStr::new("="), file.as_ref().as_os_str()])
    }

    /// Most memory, in bytes.
    #[must_use]
    pub fn memory(self, bytes: u64) -> Self {
        self.flag("--memory", [format!("{bytes}B").as_ref()])
    }

    /// Longest time by the clock, in whole milliseconds.
    #[must_use]
    pub fn timeout(self, time: Duration) -> Self {
        self.flag("--timeout", [milliseconds(time).as_ref()])
    }

    /// Most CPU time, in whole milliseconds.
    #[must_use]
    pub fn cpu(self, time: Duration) -> Self {
        self.flag("--cpu", [milliseconds(time).as_ref()])
    }

    /// Most bytes on stdout and stderr together.
    #[must_use]
    pub fn max_output(self, bytes: u64) -> Self {
        self.flag("--max-output", [format!("{bytes}B").as_ref()])
    }

    /// Most children alive at once, its children's included.
    #[must_use]
    pub fn max_children(self, count: u32) -> Self {
        self.flag("--max-children", [count.to_string().as_ref()])
    }

    /// Of a handler: a new instance for each task.
    #[must_use]
    pub fn fresh(mut self) -> Self {
        self.flags.push("--fresh".into());
        self
    }

    /// Runs it even where this machine can't build a wall, by its name in `sandhog doctor`; the verdict lists it.
    #[must_use]
    pub fn allow_missing(self, wall: &str) -> Self {
        self.flag("--allow-missing", [wall.as_ref()])
    }

    /// Any other flag of `sandhog run`, such as `--fuel` with `1000000`.
    #[must_use]
    pub fn option(self, flag: &str, value: impl AsRef<OsStr>) -> Self {
        self.flag(flag, [value.as_ref()])
    }

    /// Where its stdin comes from.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// Where its stdout goes to.
    #[must_use]
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = stdout.into();
        self
    }

    /// Where its stderr goes to, and what `sandhog` itself has to say.
    #[must_use]
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = stderr.into();
        self
    }

    /// In one word, so that no value is taken for a flag.
    fn flag<const PARTS: usize>(mut self, flag: &str, value: [&OsStr; PARTS]) -> Self {
        let mut word = OsString::from(flag);
        word.push("=");
        value.into_iter().for_each(|part| word.push(part));
        self.flags.push(word);
        self
    }

    /// Starts it. Back as soon as it is on its way: what goes wrong from then on is in its verdict.
    ///
    /// # Errors
    /// [`Error::NoExecutable`], [`Error::System`].
    pub fn start(self) -> Result<Running, Error> {
        let (ours, job) = sandhog_channel::pair().map_err(Error::system("make a connection"))?;
        let (asking, asked) = sandhog_channel::pair().map_err(Error::system("make a connection"))?;
        // Whoever writes there need not wait for a reader, however long it is.
        let verdict =
            memfd_create(c"verdict", MemfdFlags::CLOEXEC).map_err(Error::system("make room for a verdict"))?;
        let passed = [Ok(job), Ok(asked), verdict.try_clone()].map(|fd| fd.and_then(beyond_streams));
        let [job, asked, passed] = passed.map(|fd| fd.map_err(Error::system("pass on a descriptor")));
        let passed = Passed { job: job?, usage: asked?, verdict: passed? };
        let executable = self.executable_or_usual();
        let child = spawn(self.command(&executable, passed), executable)?;
        Ok(Running::new(child, Connection::new(ours), Connection::new(asking), File::from(verdict)))
    }

    /// Starts a pool of it that talks over a descriptor. Its stdin and stdout are nobody's: a task has its own.
    pub(crate) fn start_pool(mut self, flags: Vec<OsString>, fd: OwnedFd) -> Result<Child, Error> {
        let fd = beyond_streams(fd).map_err(Error::system("pass on a descriptor"))?;
        let executable = self.executable_or_usual();
        let mut command = Command::new(&executable);
        command.arg("pool").args(&self.flags).args(flags);
        command.arg("--protocol=msgpack").arg(format!("--fd={}", fd.as_raw_fd()));
        command.arg(plain(&mut self.module)).arg("--").args(self.args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(self.stderr);
        command.preserved_fds(vec![fd]);
        spawn(command, executable)
    }

    fn executable_or_usual(&self) -> OsString {
        self.executable.clone().or_else(|| std::env::var_os("SANDHOG")).unwrap_or_else(|| "sandhog".into())
    }

    /// The command owns the descriptors, and keeps them from every program but the one that it starts: they survive an
    /// exec in its child alone.
    fn command(mut self, executable: &OsStr, passed: Passed) -> Command {
        let Passed { job, usage, verdict } = passed;
        let mut command = Command::new(executable);
        command.arg("run").args(&self.flags);
        command.arg(format!("--channel={}", job.as_raw_fd()));
        command.arg(format!("--usage={}", usage.as_raw_fd()));
        command.arg(format!("--verdict=/dev/fd/{}", verdict.as_raw_fd()));
        if self.stdin.is_none() {
            command.arg("--stdin=none");
        }
        command.arg(plain(&mut self.module)).arg("--").args(self.args);
        command.stdin(self.stdin.unwrap_or_else(Stdio::null)).stdout(self.stdout).stderr(self.stderr);
        command.preserved_fds(vec![job, usage, verdict]);
        command
    }
}

fn spawn(mut command: Command, executable: OsString) -> Result<Child, Error> {
    command.spawn().map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            return Error::NoExecutable(executable);
        }
        Error::System { what: "start sandhog", source }
    })
}

/// A name that begins like a flag is no flag.
fn plain(module: &mut OsString) -> PathBuf {
    let module = std::mem::take(module);
    if module.as_encoded_bytes().starts_with(b"-") { Path::new(".").join(module) } else { module.into() }
}

/// What the command is given, beyond the streams.
struct Passed {
    /// The job's end of its connection.
    job: OwnedFd,
    /// Where it is asked what the job uses.
    usage: OwnedFd,
    verdict: OwnedFd,
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

/// Under a number that is none of a program's own streams, which the new process has its own of.
fn beyond_streams(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 { Ok(fd) } else { Ok(fcntl_dupfd_cloexec(&fd, 3)?) }
}
