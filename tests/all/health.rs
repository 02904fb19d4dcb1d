//! When a job is ready, and whether it is well.

use sandhog_harness::{Daemon, module, quick, told};
use sandhog_protocol::control::{Event, Phase};
use serde_json::{Value, json};
use std::fs;

/// The verdicts of a job, oldest first.
fn verdicts(daemon: &Daemon, name: &str) -> Vec<Value> {
    daemon.events_of(name).iter().filter_map(|event: &Event| event.verdict.as_ref()).map(|it| json!(it)).collect()
}

fn unhealthy(check: &str) -> Value {
    json!({"verdict": "unhealthy", "check": check})
}

#[test]
fn a_job_that_is_ready_when_it_says_so_is_not_before() {
    let daemon = Daemon::start();
    daemon.up_and_on(&quick("", &[told("job", &["print here"], "ready = \"notify\"")]));
    daemon.tell("job", "print still");
    assert_eq!((daemon.instance("job").phase, daemon.count("job", "ready")), (Phase::Starting, 0));
    daemon.tell("job", "ready");
    daemon.until_phase("job", Phase::Running);
    assert_eq!(daemon.count("job", "ready"), 1);
}

#[test]
fn a_job_that_says_that_it_is_ready_need_not_live_for_so_long() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[told("job", &["ready"], "ready = \"2m\"")]));
    assert_eq!(daemon.instance("job").phase, Phase::Running);
}

#[test]
fn a_job_that_is_not_ready_in_time_is_unhealthy_and_up_says_so() {
    let daemon = Daemon::start();
    let lines = "ready = \"notify\"\nstart_timeout = \"50ms\"\nintensity.restarts = 1";
    let outcome = daemon.up(&quick("", &[told("job", &["listen"], lines)]));
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    // It is tried again, but nobody waits for that.
    assert!(outcome.stderr.contains("job/0: is unhealthy: it was not ready in time"), "{outcome:#?}");
    let job = daemon.until_phase("job", Phase::Failed);
    assert_eq!(job.reason.unwrap().split(';').next(), Some("1 restart in 1m"));
    assert_eq!(job.last.unwrap().code, 125);
    assert_eq!(verdicts(&daemon, "job"), [unhealthy("ready"), unhealthy("ready")]);
    assert_eq!(daemon.count("job", "unhealthy"), 2);
}

#[test]
fn a_job_whose_heartbeats_stop_is_unhealthy_and_started_again() {
    let daemon = Daemon::start();
    let lines = "ready = \"notify\"\nhealth = { heartbeat = \"300ms\", failure_threshold = 2 }";
    daemon.up_well(&quick("", &[told("job", &["beat 60", "ready"], lines)]));
    let before = daemon.instance("job");
    // Longer than it may be silent.
    daemon.tell("job", "beats 15");
    assert_eq!(daemon.instance("job").attempt, before.attempt, "{}", daemon.story());
    daemon.tell_and_on("job", "hang");
    daemon.until_event("job", "ready", 2);
    let stopped = unhealthy("heartbeat");
    assert_eq!(verdicts(&daemon, "job"), [stopped]);
}

#[test]
fn a_job_that_never_beats_is_unhealthy() {
    let daemon = Daemon::start();
    let lines = "restart = \"never\"\nhealth = { heartbeat = \"50ms\", failure_threshold = 1 }";
    daemon.up_and_on(&quick("", &[told("job", &["hang"], lines)]));
    let job = daemon.until_phase("job", Phase::Failed);
    assert_eq!(verdicts(&daemon, "job"), [unhealthy("heartbeat")]);
    assert!(job.reason.unwrap().contains("its heartbeats have stopped"));
}

/// The check looks for a file, with the grants of the job.
#[test]
fn a_job_whose_health_command_fails_is_unhealthy_and_started_again() {
    let daemon = Daemon::start();
    fs::create_dir(daemon.path("data")).unwrap();
    let well = daemon.scratch().file("data/well", "");
    let lines = format!(
        "dir = [{:?}]\nhealth = {{ command = [{:?}, \"/data/well\"], interval = \"30ms\", failure_threshold = 2 }}",
        format!("{}::/data", daemon.path("data").display()),
        module("read_file"),
    );
    daemon.up_well(&quick("", &[told("job", &["ready"], &lines)]));
    let before = daemon.instance("job");
    fs::remove_file(&well).unwrap();
    daemon.until_event("job", "unhealthy", 1);
    fs::write(&well, "").unwrap();
    daemon.until_event("job", "ready", 2);
    assert_eq!(verdicts(&daemon, "job")[0], unhealthy("command"));
    let after = daemon.until_phase("job", Phase::Running);
    assert!(after.restarts >= 1 && after.attempt != before.attempt, "{after:?}");
}

/// Many checks are made meanwhile; one that could not be made is none that failed.
#[test]
fn a_job_whose_health_command_completes_is_left_alone() {
    let daemon = Daemon::start();
    let lines = format!("health = {{ command = [{:?}], interval = \"10ms\", failure_threshold = 1 }}", module("hello"));
    daemon.up_well(&quick("", &[told("job", &["ready"], &lines)]));
    let before = daemon.instance("job");
    for _ in 0..10 {
        daemon.tell("job", "spin 20");
    }
    assert_eq!(daemon.instance("job").attempt, before.attempt, "{}", daemon.story());
    // What a check prints is nobody's business.
    assert!(!daemon.log_of("job").contains(&"hello".to_owned()));
}

#[test]
fn a_health_command_may_be_a_reactor_with_a_default() {
    let daemon = Daemon::start();
    let command = module("reactor_with_a_default.wat");
    let lines = format!(
        "restart = \"never\"\nhealth = {{ command = [{command:?}], interval = \"10ms\", failure_threshold = 1 }}"
    );
    daemon.up_and_on(&quick("", &[told("job", &["ready"], &lines)]));
    daemon.until_phase("job", Phase::Failed);
    assert_eq!(verdicts(&daemon, "job"), [unhealthy("command")]);
}

#[test]
fn a_health_command_that_takes_too_long_has_failed() {
    let daemon = Daemon::start();
    let command = module("sleep_forever");
    let lines = format!(
        "restart = \"never\"\nhealth = {{ command = [{command:?}], interval = \"10ms\", timeout = \"50ms\", failure_threshold = 2 }}"
    );
    daemon.up_and_on(&quick("", &[told("job", &["ready"], &lines)]));
    daemon.until_phase("job", Phase::Failed);
    assert_eq!(verdicts(&daemon, "job"), [unhealthy("command")]);
}

#[test]
fn nothing_is_expected_of_a_job_that_is_paused() {
    let daemon = Daemon::start();
    let lines = "ready = \"notify\"\nhealth = { heartbeat = \"700ms\", failure_threshold = 1 }";
    let manifest = |words: &[&str], name: &str| told(name, words, &format!("{lines}\nintensity.restarts = 100"));
    let jobs = [manifest(&["beat 100", "ready"], "job"), manifest(&["ready", "hang"], "witness")];
    daemon.up_and_on(&quick("", &jobs));
    daemon.until_event("job", "ready", 1);
    let before = daemon.instance("job");
    daemon.well(&["signal", "job", "STOP"]);
    daemon.until_event("witness", "unhealthy", daemon.count("witness", "unhealthy") + 3);
    let paused = daemon.instance("job");
    assert_eq!((paused.attempt, paused.paused), (before.attempt.clone(), true), "{}", daemon.story());
    daemon.well(&["signal", "job", "CONT"]);
    daemon.until_event("witness", "unhealthy", daemon.count("witness", "unhealthy") + 2);
    assert_eq!(daemon.instance("job").attempt, before.attempt, "it beats again: {}", daemon.story());
    daemon.tell_and_on("job", "hang");
    daemon.until_event("job", "unhealthy", 1);
}

/// It needs the job to be ready, and is what decides here: it fails from the start.
#[test]
fn a_health_command_does_not_run_while_its_job_is_paused() {
    let daemon = Daemon::start();
    let check = format!(
        "health = {{ command = [{:?}, \"/nowhere\"], interval = \"1s\", failure_threshold = 1 }}",
        module("read_file")
    );
    let witness = "health = { heartbeat = \"1s\", failure_threshold = 2 }\nintensity.restarts = 100";
    let jobs = [
        told("job", &["ready", "listen"], &format!("ready = \"notify\"\n{check}")),
        told("witness", &["ready", "hang"], &format!("ready = \"notify\"\n{witness}")),
    ];
    daemon.up_and_on(&quick("", &jobs));
    daemon.until_event("job", "ready", 1);
    daemon.well(&["signal", "job", "STOP"]);
    daemon.until_event("witness", "unhealthy", daemon.count("witness", "unhealthy") + 2);
    assert_eq!(daemon.count("job", "unhealthy"), 0, "{}", daemon.story());
    daemon.well(&["signal", "job", "CONT"]);
    daemon.until_event("job", "unhealthy", 1);
}

/// Neither on the worker's own clock nor on the one behind it.
#[test]
fn a_limit_of_time_does_not_count_while_a_job_is_paused() {
    let daemon = Daemon::start();
    let lines = "ready = \"notify\"\ntimeout = \"1s\"\nintensity.restarts = 100";
    let jobs = ["job", "witness"].map(|name| told(name, &["ready", "listen"], lines));
    daemon.up_and_on(&quick("", &jobs));
    daemon.until_event("job", "ready", 1);
    daemon.well(&["signal", "job", "STOP"]);
    let ends = daemon.count("job", "ended");
    let paused = daemon.instance("job");
    daemon.until_event("witness", "ended", daemon.count("witness", "ended") + 3);
    assert_eq!(daemon.instance("job").attempt, paused.attempt, "{}", daemon.story());
    assert_eq!(daemon.count("job", "ended"), ends, "{}", daemon.story());
    daemon.well(&["signal", "job", "CONT"]);
    daemon.until_event("job", "ended", ends + 1);
}

#[test]
fn a_job_that_does_not_run_can_not_be_paused_and_says_so() {
    let daemon = Daemon::start();
    daemon.start_job("job", "does_as_told", &["--ready=notify", "--", "listen", "ready"]);
    daemon.well(&["stop", "job"]);
    let signal = daemon.run(&["signal", "job", "STOP"]);
    assert_eq!((signal.code, signal.stderr.contains("\n    job/0: it does not run\n")), (1, true), "{signal:?}");
}
