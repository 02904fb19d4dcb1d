//! How it ends: asked, asked twice, killed, or without its spawner.

use super::{Traces, apply, sleeper, with_two_sleepers};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use sandhog_harness::{DEADLINE, Daemon, Folder, Process, Seen, Site, kinds, module, until};
use sandhog_protocol::control::Phase;
use serde_json::json;
use std::fs;
use std::os::unix::fs::DirBuilderExt;

#[test]
fn sigterm_stops_all_and_leaves_nothing() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut daemon = with_two_sleepers();
        let traces = Traces::of(&daemon);
        daemon.signal(signal);
        let ended = daemon.wait();
        assert_eq!((ended.code, ended.text()), (0, ""), "{ended:#?}");
        traces.expect_gone("SIGTERM");
    }
}

/// One that has been asked to stop, and has said that it listens, has its grace; the second signal ends it.
#[test]
fn the_first_sigterm_waits_and_the_second_does_not() {
    let mut daemon = Daemon::start();
    let deaf =
        json!({ "name": "deaf", "module": module("listens"), "args": ["deaf"], "grace": "10m", "ready": "10ms" });
    apply(&daemon, &[deaf, sleeper("other")]);
    until("the guest listening", || daemon.log_of("deaf").contains(&"listening".into()).then_some(()));
    daemon.until_phase("deaf", Phase::Running);
    let mut traces = Traces::of(&daemon);
    daemon.signal(Signal::TERM);
    daemon.until_event("deaf", "stopping", 1);
    daemon.until_event("other", "ended", 1);
    traces.seen.look();
    assert!(traces.seen.named("sandhog-worker").is_some(), "it has its grace");
    daemon.signal(Signal::TERM);
    let ended = daemon.wait();
    assert_eq!(ended.code, 0, "{ended:#?}");
    traces.expect_gone("the second SIGTERM");
}

#[test]
fn killed_it_leaves_nothing() {
    let mut daemon = with_two_sleepers();
    for _ in 0..3 {
        let traces = Traces::of(&daemon);
        daemon.kill();
        traces.expect_gone("SIGKILL of the daemon");
        daemon.start_again();
        daemon.until_phase("one", Phase::Running);
        daemon.until_phase("two", Phase::Running);
    }
}

#[test]
fn without_its_spawner_it_says_so_and_what_was_up_is_up_again() {
    let mut daemon = with_two_sleepers();
    let ids: Vec<u64> = daemon.instances().iter().map(|it| it.id).collect();
    let traces = Traces::of(&daemon);
    traces.named("sandhog-spawner").signal(Signal::KILL);
    let ended = daemon.wait();
    assert_eq!(ended.code, 125, "{ended:#?}");
    let last: Vec<&str> = ended.stderr.lines().skip(1).collect();
    assert_eq!(
        last,
        [
            "sandhog: the spawner has ended, and every job with it",
            "  hint: start the daemon again: what was up is up again"
        ],
        "{ended:#?}"
    );
    // Nobody is left to clear away but the daemon itself, which has.
    traces.expect_gone("SIGKILL of the spawner");
    daemon.start_again();
    daemon.until_phase("one", Phase::Running);
    daemon.until_phase("two", Phase::Running);
    assert_eq!(daemon.instances().iter().map(|it| it.id).collect::<Vec<_>>(), ids);
    let traces = Traces::of(&daemon);
    assert_eq!(daemon.stop().code, 0);
    traces.expect_gone("the one after it");
}

/// The state of a process, such as `S` for one that waits (proc(5)).
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Killed at any moment of its start a daemon leaves no socket, for it has none before the spawner has said that it will clear
/// away: here the spawner says nothing, and the daemon has everything else that it needs.
#[test]
fn a_daemon_listens_only_once_its_spawner_will_clear_away_behind_it() {
    let scratch = Folder::new();
    let (runtime, path) = (scratch.join("runtime"), scratch.join("runtime/daemon.lock"));
    fs::DirBuilder::new().mode(0o700).create(&runtime).unwrap();
    let lock = fs::File::options().write(true).create_new(true).open(&path).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let directories = Site(scratch);
    let daemon = directories.command(&["daemon"]).start();
    let spawner = until("its spawner", || {
        let tree = Process::tree(daemon.pid);
        tree.into_iter().find(|process| process.name == "sandhog-spawner")
    });
    spawner.signal(Signal::STOP);
    until("the spawner standing still", || spawner.is_stopped().then_some(()));
    // It waits for the lock.
    drop(lock);
    let names_it = format!("process {}, at ", daemon.pid);
    until("the daemon having its locks", || fs::read_to_string(&path).unwrap().starts_with(&names_it).then_some(()));
    let mut waits = 0;
    until("the daemon waiting for its spawner", || {
        waits = if state(daemon.pid) == Some('S') { waits + 1 } else { 0 };
        (waits == 20).then_some(())
    });
    assert!(!runtime.join("control.sock").exists());
    let mut seen = Seen::of(daemon.pid);
    seen.look();
    daemon.signal(Signal::KILL);
    assert!(daemon.ends_within(DEADLINE));
    spawner.signal(Signal::CONT);
    seen.expect_gone("killed before its spawner has answered");
    daemon.wait();
    assert!(!runtime.join("control.sock").exists());
    flock(fs::File::open(&path).unwrap(), FlockOperation::LockExclusive).unwrap();
    // And the next one is as ready as any.
    let next = directories.command(&["daemon"]).start();
    next.stderr.until_has("sandhog: ready, at ");
    next.signal(Signal::TERM);
    assert_eq!(next.wait().code, 0);
}

#[test]
fn a_killed_worker_is_told_and_started_again() {
    let daemon = with_two_sleepers();
    let worker = daemon.instance("one").pid.unwrap();
    let other = daemon.instance("two").attempt;
    Traces::of(&daemon).seen.process(worker).signal(Signal::KILL);
    let again = daemon.until_instance("one being up again", "one", |it| it.restarts == 1 && it.phase == Phase::Running);
    let last = serde_json::to_value(again.last.unwrap()).unwrap();
    assert_eq!(
        (&last["verdict"]["verdict"], &last["verdict"]["signal"]),
        (&"killed".into(), &"SIGKILL".into()),
        "{last:#}"
    );
    assert_ne!(again.pid, Some(worker));
    assert_eq!(daemon.instance("two").attempt, other, "nobody else notices");
    let events = daemon.events_of("one");
    assert_eq!(
        kinds(&events),
        ["created", "starting", "ready", "ended", "backoff", "starting", "ready"],
        "{events:#?}"
    );
}
