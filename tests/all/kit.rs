//! What the tests of files, kills and ordinary users share: who starts a command, where its things lie, and waiting.
//!
//! A test that needs root, or a mount of its own, says what is missing instead of passing in silence ([`missing`]).

pub(crate) mod traces;

pub(crate) use crate::each_test::{LIMIT, alone, limit};
use crate::installed::{installed, target};
use crate::support::processes;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The user that the tests make up, as root, to be somebody ordinary: in no database, in no group.
pub(crate) const NOBODY_IN_PARTICULAR: u32 = 54321;

/// Longer than anything here takes, even on a machine that is busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long something may live on after whoever held it was killed: what the product promises.
pub(crate) const PROMISED: Duration = Duration::from_secs(2);

/// Who starts a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    /// Somebody ordinary, with this number.
    Person(u32),
}

impl Who {
    pub(crate) fn uid(self) -> u32 {
        match self {
            Self::Root => 0,
            Self::Person(uid) => uid,
        }
    }

    /// Root and an ordinary user where this process may be both, else the one that it is.
    pub(crate) fn all() -> Vec<Self> {
        let ordinary = Self::ordinary();
        if is_root() { vec![Self::Root, ordinary] } else { vec![ordinary] }
    }

    /// An ordinary user: whoever runs the tests, or where that is root, one that is made up.
    pub(crate) fn ordinary() -> Self {
        let me = rustix::process::geteuid().as_raw();
        Self::Person(if me == 0 { NOBODY_IN_PARTICULAR } else { me })
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What a test needs of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Root,
    UserNamespaces,
    Cgroup,
    /// Of some kind, or with some property.
    FileSystem,
    /// More open files than it allows.
    Descriptors,
    /// Somebody else's, such as curl.
    Program,
    /// What `scripts/client-generator.sh` fetches.
    ClientGenerator,
}

impl Need {
    /// As `SANDHOG_REQUIRE` names it.
    fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::UserNamespaces => "userns",
            Self::Cgroup => "cgroup",
            Self::FileSystem => "filesystem",
            Self::Descriptors => "descriptors",
            Self::Program => "program",
            Self::ClientGenerator => "client-generator",
        }
    }
}

/// Says why a test could not be made here: to `not-tried` beside the guests, which `./just test` shows at its end. A test that
/// lacks what `SANDHOG_REQUIRE` names (`root,userns,cgroup`) fails.
pub(crate) fn missing(need: Need, what: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {what}", thread.name().unwrap_or("a test"));
    let required = std::env::var("SANDHOG_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name == need.name()), "{line}: SANDHOG_REQUIRE says that it is there");
    eprintln!("not tried here: {line}");
    let list = fs::File::options().create(true).append(true).open(target().join("not-tried"));
    // Whoever may not write there sees it above.
    let _ = list.and_then(|mut list| writeln!(list, "{line}"));
}

/// True as root; else says that the test was not made.
pub(crate) fn root_or_missing(what: &str) -> bool {
    if !is_root() {
        missing(Need::Root, &format!("{what} needs root"));
    }
    is_root()
}

/// Gives this thread, and what it starts from then on, mounts of its own.
#[allow(unsafe_code)]
pub(crate) fn own_mounts() -> rustix::io::Result<()> {
    // SAFETY: no descriptors are unshared. A mount namespace of its own needs a working directory of its own as well
    // (unshare(2)), which no test uses.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }?;
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
}

trait ModeBits {
    fn mode_bits(&self) -> u32;
}

impl ModeBits for fs::Metadata {
    fn mode_bits(&self) -> u32 {
        self.permissions().mode() & 0o7777
    }
}

/// The permission bits of a file, setuid and the like included.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode_bits()
}

/// The command that lies.
pub(crate) fn hostile() -> &'static Path {
    &installed().hostile
}

pub(crate) fn program() -> &'static Path {
    &installed().program
}

/// A guest by its name, `.wasm` where no other ending is given.
pub(crate) fn guest(name: &str) -> String {
    let name = if name.contains('.') { name.to_owned() } else { format!("{name}.wasm") };
    installed().guests.join(name).into_os_string().into_string().unwrap()
}

/// Real input, which lies beside the jobs.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../jobs/data").join(name)
}

/// What is compiled once for each user (`cache`), and what it is sealed with (`state`), in folders that outlive the tests.
fn kept(what: &str, who: Who) -> PathBuf {
    static MADE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let path = installed().cache.join(format!("test-{what}-{}", who.uid()));
    let _one_at_a_time = MADE.lock().unwrap();
    if !path.exists() {
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        if is_root() {
            chown(&path, Some(who.uid()), Some(who.uid())).unwrap();
        }
    }
    path
}

/// A folder of somebody's own for one test; gone with the value.
pub(crate) struct Workspace {
    pub who: Who,
    root: tempfile::TempDir,
}

impl Workspace {
    pub(crate) fn new(who: Who) -> Self {
        crate::each_test::begin();
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
        kept("cache", self.who)
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
        command.env("HOME", self.root.path()).env("SANDHOG_CACHE_DIR", kept("cache", self.who));
        command.env("SANDHOG_STATE_DIR", kept("state", self.who));
        command.current_dir(self.root.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if is_root() && self.who != Who::Root {
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
        crate::each_test::begin();
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
        let late = waits.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
        // Not reaped yet, so that the number is still its own.
        late.then(|| rustix::process::kill_process(pid, rustix::process::Signal::KILL))
    });
    let child = running.0.take().expect("taken only here");
    let output = child.wait_with_output().unwrap();
    drop(done);
    assert!(watchdog.join().unwrap().is_none(), "killed after {PATIENCE:?}: {output:?}");
    output
}

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    crate::each_test::begin();
    let deadline = Instant::now() + patience;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A process, by its number and its start, so that a number that is used again is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub pid: i32,
    pub comm: String,
    pub parent: i32,
    state: u8,
    start: u64,
}

impl Process {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may hold anything.
        let (_, after) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = after.split(' ').collect();
        Some(Self {
            pid,
            comm: processes::name_of(u32::try_from(pid).ok()?)?,
            parent: fields[1].parse().ok()?,
            state: fields[0].as_bytes()[0],
            start: fields[19].parse().ok()?,
        })
    }

    pub(crate) fn all() -> Vec<Self> {
        let names = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| Self::of(name.parse().ok()?)).collect()
    }

    /// This process and all below it.
    pub(crate) fn tree(root: i32) -> Vec<Self> {
        let all = Self::all();
        let mut tree: Vec<Self> = all.iter().filter(|process| process.pid == root).cloned().collect();
        let mut next = 0;
        while let Some(parent) = tree.get(next).map(|process| process.pid) {
            tree.extend(all.iter().filter(|process| process.parent == parent).cloned());
            next += 1;
        }
        tree
    }

    /// It still runs: it is neither gone nor a zombie that only waits for its parent.
    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.start == self.start && !matches!(now.state, b'Z' | b'X'))
    }

    pub(crate) fn is_stopped(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.start == self.start && now.state == b'T')
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        if self.is_alive() {
            let pid = rustix::process::Pid::from_raw(self.pid).unwrap();
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// The user and group that it runs as.
    pub(crate) fn ids(&self) -> Option<(u32, u32)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let id = |name| {
            let line = status.lines().find_map(|line: &str| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u32>().ok()
        };
        Some((id("Uid:")?, id("Gid:")?))
    }
}

/// The process of this name below a command, once it is there.
#[track_caller]
pub(crate) fn process_of(command: &Child, name: &str) -> Process {
    let root = i32::try_from(command.id()).unwrap();
    wait_for(name, PATIENCE / 6, || Process::tree(root).into_iter().find(|process| process.comm == name))
}
