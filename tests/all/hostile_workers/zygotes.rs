//! Hostile zygotes: what they clone without a word, what they report that is none of theirs, and words without end. The
//! spawner, and whoever else it serves, goes on.

use super::{HostileWorker, exited, harmless};
use rustix::process::Signal;
use sandhog_harness::{
    Command, Folder, Need, Outcome, PROMISED, Process, is_root, missing, root_or_missing, traces::cgroups_of, until,
    until_within,
};
use sandhog_protocol::frame::encode_body;
use sandhog_protocol::limits;
use sandhog_protocol::spawn::{FromZygote, WorkerId};
use sandhog_protocol::worker::SealFailure;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// The number of a command's first attempt.
const FIRST: WorkerId = 1;

/// `walls`: such as `--without=seccomp`.
fn zygote(steps: &str, walls: &[&str]) -> Command {
    walls.iter().fold(Command::lie(&format!("zygote:{steps}")), Command::flag).flag("--")
}

fn hex(message: &FromZygote) -> String {
    encode_body(message).unwrap().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn cloned(worker: WorkerId) -> String {
    hex(&FromZygote::Cloned { worker })
}

/// A reason of `length` letters, as a packet without them.
fn with_reason(of: impl Fn(SealFailure) -> FromZygote, length: usize) -> String {
    let what = "x".repeat(length);
    let packet = hex(&of(SealFailure { step: "lie".into(), errno: 1, what }));
    format!("{}+{length}", packet.strip_suffix(&"78".repeat(length)).expect("the reason is the last of it"))
}

fn as_long_as_a_packet(of: impl Fn(SealFailure) -> FromZygote) -> String {
    let length = |what: usize| {
        let failure = SealFailure { step: "lie".into(), errno: 1, what: "x".repeat(what) };
        encode_body(&of(failure)).unwrap().len()
    };
    // Its length takes as many bytes as that of all texts so long.
    let around = length(limits::PACKET / 2) - limits::PACKET / 2;
    assert_eq!(length(limits::PACKET - around), limits::PACKET);
    with_reason(of, limits::PACKET - around)
}

/// As root and as an ordinary user, where this process may be both.
fn by_everybody(steps: &str, walls: &[&str]) -> Vec<Command> {
    let mut runs = vec![zygote(steps, walls)];
    runs.extend(is_root().then(|| zygote(steps, walls).by_ordinary_user()));
    runs
}

/// Nobody is below the command but its spawner and one worker.
fn expect_only_the_worker(command: u32, what: &str) {
    let names = || {
        let below = Process::tree(command).into_iter().filter(|process| process.pid != command);
        let mut names: Vec<String> = below.map(|process| process.name).collect();
        names.sort();
        names
    };
    until("the worker", || names().contains(&"sandhog-worker".to_owned()).then_some(()));
    let deadline = Instant::now() + PROMISED;
    while names() != ["sandhog-spawner", "sandhog-worker"] {
        assert!(Instant::now() < deadline, "{what}: after {PROMISED:?}: {:?}", names());
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_a_zygote_clones_without_a_word_ends_with_it_and_its_worker_lives_on() {
    for (steps, walls) in [
        ("clone,worker", &[][..]),
        ("worker,clone", &[]),
        ("clone,clone,clone,worker", &[]),
        // Its own children, which become the spawner's when it ends.
        ("fork,fork,worker", &["--without=seccomp"]),
        ("clone,worker", &["--without=namespaces"]),
    ] {
        for run in by_everybody(steps, walls) {
            let hostile = HostileWorker::of(run, &[]);
            expect_only_the_worker(hostile.running.pid, steps);
            hostile.completes();
        }
    }
}

/// As in a container whose root has no CAP_SYS_PTRACE: the spawner may not look at its zygotes' namespaces.
#[test]
fn what_a_zygote_clones_without_a_word_is_found_without_the_right_to_trace() {
    if !root_or_missing("a root that lacks one capability") {
        return;
    }
    for steps in ["clone,worker", "worker,clone", "clone,clone,clone,worker"] {
        let run = zygote(steps, &[]).under(&["setpriv", "--bounding-set", "-sys_ptrace"]);
        let hostile = HostileWorker::of(run, &[]);
        expect_only_the_worker(hostile.running.pid, steps);
        hostile.completes();
    }
}

/// By its cgroup, or where there is none by a limit of its own.
#[test]
fn a_zygote_clones_no_more_than_a_job_may_have_tasks() {
    for run in by_everybody(&format!("{}worker", "clone,".repeat(20)), &[]) {
        let outcome = run.run();
        expect_lost(&outcome, "twenty clones");
        // It could not go on to its worker, which would have ended in another way.
        assert!(outcome.verdict["reason"].as_str().unwrap().contains("run a zygote"), "{outcome:#?}");
    }
}

/// Neither the worker's end nor the command's waits for them, though they hold stdout.
#[test]
fn what_a_zygote_clones_without_a_word_keeps_nobody_waiting() {
    for run in by_everybody("clone,worker", &[]) {
        let (mut hostile, from) = (HostileWorker::of(run, &["--timeout=2s"]), Instant::now());
        until("the worker", || {
            let tree = Process::tree(hostile.running.pid);
            tree.iter().any(|process| process.name == "sandhog-worker").then_some(())
        });
        hostile.says(&exited(0));
        let outcome = hostile.running.wait_with_stdin_open();
        outcome.is(0, "completed");
        assert!(from.elapsed() < Duration::from_secs(10), "{:?}", from.elapsed());
    }
    for run in by_everybody("clone,clone,leave", &[]) {
        expect_lost(&run.run(), "a zygote that leaves");
    }
}

/// Of this zygote alone: its attempt is lost, and the spawner is not.
#[track_caller]
fn expect_lost(outcome: &Outcome, what: &str) {
    assert_eq!((outcome.code, &outcome.verdict["verdict"]), (125, &"lost".into()), "{what}: {outcome:#?}");
    let reason = outcome.verdict["reason"].as_str().unwrap();
    assert!(!reason.contains("spawner"), "{what}: {reason:?}");
    assert!(outcome.stderr.len() < 3 * limits::REPORT_TEXT, "{what}: {} bytes", outcome.stderr.len());
    harmless(outcome);
}

#[test]
fn a_zygote_that_breaks_the_protocol_ends_and_nobody_else() {
    let (first, other) = (cloned(FIRST), cloned(FIRST + 1));
    let failed = |worker| with_reason(move |failure| FromZygote::CloneFailed { worker, failure }, 9);
    let breaches = [
        format!("send:{first}"),
        format!("file:{first}"),
        format!("clone,pidfd:{other}"),
        format!("send:{}", failed(FIRST + 1)),
        format!("file:{}", failed(FIRST)),
        format!("send:{first}00"),
        // Nobody has asked where the time goes.
        format!("send:{}", hex(&FromZygote::Stamps(Vec::new()))),
        "send:c1".into(),
        format!("send:{}", "91".repeat(1000)),
        format!("send:c1+{}", limits::PACKET),
        format!("send:c1+{}", 2 * limits::PACKET),
        "flood:c1".into(),
    ];
    for lie in breaches {
        for run in by_everybody(&lie, &[]) {
            let outcome = run.run();
            expect_lost(&outcome, &lie);
            let reason = outcome.verdict["reason"].as_str().unwrap();
            assert!(reason.contains("not the protocol of a zygote"), "{lie}: {reason:?}");
        }
    }
}

/// It must be a child of the spawner's, which alone can reap it.
#[test]
fn a_zygote_that_reports_a_process_of_somebody_else_has_reported_none() {
    let lie = format!("fork,pidfd:{}", cloned(FIRST));
    for run in by_everybody(&lie, &["--without=seccomp"]) {
        let outcome = run.run();
        expect_lost(&outcome, &lie);
        let reason = outcome.verdict["reason"].as_str().unwrap();
        assert!(reason.contains("not the protocol of a zygote"), "{reason:?}");
    }
}

#[test]
fn a_zygote_that_reports_twice_ends_and_its_worker_lives_on() {
    for again in [format!("send:{}", cloned(FIRST)), format!("clone,pidfd:{}", cloned(FIRST))] {
        for run in by_everybody(&format!("worker,{again}"), &[]) {
            let hostile = HostileWorker::of(run, &[]);
            expect_only_the_worker(hostile.running.pid, &again);
            hostile.completes();
        }
    }
}

/// What it says goes on to the coordinator with more around it, and must still fit into a packet.
#[test]
fn reasons_of_a_zygote_are_short_however_long_it_makes_them() {
    let lies = [
        as_long_as_a_packet(FromZygote::Unsealed),
        as_long_as_a_packet(|failure| FromZygote::CloneFailed { worker: FIRST, failure }),
    ];
    for packet in lies {
        for word in ["send", "flood"] {
            for run in by_everybody(&format!("{word}:{packet}"), &[]) {
                expect_lost(&run.run(), word);
            }
        }
    }
}

/// A run of root's with a runtime directory of its own.
fn run_of(runtime: &Folder, guest: &str) -> Command {
    Command::guest(guest).env("SANDHOG_RUNTIME_DIR", runtime.path().to_str().unwrap())
}

/// The cgroup that a run of root's has now, in each hierarchy.
fn cgroups_in_use(runtime: &Folder) -> Vec<PathBuf> {
    let running = run_of(runtime, "cat").stdin_open().start();
    let found = until("a cgroup", || {
        let found: Vec<PathBuf> = cgroups_of(runtime.path()).into_iter().collect();
        let has_worker = Process::tree(running.pid);
        (!found.is_empty() && has_worker.iter().any(|it| it.name == "sandhog-worker")).then_some(found)
    });
    running.wait().is(0, "completed");
    found
}

/// Processes that sit in a cgroup until the test is over.
struct Squatter(Child, Vec<PathBuf>);

impl Squatter {
    fn new(cgroups: Vec<PathBuf>) -> Self {
        let child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        for cgroup in &cgroups {
            fs::create_dir(cgroup).unwrap();
            File::options().write(true).open(cgroup.join("cgroup.procs")).unwrap();
            fs::write(cgroup.join("cgroup.procs"), child.id().to_string()).unwrap();
        }
        Self(child, cgroups)
    }
}

impl Drop for Squatter {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
        for cgroup in &self.1 {
            until_within("an empty cgroup", PROMISED, || {
                (fs::remove_dir(cgroup).is_ok() || !cgroup.exists()).then_some(())
            });
        }
    }
}

/// On version 1 a process that no pid namespace of ours shows can't even be seen from the spawner.
#[test]
fn a_cgroup_that_nobody_can_end_is_in_the_way_of_no_command() {
    if !root_or_missing("a cgroup") {
        return;
    }
    let runtime = Folder::new();
    let cgroups = cgroups_in_use(&runtime);
    let _squatter = Squatter::new(cgroups);
    for _ in 0..3 {
        let from = Instant::now();
        run_of(&runtime, "hello").run().is(0, "completed");
        assert!(from.elapsed() < Duration::from_secs(20), "{:?}", from.elapsed());
    }
}

#[test]
fn the_cgroup_of_a_killed_spawner_goes_with_its_command() {
    if !root_or_missing("a cgroup") {
        return;
    }
    let runtime = Folder::new();
    let running = run_of(&runtime, "cat").stdin_open().start();
    let spawner = until("a worker", || {
        let tree = Process::tree(running.pid);
        let is_there = tree.iter().any(|process| process.name == "sandhog-worker");
        tree.into_iter().find(|process| is_there && process.name == "sandhog-spawner")
    });
    assert!(!cgroups_of(runtime.path()).is_empty());
    spawner.signal(Signal::KILL);
    running.wait_with_stdin_open().is(125, "lost");
    assert!(cgroups_of(runtime.path()).is_empty(), "{:?}", cgroups_of(runtime.path()));
}

/// Whatever was handed an end of a worker's stdout: here it is the test itself that takes one.
#[test]
fn an_output_that_somebody_else_holds_open_ends_with_its_worker() {
    if !is_root() {
        missing(Need::Root, "taking a descriptor of another process needs root");
        return;
    }
    let mut running = Command::guest("cat").flag("--timeout=20s").stdin_open().start();
    running.say("first\n");
    running.stdout.until_has("first\n");
    let tree = Process::tree(running.pid);
    let worker = tree.iter().find(|process| process.name == "sandhog-worker").unwrap();
    let mut held = File::options().write(true).open(format!("/proc/{}/fd/1", worker.pid)).unwrap();
    running.say("last\n");
    let from = Instant::now();
    let outcome = running.wait();
    outcome.is(0, "completed");
    assert_eq!(outcome.text(), "first\nlast\n");
    assert!(from.elapsed() < Duration::from_secs(15), "{:?}", from.elapsed());
    assert!(held.write_all(b"nobody reads this").is_err());
}
