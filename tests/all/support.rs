//! One builder that runs the real executable. Every run has a deadline and directories of its own.

mod outcome;

pub(crate) use outcome::Outcome;
use sandhog_harness::each_test;
use sandhog_harness::{DEADLINE, Folder, Person, Stream, cache_of, chown, guest, hostile, is_root, program, state_of};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

#[derive(Debug)]
enum Input {
    None,
    Bytes(Vec<u8>),
    /// A pipe that the test writes to.
    Open,
    From(Stdio),
}

/// What the child does between fork and exec.
type InChild = Box<dyn FnMut() -> io::Result<()> + Send + Sync>;

/// A command to be run: `sandhog run` of a module, or any other.
pub(crate) struct Run {
    module: Option<PathBuf>,
    under: Vec<OsString>,
    words: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    input: Input,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    cache: Option<PathBuf>,
    directory: Option<PathBuf>,
    as_user: Option<u32>,
    in_child: Option<InChild>,
    passed_on: Vec<OwnedFd>,
    verdict: bool,
    /// It lies: see [`Self::hostile`].
    hostile: bool,
    program: Option<PathBuf>,
    scratch: Folder,
}

impl Run {
    /// `sandhog run` of a guest (see [`guest`]).
    pub(crate) fn new(name: &str) -> Self {
        Self::module(guest(name))
    }

    /// `sandhog run` of any file.
    pub(crate) fn module(path: impl Into<PathBuf>) -> Self {
        Self { module: Some(path.into()), verdict: true, ..Self::command(["run"]) }
    }

    /// Native code in the guest's place, which tells this lie (`host/probes/src/lies.rs`). As [`Self::new`], but a
    /// worker that lies has no guest's limits: give it some.
    pub(crate) fn hostile(lie: &str) -> Self {
        let words = ["doctor", "--probe", &format!("lie:{lie}")].map(OsString::from);
        Self { module: Some(guest("hello")), verdict: true, hostile: true, ..Self::command(words) }
    }

    /// By executables that were taken over. Guests run as everywhere, but for `open-memory` of `raw:NAME`: any object's memory.
    pub(crate) fn taken_over(self) -> Self {
        Self { hostile: true, ..self }
    }

    /// `sandhog` with these words.
    pub(crate) fn command(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        each_test::begin();
        Self {
            module: None,
            under: Vec::new(),
            words: words.into_iter().map(|word| word.as_ref().to_owned()).collect(),
            args: Vec::new(),
            env: Vec::new(),
            input: Input::None,
            stdout: None,
            stderr: None,
            cache: None,
            directory: None,
            as_user: None,
            in_child: None,
            passed_on: Vec::new(),
            verdict: false,
            hostile: false,
            program: None,
            scratch: Folder::new(),
        }
    }

    /// By the executable of an installation.
    pub(crate) fn at(mut self, program: PathBuf) -> Self {
        self.program = Some(program);
        self
    }

    /// By another program, which executes it: `env --ignore-signal`.
    pub(crate) fn under(mut self, words: &[&str]) -> Self {
        self.under.extend(words.iter().map(OsString::from));
        self
    }

    /// One word before the module, such as `--memory=64MiB`.
    pub(crate) fn flag(mut self, flag: impl AsRef<OsStr>) -> Self {
        self.words.push(flag.as_ref().to_owned());
        self
    }

    /// Lets the guest write to a directory, as /out.
    pub(crate) fn writable(self, scratch: &Folder) -> Self {
        self.dir(scratch.path(), "::/out:rw")
    }

    /// `--dir=HOST` and what follows the path, such as `::/in:rw`.
    pub(crate) fn dir(self, host: &Path, rest: &str) -> Self {
        let mut flag = OsString::from("--dir=");
        flag.push(host);
        flag.push(rest);
        self.flag(flag)
    }

    /// An argument of the guest's.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// A variable in the command's environment, which has only PATH and Sandhog's own else.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// What comes by a pipe; without it, /dev/null.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Bytes(bytes.into());
        self
    }

    /// A pipe that stays open: [`Running::stdin`].
    pub(crate) fn stdin_open(mut self) -> Self {
        self.input = Input::Open;
        self
    }

    pub(crate) fn stdin_from(mut self, stdin: impl Into<Stdio>) -> Self {
        self.input = Input::From(stdin.into());
        self
    }

    /// Where stdout goes instead of [`Outcome::stdout`].
    pub(crate) fn stdout_to(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Where stderr goes instead of [`Outcome::stderr`].
    pub(crate) fn stderr_to(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// A cache other than that of all tests.
    pub(crate) fn cache(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache = Some(path.into());
        self
    }

    /// The directory that the command starts in.
    pub(crate) fn current_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
        self
    }

    /// As an ordinary user where the tests run as root (else they are one), with a cache and a state of that user's own.
    pub(crate) fn by_ordinary_user(mut self) -> Self {
        if is_root() {
            self.as_user = Some(Person::MADE_UP.uid());
            chown(self.scratch.path(), Person::MADE_UP.uid());
            if let Some(module) = &self.module
                && module.is_file()
            {
                // Where the guests lie, others may not enter.
                let copy = self.scratch.join(module.file_name().unwrap());
                if fs::copy(module, &copy).is_ok() {
                    self.module = Some(copy);
                }
            }
        }
        self
    }

    /// Hands an open file to the command, under the number that it has here.
    pub(crate) fn pass_on(mut self, fd: OwnedFd) -> Self {
        self.passed_on.push(fd);
        self
    }

    /// What happens in the child before the command starts. Only what is safe after a fork.
    pub(crate) fn in_child(mut self, work: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Self {
        self.in_child = Some(Box::new(work));
        self
    }

    /// Without `--verdict`, for tests that give their own.
    pub(crate) fn without_verdict(mut self) -> Self {
        self.verdict = false;
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Outcome {
        self.start().wait()
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        let mut command = self.build();
        let mut child = command.spawn().unwrap();
        drop(command);
        let mut stdin = child.stdin.take();
        if let Input::Bytes(bytes) = std::mem::replace(&mut self.input, Input::None) {
            let mut pipe = stdin.take().unwrap();
            // A reader that goes away early is none of this thread's business.
            thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        Running {
            pid: child.id(),
            stdin,
            stdout: Stream::collect(child.stdout.take()),
            stderr: Stream::collect(child.stderr.take()),
            verdict: self.verdict.then(|| self.verdict_file()),
            child,
            ended: false,
            _scratch: self.scratch,
        }
    }

    fn verdict_file(&self) -> PathBuf {
        self.scratch.join("verdict.json")
    }

    fn build(&mut self) -> Command {
        let mut command = self.executable();
        command.args(&self.words);
        if self.verdict {
            command.arg("--verdict").arg(self.verdict_file());
        }
        command.args(&self.module);
        if !self.args.is_empty() {
            command.arg("--").args(&self.args);
        }
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let cache = self.cache.clone().unwrap_or_else(|| match self.as_user {
            Some(_) => self.scratch.join("cache"),
            None => cache_of(Person::me()),
        });
        let state = match self.as_user {
            Some(_) => self.scratch.join("state"),
            None => state_of(Person::me()),
        };
        command.env("SANDHOG_CACHE_DIR", cache).env("SANDHOG_STATE_DIR", state).env("HOME", self.scratch.path());
        command.envs(self.env.drain(..));
        command.stdin(match &mut self.input {
            Input::None => Stdio::null(),
            Input::Bytes(_) | Input::Open => Stdio::piped(),
            Input::From(stdin) => std::mem::replace(stdin, Stdio::null()),
        });
        command.stdout(self.stdout.take().unwrap_or_else(Stdio::piped));
        command.stderr(self.stderr.take().unwrap_or_else(Stdio::piped));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        self.prepare_child(&mut command);
        command
    }

    /// For another user where everybody can reach it: the path may lead through directories that are closed to others.
    fn executable(&mut self) -> Command {
        let built = || if self.hostile { hostile() } else { program() }.to_path_buf();
        let path = self.program.clone().unwrap_or_else(built);
        let mut command = self.program(path);
        if let Some(user) = self.as_user {
            command.uid(user).gid(user);
        }
        command
    }

    fn program(&self, path: PathBuf) -> Command {
        let Some((program, words)) = self.under.split_first() else { return Command::new(path) };
        let mut command = Command::new(program);
        command.args(words).arg(path);
        command
    }

    #[allow(unsafe_code)]
    fn prepare_child(&mut self, command: &mut Command) {
        let (passed_on, mut work) = (std::mem::take(&mut self.passed_on), self.in_child.take());
        if passed_on.is_empty() && work.is_none() {
            return;
        }
        let prepare = move || {
            for fd in &passed_on {
                rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?;
            }
            work.as_mut().map_or(Ok(()), |work| work())
        };
        // SAFETY: system calls only, no allocation and no lock; what a test adds is bound to the same (`in_child`).
        unsafe { command.pre_exec(prepare) };
    }
}

/// A command that runs. Dropping it kills it.
pub(crate) struct Running {
    pub pid: u32,
    pub stdin: Option<ChildStdin>,
    pub stdout: Stream,
    pub stderr: Stream,
    child: Child,
    verdict: Option<PathBuf>,
    ended: bool,
    _scratch: Folder,
}

impl Running {
    /// Writes to its stdin.
    pub(crate) fn say(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.own_pid(), signal).unwrap();
    }

    pub(crate) fn has_ended(&self) -> bool {
        has_ended(self.own_pid(), Duration::ZERO)
    }

    pub(crate) fn ends_within(&self, time: Duration) -> bool {
        has_ended(self.own_pid(), time)
    }

    fn own_pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end, after the end of its stdin.
    pub(crate) fn wait(mut self) -> Outcome {
        drop(self.stdin.take());
        self.wait_with_stdin_open()
    }

    /// Waits for its end while its stdin stays open.
    pub(crate) fn wait_with_stdin_open(mut self) -> Outcome {
        if !has_ended(self.own_pid(), DEADLINE) {
            let heard = String::from_utf8_lossy(&self.stderr.so_far()).into_owned();
            panic!("it did not end; stderr so far: {heard}");
        }
        let status = self.child.wait().unwrap();
        self.ended = true;
        let raw_stderr = self.stderr.whole();
        let verdict_line = self.verdict.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        Outcome {
            code: code(status),
            stdout: self.stdout.whole(),
            stderr: String::from_utf8_lossy(&raw_stderr).into_owned(),
            raw_stderr,
            verdict: serde_json::from_str(&verdict_line).unwrap_or(Value::Null),
            verdict_line,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            // It may have ended meanwhile.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// As a shell tells it: 128 and the number of the signal that ended it.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

/// Whether the process ends within this time. It remains to be waited for.
fn has_ended(pid: Pid, within: Duration) -> bool {
    let handle = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let within = Timespec::try_from(within).unwrap();
    poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&within)).unwrap() != 0
}
