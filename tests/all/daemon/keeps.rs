//! What it keeps from one start to the next, and how it is started in the background.

use super::{Traces, apply, sleeper};
use rustix::process::Signal;
use sandhog_harness::{
    Command, DEADLINE, Daemon, Folder, Need, Person, Process, Running, Site, chown, is_root, missing, module, sandhog,
    until,
};
use sandhog_protocol::control::{Instance, Phase};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::Instant;

/// A job that fails at once and is given up after one more try.
fn fails(name: &str) -> serde_json::Value {
    json!({
        "name": name, "module": module("exit_code"), "args": ["3"],
        "backoff": { "first": "1ms", "max": "10ms" }, "intensity": { "restarts": 1, "within": "1m" },
    })
}

/// What must be the same after a restart.
fn lasting(instance: &Instance) -> (u64, String, u32, u64, Option<String>) {
    let last = instance.last.as_ref().map(|last| serde_json::to_string(&last.verdict).unwrap());
    (instance.id, instance.job.clone(), instance.instance, instance.restarts, last)
}

#[test]
fn what_was_up_is_up_again_and_counters_and_verdicts_are_kept() {
    let mut daemon = Daemon::start();
    let mut many = sleeper("many");
    many["instances"] = 3.into();
    apply(&daemon, &[sleeper("one"), many, sleeper("stopped"), fails("failed")]);
    for name in ["one", "many/0", "many/1", "many/2", "stopped"] {
        daemon.until_phase(name, Phase::Running);
    }
    daemon.until_phase("failed", Phase::Failed);
    daemon.post("/v1/stop", &json!({ "select": ["stopped"], "wait": true })).expect(200);
    let worker = daemon.instance("many/1").pid.unwrap();
    Traces::of(&daemon).seen.process(worker).signal(Signal::KILL);
    daemon.until_instance("its restart", "many/1", |it| it.restarts == 1 && it.phase == Phase::Running);
    let before: Vec<_> = daemon.instances().iter().map(lasting).collect();
    for kill in [false, true] {
        if kill {
            daemon.kill();
        } else {
            assert_eq!(daemon.stop().code, 0);
        }
        daemon.start_again();
        for name in ["one", "many/0", "many/1", "many/2"] {
            daemon.until_phase(name, Phase::Running);
        }
        assert_eq!(daemon.instance("stopped").phase, Phase::Stopped, "killed: {kill}");
        assert_eq!(daemon.instance("failed").phase, Phase::Failed, "killed: {kill}");
        let restarts =
            |list: &[(u64, String, u32, u64, Option<String>)]| list.iter().map(|it| it.3).collect::<Vec<_>>();
        let after: Vec<_> = daemon.instances().iter().map(lasting).collect();
        assert_eq!(restarts(&after), restarts(&before), "killed: {kill}");
        let names = |list: &[(u64, String, u32, u64, Option<String>)]| -> Vec<_> {
            list.iter().map(|it| (it.0, it.1.clone(), it.2)).collect()
        };
        assert_eq!(names(&after), names(&before), "killed: {kill}");
        // What the operator ended tells how it ended; what the daemon's end has ended may tell that.
        let failed = |list: &[(u64, String, u32, u64, Option<String>)]| {
            list.iter().find(|it| it.1 == "failed").and_then(|it| it.4.clone()).unwrap()
        };
        assert_eq!(failed(&after), "{\"verdict\":\"failed\",\"code\":3}");
        assert!(after.iter().all(|it| it.1 == "one" || it.4.is_some()), "killed: {kill}: {after:#?}");
    }
}

#[test]
fn ids_are_not_used_again_by_the_next_daemon() {
    let mut daemon = Daemon::start();
    let mut known = BTreeSet::new();
    for round in 0..4 {
        apply(&daemon, &[sleeper("one"), sleeper("two")]);
        for id in daemon.instances().iter().map(|it| it.id) {
            assert!(known.insert(id), "round {round}: {id} is used again: {known:?}");
        }
        daemon.post("/v1/delete", &json!({ "select": ["all"], "wait": true })).expect(200);
        if round % 2 == 0 {
            daemon.kill();
        } else {
            daemon.stop();
        }
        daemon.start_again();
        assert!(daemon.instances().is_empty(), "what was deleted stays deleted");
    }
}

/// Said with `wait: false` and killed in the same moment: what was answered is kept.
#[test]
fn what_was_answered_is_kept_though_the_daemon_is_killed_at_once() {
    let mut daemon = Daemon::start();
    for round in 0..10 {
        let name = format!("job-{round}");
        apply(&daemon, &[sleeper(&name)]);
        daemon.kill();
        daemon.start_again();
        assert!(daemon.find(&name).is_some(), "{name} is lost");
        daemon.post("/v1/delete", &json!({ "select": [name], "wait": true })).expect(200);
        daemon.kill();
        daemon.start_again();
        assert!(daemon.find(&name).is_none(), "{name} is back");
    }
}

/// Jobs on a schedule that is far away: known, and none of them runs.
#[test]
fn a_thousand_jobs_are_read_and_told() {
    let mut daemon = Daemon::start();
    let job = |number: usize| {
        let mut job = json!({ "name": format!("job-{number}"), "module": module("hello"), "schedule": "0 0 1 1 *" });
        job["instances"] = 1.into();
        job
    };
    let jobs: Vec<_> = (0..1000).map(job).collect();
    let from = Instant::now();
    apply(&daemon, &jobs);
    println!("1,000 jobs were applied in {:?}", from.elapsed());
    let before: Vec<_> = daemon.instances().iter().map(lasting).collect();
    assert_eq!(before.len(), 1000);
    for kill in [false, true] {
        if kill {
            daemon.kill();
        } else {
            assert_eq!(daemon.stop().code, 0);
        }
        let from = Instant::now();
        daemon.start_again();
        println!("ready with 1,000 jobs after {:?} (killed before: {kill})", from.elapsed());
        let from = Instant::now();
        let listed = daemon.well(&["ps"]);
        println!("ps of them took {:?}", from.elapsed());
        assert_eq!(listed.text().lines().count(), 1001, "a head, and a line for each");
        assert_eq!(daemon.instances().iter().map(lasting).collect::<Vec<_>>(), before);
        assert!(daemon.instances().iter().all(|it| it.phase == Phase::Scheduled && it.next_ms.is_some()));
    }
}

/// A daemon that `up` has started: nobody's child.
struct Background<'a> {
    directories: &'a Site,
    process: Process,
}

impl<'a> Background<'a> {
    fn find(directories: &'a Site) -> Self {
        let process = Process::of(Self::pid(directories)).unwrap();
        Self { directories, process }
    }

    fn pid(directories: &Site) -> u32 {
        let answer =
            sandhog_harness::daemon::get(&directories.0.join("runtime/control.sock"), "/v1/daemon").expect(200);
        let about: serde_json::Value = serde_json::from_str(&answer).unwrap();
        about["pid"].as_u64().unwrap().try_into().unwrap()
    }

    fn ends(&self) {
        let down = self.directories.command(&["down", "--daemon"]).run();
        assert_eq!(down.code, 0, "{down:#?}");
        until("the daemon's end", || (!self.process.is_alive()).then_some(()));
    }
}

impl Drop for Background<'_> {
    fn drop(&mut self) {
        self.process.signal(Signal::KILL);
    }
}

const MANIFEST: &str = "[job.web]\nmodule = 'sleep_forever.wasm'\nready = '10ms'\n";

fn with_manifest() -> Site {
    let directories = Site::new();
    fs::copy(sandhog_harness::guest("sleep_forever"), directories.0.join("sleep_forever.wasm")).unwrap();
    directories.0.file("sandhog.toml", MANIFEST);
    directories
}

#[test]
fn up_starts_a_daemon_in_the_background_and_waits_until_all_is_ready() {
    let directories = with_manifest();
    let up = directories.command(&["up"]).run();
    assert_eq!((up.code, up.text(), up.stderr.as_str()), (0, "web: created\nready: 1 instance\n", ""), "{up:#?}");
    let daemon = Background::find(&directories);
    let log = fs::read_to_string(directories.0.join("state/daemon.log")).unwrap();
    assert_eq!(log, format!("sandhog: ready, at {}\n", directories.text("runtime/control.sock")));
    let again = directories.command(&["up"]).run();
    assert_eq!((again.code, again.text()), (0, "web: kept as it is\nready: 1 instance\n"), "{again:#?}");
    assert_eq!(Background::pid(&directories), daemon.process.pid, "it is the same daemon");
    daemon.ends();
    assert!(!directories.0.join("runtime/control.sock").exists());
}

/// The program `script` is a terminal; killed, it is a closed one.
#[test]
fn the_terminal_that_it_was_started_from_may_go() {
    if std::process::Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        missing(Need::Program, "there is no `script`, which is a terminal");
        return;
    }
    let directories = with_manifest();
    let line = format!("'{}' up; sleep 60", sandhog().display());
    let terminal = Command::program("script", ["--quiet", "--return", "--command", &line, "/dev/null"]);
    let terminal = terminal.stdout_to(Stdio::null()).stderr_to(Stdio::null()).current_dir(directories.0.path());
    let terminal = terminal.env("SANDHOG_STATE_DIR", directories.text("state"));
    let terminal = terminal.env("SANDHOG_RUNTIME_DIR", directories.text("runtime")).start();
    let is_up = || {
        let ps = directories.command(&["ps", "--json"]).run();
        let list: Vec<Instance> = serde_json::from_slice(&ps.stdout).unwrap_or_default();
        list.first().is_some_and(|it| it.phase == Phase::Running).then_some(())
    };
    until("the job being up", is_up);
    let daemon = Background::find(&directories);
    let mut seen = sandhog_harness::Seen::of(terminal.pid);
    seen.look();
    terminal.signal(Signal::KILL);
    terminal.wait();
    seen.expect_gone("the terminal");
    assert!(daemon.process.is_alive());
    is_up().expect("it goes on without its terminal");
    daemon.ends();
}

/// As an ordinary user: its own directories, its own daemon, nothing of root's.
#[test]
fn an_ordinary_user_has_a_daemon_too() {
    let scratch = Folder::new();
    if is_root() {
        chown(scratch.path(), Person::MADE_UP.uid());
    }
    let module = scratch.join("sleep_forever.wasm");
    fs::copy(sandhog_harness::guest("sleep_forever"), &module).unwrap();
    let text = |name: &str| scratch.join(name).to_str().unwrap().to_owned();
    let command = |words: &[&str]| -> Command {
        let run = Command::sandhog(words).current_dir(scratch.path()).by_ordinary_user();
        // One cache for all of them: each run has one of its own else.
        run.env("SANDHOG_CACHE_DIR", text("cache"))
            .env("SANDHOG_STATE_DIR", text("state"))
            .env("SANDHOG_RUNTIME_DIR", text("runtime"))
    };
    let daemon: Running = command(&["daemon"]).start();
    daemon.stderr.until_has("sandhog: ready, at ");
    let started = command(&["start", module.to_str().unwrap(), "--name", "web", "--ready", "10ms"]).run();
    assert_eq!(started.code, 0, "{started:#?}");
    let list = || -> Vec<Instance> { serde_json::from_slice(&command(&["ps", "--json"]).run().stdout).unwrap() };
    let web = &list()[0];
    assert_eq!((web.job.as_str(), web.phase), ("web", Phase::Running));
    let worker = Process::of(web.pid.unwrap()).expect("the number is that of outside");
    assert!(worker.is_alive());
    let mut seen = sandhog_harness::Seen::of(daemon.pid);
    seen.look();
    daemon.signal(Signal::KILL);
    daemon.wait();
    seen.expect_gone("the daemon of an ordinary user");
    until("the socket being gone", || (!scratch.join("runtime/control.sock").exists()).then_some(()));
    let daemon: Running = command(&["daemon"]).start();
    daemon.stderr.until_has("sandhog: ready, at ");
    until("what was up being up", || (list()[0].phase == Phase::Running).then_some(()));
    daemon.signal(Signal::TERM);
    assert!(daemon.ends_within(DEADLINE));
    assert_eq!(daemon.wait().code, 0);
}
