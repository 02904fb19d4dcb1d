//! One builder of all commands that tests start: `sandhog` with any words, or another program.
//!
//! Must not: start anything that it was not told to, or share a directory of one test with another. Only what is compiled is
//! kept for all.

use crate::each_test;
use crate::folder::{Folder, chown};
use crate::installed::{cache_of, guest, hostile, program, state_of};
use crate::outcome::Outcome;
use crate::person::{Person, is_root};
use crate::running::Running;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};

/// What comes in.
#[derive(Debug)]
pub(crate) enum Input {
    None,
    Bytes(Vec<u8>),
    /// A pipe that the test writes to.
    Open,
    From(Stdio),
}

/// What the child does between fork and exec.
type InChild = Box<dyn FnMut() -> io::Result<()> + Send + Sync>;

/// Where a command's own files lie: its HOME, with the file of its verdict.
enum Home {
    /// Nobody else's, gone with the command.
    Own(Folder),
    Of(PathBuf),
}

/// A command to be run: `sandhog run` of a module, or any other.
///
/// It has nothing in its environment but PATH, HOME, and the directories of Sandhog: a cache and a state that all tests of its
/// person share. Its stdin is /dev/null; what it prints is in its [`Outcome`].
pub struct Command {
    program: PathBuf,
    under: Vec<OsString>,
    words: Vec<OsString>,
    module: Option<PathBuf>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    pub(crate) input: Input,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    cache: PathBuf,
    state: PathBuf,
    directory: Option<PathBuf>,
    person: Person,
    in_child: Option<InChild>,
    passed_on: Vec<OwnedFd>,
    verdict: bool,
    home: Home,
}

impl Command {
    /// Any program with these words.
    pub fn program(program: impl Into<PathBuf>, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        each_test::begin();
        Self::at_home(program.into(), Person::me(), Home::Own(Folder::new())).flags(words)
    }

    /// The same in a folder: that is its HOME and where it starts, and it is its person's.
    pub(crate) fn program_in(folder: &Folder, program: PathBuf) -> Self {
        let home = Home::Of(folder.path().to_path_buf());
        Self::at_home(program, folder.person, home).current_dir(folder.path())
    }

    fn at_home(program: PathBuf, person: Person, home: Home) -> Self {
        Self {
            program,
            under: Vec::new(),
            words: Vec::new(),
            module: None,
            args: Vec::new(),
            env: Vec::new(),
            input: Input::None,
            stdout: None,
            stderr: None,
            cache: cache_of(person),
            state: state_of(person),
            directory: None,
            person,
            in_child: None,
            passed_on: Vec::new(),
            verdict: false,
            home,
        }
    }

    /// `sandhog` with these words.
    pub fn sandhog(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        Self::program(program(), words)
    }

    /// `sandhog run` of a guest (see [`guest`]), with a verdict.
    pub fn guest(name: &str) -> Self {
        Self::module(guest(name))
    }

    /// `sandhog run` of any file, with a verdict.
    pub fn module(path: impl Into<PathBuf>) -> Self {
        Self { module: Some(path.into()), verdict: true, ..Self::sandhog(["run"]) }
    }

    /// Native code in the guest's place, which tells this lie (`host/probes/src/lies.rs`). As [`Self::guest`], but a worker that
    /// lies has no guest's limits: give it some.
    pub fn lie(lie: &str) -> Self {
        let words = ["doctor", "--probe", &format!("lie:{lie}")];
        Self { module: Some(guest("hello")), verdict: true, ..Self::sandhog(words).taken_over() }
    }

    /// By executables that were taken over. Guests run as everywhere, but for `open-memory` of `raw:NAME`: any object's memory.
    pub fn taken_over(self) -> Self {
        self.at(hostile().to_path_buf())
    }

    /// By this executable.
    pub fn at(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// By another program, which executes it: `env --ignore-signal`.
    pub fn under(mut self, words: &[&str]) -> Self {
        self.under.extend(words.iter().map(OsString::from));
        self
    }

    /// By a shell that does this first.
    pub fn after(self, setup: &str) -> Self {
        self.under(&["sh", "-c", &format!("set -e; {setup}\nexec \"$0\" \"$@\"")])
    }

    /// One word before the module, such as `--memory=64MiB`.
    pub fn flag(self, flag: impl AsRef<OsStr>) -> Self {
        self.flags([flag])
    }

    /// Words before the module.
    pub fn flags(mut self, flags: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.words.extend(flags.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Lets the guest write to a directory, as /out.
    pub fn writable(self, folder: &Folder) -> Self {
        self.dir(folder.path(), "::/out:rw")
    }

    /// `--dir=HOST` and what follows the path, such as `::/in:rw`.
    pub fn dir(self, host: &Path, rest: &str) -> Self {
        let mut flag = OsString::from("--dir=");
        flag.push(host);
        flag.push(rest);
        self.flag(flag)
    }

    /// An argument of the guest's.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// A variable in its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// What comes by a pipe; without it, /dev/null.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Bytes(bytes.into());
        self
    }

    /// A pipe that stays open: [`Running::stdin`].
    pub fn stdin_open(mut self) -> Self {
        self.input = Input::Open;
        self
    }

    /// What its stdin is.
    pub fn stdin_from(mut self, stdin: impl Into<Stdio>) -> Self {
        self.input = Input::From(stdin.into());
        self
    }

    /// Where stdout goes instead of [`Outcome::stdout`].
    pub fn stdout_to(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Where stderr goes instead of [`Outcome::stderr`].
    pub fn stderr_to(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// A cache other than that of all tests.
    pub fn cache(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache = path.into();
        self
    }

    /// The directory that it starts in.
    pub fn current_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
        self
    }

    /// As this person, with everything else as it was.
    pub fn by(mut self, person: Person) -> Self {
        self.person = person;
        self
    }

    /// As an ordinary user where the tests run as root (else they are one), with a cache and a state of that user's own.
    pub fn by_ordinary_user(self) -> Self {
        let person = Person::ordinary();
        let Home::Own(home) = &self.home else { return self.by(person) };
        if !is_root() {
            return self;
        }
        chown(home.path(), person.uid());
        let (cache, state) = (home.join("cache"), home.join("state"));
        // Where a test's own files lie, others may not enter.
        let copied = self.module.as_ref().filter(|module| module.is_file()).and_then(|module| {
            let copy = home.join(module.file_name()?);
            fs::copy(module, &copy).ok().map(|_| copy)
        });
        Self { person, cache, state, module: copied.or(self.module), ..self }
    }

    /// Hands an open file to the command, under the number that it has here.
    pub fn pass_on(mut self, fd: OwnedFd) -> Self {
        self.passed_on.push(fd);
        self
    }

    /// What happens in the child before the command starts. Only what is safe after a fork.
    pub fn in_child(mut self, work: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Self {
        self.in_child = Some(Box::new(work));
        self
    }

    /// With `--verdict`, for a `run` that was spelled out.
    pub(crate) fn with_verdict(mut self) -> Self {
        self.verdict = true;
        self
    }

    /// Without `--verdict`, for tests that give their own.
    pub fn without_verdict(mut self) -> Self {
        self.verdict = false;
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Outcome {
        self.start().wait()
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// Where it can't be started.
    pub fn start(mut self) -> Running {
        let verdict = self.verdict.then(|| self.verdict_file());
        if let Some(verdict) = &verdict {
            // That of the one before, in the same folder.
            let _ = fs::remove_file(verdict);
        }
        let mut command = self.build();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        drop(command);
        let home = match self.home {
            Home::Own(home) => Some(home),
            Home::Of(_) => None,
        };
        Running::of(child, self.input, verdict, home)
    }

    fn home(&self) -> &Path {
        match &self.home {
            Home::Own(folder) => folder.path(),
            Home::Of(path) => path,
        }
    }

    fn verdict_file(&self) -> PathBuf {
        self.home().join("verdict.json")
    }

    fn build(&mut self) -> process::Command {
        let mut command = match self.under.split_first() {
            Some((program, words)) => {
                let mut command = process::Command::new(program);
                command.args(words).arg(&self.program);
                command
            }
            None => process::Command::new(&self.program),
        };
        if self.person.is_another() {
            command.uid(self.person.uid()).gid(self.person.uid());
        }
        self.say_what(&mut command);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("SANDHOG_CACHE_DIR", &self.cache).env("SANDHOG_STATE_DIR", &self.state).env("HOME", self.home());
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

    /// Its words, in their order.
    fn say_what(&self, command: &mut process::Command) {
        let mut words = self.words.iter();
        if self.verdict {
            // Behind the verb and its flags, or where the module is among the words right behind the verb.
            let behind = if self.module.is_some() { self.words.len() } else { 1 };
            command.args(words.by_ref().take(behind)).arg("--verdict").arg(self.verdict_file());
        }
        command.args(words).args(&self.module);
        if !self.args.is_empty() {
            command.arg("--").args(&self.args);
        }
    }

    #[allow(unsafe_code)]
    fn prepare_child(&mut self, command: &mut process::Command) {
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
