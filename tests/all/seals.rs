//! How the processes of a run are sealed, as the kernel tells whoever looks at them from outside: what a wall does, not
//! what it says. A step that does nothing shows here.

use rustix::fs::SealFlags;
use rustix::process::{Gid, Signal, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, move_into_link_name_space, set_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use sandhog_harness::{Folder, Person, Process, Running, cache_of, module, root_or_missing, until};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// CAP_SETGID, CAP_SETUID and CAP_SYS_ADMIN, in its own user namespace: what a zygote makes workers with.
const ZYGOTE_HAS: u64 = 1 << 6 | 1 << 7 | 1 << 21;

const SPAWNER: &str = "sandhog-spawner";
const ZYGOTE: &str = "sandhog-zygote";
const WORKER: &str = "sandhog-worker";

/// Flags of a mount, as mountinfo tells them.
const MOUNT: [&str; 4] = ["ro", "nosuid", "nodev", "noexec"];

/// What is run, for each kind of zygote and worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Core,
    Component,
    /// A component that calls another one, which is a handler.
    Handler,
    /// A core module that is compiled for some seconds.
    Compiler,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Core, Self::Component, Self::Handler, Self::Compiler];

    /// The command's arguments.
    fn args(self, workspace: &Folder, padded: &Padded) -> Vec<String> {
        match self {
            // With a limit of CPU time, so that it has a timer; with a directory, so that Landlock has a rule.
            Self::Core => {
                vec!["--cpu=1h".into(), format!("--dir={}::/in", workspace.text("in")), padded.path("sleep_forever")]
            }
            Self::Component => vec![padded.path("listens")],
            Self::Handler => vec![format!("--child=word-handler={}", module("word-handler")), module("caller")],
            Self::Compiler => vec![workspace.text("slow.wat")],
        }
    }

    /// How many zygotes there are for sure before the first worker, and with how many filters in the end. While a compiler
    /// works, the guest's zygote waits for its module; its own is of the same list of steps and ends as soon as it has
    /// cloned it. Those of a handler and its caller come one after the other, and are like a component's.
    fn zygotes(self) -> (usize, usize) {
        match self {
            Self::Core | Self::Component => (1, 2),
            Self::Handler => (0, 2),
            Self::Compiler => (1, 1),
        }
    }

    /// How many workers there are, and with how many filters in the end.
    fn workers(self) -> (usize, usize) {
        match self {
            Self::Core | Self::Component => (1, 3),
            Self::Handler => (2, 3),
            Self::Compiler => (1, 2),
        }
    }
}

/// A run while it lives.
struct Run {
    kind: Kind,
    workspace: Folder,
    command: Running,
}

impl Run {
    fn start(who: Person, kind: Kind, padded: &Padded) -> Self {
        let workspace = Folder::of(who);
        workspace.folder("in").write("slow.wat", slow_module()).settle();
        let args = kind.args(&workspace, padded);
        let command = workspace.start(&args.iter().map(String::as_str).collect::<Vec<_>>());
        Self { kind, workspace, command }
    }

    /// A run whose zygotes stay: the spawner, which would end them when their worker lives, is stopped until [`Self::go_on`].
    fn held(who: Person, kind: Kind, padded: &Padded) -> Self {
        let what = format!("zygotes of {kind:?} to look at");
        until(&what, || {
            let run = Self::start(who, kind, padded);
            // With a filter: from then on it needs nothing of the spawner any more.
            let has_all = |zygote: &Process| Sealed::of(zygote, false).is_some_and(|sealed| sealed.filters > 0);
            let are_there = || run.named(ZYGOTE).iter().filter(|zygote| has_all(zygote)).count() >= kind.zygotes().0;
            in_time(|| (are_there() || !run.named(WORKER).is_empty()).then_some(()))?;
            run.named(SPAWNER).iter().for_each(|spawner| spawner.signal(Signal::STOP));
            // Else they may have been ended meanwhile, and another run is looked at.
            (are_there() && run.named(WORKER).is_empty()).then_some(run)
        })
    }

    fn go_on(&self) {
        self.named(SPAWNER).iter().for_each(|spawner| spawner.signal(Signal::CONT));
    }

    fn pid(&self) -> u32 {
        self.command.pid
    }

    /// Its processes of this name. A zygote is there for some milliseconds, so that nothing else is looked at.
    fn named(&self, name: &str) -> Vec<Process> {
        let mut pids = vec![self.pid()];
        let mut next = 0;
        while let Some(pid) = pids.get(next).copied() {
            pids.extend(children_of(pid));
            next += 1;
        }
        pids.into_iter().filter_map(Process::of).filter(|process| process.name == name).collect()
    }

    /// The processes of this name, once so many are there and have so many filters, which is when they are sealed. None: they
    /// were there too early, or the spawner was stopped before it had told its coordinator of them; another run is looked at.
    fn sealed(&self, name: &str, (count, filters): (usize, usize)) -> Option<Vec<Sealed>> {
        in_time(|| {
            let all: Vec<_> =
                self.named(name).iter().filter_map(|process| Sealed::of(process, name == WORKER)).collect();
            // A worker bears its zygote's name until it gives itself its own.
            let is_meant = |sealed: &Sealed| sealed.is_worker || !sealed.is_first_of_its_namespace();
            let sealed: Vec<_> =
                all.into_iter().filter(|sealed| sealed.filters == filters && is_meant(sealed)).collect();
            (sealed.len() >= count).then_some(sealed)
        })
    }

    fn zygotes(&self) -> Option<Vec<Sealed>> {
        self.sealed(ZYGOTE, self.kind.zygotes())
    }

    fn workers(&self) -> Option<Vec<Sealed>> {
        self.sealed(WORKER, self.kind.workers())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A spawner that is stopped would not see that its command is gone.
        self.go_on();
    }
}

/// The children of all threads of a process (proc_pid_task_children(5)).
fn children_of(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// Shows each zygote and each worker of each kind to `see`, with a word on which it is; and the run while its workers live.
fn for_each_process(mut see: impl FnMut(&str, &Run, &Sealed), mut see_run: impl FnMut(&Run)) {
    for who in Person::all() {
        let padded = Padded::new(who);
        for kind in Kind::ALL {
            until(&format!("all processes of {kind:?} of {who:?}"), || {
                let run = Run::held(who, kind, &padded);
                run.zygotes()?.iter().for_each(|zygote| see(&format!("{kind:?} of {who:?}, a zygote"), &run, zygote));
                run.go_on();
                run.workers()?.iter().for_each(|worker| see(&format!("{kind:?} of {who:?}, a worker"), &run, worker));
                see_run(&run);
                Some(())
            });
        }
    }
}

/// Looks until there is something, for far longer than it takes where it comes at all.
fn in_time<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    const TIME: Duration = Duration::from_secs(3);
    let from = Instant::now();
    while from.elapsed() < TIME {
        if let Some(seen) = look() {
            return Some(seen);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

/// Guests with so many bytes more, in a section that nobody reads, that it takes some 50 ms to hash them: so long a zygote is
/// sealed and waits, also for what is in the cache. That is time to stop its spawner.
struct Padded(Folder);

impl Padded {
    const BYTES: u32 = 48 << 20;

    /// Compiled already, too: else the spawner would be needed for that.
    fn new(who: Person) -> Self {
        let workspace = Folder::of(who);
        for name in ["sleep_forever", "listens"] {
            let mut module = fs::read(module(name)).unwrap();
            // A custom section: its number, its length as LEB128, the length of its name and the name; then anything.
            module.push(0);
            let more = |at: u32| if at < 4 { 0x80 } else { 0 };
            module.extend((0..5).map(|at| (Self::BYTES >> (7 * at)) as u8 & 0x7f | more(at)));
            let end = module.len() + Self::BYTES as usize;
            module.extend(b"\x07padding");
            module.resize(end, 0);
            fs::write(workspace.join(name), module).unwrap();
            workspace.settle();
            workspace.run(&["--timeout=1ms", &workspace.text(name)]).is(124, "deadline");
        }
        Self(workspace)
    }

    fn path(&self, name: &str) -> String {
        self.0.text(name)
    }
}

/// Many loops over many locals, and a number that no module had before: it is in no cache, and nobody else compiles it.
fn slow_module() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = u64::from(std::process::id()) << 32 | u64::from(COUNT.fetch_add(1, Ordering::Relaxed));
    let mut body = format!("(drop (i64.const {number}))");
    for turn in 0..200 {
        body.push_str("(loop ");
        for local in (turn + 1)..(turn + 1000) {
            write!(body, "(local.set {local} (i64.add (local.get {local}) (local.get 0)))").unwrap();
        }
        body.push_str("(br_if 0 (i64.eqz (local.get 1))))");
    }
    let function = format!("(func (param i64) (local {}) {body})", "i64 ".repeat(1200));
    format!("(module (func (export \"_start\")) {function})")
}

/// A zygote or a worker, as /proc shows it.
struct Sealed {
    pid: u32,
    is_worker: bool,
    status: String,
    filters: usize,
}

impl Sealed {
    /// None where it has gone, or the kernel does not count filters (before Linux 5.9).
    fn of(process: &Process, is_worker: bool) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
        let mut sealed = Self { pid: process.pid, is_worker, status, filters: 0 };
        sealed.filters = sealed.field("Seccomp_filters").parse().ok()?;
        Some(sealed)
    }

    fn is_first_of_its_namespace(&self) -> bool {
        self.field("NSpid").split_whitespace().last() == Some("1")
    }

    fn field(&self, name: &str) -> &str {
        let line = self.status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim()
    }

    fn capabilities(&self, which: &str) -> u64 {
        u64::from_str_radix(self.field(which), 16).unwrap()
    }

    fn ids(&self, which: &str) -> Vec<u32> {
        self.field(which).split_whitespace().map(|id| id.parse().unwrap()).collect()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid)).unwrap()
    }

    fn namespace(&self, kind: &str) -> PathBuf {
        fs::read_link(format!("/proc/{}/ns/{kind}", self.pid)).unwrap()
    }

    /// The open files: where each leads to, and its flags (open(2)).
    fn files(&self) -> Vec<(i32, PathBuf, i32)> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.pid)).unwrap();
        let numbers = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap().parse::<i32>().unwrap());
        // One that is closed meanwhile is none.
        let file = |number: i32| {
            let leads = fs::read_link(format!("/proc/{}/fd/{number}", self.pid)).ok()?;
            let info = fs::read_to_string(format!("/proc/{}/fdinfo/{number}", self.pid)).ok()?;
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim();
            Some((number, leads, i32::from_str_radix(flags, 8).unwrap()))
        };
        let mut files: Vec<_> = numbers.filter_map(file).collect();
        files.sort();
        files
    }

    fn expect_no_rights(&self, what: &str) {
        let keeps = if self.is_worker { 0 } else { ZYGOTE_HAS };
        for which in ["CapBnd", "CapAmb", "CapInh"] {
            assert_eq!(self.capabilities(which), 0, "{what}: {which}");
        }
        for which in ["CapPrm", "CapEff"] {
            assert_eq!(self.capabilities(which), keeps, "{what}: {which}");
        }
        assert_eq!((self.field("NoNewPrivs"), self.field("Seccomp")), ("1", "2"), "{what}");
    }

    fn expect_ids(&self, what: &str, who: Person) {
        for which in ["Uid", "Gid"] {
            let ids = self.ids(which);
            assert!(ids.iter().all(|id| *id == ids[0]), "{what}: {which} {ids:?}");
            match who {
                Person::Root => assert_ne!(ids[0], 0, "{what}: {which}"),
                Person::Ordinary(uid) => assert_eq!(ids[0], uid, "{what}: {which}"),
            }
        }
        if who == Person::Root {
            assert_eq!(self.field("Groups"), "", "{what}");
        }
    }

    /// The root, which is all there is, can't be written, nor what it is made of.
    fn expect_empty_root(&self, what: &str) {
        let mounts = self.read("mountinfo");
        assert_eq!(mounts.lines().count(), 1, "{what}: {mounts}");
        let (mount, file_system) = mounts.trim().split_once(" - ").unwrap();
        let fields: Vec<_> = mount.split(' ').collect();
        let flags: Vec<_> = fields[5].split(',').collect();
        assert_eq!(fields[4], "/", "{what}: {mounts}");
        assert!(MOUNT.iter().all(|flag| flags.contains(flag)), "{what}: {mounts}");
        let options = file_system.split(' ').nth(2).unwrap();
        assert!(options.split(',').any(|option| option == "ro"), "{what}: {mounts}");
        assert_eq!(fs::read_dir(format!("/proc/{}/root/", self.pid)).unwrap().count(), 0, "{what}");
    }

    /// Nothing is writable and executable, and all that is executable is a file's, or the kernel's own.
    fn expect_code_of_files(&self, what: &str) {
        for line in self.read("maps").lines() {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (may, from) = (fields[1], fields.get(5).copied().unwrap_or_default());
            assert!(!(may.contains('w') && may.contains('x')), "{what}: {line}");
            let has_code = from.starts_with('/') || ["[vdso]", "[vsyscall]"].contains(&from);
            assert!(!may.contains('x') || has_code, "{what}: {line}");
        }
    }

    fn expect_own_namespaces(&self, what: &str) {
        for kind in ["user", "mnt", "net", "ipc", "uts", "cgroup"] {
            assert_ne!(self.namespace(kind), fs::read_link(format!("/proc/self/ns/{kind}")).unwrap(), "{what}: {kind}");
        }
        assert_eq!(self.is_first_of_its_namespace(), self.is_worker, "{what}: a worker is alone in its pid namespace");
        let core =
            self.read("limits").lines().find_map(|line| line.strip_prefix("Max core file size").map(str::to_owned));
        assert!(!self.is_worker || core.unwrap().trim_start().starts_with("0 "), "{what}: it dumps no core");
    }
}

#[test]
fn each_kind_of_process_is_sealed_as_the_kernel_tells_it() {
    if !root_or_missing("looking at the processes of others") {
        return;
    }
    let see = |what: &str, run: &Run, sealed: &Sealed| {
        sealed.expect_no_rights(what);
        sealed.expect_ids(what, run.workspace.person);
        sealed.expect_empty_root(what);
        sealed.expect_own_namespaces(what);
        sealed.expect_code_of_files(what);
    };
    for_each_process(see, |_| ());
}

#[test]
fn the_compiled_module_is_open_for_reading_only() {
    if !root_or_missing("looking at the files of others") {
        return;
    }
    let see = |what: &str, run: &Run, sealed: &Sealed| {
        let files = sealed.files();
        let cache: Vec<_> =
            files.iter().filter(|(_, leads, _)| leads.starts_with(cache_of(run.workspace.person))).collect();
        match (run.kind, sealed.is_worker) {
            (Kind::Compiler, true) => {
                let input = File::open(format!("/proc/{}/fd/0", sealed.pid)).unwrap();
                let seals = rustix::fs::fcntl_get_seals(&input).unwrap();
                assert!(seals.contains(SealFlags::WRITE | SealFlags::SEAL), "{what}, of its input: {seals:?}");
                // Its input, its output, nothing and the channel, some of them twice.
                let different: BTreeSet<_> = files.iter().map(|(_, leads, _)| leads).collect();
                assert_eq!(different.len(), 4, "{what}: {files:?}");
                let others = cache.iter().filter(|(_, leads, _)| *leads != files[1].1);
                assert_eq!(others.count(), 0, "{what} has nothing there but what it makes: {files:?}");
            }
            // It may have the file without a name already that its worker is to write.
            (Kind::Compiler, false) => {
                let named = cache.iter().filter(|(_, leads, _)| !leads.to_string_lossy().ends_with(" (deleted)"));
                assert_eq!(named.count(), 0, "{what}: {files:?}");
            }
            (Kind::Core | Kind::Component | Kind::Handler, _) => {
                assert_eq!(cache.len(), 1, "{what}: {files:?}");
                assert_eq!(cache[0].2 & libc::O_ACCMODE, libc::O_RDONLY, "{what}: {files:?}");
            }
        }
    };
    for_each_process(see, |_| ());
}

/// What a child that tries to look into a process comes to, instead of a program.
const LOOKED: i32 = libc::ERANGE;
/// It could not become such a child.
const NO_CHILD: i32 = libc::EDOM;

/// Whether somebody with the ids and the capabilities of a process, but for the one to look into others, sees what it
/// executes: for the kernel that is the same question as reading its memory (ptrace(2), "Ptrace access mode checking").
#[allow(unsafe_code)]
fn is_seen_by_its_like(pid: u32) -> bool {
    let process = Process::of(pid).unwrap();
    let sealed = Sealed::of(&process, false).unwrap();
    let (uid, gid) = (sealed.ids("Uid")[0], sealed.ids("Gid")[0]);
    let inside = |map: &str, outside: u32| {
        let map = sealed.read(map);
        let lines =
            map.lines().map(|line| line.split_whitespace().map(|n| n.parse::<u32>().unwrap()).collect::<Vec<_>>());
        let mut ranges = lines.filter(|line| (line[1]..line[1].saturating_add(line[2])).contains(&outside));
        ranges.next().map(|line| line[0] + (outside - line[1])).unwrap()
    };
    let (uid, gid) = (Uid::from_raw(inside("uid_map", uid)), Gid::from_raw(inside("gid_map", gid)));
    let is_own = sealed.namespace("user") == fs::read_link("/proc/self/ns/user").unwrap();
    let namespace = File::open(format!("/proc/{pid}/ns/user")).unwrap();
    let has = CapabilitySet::from_bits_retain(sealed.capabilities("CapPrm")).difference(CapabilitySet::SYS_PTRACE);
    let executes = std::ffi::CString::new(format!("/proc/{pid}/exe")).unwrap();
    let try_it = move || {
        let become_it = || -> rustix::io::Result<()> {
            if !is_own {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))?;
            }
            // Where a person's namespace does not let it, there are none to give up.
            let _ = set_thread_groups(&[]);
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
            let sets = CapabilitySets { effective: has, permitted: has, inheritable: CapabilitySet::empty() };
            set_capabilities(None, sets)
        };
        if become_it().is_err() {
            return Err(io::Error::from_raw_os_error(NO_CHILD));
        }
        let mut buffer = [std::mem::MaybeUninit::<u8>::uninit(); 4096];
        let seen = rustix::fs::readlinkat_raw(rustix::fs::CWD, &executes, &mut buffer[..]);
        Err(io::Error::from_raw_os_error(seen.map_or_else(|errno| errno.raw_os_error(), |_| LOOKED)))
    };
    let mut command = Command::new("true");
    // SAFETY: pre_exec; system calls only, no allocation and no lock.
    unsafe { command.pre_exec(try_it) };
    match command.spawn().unwrap_err().raw_os_error() {
        Some(LOOKED) => true,
        Some(libc::EACCES | libc::EPERM) => false,
        other => panic!("{pid}: {other:?}"),
    }
}

/// Of a process that is not dumpable, /proc belongs to root of the user namespace in which its program was started.
fn owner_in_proc(pid: u32) -> u32 {
    fs::metadata(format!("/proc/{pid}/fd")).unwrap().uid()
}

#[test]
fn nobody_of_the_same_id_looks_into_a_process_of_ours() {
    if !root_or_missing("becoming others") {
        return;
    }
    for who in Person::all() {
        // So that a child that sees nothing proves something.
        let workspace = Folder::of(who);
        let sleeper = workspace.program("sleep", ["600"]).start();
        let pid = sleeper.pid;
        until("a sleeper", || (Process::of(pid)?.name == "sleep").then_some(()));
        if who != Person::Root {
            assert!(is_seen_by_its_like(pid), "a process that anybody of its id may look into");
            assert_eq!(owner_in_proc(pid), who.uid());
        }
    }
    let see = |what: &str, _: &Run, sealed: &Sealed| assert!(!is_seen_by_its_like(sealed.pid), "{what}");
    for_each_process(see, |run| {
        // Without capabilities, as every process of its id is that has no more rights.
        assert!(!is_seen_by_its_like(run.pid()), "the command of {:?}", run.workspace.person);
        for pid in [run.pid(), run.named(SPAWNER)[0].pid] {
            assert_eq!(owner_in_proc(pid), 0, "{pid} of {:?}", run.workspace.person);
        }
    });
}
