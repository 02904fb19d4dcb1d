//! Whatever is killed, and whenever: nothing of the run lives on, and the next start removes what is left.
//!
//! One run's processes are told from others' by the tree that they were in and by the spawner's pid namespace: other
//! tests run beside these.

use rustix::process::Signal;
use sandhog_harness::{
    DEADLINE, Folder, Need, PROMISED, Person, Process, Random, Running, Seen, is_root, missing, module, mounts,
    root_or_missing,
    traces::{all_cgroups, entries, stale_cgroups},
    until, until_within,
};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// What must be after all as it was before.
#[derive(Debug, PartialEq, Eq)]
struct Snapshot {
    mounts: BTreeSet<String>,
    runtime: BTreeSet<PathBuf>,
    /// Cgroups whose id no command holds.
    stale_cgroups: BTreeSet<PathBuf>,
}

impl Snapshot {
    fn take() -> Self {
        let mut runtime = entries(Path::new("/run/sandhog"));
        // Other tests' commands have pools at the same time.
        runtime.retain(|path| !path.ends_with("pools"));
        Self { mounts: mounts(), runtime, stale_cgroups: stale_cgroups() }
    }
}

/// What a run that is to be killed does.
#[derive(Clone, Copy, Debug)]
enum Doing {
    Sleeping,
    Spinning,
    Compiling,
}

/// What is killed.
const VICTIMS: [&str; 4] = ["sandhog", "sandhog-spawner", "sandhog-zygote", "sandhog-worker"];

fn start(workspace: &Folder, doing: Doing, number: u64) -> Running {
    let guest = match doing {
        Doing::Sleeping => module("sleep_forever"),
        Doing::Spinning => module("spin_forever"),
        Doing::Compiling => module("image-filter"),
    };
    let command = workspace.sandhog(["run", "--verdict", &format!("verdict-{number}.json"), &guest]);
    match doing {
        Doing::Sleeping | Doing::Spinning => command.start(),
        Doing::Compiling => command.cache(workspace.join(format!("cache-{number}"))).start(),
    }
}

fn kill_one(workspace: &Folder, number: u64, random: &mut Random) -> String {
    let doing = *random.one_of(&[Doing::Sleeping, Doing::Spinning, Doing::Compiling]);
    let (victim, after) = (*random.one_of(&VICTIMS), Duration::from_micros(random.below(60_000)));
    let what = format!("kill {number} of {:?}: {victim} of a run {doing:?} after {after:?}", workspace.person);
    let command = start(workspace, doing, number);
    let mut seen = Seen::of(command.pid);
    // The one sleep here: it is the random moment, and nothing is concluded from it.
    std::thread::sleep(after);
    seen.look();
    match seen.named(victim).filter(|process| process.pid != seen.command).cloned() {
        Some(process) => process.signal(Signal::KILL),
        // Not there yet, or it is the coordinator's turn. Stopped first, so that what it has started is seen.
        None => {
            command.signal(Signal::STOP);
            seen.look();
            command.signal(Signal::KILL);
            return expect_all_gone(command, &seen, &what);
        }
    }
    expect_told(workspace, command, &mut seen, victim, number, &what)
}

fn expect_all_gone(command: Running, seen: &Seen, what: &str) -> String {
    command.wait();
    seen.expect_gone(what);
    what.to_owned()
}

/// The command outlived its process: it ends by itself and says why; but a zygote's death ends no worker.
fn expect_told(workspace: &Folder, command: Running, seen: &mut Seen, victim: &str, number: u64, what: &str) -> String {
    let deadline = Instant::now() + PROMISED;
    let ended = loop {
        seen.look();
        let lives_on = victim == "sandhog-zygote" && seen.named("sandhog-worker").is_some();
        if command.has_ended() {
            break true;
        }
        if lives_on && Instant::now() + Duration::from_millis(1800) > deadline {
            break false;
        }
        assert!(Instant::now() < deadline, "{what}: the command goes on: {:#?}", Process::tree(seen.command));
        std::thread::sleep(Duration::from_millis(1));
    };
    if !ended {
        command.signal(Signal::TERM);
        assert_eq!(command.wait().exited(), Some(143), "{what}");
        seen.expect_gone(what);
        return what.to_owned();
    }
    let allowed: &[i32] = match victim {
        // A compiler's worker is Sandhog's own; a guest's was killed by somebody.
        "sandhog-worker" => &[137, 125],
        // Once a run was over before the moment came: image-filter without arguments fails.
        _ => &[125],
    };
    let code = command.wait().exited().unwrap_or(-1);
    let verdict = fs::read_to_string(workspace.join(format!("verdict-{number}.json"))).unwrap_or_default();
    assert!(allowed.contains(&code) || code == 1, "{what}: ended with {code}: {verdict}");
    if victim == "sandhog-spawner" && code == 125 {
        assert!(verdict.contains("\"verdict\":\"lost\""), "{what}: {verdict}");
    }
    seen.expect_gone(what);
    what.to_owned()
}

/// As an ordinary user and as root, in turns.
#[test]
fn a_hundred_kills_at_random_moments_leave_nothing_behind() {
    const SEED: u64 = 0x5a_17d0_0942;
    println!("seed {SEED:#x}");
    let workspaces: Vec<Folder> = Person::all().into_iter().map(Folder::of).collect();
    for workspace in &workspaces {
        // Compiled beforehand, and everything made that the first start makes.
        workspace.run(&[&module("hello")]).is(0, "completed");
        workspace.run(&["--timeout", "1ms", &module("sleep_forever")]).is(124, "deadline");
        workspace.run(&["--timeout", "1ms", &module("spin_forever")]).is(124, "deadline");
    }
    let before = Snapshot::take();
    let mut random = Random(SEED);
    for number in 0..100 {
        let what = kill_one(random.one_of(&workspaces), number, &mut random);
        println!("{what}: nothing is left");
    }
    for workspace in &workspaces {
        workspace.run(&[&module("hello")]).is(0, "completed");
        expect_clean_caches(workspace);
    }
    let after = wait_for_snapshot(&before);
    assert_eq!(after.mounts, before.mounts);
    assert_eq!(after.runtime, before.runtime);
    assert!(after.stale_cgroups.is_subset(&before.stale_cgroups), "{:#?}", after.stale_cgroups);
}

/// Runs of other tests come and go; what is stale for longer is ours.
fn wait_for_snapshot(before: &Snapshot) -> Snapshot {
    let deadline = Instant::now() + PROMISED;
    loop {
        let now = Snapshot::take();
        if now.stale_cgroups.is_subset(&before.stale_cgroups) || Instant::now() > deadline {
            return now;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A compilation that was killed leaves neither a file nor a lock that anybody holds.
fn expect_clean_caches(workspace: &Folder) {
    let ours = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cache-"));
    for cache in entries(&workspace.join("")).into_iter().filter(ours) {
        let is_known = |path: &PathBuf| path.ends_with("lock") || path.extension().is_some_and(|it| it == "compiled");
        let unknown: Vec<PathBuf> = entries(&cache).into_iter().filter(|path| !is_known(path)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

/// The lock of a compilation goes with whoever held it: the next one compiles.
#[test]
fn a_killed_compilation_is_made_again() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        let first = start(&workspace, Doing::Compiling, 0);
        let worker = first.process("sandhog-worker");
        first.signal(Signal::KILL);
        first.wait();
        let second = start(&workspace, Doing::Compiling, 0).wait();
        assert_eq!(second.exited(), Some(1), "{who:?}: {second:?}");
        until_within("the first compiler is gone", PROMISED, || (!worker.is_alive()).then_some(()));
    }
}

/// A guest that echoes: it runs as soon as it has answered.
fn start_echo(workspace: &Folder) -> Running {
    echo(workspace.start(&[&module("cat")]))
}

fn echo(mut child: Running) -> Running {
    child.say("x");
    child.stdout.until("x");
    child
}

#[test]
fn a_killed_spawner_is_a_lost_run_and_a_killed_worker_a_killed_one() {
    for who in Person::all() {
        for (victim, word, code) in [("sandhog-spawner", "lost", 125), ("sandhog-worker", "killed", 137)] {
            let workspace = Folder::of(who);
            let child = start_echo(&workspace);
            let mut seen = Seen::of(child.pid);
            seen.look();
            child.process(victim).signal(Signal::KILL);
            let from = Instant::now();
            child.wait_with_stdin_open().is(code, word);
            assert!(from.elapsed() < PROMISED, "{who:?}: {victim}: {:?}", from.elapsed());
            seen.expect_gone(victim);
        }
    }
}

#[test]
fn workers_of_commands_at_once_never_share_an_identity() {
    if !root_or_missing("an identity of one's own") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    let children: Vec<Running> = (0..8).map(|_| start_echo(&workspace)).collect();
    let ids: Vec<(u32, u32)> =
        children.iter().map(|child| child.process("sandhog-worker").ids().expect("it runs")).collect();
    let all: BTreeSet<(u32, u32)> = ids.iter().copied().collect();
    assert_eq!(all.len(), 8, "{ids:?}");
    // Above what useradd(8) gives to accounts, be it subordinate.
    assert!(all.iter().all(|(uid, gid)| uid == gid && *uid > 600_100_000), "{all:?}");
    for child in children {
        child.wait();
    }
}

#[test]
fn an_id_is_free_again_after_a_kill() {
    if !root_or_missing("an identity of one's own") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    for _ in 0..3 {
        let child = start_echo(&workspace);
        let worker = child.process("sandhog-worker");
        let (uid, _) = worker.ids().expect("it runs");
        child.process("sandhog-spawner").signal(Signal::KILL);
        child.wait_with_stdin_open().is(125, "lost");
        assert!(uid & 0xffff < 2 * 1000, "ids are not given back: {uid}");
    }
}

/// Two runtime directories are two ranges that know nothing of each other: neither may end what the other runs.
#[test]
fn a_run_with_another_runtime_directory_ends_nobody() {
    if !root_or_missing("a runtime directory") {
        return;
    }
    let (workspace, other) = (Folder::of(Person::Root), Folder::of(Person::Root));
    let child = start_echo(&workspace);
    let command = other.sandhog(["run", &module("hello")]).env("SANDHOG_RUNTIME_DIR", other.join("runtime"));
    let output = command.run();
    assert!(output.went_well(), "{output:?}");
    assert!(child.process("sandhog-worker").is_alive());
    child.wait().is(0, "completed");
}

/// The lowest ids are always given first, so the next command has those of the killed one, and a sweep takes what bears them for
/// its own.
#[test]
fn what_another_has_left_under_ids_that_a_command_has_now_goes_with_its_start() {
    if !root_or_missing("a cgroup") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    let child = start_echo(&workspace);
    let own = own_cgroups(&child.process("sandhog-worker"));
    assert!(!own.is_empty());
    // As of a command with another runtime directory, whose ids these were; and of one that had a row of them for slots.
    let left: Vec<PathBuf> = own.iter().flat_map(|path| [of_another(path, ""), of_another(path, "-3")]).collect();
    left.iter().for_each(|path| fs::create_dir(path).unwrap());
    child.wait().is(0, "completed");
    until("what was left goes", || {
        let output = workspace.sandhog(["run", &module("hello")]).run();
        assert!(output.went_well(), "{output:?}");
        left.iter().all(|path| !path.exists()).then_some(())
    });
}

/// Those of ours that a process is in.
fn own_cgroups(process: &Process) -> Vec<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", process.pid)).unwrap();
    let names: BTreeSet<&str> =
        text.lines().filter_map(|line| line.rsplit_once("/sandhog/")).map(|(_, name)| name).collect();
    all_cgroups().into_iter().filter(|path| names.iter().any(|name| path.ends_with(name))).collect()
}

fn of_another(path: &Path, slot: &str) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    let [file, _, id] = name.splitn(3, '-').collect::<Vec<_>>()[..] else { panic!("{name}") };
    path.with_file_name(format!("{file}-00000000000000ff-{id}{slot}"))
}

#[test]
fn a_stopped_worker_is_ended_by_its_deadline() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        let child = echo(workspace.start(&["--timeout", "1s", &module("cat")]));
        let worker = child.process("sandhog-worker");
        worker.signal(Signal::STOP);
        until_within("it is stopped", PROMISED, || worker.is_stopped().then_some(()));
        let from = Instant::now();
        child.wait_with_stdin_open().is(124, "deadline");
        assert!(from.elapsed() < Duration::from_secs(1) + PROMISED, "{who:?}: {:?}", from.elapsed());
    }
}

/// Nobody waits for an answer of what does not answer.
#[test]
fn a_stopped_process_of_a_run_is_ended_by_ctrl_c() {
    for (who, victim) in Person::all().into_iter().flat_map(|who| [(who, "sandhog-worker"), (who, "sandhog-zygote")]) {
        let workspace = Folder::of(who);
        // While the module is compiled its zygote waits for it, and the compiler is the worker.
        let child = start(&workspace, Doing::Compiling, 0);
        let victim = child.process(victim);
        victim.signal(Signal::STOP);
        until_within("it is stopped or over", PROMISED, || (victim.is_stopped() || !victim.is_alive()).then_some(()));
        let mut seen = Seen::of(child.pid);
        seen.look();
        child.signal(Signal::INT);
        let from = Instant::now();
        assert_eq!(child.wait().exited(), Some(130), "{who:?}: {}", victim.name);
        assert!(from.elapsed() < PROMISED, "{who:?}: {:?}", from.elapsed());
        seen.expect_gone(&victim.name);
    }
}

#[test]
fn signals_of_a_terminal_and_of_an_operator_stop_the_run() {
    let signals = [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 143)];
    for (who, (signal, code)) in Person::all().into_iter().flat_map(|who| signals.map(|signal| (who, signal))) {
        let workspace = Folder::of(who);
        let child = start_echo(&workspace);
        let mut seen = Seen::of(child.pid);
        seen.look();
        child.signal(signal);
        child.wait_with_stdin_open().is(code, "stopped");
        assert!(seen.alive().is_empty(), "{who:?}: {:?}", seen.alive());
    }
}

/// The program `script` is a terminal; killed, it is a closed one.
#[test]
fn a_closed_terminal_ends_the_run() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        let line = format!("exec '{}' run '{}'", sandhog_harness::program().display(), module("sleep_forever"));
        let command = workspace.program("script", ["--quiet", "--return", "--command", &line, "/dev/null"]);
        let terminal = command.stdout_to(Stdio::null()).start();
        terminal.process("sandhog-worker");
        let mut seen = Seen::of(terminal.pid);
        seen.look();
        terminal.signal(Signal::KILL);
        terminal.wait();
        seen.expect_gone("a closed terminal");
    }
}

#[test]
fn a_closed_stdin_is_an_empty_one() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        let run = |closed: &str, name: &str| {
            let script = format!("exec \"$@\" {closed}");
            workspace.sandhog(["run", &module(name)]).under(&["sh", "-c", &script, "sh"]).run()
        };
        let output = run("<&-", "cat");
        assert!(output.went_well() && output.stdout.is_empty(), "{who:?}: {output:?}");
        for closed in [">&-", "2>&-", "<&- 2>&-"] {
            let output = run(closed, "hello");
            assert_eq!(output.stdout, if closed == ">&-" { "" } else { "hello\n" }.as_bytes(), "{who:?}: {output:?}");
        }
    }
}

/// Only the guest's end of its stdin closes, so that it goes on.
#[test]
fn a_guest_outlives_its_stdin() {
    let workspace = Folder::of(Person::ordinary());
    // The pipe is closed as soon as the waiting starts.
    let child = workspace.start(&["--timeout", "300ms", &module("sleep_forever")]);
    let from = Instant::now();
    child.wait().is(124, "deadline");
    assert!(from.elapsed() >= Duration::from_millis(300));
}

/// Descriptors and a variable that the command was started with and never asked for.
#[test]
fn a_worker_holds_no_descriptor_and_no_variable_of_its_starter() {
    if !is_root() {
        missing(Need::Root, "looking into another process needs root");
        return;
    }
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("planted", "planted").settle();
        let planted = fs::metadata(workspace.join("planted")).unwrap();
        let opens: String = (3..103).map(|_| "exec {fd}< planted; ").collect();
        let script = format!("{opens} exec \"$@\"");
        let command = workspace.sandhog(["run", &module("cat")]).under(&["bash", "-c", &script, "bash"]);
        let child = command.env("SECRET", "from the environment").stdin_open().start();
        for name in ["sandhog-worker", "sandhog-spawner"] {
            let process = child.process(name);
            let look = || {
                let open = entries(Path::new(&format!("/proc/{}/fd", process.pid)));
                let has = open.iter().any(|fd| fs::metadata(fd).is_ok_and(|it| it.ino() == planted.ino()));
                let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
                let told = name != "sandhog-spawner" && String::from_utf8_lossy(&environment).contains("SECRET");
                (!has && !told).then_some(())
            };
            until_within(name, DEADLINE.min(PROMISED), look);
        }
        child.wait();
    }
}
