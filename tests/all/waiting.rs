//! Who waits for what, and what a command says while it waits.

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::Signal;
use sandhog_harness::{Command, Daemon, Folder, Need, Running, daemon, missing, module, root_or_missing, until};
use sandhog_protocol::control::{Instance, Phase};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

/// Starts a job that does as it is told, and is ready when it says so.
fn start(daemon: &Daemon, name: &str, flags: &[&str], words: &[&str]) {
    daemon.start_job(name, "does_as_told", &[&["--ready=notify"], flags, &["--"], words].concat());
}

fn heard(running: &Running) -> String {
    String::from_utf8(running.stderr.so_far()).unwrap()
}

const HANGS: &str = "has not answered for ";

#[test]
fn a_command_whose_daemon_hangs_says_so_once_and_goes_on_when_the_daemon_does() {
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["listen", "ready"]);
    // It waits for a job, and the daemon is well.
    let other = Daemon::start();
    let slow = other.command(&["start", &module("sleep_forever"), "--ready=notify"]).start();
    other.until_event("sleep_forever", "starting", 1);
    let follows = daemon.command(&["logs", "-f", "--json"]).start();
    follows.stdout.until_has("is ready");

    daemon.signal(Signal::STOP);
    let verbs: Vec<_> =
        [&["ps", "--json"][..], &["stop", "job"], &["events"]].map(|words| daemon.command(words).start()).into();
    let process = format!("sandhog: the daemon, process {}, {HANGS}", daemon.pid());
    for running in verbs.iter().chain([&follows]) {
        running.stderr.until_has(&process);
        running.stderr.until_has(&format!("kill -CONT {}", daemon.pid()));
        assert!(!running.has_ended(), "it goes on waiting");
    }
    assert_eq!(heard(&slow), "", "a job that is not ready is no daemon that hangs");

    daemon.signal(Signal::CONT);
    follows.stderr.until_has("answers again");
    for running in verbs {
        let outcome = running.wait();
        assert_eq!((outcome.code, outcome.stderr.matches(HANGS).count()), (0, 1), "{outcome:#?}");
    }
    follows.stdout.until_has("has stopped");
    assert_eq!(heard(&follows).matches(HANGS).count(), 1);
    for line in String::from_utf8(follows.stdout.so_far()).unwrap().lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

/// Of one that was killed, and of one that was ended: whoever follows does not care.
#[test]
fn who_follows_goes_on_with_the_next_daemon_and_sees_every_line_once() {
    let mut daemon = Daemon::start();
    start(&daemon, "job", &["--log=info"], &["lines 100", "log word", "ready"]);
    start(&daemon, "quiet", &[], &["ready"]);
    let logs = daemon.command(&["logs", "-f", "--json", "-n", "10"]).start();
    let events = daemon.command(&["events", "-f", "--json", "-n", "1000"]).start();
    logs.stdout.until_has("is ready");
    events.stdout.until_has("quiet");
    for round in 1..=2 {
        if round == 1 {
            daemon.kill()
        } else {
            drop(daemon.stop())
        }
        for running in [&logs, &events] {
            until("a word on its end", || (heard(running).matches("it is waited for").count() == round).then_some(()));
        }
        daemon.start_again();
        daemon.until_phase("job", Phase::Running);
        daemon.tell("job", &format!("print round {round}"));
        logs.stdout.until_has(&format!("round {round}"));
        until("its events", || {
            let text = String::from_utf8(events.stdout.so_far()).unwrap();
            (text.matches("the daemon has started").count() == round + 1).then_some(())
        });
        for running in [&logs, &events] {
            until("a word on its return", || {
                (heard(running).matches("the daemon is back").count() == round).then_some(())
            });
        }
    }
    let shown = || -> Vec<Value> {
        let text = String::from_utf8(logs.stdout.so_far()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = until("all lines", || {
        let all = daemon.json_lines(&["logs", "-n", "10000"]);
        (shown().last() == all.last()).then_some(all)
    });
    let of = |lines: &[Value], job: &str| -> Vec<Value> {
        lines.iter().filter(|line| line["job"] == job).cloned().collect()
    };
    for job in ["job", "quiet"] {
        let (all, shown) = (of(&all, job), of(&shown(), job));
        assert!(!shown.is_empty() && all.ends_with(&shown), "{job}: {shown:#?} of {all:#?}");
    }
    assert!(heard(&logs).contains("gone without a word") && heard(&logs).contains("the daemon has ended"));
}

#[test]
fn who_follows_a_daemon_that_does_not_come_back_ends_with_a_sentence() {
    let mut daemon = Daemon::start();
    start(&daemon, "job", &[], &["ready"]);
    let logs = daemon.command(&["logs", "-f"]).start();
    let events = daemon.command(&["events", "-f"]).start();
    for running in [&logs, &events] {
        running.stdout.until_has("job");
    }
    daemon.kill();
    for running in [logs, events] {
        let outcome = running.wait();
        assert_eq!(outcome.code, 125, "{outcome:#?}");
        assert!(outcome.stderr.contains("sandhog: no daemon has come back within 30s\n"), "{outcome:#?}");
        assert!(outcome.stderr.contains("sandhog up"), "{outcome:#?}");
    }
}

/// Threads of a process that do not run until this is dropped, or this process has gone, however it went.
struct Frozen(Child);

const FREEZER: &str = "/sys/fs/cgroup/freezer";

/// Lets them go when its stdin ends: what is frozen can't even be killed.
const LETS_GO: &str = "read -r _; echo THAWED >$1/freezer.state; for t in $(cat $1/tasks); do echo $t >$0/tasks; done; \
                       rmdir $1";

impl Frozen {
    /// The kernel freezes single threads in version 1 of cgroups only.
    fn freeze(pid: u32, names: &[&str]) -> Option<Self> {
        let group = PathBuf::from(format!("{FREEZER}/sandhog-test-{pid}"));
        fs::create_dir(&group).ok()?;
        let mut guard = std::process::Command::new("sh");
        let guard = guard.args(["-c", LETS_GO, FREEZER]).arg(&group).stdin(Stdio::piped()).stderr(Stdio::null());
        let frozen = Self(guard.spawn().unwrap());
        for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
            let name = fs::read_to_string(task.path().join("comm")).unwrap();
            if names.contains(&name.trim_end()) {
                // It waits for work, so it holds nothing that others need.
                let call = || fs::read_to_string(task.path().join("syscall")).unwrap();
                let futex = format!("{} ", libc::SYS_futex);
                until("it idle", || call().starts_with(&futex).then_some(()));
                fs::write(group.join("tasks"), task.file_name().as_encoded_bytes()).unwrap();
            }
        }
        let there = fs::read_to_string(group.join("tasks")).unwrap();
        assert_eq!(there.lines().count(), names.len(), "{names:?}");
        fs::write(group.join("freezer.state"), "FROZEN").unwrap();
        let state = || fs::read_to_string(group.join("freezer.state")).unwrap();
        until("them frozen", || (state().trim() == "FROZEN").then_some(()));
        Some(frozen)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The threads that write stand for the disk: they are as if every write of theirs took for ever.
#[test]
fn a_disk_that_hangs_makes_nobody_wait_but_who_asks_for_what_is_to_be_kept() {
    if !root_or_missing("freezing single threads") {
        return;
    }
    let daemon = Daemon::start();
    start(&daemon, "job", &["--backoff-first=1ms"], &["listen", "ready"]);
    let Some(disk) = Frozen::freeze(daemon.pid(), &["store", "logs", "access"]) else {
        return missing(Need::Cgroup, "there is no freezer of cgroups, version 1");
    };
    // More ids than are kept ready: these are to be on disk first.
    let scale = daemon.command(&["scale", "job", "400", "--no-wait"]).start();
    let given_up = daemon.command(&["scale", "job", "500", "--no-wait"]).start();
    // The fleet goes on: it shows, it sends, it starts again what is killed, again and again.
    for count in 2..6 {
        daemon.well(&["send", "job", "\"progress on\"", "--wait", "30s"]);
        let killed = daemon.command(&["signal", "job", "KILL"]).start();
        daemon.until_event("job", "ready", count);
        drop(killed);
        assert_eq!(daemon.instances().len(), 1);
    }
    assert!(!scale.has_ended() && !given_up.has_ended());
    scale.stderr.until_has("answers, but not what it was asked");
    // Nobody was promised anything: who has gone wants it no more.
    drop((scale, given_up));
    let small = daemon.command(&["scale", "job", "3", "--no-wait"]).start();
    drop(disk);
    let outcome = small.wait();
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(daemon.instances().len(), 3);
    // What was to be said of it meanwhile is in the log.
    let lines = daemon.json_lines(&["logs", "job/0", "-n", "1000"]);
    let starts = lines.iter().filter(|line| line["text"] == "starts").count();
    assert_eq!(starts, daemon.count("job/0", "starting"), "{lines:#?}");
}

/// Somebody compiles a module, or seems to, and never comes to an end.
#[test]
fn attempts_that_wait_for_a_compiler_of_others_leave_no_thread_behind() {
    let folder = Folder::new();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let daemon = Command::sandhog(["daemon"]).cache(path("cache"));
    let daemon = daemon.env("SANDHOG_STATE_DIR", path("state")).env("SANDHOG_RUNTIME_DIR", path("runtime")).start();
    daemon.stderr.until_has("sandhog: ready, at ");
    let socket = folder.join("runtime/control.sock");
    fs::create_dir_all(path("cache")).unwrap();
    let lock = fs::File::options().write(true).create(true).truncate(false).open(path("cache/lock")).unwrap();
    fcntl_lock(&lock, FlockOperation::LockExclusive).unwrap();

    let job = json!({ "name": "job", "module": module("hello"), "restart": "always", "ready": "10ms", "start_timeout": "20ms",
        "grace": "1ms", "backoff": { "first": "1ms", "max": "1ms" }, "intensity": { "restarts": 10_000, "within": "1s" } });
    daemon::post(&socket, "/v1/apply", &json!({ "jobs": [job] })).expect(200);
    let restarts = |count: u64| {
        until("it starting again and again", || {
            let all: Vec<Instance> = serde_json::from_str(&daemon::get(&socket, "/v1/instances").expect(200)).unwrap();
            (all[0].restarts >= count).then_some(())
        });
        fs::read_dir(format!("/proc/{}/task", daemon.pid)).unwrap().count()
    };
    let (first, last) = (restarts(5), restarts(45));
    assert!(last < first + 20, "{first} threads, and then {last}");
    drop(lock);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code, 0);
}
