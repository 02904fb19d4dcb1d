//! What follows from the end of an attempt: another one, or none, after which pause, with which limits, and for how long.

use sandhog_harness::Daemon;
use sandhog_protocol::control::{Event, Phase};
use serde_json::json;
use std::fs;
use std::time::Duration;

/// Flags of jobs whose pauses nobody wants to wait for.
const QUICK: [&str; 4] = ["--backoff-first=5ms", "--backoff-max=20ms", "--ready=notify", "--no-wait"];

/// Starts a job that does as it is told, first of all by these words.
fn start(daemon: &Daemon, name: &str, flags: &[&str], words: &[&str]) {
    daemon.start_job(name, "does_as_told", &[&QUICK[..], flags, &["--"], words].concat());
}

/// How many attempts of a job have been started.
fn attempts(daemon: &Daemon, name: &str) -> usize {
    daemon.count(name, "starting")
}

/// The pauses of a job, as its events tell them.
fn pauses(daemon: &Daemon, name: &str) -> Vec<Duration> {
    let events = daemon.events_of(name);
    events.iter().filter(|event| event.kind.as_str() == "backoff").map(pause).collect()
}

fn pause(event: &Event) -> Duration {
    let text = event.text.strip_prefix("restarts in ").unwrap_or_else(|| panic!("{event:?}"));
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap());
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        _ => panic!("{event:?}"),
    };
    unit.mul_f64(number.parse().unwrap())
}

#[test]
fn with_restart_never_a_job_runs_once_whatever_becomes_of_it() {
    let daemon = Daemon::start();
    start(&daemon, "bad", &["--restart=never"], &["exit 3"]);
    start(&daemon, "good", &["--restart=never"], &["exit 0"]);
    let bad = daemon.until_phase("bad", Phase::Failed);
    assert_eq!(bad.reason.as_deref(), Some("the attempt failed with code 3, and its rules don't start it again"));
    let good = daemon.until_instance("good being over", "good", |it| it.last.is_some());
    assert_eq!((good.phase, good.reason, good.restarts), (Phase::Idle, None, 0));
    assert_eq!((attempts(&daemon, "bad"), attempts(&daemon, "good")), (1, 1));
}

#[test]
fn with_restart_on_failure_a_job_is_started_again_until_it_completes() {
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["who", "before 3 trap", "exit 0"]);
    let job = daemon.until_phase("job", Phase::Idle);
    assert_eq!((job.restarts, job.last.unwrap().text.as_str()), (2, "completed"));
    assert_eq!(attempts(&daemon, "job"), 3);
    let tries = ["job, instance 0, try 1", "job, instance 0, try 2", "job, instance 0, try 3"];
    let log = daemon.log_of("job");
    assert_eq!(log.iter().filter(|line| line.starts_with("job, ")).collect::<Vec<_>>(), tries.each_ref());
}

#[test]
fn with_restart_always_a_job_is_started_again_when_it_has_completed() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["--restart=always"], &["before 3 exit 0", "ready"]);
    let job = daemon.until_phase("job", Phase::Running);
    assert_eq!((job.restarts, job.last.unwrap().text.as_str()), (2, "completed"));
}

/// More often than the intensity allows for crashes: it has done its work each time.
#[test]
fn completing_under_restart_always_counts_for_no_intensity() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["--restart=always", "--intensity-restarts=2"], &["before 8 exit 0", "ready"]);
    assert_eq!(daemon.until_phase("job", Phase::Running).restarts, 7);
}

#[test]
fn a_verdict_of_stop_on_ends_it_though_restart_says_always() {
    let daemon = Daemon::start();
    let flags = ["--restart=always", "--stop-on=trapped", "--stop-on=completed"];
    start(&daemon, "bad", &flags, &["before 2 exit 3", "trap"]);
    start(&daemon, "good", &flags, &["exit 0"]);
    let bad = daemon.until_phase("bad", Phase::Failed);
    assert_eq!((bad.restarts, attempts(&daemon, "bad")), (1, 2));
    assert!(bad.reason.as_deref().unwrap().contains("trapped"), "{bad:?}");
    daemon.until_event("good", "finished", 1);
    assert_eq!(daemon.instance("good").phase, Phase::Idle);
}

#[test]
fn a_verdict_of_retry_on_starts_it_again_though_restart_says_never() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["--restart=never", "--retry-on=failed"], &["before 3 exit 3", "trap"]);
    let job = daemon.until_phase("job", Phase::Failed);
    assert_eq!((job.restarts, attempts(&daemon, "job")), (2, 3));
}

/// It needs more than its limit and less than twice that.
#[test]
fn another_try_after_memory_has_twice_the_memory_and_succeeds() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["--memory=16MiB", "--restart=never", "--retry-on=memory:2"], &["take 20", "exit 0"]);
    let job = daemon.until_phase("job", Phase::Idle);
    assert_eq!(job.last.unwrap().text, "completed");
    let events = daemon.events_of("job");
    let verdicts: Vec<_> = events.iter().filter_map(|event| event.verdict.as_ref()).map(|it| json!(it)).collect();
    assert_eq!((&verdicts[0]["verdict"], &verdicts[0]["limit"]), (&json!("memory"), &json!("16MiB")), "{verdicts:?}");
    assert_eq!((verdicts.len(), &verdicts[1]["verdict"]), (2, &json!("completed")));
}

#[test]
fn a_limit_grows_to_its_ceiling_and_no_further() {
    let daemon = Daemon::start();
    let flags = ["--memory=16MiB", "--retry-on=memory:2:40MiB", "--intensity-restarts=3"];
    start(&daemon, "job", &flags, &["take 100"]);
    daemon.until_phase("job", Phase::Failed);
    let events = daemon.events_of("job");
    let verdicts = events.iter().filter_map(|event| event.verdict.as_ref()).map(|it| json!(it));
    let limits: Vec<_> = verdicts.map(|verdict| verdict["limit"].as_str().unwrap().to_owned()).collect();
    assert_eq!(limits, ["16MiB", "32MiB", "40MiB", "40MiB"]);
}

#[test]
fn another_try_after_a_time_out_has_more_time() {
    let daemon = Daemon::start();
    let flags = ["--timeout=30ms", "--retry-on=deadline:3:70ms", "--restart=never", "--intensity-restarts=2"];
    start(&daemon, "job", &flags, &["hang"]);
    daemon.until_phase("job", Phase::Failed);
    let events = daemon.events_of("job");
    let verdicts: Vec<_> = events.iter().filter_map(|event| event.verdict.as_ref()).map(|it| json!(it)).collect();
    let deadline = |limit: &str| json!({"verdict": "deadline", "limit": limit});
    assert_eq!(verdicts, [deadline("30ms"), deadline("70ms"), deadline("70ms")]);
}

#[test]
fn a_time_out_is_a_verdict_of_its_own_and_never_a_success() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["--timeout=50ms", "--restart=never"], &["ready", "hang"]);
    let job = daemon.until_phase("job", Phase::Failed);
    let last = job.last.unwrap();
    assert_eq!((last.code, json!(last.verdict)), (124, json!({"verdict": "deadline", "limit": "50ms"})));
    assert!(job.reason.as_deref().unwrap().starts_with("the attempt met its time limit of 50ms"), "{:?}", job.reason);
    assert!(daemon.well(&["ps"]).text().contains("deadline"));
}

/// Each pause is any time up to twice the longest one before. That none of these is longer than the first one may be has a
/// chance of one in 2^28.
#[test]
fn pauses_grow_and_a_job_that_keeps_crashing_has_failed() {
    let daemon = Daemon::start();
    let flags = ["--backoff-first=4ms", "--backoff-max=1m", "--intensity-restarts=8", "--ready=notify", "--no-wait"];
    daemon.start_job("job", "does_as_told", &[&flags[..], &["--", "exit 3"]].concat());
    let job = daemon.until_phase("job", Phase::Failed);
    assert_eq!(job.reason.as_deref(), Some("8 restarts in 1m; the last attempt failed with code 3"));
    let pauses = pauses(&daemon, "job");
    assert_eq!((pauses.len(), attempts(&daemon, "job"), job.restarts), (8, 9, 8));
    let first = Duration::from_millis(4);
    for (number, pause) in pauses.iter().enumerate() {
        assert!(*pause <= first * (1 << number), "{pauses:?}");
    }
    assert!(pauses.iter().any(|pause| *pause > first), "{pauses:?}");
    // It stays so until somebody asks, and says why wherever one looks.
    let failed = daemon.until_event("job", "failed", 1);
    assert_eq!(failed.text, "has failed: 8 restarts in 1m; the last attempt failed with code 3");
    for words in [&["ps"][..], &["show", "job"]] {
        assert!(daemon.well(words).text().contains("failed"), "{words:?}");
    }
    assert!(daemon.well(&["show", "job"]).text().contains("8 restarts in 1m"));
}

#[test]
fn a_job_that_has_failed_is_given_a_new_chance_by_start() {
    let daemon = Daemon::start();
    fs::create_dir(daemon.path("data")).unwrap();
    let broken = daemon.scratch().file("data/broken", "");
    let folder = format!("--dir={}::/data", daemon.path("data").display());
    let flags = [folder.as_str(), "--intensity-restarts=2"];
    start(&daemon, "job", &flags, &["with /data/broken exit 3", "ready"]);
    daemon.until_phase("job", Phase::Failed);
    assert_eq!(attempts(&daemon, "job"), 3);
    // In vain: as many tries as at first.
    let outcome = daemon.run(&["start", "job"]);
    assert_eq!((outcome.code, attempts(&daemon, "job")), (1, 6), "{outcome:#?}");
    assert!(outcome.stderr.contains("2 restarts in 1m; the last attempt failed with code 3"), "{outcome:#?}");
    fs::remove_file(broken).unwrap();
    daemon.well(&["start", "job"]);
    assert_eq!(daemon.instance("job").phase, Phase::Running);
}

/// Else pauses would be up to five seconds long; that all of them are short by chance is one in 2^45.
#[test]
fn pauses_begin_anew_after_an_attempt_that_was_healthy_for_a_while() {
    let daemon = Daemon::start();
    let flags = ["--backoff-first=5ms", "--backoff-max=1m", "--backoff-reset-after=1ms", "--intensity-restarts=100"];
    daemon.start_job("job", "does_as_told", &[&flags[..], &["--", "ready"]].concat());
    for count in 1..=10 {
        daemon.until_event("job", "ready", count);
        daemon.tell_and_on("job", "exit 3");
    }
    daemon.until_event("job", "ready", 11);
    let pauses = pauses(&daemon, "job");
    assert_eq!(pauses.len(), 10);
    assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(5)), "{pauses:?}");
}

#[test]
fn a_killed_attempt_says_who_did_it_and_is_started_again() {
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["ready"]);
    let first = daemon.until_phase("job", Phase::Running);
    daemon.well(&["signal", "job", "KILL"]);
    daemon.until_event("job", "ready", 2);
    let job = daemon.instance("job");
    let last = job.last.unwrap();
    assert_eq!(json!(last.verdict), json!({"verdict": "killed", "signal": "SIGKILL", "by": "operator"}));
    assert_eq!((last.code, Some(last.attempt)), (137, first.attempt));
    assert_ne!((job.pid, job.attempt.as_deref()), (first.pid, None));
}
