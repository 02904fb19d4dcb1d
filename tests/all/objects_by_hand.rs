//! Objects as people come to use them: as an ordinary user, by many tasks of a map or a pool, and in a manifest that changes.

use crate::objects_lifetime::{ask, job, script};
use rustix::process::{Pid, Signal, kill_process};
use sandhog_harness::{Command, Daemon, Group, guest, process, quick, until};
use std::ffi::OsString;

/// How each task ends that has added one to a number under a lock: in good order, or over the lock.
const ENDS: [(&str, &str); 2] = [("release l", "done"), ("crash", "")];

const TASKS: usize = 24;

/// `sandhog map` or `sandhog pool` of the guest `objects`, whose tasks share a number and a lock.
fn many(verb: &str, spawn: &str) -> Command {
    let words = [verb, "--spawn", spawn, "-j4", "--object=n: value(i64) rw", "--object=l: lock"].map(OsString::from);
    Command::sandhog(words.into_iter().chain([guest("objects").into_os_string()]))
}

/// Under the lock each task has found the number that the one before it left: all of them together have found each once.
#[track_caller]
fn each_was_found_once(output: &str) {
    let mut found: Vec<usize> = output.lines().filter_map(|line| line.parse().ok()).collect();
    found.sort_unstable();
    assert_eq!(found, (0..TASKS).collect::<Vec<_>>(), "{output}");
}

#[test]
fn tasks_of_a_map_share_objects_and_one_that_dies_over_the_lock_stops_no_other() {
    for spawn in ["shared", "exec"] {
        for (end, told) in ENDS {
            let words = ["--", "open lock l", "open i64 n", "lock l", "add n 1", end];
            let run = words.iter().fold(many("map", spawn), Command::flag);
            let outcome = run.stdin((0..TASKS).map(|task| format!("{task}\n")).collect::<String>()).run();
            each_was_found_once(outcome.text());
            let lasts = outcome.text().lines().filter(|line| *line == told).count();
            assert_eq!(lasts, if told.is_empty() { 0 } else { TASKS }, "{outcome:#?}");
            let poisoned = outcome.text().lines().filter(|line| line.starts_with("poisoned ")).count();
            // All but the first, whose lock nobody had.
            assert_eq!(poisoned, if told.is_empty() { TASKS - 1 } else { 0 }, "{outcome:#?}");
        }
    }
}

#[test]
fn tasks_of_a_pool_share_objects_and_one_that_dies_over_the_lock_stops_no_other() {
    for (spawn, end, poisoned) in [("shared", "release l", 0), ("exec", "crash", TASKS - 1)] {
        let mut pool = many("pool", spawn).stdin_open().start();
        pool.say("{\"type\":\"hello\",\"version\":1}\n");
        for task in 0..TASKS {
            let told = ["open lock l", "open i64 n", "lock l", "add n 1", end];
            pool.say(&format!("{}\n", serde_json::json!({ "type": "task", "id": task, "arguments": told })));
        }
        let all = until("all answers", || {
            let text = String::from_utf8(pool.stdout.so_far()).unwrap();
            (text.matches("\"id\":").count() == TASKS).then_some(text)
        });
        assert_eq!(all.matches("poisoned ").count(), poisoned, "{all}");
        for found in 0..TASKS {
            assert!(all.contains(&format!("\\n{found}\\n")), "{found}: {all}");
        }
        assert_eq!(pool.wait().code, 0);
    }
}

fn keeper(group: &Group) -> Option<Pid> {
    let found = process::named_below(group.run.pid, "sandhog-keeper").into_iter().next()?;
    Pid::from_raw(i32::try_from(found).ok()?)
}

#[test]
fn an_ordinary_user_has_objects_that_survive_each_death_and_hears_of_deadlocks() {
    let mut group = Group::of_ordinary_user(&["--max-objects=64"]);
    group.script(&[
        ("new lock l", "there"),
        ("new lock k", "there"),
        ("new bounded s 2", "there"),
        ("new queue q 10 1000", "there"),
        ("put q one", "done"),
        ("start a", "started"),
        ("start b", "started"),
        ("a lock l", "held…"),
        ("b lock k", "held…"),
        ("a acquire s", "held…"),
        ("a take q", "…"),
        ("a! lock k", ""),
        ("b! lock l", ""),
    ]);
    group.run.stderr.until_has("deadlock: ");
    let first = until("a keeper", || keeper(&group));
    kill_process(first, Signal::KILL).unwrap();
    group.script(&[("kill a", "stopped")]);
    let told = group.ask("b?");
    assert!(told.starts_with("poisoned ") && told.contains("stopped"), "{told}");
    group.script(&[("acquire s", "held…"), ("acquire s", "held…"), ("b get q", "one"), ("b release l", "done")]);
    group.end();
}

#[test]
fn an_object_whose_size_was_changed_in_the_manifest_is_a_new_one_when_its_last_user_has_ended() {
    let daemon = Daemon::start();
    let manifest = |items: u32| {
        let objects = [format!("q: queue({items}) put get"), "n: value(i64) rw".to_owned()];
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        quick("", &[job("a", &objects, ""), job("b", &objects, "")])
    };
    daemon.up_well(&manifest(5));
    script(
        &daemon,
        &[
            ("a", "open queue q", "there"),
            ("a", "put q old", "done"),
            ("a", "open i64 n", "there"),
            ("a", "set n 7", "done"),
        ],
    );
    daemon.up_well(&manifest(6));
    // The attempts before may not have ended yet.
    until("the queue as it is granted now", || (ask(&daemon, "b", "open queue q") == "there").then_some(()));
    // What was not changed is as it was.
    script(&daemon, &[("b", "size q", "0"), ("b", "open i64 n", "there"), ("b", "get n", "7")]);
}
