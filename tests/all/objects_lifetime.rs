//! Objects among the jobs of a manifest: who shares them, and for how long they are there.

use sandhog_harness::{Daemon, module, process, quick};
use sandhog_protocol::control::{Instance, Phase};
use serde_json::Value;

/// A job that does with these objects what it is told.
pub(crate) fn job(name: &str, objects: &[&str], lines: &str) -> String {
    format!("[job.{name}]\nmodule = {:?}\nobjects = {objects:?}\n{lines}\n", module("objects"))
}

/// The answer of a job to a command.
pub(crate) fn ask(daemon: &Daemon, name: &str, line: &str) -> String {
    let answer = daemon.json(&["send", name, &Value::from(line).to_string(), "--wait", "30s"]);
    let text = answer[0]["message"].as_str().unwrap_or_else(|| panic!("{name}, {line}: {answer}"));
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{name}, {line}: {text}"))
}

#[track_caller]
pub(crate) fn script(daemon: &Daemon, lines: &[(&str, &str, &str)]) {
    for (name, line, expected) in lines {
        let answer = ask(daemon, name, line);
        let is_right = match expected.strip_suffix('…') {
            Some(beginning) => answer.starts_with(beginning),
            None => answer == *expected,
        };
        assert!(is_right, "{name}, {line}: {answer:?}, not {expected:?}\n{}", daemon.story());
    }
}

#[test]
fn jobs_of_a_manifest_share_objects_by_their_names_and_no_other_job_does() {
    let daemon = Daemon::start();
    let both = ["l: lock", "v: value(i64) rw"];
    daemon.up_well(&quick("", &[job("a", &both, ""), job("b", &both, ""), job("c", &["l: lock"], "")]));
    // One of a group of its own.
    daemon.start_job("alone", "objects", &["--object=l: lock", "--object=v: value(i64) rw"]);
    for name in ["a", "b", "alone"] {
        script(&daemon, &[(name, "open lock l", "there"), (name, "open i64 v", "there")]);
    }
    script(
        &daemon,
        &[
            ("a", "lock l", "held…"),
            ("a", "set v 7", "done"),
            ("b", "get v", "7"),
            ("b", "lock l @10", "timed-out"),
            ("c", "open lock l", "there"),
            ("c", "open i64 v", "not-found…"),
            ("alone", "lock l @10", "held…"),
            ("alone", "get v", "0"),
        ],
    );
}

#[test]
fn memory_is_there_as_long_as_one_of_its_users_and_no_longer() {
    let daemon = Daemon::start();
    let jobs = [job("writer", &["m: memory(64KiB) rw"], ""), job("reader", &["m: memory(64KiB) ro"], "")];
    daemon.up_well(&quick("", &jobs));
    script(
        &daemon,
        &[
            ("writer", "open memory m", "there"),
            ("reader", "open memory m", "there"),
            ("writer", "write m 65531 hello", "done"),
            ("reader", "write m 0 x", "denied…"),
        ],
    );
    daemon.well(&["stop", "writer"]);
    script(&daemon, &[("reader", "read m 65531 5", "hello")]);
    daemon.well(&["start", "writer"]);
    script(&daemon, &[("writer", "open memory m", "there"), ("writer", "read m 65531 5", "hello")]);
    daemon.well(&["stop", "writer"]);
    daemon.well(&["stop", "reader"]);
    daemon.well(&["start", "reader"]);
    script(&daemon, &[("reader", "open memory m", "there"), ("reader", "read m 65531 5", ".....")]);
}

#[test]
fn a_lock_of_a_job_that_was_killed_is_poisoned_for_its_successor_as_well() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[job("a", &["l: lock"], ""), job("b", &["l: lock"], "")]));
    script(&daemon, &[("a", "open lock l", "there"), ("b", "open lock l", "there"), ("a", "lock l", "held…")]);
    daemon.well(&["send", "a", "\"crash\""]);
    daemon.until_instance("a being started again", "a", |instance| instance.restarts == 1);
    script(&daemon, &[("b", "lock l", "poisoned…"), ("b", "release l", "done"), ("b", "lock l", "held…")]);
}

#[test]
fn a_pipe_has_two_ends_and_what_was_not_received_is_for_the_successor() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[job("a", &["p: pipe first"], ""), job("b", &["p: pipe second"], "")]));
    script(
        &daemon,
        &[
            ("a", "open pipe p", "there"),
            ("b", "open pipe p", "there"),
            ("a", "send p one", "done"),
            ("a", "send-bytes p two", "done"),
            ("b", "recv p", "one"),
            ("b", "recv-bytes p", "two"),
            ("b", "send p back", "done"),
            ("a", "recv p", "back"),
            ("a", "recv p @10", "timed-out"),
            ("a", "send p three", "done"),
        ],
    );
    daemon.well(&["send", "b", "\"crash\""]);
    let is_back = |instance: &Instance| instance.restarts == 1 && instance.phase == Phase::Running;
    daemon.until_instance("b being started again", "b", is_back);
    script(&daemon, &[("b", "open pipe p", "there"), ("b", "recv p", "three"), ("b", "send p again", "done")]);
    script(&daemon, &[("a", "recv p", "again")]);
}

#[test]
fn the_other_end_of_a_named_pipe_hears_nothing_of_a_close_and_whoever_comes_next_goes_on() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[job("a", &["p: pipe first"], ""), job("b", &["p: pipe second"], "")]));
    script(&daemon, &[("a", "open pipe p", "there"), ("b", "open pipe p", "there")]);
    let goes_on = |gone: &str, stays: &str, word: &str, leave: &dyn Fn()| {
        let (sends, receives) = (format!("send p {word}"), format!("{word}-back"));
        leave();
        script(&daemon, &[(stays, "recv p @10", "timed-out"), (stays, sends.as_str(), "done")]);
        daemon.well(&["start", gone]);
        script(&daemon, &[(gone, "open pipe p", "there"), (gone, "recv p", word)]);
        script(&daemon, &[(gone, format!("send p {receives}").as_str(), "done"), (stays, "recv p", receives.as_str())]);
    };
    for (gone, stays) in [("b", "a"), ("a", "b")] {
        goes_on(gone, stays, "closed", &|| script(&daemon, &[(gone, "disconnect p", "done")]));
        goes_on(gone, stays, "ended", &|| drop(daemon.well(&["stop", gone])));
        goes_on(gone, stays, "restarted", &|| drop(daemon.well(&["restart", gone])));
        goes_on(gone, stays, "killed", &|| {
            let before = daemon.instance(gone);
            process::send(before.pid.unwrap(), rustix::process::Signal::KILL);
            let is_another = |it: &Instance| it.attempt != before.attempt && it.phase == Phase::Running;
            daemon.until_instance("the next one", gone, is_another);
        });
    }
    // With both jobs the pipe goes, and what was in it.
    script(&daemon, &[("a", "send p lost", "done")]);
    daemon.well(&["stop", "a"]);
    daemon.well(&["stop", "b"]);
    daemon.well(&["start", "a"]);
    daemon.well(&["start", "b"]);
    script(&daemon, &[("a", "open pipe p", "there"), ("b", "open pipe p", "there"), ("b", "recv p @10", "timed-out")]);
}

#[test]
fn jobs_that_do_not_agree_on_an_object_are_refused() {
    let daemon = Daemon::start();
    let jobs = [job("a", &["q: queue(10) put"], ""), job("b", &["q: queue(20) get"], "")];
    let outcome = daemon.up(&quick("", &jobs));
    assert_ne!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stderr.contains("queue(10, 1MiB)") && outcome.stderr.contains("queue(20, 1MiB)"), "{outcome:#?}");
}
