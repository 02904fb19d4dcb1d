//! What the tests of files, kills and ordinary users share: who starts a command, where its things lie, and waiting.
//!
//! A test that needs root, or a mount of its own, says what is missing instead of passing in silence ([`missing`]).

use sandhog_harness::{DEADLINE, Person, Process, cache_of, is_root, program, state_of, until_within};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};

/// A folder of somebody's own for one test; gone with the value.
pub(crate) struct Workspace {
    pub who: Person,
    root: tempfile::TempDir,
}

impl Workspace {
    pub(crate) fn new(who: Person) -> Self {
        sandhog_harness::each_test::begin();
        let root = tempfile::tempdir().unwrap();
        let workspace = Self { who, root };
        workspace.settle();
        workspace
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Where what it runs is compiled to.
    pub(crate) fn cache(&self) -> PathBuf {
        cache_of(self.who)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).into_os_string().into_string().unwrap()
    }

    /// A file with its folders.
    pub(crate) fn file(&self, name: &str, content: &str) -> &Self {
        self.folder(Path::new(name).parent().unwrap().to_str().unwrap());
        fs::write(self.path(name), content).unwrap();
        self
    }

    pub(crate) fn folder(&self, name: &str) -> &Self {
        fs::create_dir_all(self.path(name)).unwrap();
        self
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) -> &Self {
        symlink(target, self.path(name)).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Everything here belongs to whom the place belongs to.
    pub(crate) fn settle(&self) -> &Self {
        if is_root() {
            give(self.root.path(), self.who.uid());
        }
        self
    }

    /// `sandhog`, as the one whose place this is, with nothing else in the environment.
    pub(crate) fn sandhog(&self) -> Command {
        self.command(program())
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.root.path()).env("SANDHOG_CACHE_DIR", cache_of(self.who));
        command.env("SANDHOG_STATE_DIR", state_of(self.who));
        command.current_dir(self.root.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if is_root() && self.who != Person::Root {
            command.uid(self.who.uid()).gid(self.who.uid());
        }
        command
    }

    /// `sandhog run` with a verdict, to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.finish(self.start(args))
    }

    /// `sandhog run` with a verdict; its stdin is a pipe.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let _ = fs::remove_file(self.path("verdict.json"));
        let mut command = self.sandhog();
        command.stdin(Stdio::piped()).args(["run", "--verdict", "verdict.json"]).args(args);
        Running::start(&mut command)
    }

    /// Keeps the guest's stdin open until the end: a guest that sees the end of it may be faster than a kill.
    pub(crate) fn finish_killed(&self, mut child: Running) -> Ran {
        let _stdin = child.stdin.take();
        self.finish(child)
    }

    pub(crate) fn finish(&self, child: Running) -> Ran {
        let output = finish(child);
        let verdict = fs::read(self.path("verdict.json")).ok();
        let verdict = verdict.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null);
        Ran::new(output, verdict)
    }

    /// `setup` in a shell with mounts of its own, then `sandhog run` in the same place.
    pub(crate) fn run_in_own_mounts(&self, setup: &str, args: &[&str]) -> Ran {
        self.run_after("unshare", &["--mount", "--propagation", "private"], setup, args)
    }

    /// `sandhog run` behind a program that calls a shell that does `setup` first.
    pub(crate) fn run_after(&self, before: &str, its_args: &[&str], setup: &str, args: &[&str]) -> Ran {
        let _ = fs::remove_file(self.path("verdict.json"));
        let script = format!("set -e; {setup}\nexec \"$0\" run --verdict verdict.json \"$@\"");
        let mut command = self.command(Path::new(before));
        command.args(its_args).args(["sh", "-c", &script]).arg(program()).args(args);
        self.finish(Running::start(&mut command))
    }
}

fn give(path: &Path, uid: u32) {
    lchown(path, Some(uid), Some(uid)).unwrap();
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::read_dir(path).unwrap().flatten().for_each(|entry| give(&entry.path(), uid));
    }
}

/// A command that runs. A test that fails leaves none behind.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        sandhog_harness::each_test::begin();
        Self(Some(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))))
    }

    fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(self)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        // Not reaped yet, so that the number is still its own.
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }
}

impl std::ops::Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().expect("taken only at the end")
    }
}

impl std::ops::DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().expect("taken only at the end")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = (child.kill(), child.wait());
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// None: a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub verdict: Value,
}

impl Ran {
    fn new(output: Output, verdict: Value) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr), verdict }
    }

    /// The word of the verdict.
    pub(crate) fn word(&self) -> &str {
        self.verdict["verdict"].as_str().unwrap_or("none")
    }

    /// It was this, with this code; shows everything where not.
    #[track_caller]
    pub(crate) fn expect(&self, word: &str, code: i32) -> &Self {
        assert!(self.code == Some(code) && self.word() == word, "not {word} with {code}: {self:#?}");
        self
    }

    /// It never started, and says all of this.
    #[track_caller]
    pub(crate) fn expect_refused(&self, said: &[&str]) -> &Self {
        assert_eq!(self.code, Some(126), "{self:#?}");
        said.iter().for_each(|said| assert!(self.stderr.contains(said), "{said:?} is not in {self:#?}"));
        assert!(!self.stderr.contains("\\n"), "{self:#?}");
        self
    }

    /// The names in one of the verdict's lists.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.verdict[name].as_array().map_or(Vec::new(), |list| list.iter().filter_map(Value::as_str).collect())
    }
}

/// Waits for a child to end; one that does not is killed, and the test with it.
#[track_caller]
pub(crate) fn finish(mut running: Running) -> Output {
    let pid = running.pid();
    let (done, waits) = channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let late = waits.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout);
        // Not reaped yet, so that the number is still its own.
        late.then(|| rustix::process::kill_process(pid, rustix::process::Signal::KILL))
    });
    let child = running.0.take().expect("taken only here");
    let output = child.wait_with_output().unwrap();
    drop(done);
    assert!(watchdog.join().unwrap().is_none(), "killed after {DEADLINE:?}: {output:?}");
    output
}

/// The process of this name below a command, once it is there.
#[track_caller]
pub(crate) fn process_of(command: &Child, name: &str) -> Process {
    let root = command.id();
    until_within(name, DEADLINE / 6, || Process::tree(root).into_iter().find(|process| process.name == name))
}
