//! Jobs that run by the clock. The expressions have a field for seconds, and name those that are about to come.

use sandhog_harness::{Daemon, concerns, quick, told, until};
use sandhog_protocol::control::{Event, Phase};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A second that comes in so many, and has another one behind it in its minute.
fn second_in(seconds: u64) -> u64 {
    let second = now_ms() / 1000 + seconds;
    second + u64::from(second % 60 == 59)
}

/// The lines of a schedule that is due at these seconds, and then not before tomorrow.
fn at(second: u64, more: u64) -> String {
    let seconds: Vec<_> = (second..=second + more).map(|second| (second % 60).to_string()).collect();
    format!("schedule = \"{} {} {} * * *\"", seconds.join(","), second / 60 % 60, second / 3600 % 24)
}

fn runs(daemon: &Daemon) -> Vec<Event> {
    daemon.events_of("job").into_iter().filter(|event| event.kind.as_str() == "starting").collect()
}

#[test]
fn a_job_with_a_schedule_runs_at_its_times_and_is_not_kept_up() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[told("job", &["print run", "exit 0"], "schedule = \"* * * * * *\"")]));
    let job = daemon.instance("job");
    assert!(matches!(job.phase, Phase::Scheduled | Phase::Starting), "{job:?}");
    let first = daemon.until_event("job", "ended", 1);
    let second = daemon.until_event("job", "ended", 2);
    let runs = runs(&daemon);
    assert!(runs[1].at_ms / 1000 > runs[0].at_ms / 1000, "{runs:?}");
    assert_ne!(first.attempt, second.attempt);
    let job = daemon.until_phase("job", Phase::Scheduled);
    assert_eq!((job.restarts, job.last.unwrap().text.as_str()), (0, "completed"));
    assert!(job.next_ms.is_some_and(|next| next % 1000 == 0 && next > runs[1].at_ms), "{:?}", job.next_ms);
    assert!(daemon.well(&["ps"]).text().contains("scheduled"));
}

/// A run that fails is over: the next one comes by the clock, whatever `restart` would have done.
#[test]
fn a_run_that_fails_is_tried_again_as_its_rules_say_and_ends_no_schedule() {
    let daemon = Daemon::start();
    let lines = "schedule = \"* * * * * *\"\nrestart = \"never\"";
    daemon.up_well(&quick("", &[told("job", &["exit 3"], lines)]));
    daemon.until_event("job", "ended", 2);
    let job = daemon.until_phase("job", Phase::Scheduled);
    assert_eq!((job.restarts, job.reason.as_deref()), (0, Some("the last run failed with code 3")));
}

/// Both times of an overlap: the run of the first second goes on in the second one.
fn overlapping(overlap: &str) -> Daemon {
    let daemon = Daemon::start();
    let lines = format!("{}\noverlap = \"{overlap}\"\nready = \"notify\"", at(second_in(3), 1));
    daemon.up_well(&quick("", &[told("job", &["listen", "ready"], &lines)]));
    daemon.until_event("job", "ready", 1);
    daemon
}

/// Waits for the second time of an overlap to be over.
fn until_over(daemon: &Daemon) {
    let first = runs(daemon)[0].at_ms / 1000;
    until("the second time", || (now_ms() > (first + 1) * 1000 + 200).then_some(()));
}

#[test]
fn a_run_that_is_due_while_another_one_runs_is_skipped() {
    let daemon = overlapping("skip");
    let skipped = daemon.until_event("job", "skipped", 1);
    assert_eq!(skipped.text, "skips a run: the previous run has not ended");
    daemon.tell_and_on("job", "exit 0");
    daemon.until_phase("job", Phase::Scheduled);
    assert_eq!(runs(&daemon).len(), 1);
}

#[test]
fn a_run_that_is_due_while_another_one_runs_is_queued() {
    let daemon = overlapping("queue");
    until_over(&daemon);
    assert_eq!(runs(&daemon).len(), 1, "{}", daemon.story());
    daemon.tell_and_on("job", "exit 0");
    daemon.until_event("job", "ready", 2);
    assert_eq!(daemon.count("job", "skipped"), 0);
    daemon.tell_and_on("job", "exit 0");
    daemon.until_event("job", "ended", 2);
    daemon.until_phase("job", Phase::Scheduled);
    assert_eq!(runs(&daemon).len(), 2);
}

#[test]
fn a_run_that_is_due_while_another_one_runs_takes_its_place() {
    let daemon = overlapping("replace");
    daemon.until_event("job", "ready", 2);
    let events = daemon.events();
    let ended = events.iter().find(|event| concerns(event, "job") && event.kind.as_str() == "ended").unwrap();
    let verdict = json!({"verdict": "stopped", "graceful": true, "reason": "replaced"});
    assert_eq!(json!(ended.verdict), verdict);
    // The old one has ended before the new one begins.
    let second = &runs(&daemon)[1];
    assert!(ended.number < second.number, "{}", daemon.story());
}

#[test]
fn a_run_that_takes_too_long_has_the_verdict_deadline() {
    let daemon = Daemon::start();
    let lines = format!("{}\ntimeout = \"50ms\"\nrestart = \"never\"", at(second_in(2), 0));
    daemon.up_well(&quick("", &[told("job", &["hang"], &lines)]));
    let ended = daemon.until_event("job", "ended", 1);
    assert_eq!(json!(ended.verdict), json!({"verdict": "deadline", "limit": "50ms"}));
    let job = daemon.until_phase("job", Phase::Scheduled);
    assert_eq!(job.reason.as_deref(), Some("the last run met its time limit of 50ms"));
}

/// One of two that were due while no daemon ran.
#[test]
fn a_run_that_was_missed_without_a_daemon_is_made_up_for_where_that_is_asked_for() {
    let mut daemon = Daemon::start();
    // A daemon has to end before.
    let second = second_in(3);
    let lines = at(second, 0);
    let caught = told("job", &["ready"], &format!("{lines}\ncatch_up = true"));
    daemon.up_well(&quick("", &[caught, told("missed", &["ready"], &lines)]));
    daemon.stop();
    until("the time of the run", || (now_ms() > second * 1000 + 100).then_some(()));
    daemon.start_again();
    daemon.until_event("job", "ready", 1);
    let missed = daemon.instance("missed");
    assert_eq!((missed.phase, daemon.count("missed", "starting")), (Phase::Scheduled, 0));
    assert_eq!(runs(&daemon).len(), 1);
}

#[test]
fn a_stopped_job_does_not_run_when_it_is_due() {
    let daemon = Daemon::start();
    let often = |name: &str| told(name, &["exit 0"], "schedule = \"* * * * * *\"");
    daemon.up_well(&quick("", &[often("job"), often("other")]));
    daemon.well(&["stop", "job"]);
    let (before, others) = (runs(&daemon).len(), daemon.count("other", "ended"));
    daemon.until_event("other", "ended", others + 2);
    assert_eq!((daemon.instance("job").phase, runs(&daemon).len()), (Phase::Stopped, before));
}

/// Its schedule is far away.
fn far_away(overlap: &str) -> Daemon {
    let daemon = Daemon::start();
    let month = now_ms() / 1000 / 86_400 % 365 / 31 + 6;
    let lines = format!("schedule = \"0 0 1 {} *\"\noverlap = \"{overlap}\"\nready = \"notify\"", month % 12 + 1);
    daemon.up_well(&quick("", &[told("job", &["listen", "ready"], &lines)]));
    daemon
}

#[test]
fn a_job_with_a_schedule_runs_now_where_it_is_named_and_its_schedule_goes_on() {
    let daemon = far_away("skip");
    let next = daemon.instance("job").next_ms;
    assert_eq!(daemon.well(&["start", "job"]).text(), "job/0: running\n");
    let again = daemon.run(&["start", "job"]);
    let reason = "\n    job/0: its last run has not ended, so it does not run again (overlap = \"skip\")\n";
    assert_eq!((again.code, again.stderr.contains(reason)), (1, true), "{again:?}");
    daemon.tell_and_on("job", "exit 0");
    daemon.until_phase("job", Phase::Scheduled);
    daemon.well(&["start", "job/0"]);
    daemon.tell_and_on("job", "exit 3");
    let job = daemon.until_phase("job", Phase::Scheduled);
    assert_eq!((job.next_ms, runs(&daemon).len()), (next, 2));
}

/// By a group or by all, only what is down is brought up; restart and reload make no run of a job that waits for its time.
#[test]
fn a_job_with_a_schedule_does_not_run_by_a_word_that_does_not_name_it() {
    let daemon = far_away("skip");
    let waits = "job/0: nothing to do: it waits for its time by the schedule already\n";
    let group = daemon.instance("job").group;
    for words in [["start", "all"], ["start", &group], ["restart", "job"], ["reload", "job"]] {
        assert_eq!(daemon.well(&words).text(), waits, "{words:?}");
    }
    daemon.well(&["stop", "job"]);
    assert_eq!(daemon.well(&["start", "job"]).text(), "job/0: scheduled\n", "one that is stopped waits again");
    assert_eq!(runs(&daemon).len(), 0);
}

#[test]
fn a_run_out_of_turn_waits_for_the_last_one_or_takes_its_place() {
    let daemon = far_away("queue");
    daemon.well(&["start", "job"]);
    let queued = "job/0: nothing to do: its last run has not ended; another one follows\n";
    assert_eq!(daemon.well(&["start", "job"]).text(), queued);
    daemon.tell_and_on("job", "exit 0");
    daemon.until_event("job", "ready", 2);
    let daemon = far_away("replace");
    daemon.well(&["start", "job"]);
    assert_eq!(daemon.well(&["start", "job"]).text(), "job/0: running\n");
    assert_eq!(runs(&daemon).len(), 2);
}

#[test]
fn a_run_out_of_turn_that_goes_wrong_is_told() {
    let daemon = Daemon::start();
    let job = told("job", &["exit 3"], "schedule = \"0 0 1 1 *\"");
    daemon.up_well(&quick("", &[job]));
    let start = daemon.run(&["start", "job"]);
    assert_eq!(
        (start.code, start.stderr.contains("\n    job/0: the last run failed with code 3\n")),
        (1, true),
        "{start:?}"
    );
}
