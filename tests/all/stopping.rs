//! How jobs that are kept up are stopped, and what signals do to them.

use sandhog_harness::{Daemon, kinds, module, process, until};
use sandhog_protocol::control::{Instance, Phase};
use serde_json::{Value, json};
use std::fs;

/// Starts a job that does as it is told, and is ready when it says so.
fn start(daemon: &Daemon, name: &str, flags: &[&str], words: &[&str]) -> Instance {
    daemon.start_job(name, "does_as_told", &[&["--ready=notify"], flags, &["--"], words].concat());
    daemon.instance(name)
}

/// How its last attempt ended, and the exit code that stands for it.
fn last(instance: &Instance) -> (Value, u8) {
    let last = instance.last.as_ref().unwrap_or_else(|| panic!("{instance:?}"));
    (json!(last.verdict), last.code)
}

fn stopped(graceful: bool) -> (Value, u8) {
    (json!({"verdict": "stopped", "graceful": graceful, "reason": "operator"}), 143)
}

#[test]
fn a_job_that_listens_says_goodbye_when_it_is_stopped() {
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["listen", "ready"]);
    daemon.well(&["stop", "job"]);
    let job = daemon.instance("job");
    assert_eq!((job.phase, job.pid, job.restarts), (Phase::Stopped, None, 0));
    assert_eq!(last(&job), stopped(true));
    assert_eq!(daemon.log_of("job"), ["goodbye"]);
    assert_eq!(kinds(&daemon.events_of("job")), ["created", "starting", "ready", "stopping", "ended", "stopped"]);
}

#[test]
fn a_job_that_never_asks_is_ended_without_its_grace() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["--grace=1h"], &["ready"]);
    daemon.well(&["stop", "job"]);
    assert_eq!(last(&daemon.instance("job")), stopped(false));
}

#[test]
fn a_job_that_does_not_stop_is_ended_by_force_when_its_grace_is_over() {
    let daemon = Daemon::start();
    let before = start(&daemon, "job", &["--grace=100ms"], &["listen", "deaf", "ready"]);
    daemon.well(&["stop", "job"]);
    let job = daemon.instance("job");
    assert_eq!((job.phase, last(&job)), (Phase::Stopped, stopped(false)));
    assert!(!process::is_there(before.pid.unwrap()));
}

#[test]
fn a_second_stop_ends_a_job_at_once() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["--grace=1h"], &["listen", "deaf", "ready"]);
    daemon.well(&["stop", "job", "--no-wait"]);
    daemon.until_event("job", "stopping", 1);
    assert_eq!(daemon.instance("job").phase, Phase::Stopping);
    daemon.well(&["stop", "job"]);
    let job = daemon.instance("job");
    assert_eq!((job.phase, last(&job)), (Phase::Stopped, stopped(false)));
}

#[test]
fn a_stop_ends_the_pause_before_another_try() {
    let daemon = Daemon::start();
    let flags = ["--backoff-first=1h", "--backoff-max=1h", "--no-wait"];
    daemon.start_job("job", "does_as_told", &[&flags[..], &["--", "exit 3"]].concat());
    let job = daemon.until_phase("job", Phase::Backoff);
    assert!(job.next_ms.is_some_and(|next| next >= job.since_ms), "{job:?}");
    daemon.well(&["stop", "job"]);
    assert_eq!(daemon.instance("job").phase, Phase::Stopped);
    assert_eq!(daemon.count("job", "starting"), 1);
}

#[test]
fn what_was_stopped_is_started_again_when_somebody_asks() {
    let daemon = Daemon::start();
    let before = start(&daemon, "job", &[], &["listen", "ready"]);
    daemon.well(&["stop", "job"]);
    daemon.well(&["start", "job"]);
    let after = daemon.instance("job");
    assert_eq!((after.phase, after.id, after.restarts), (Phase::Running, before.id, 0));
    assert_ne!(after.attempt, before.attempt);
    // It is up: there is nothing to do.
    daemon.well(&["start", "job"]);
    assert_eq!(daemon.instance("job").attempt, after.attempt);
}

#[test]
fn a_restart_is_a_stop_and_a_start() {
    let daemon = Daemon::start();
    let before = start(&daemon, "job", &[], &["listen", "ready"]);
    daemon.well(&["restart", "job"]);
    let after = daemon.instance("job");
    assert_eq!((after.phase, last(&after)), (Phase::Running, stopped(true)));
    assert_ne!(after.pid, before.pid);
    let happened = daemon.events_of("job");
    assert_eq!(kinds(&happened)[1..], ["starting", "ready", "stopping", "ended", "starting", "ready"]);
}

#[test]
fn a_deleted_job_is_gone_with_its_logs() {
    let daemon = Daemon::start();
    let before = start(&daemon, "job", &[], &["listen", "ready"]);
    daemon.well(&["delete", "job"]);
    assert_eq!(daemon.instances(), []);
    assert!(!process::is_there(before.pid.unwrap()));
    let outcome = daemon.run(&["show", "job"]);
    assert!(outcome.code != 0 && outcome.stderr.contains("is called \"job\""), "{outcome:#?}");
    // Another one of this name begins with nothing of it.
    let after = start(&daemon, "job", &[], &["print new", "ready"]);
    assert!(after.id > before.id, "{after:?}");
    assert_eq!(daemon.log_of("job"), ["new"]);
}

#[test]
fn a_job_of_which_a_signal_asks_that_it_ends_stays_down() {
    let daemon = Daemon::start();
    for signal in ["TERM", "int", "SIGHUP"] {
        start(&daemon, "job", &[], &["listen", "ready"]);
        daemon.well(&["signal", "job", signal]);
        let job = daemon.until_phase("job", Phase::Stopped);
        assert_eq!((last(&job), job.restarts), (stopped(true), 0), "{signal}");
        daemon.well(&["delete", "job"]);
    }
}

#[test]
fn with_restart_always_it_is_started_again_after_a_signal() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["--restart=always", "--backoff-first=5ms"], &["listen", "ready"]);
    daemon.well(&["signal", "job", "TERM"]);
    daemon.until_event("job", "ready", 2);
    assert_eq!(last(&daemon.instance("job")), stopped(true));
}

/// As /proc has it: `T` is stopped.
fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn a_job_is_halted_by_stop_and_goes_on_by_cont() {
    let daemon = Daemon::start();
    let pid = start(&daemon, "job", &[], &["listen", "ready"]).pid.unwrap();
    daemon.well(&["signal", "job", "STOP"]);
    until("a halted job", || (state_of(pid) == Some('T')).then_some(()));
    assert!(daemon.instance("job").paused);
    assert!(daemon.well(&["ps"]).text().contains("paused"), "{}", daemon.story());
    let answer = daemon.run(&["send", "job", "\"print x\"", "--wait", "50ms"]);
    assert!(answer.code != 0 && answer.text().contains("it has not answered in time"), "{answer:#?}");
    daemon.well(&["signal", "job", "CONT"]);
    until("a job that goes on", || (state_of(pid) != Some('T')).then_some(()));
    // Its answer is to the first one.
    daemon.until_event("job", "message", 1);
    daemon.tell("job", "print y");
    assert_eq!((daemon.log_of("job"), daemon.instance("job").paused), (vec!["x".to_owned(), "y".to_owned()], false));
}

#[test]
fn a_job_that_is_halted_can_be_stopped() {
    let daemon = Daemon::start();
    let pid = start(&daemon, "job", &[], &["listen", "ready"]).pid.unwrap();
    daemon.well(&["signal", "job", "STOP"]);
    until("a halted job", || (state_of(pid) == Some('T')).then_some(()));
    daemon.well(&["stop", "job"]);
    assert_eq!(last(&daemon.instance("job")), stopped(true));
}

#[test]
fn the_children_of_a_job_write_to_its_log_and_end_with_it() {
    let daemon = Daemon::start();
    let child = format!("--child=helper={}", module("does_as_told"));
    start(&daemon, "job", &[&child], &["listen", "ready"]);
    daemon.tell("job", "spawn helper");
    until("the child's word", || daemon.log_of("job").contains(&"born".to_owned()).then_some(()));
    assert_eq!(daemon.workers(), 2);
    daemon.well(&["stop", "job"]);
    until("the end of both", || (daemon.workers() == 0).then_some(()));
}

/// Each of these begins with three instances that need a while to stop.
#[test]
fn what_was_asked_for_last_is_what_comes_of_it() {
    let daemon = Daemon::start();
    for (first, second, up) in [
        (&["reload", "job"][..], &["stop", "job"][..], 0),
        (&["restart", "job"], &["stop", "job"], 0),
        (&["stop", "job"], &["start", "job"], 3),
        (&["stop", "job"], &["restart", "job"], 3),
        (&["stop", "job"], &["reload", "job"], 3),
        (&["reload", "job"], &["restart", "job"], 3),
        (&["reload", "job"], &["reload", "job"], 3),
        (&["restart", "job"], &["restart", "job"], 3),
        (&["reload", "job"], &["scale", "job", "1"], 1),
        (&["stop", "job"], &["delete", "job"], 0),
        (&["reload", "job"], &["delete", "job"], 0),
        (&["scale", "job", "1"], &["scale", "job", "3"], 3),
    ] {
        start(&daemon, "job", &["-i", "3", "--grace=20ms"], &["listen", "deaf", "ready"]);
        daemon.well(&[first, &["--no-wait"]].concat());
        daemon.well(second);
        let phases: Vec<_> = daemon.instances().into_iter().map(|it| it.phase).collect();
        let running = phases.iter().filter(|phase| **phase == Phase::Running).count();
        assert_eq!(running, up, "{first:?} {second:?}: {phases:?}");
        until("no other workers", || (daemon.workers() == up).then_some(()));
        if daemon.find("job").is_some() {
            daemon.well(&["delete", "job"]);
        }
    }
}

#[test]
fn a_signal_that_guests_do_not_have_is_refused_in_one_sentence() {
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["ready"]);
    let outcome = daemon.run(&["signal", "job", "USR1"]);
    assert!(outcome.code != 0 && outcome.stderr.contains("USR1") && outcome.stderr.contains("CONT"), "{outcome:#?}");
    assert_eq!(daemon.instance("job").phase, Phase::Running);
}
