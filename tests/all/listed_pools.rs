//! `ps --all`: this person's commands that have a pool or serve, while they live.

use rustix::process::Signal;
use sandhog_harness::{Command, Folder, Outcome, PROMISED, Person, Running, module, until_within};
use serde_json::Value;
use std::fs;

/// `sandhog` with a runtime directory of this test's own.
fn sandhog(workspace: &Folder, words: &[&str]) -> Command {
    workspace.sandhog(words).env("SANDHOG_RUNTIME_DIR", workspace.join("runtime")).stdin_open()
}

/// `sandhog map -j2` of guests that sleep for ever, five of them.
fn sleepers(workspace: &Folder) -> Running {
    sandhog(workspace, &["map", "-j2", &module("sleep_forever")]).stdin("1\n2\n3\n4\n5\n").start()
}

fn said(workspace: &Folder, words: &[&str]) -> String {
    let output = sandhog(workspace, words).run();
    assert_eq!((output.exited(), output.stderr.as_str()), (Some(0), ""), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn listed(workspace: &Folder) -> Vec<Value> {
    serde_json::from_str(&said(workspace, &["ps", "--all", "--json"])).unwrap()
}

/// Waits until one pool is listed and is like this.
fn until(workspace: &Folder, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    until_within(what, PROMISED, || match listed(workspace).as_slice() {
        [one] if is(one) => Some(one.clone()),
        _ => None,
    })
}

/// Ends it by a signal.
fn ended(child: Running, signal: Signal) -> Outcome {
    child.signal(signal);
    child.wait()
}

/// Neither listed, nor anything left of it.
fn expect_gone(workspace: &Folder) {
    assert_eq!(listed(workspace), Vec::<Value>::new());
    assert!(!fs::exists(workspace.join("runtime/pools")).unwrap());
}

#[test]
fn a_pool_is_listed_with_its_numbers_until_its_command_ends() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        let child = sleepers(&workspace);
        let pool = until(&workspace, "two that sleep", |pool| pool["busy"] == 2 && pool["idle"] == 2);
        assert_eq!(
            (&pool["pid"], &pool["command"], &pool["kind"]),
            (&child.pid.into(), &"map".into(), &"command".into())
        );
        assert_eq!((&pool["waiting"], &pool["started"], &pool["recycled"]), (&2.into(), &4.into(), &0.into()));
        let (p50, p99) = (pool["start_us_p50"].as_u64().unwrap(), pool["start_us_p99"].as_u64().unwrap());
        assert!(0 < p50 && p50 <= p99, "{pool}");
        let text = said(&workspace, &["ps", "--all"]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let row = lines.iter().find(|words| words.first() == Some(&pool["pid"].to_string().as_str())).unwrap();
        let job = pool["job"].as_str().unwrap();
        assert_eq!(row[1..9], ["map", job, "command", "2", "2", "2", "4", "0"], "{text}");
        assert!(!said(&workspace, &["ps"]).contains("map"), "without --all there are jobs alone");
        assert_eq!(ended(child, Signal::TERM).exited(), Some(143));
        expect_gone(&workspace);
    }
}

#[test]
fn a_pool_of_handlers_is_listed_as_well_and_two_commands_are_two() {
    let workspace = Folder::of(Person::ordinary());
    let handlers = sandhog(&workspace, &["pool", "-j1", "--reuse=9", &module("word-handler")]).start();
    until(&workspace, "a handler that waits", |pool| {
        pool["idle"] == 1 && pool["command"] == "pool" && pool["kind"] == "handler" && pool["busy"] == 0
    });
    let sleepers = sleepers(&workspace);
    until_within("two commands", PROMISED, || (listed(&workspace).len() == 2).then_some(()));
    ended(sleepers, Signal::TERM);
    assert_eq!(handlers.wait().exited(), Some(0));
    expect_gone(&workspace);
}

#[test]
fn a_pool_whose_command_was_killed_is_not_listed_and_whoever_looks_removes_what_it_left() {
    let workspace = Folder::of(Person::ordinary());
    let child = sleepers(&workspace);
    until(&workspace, "a pool", |_| true);
    ended(child, Signal::KILL);
    assert!(fs::exists(workspace.join("runtime/pools")).unwrap());
    expect_gone(&workspace);
}

#[test]
fn a_command_that_is_stopped_is_listed_without_numbers_and_nobody_waits_for_it() {
    let workspace = Folder::of(Person::ordinary());
    let child = sleepers(&workspace);
    let pool = until(&workspace, "a pool", |_| true);
    child.signal(Signal::STOP);
    let stopped = until(&workspace, "one without an answer", |pool| pool.get("busy").is_none());
    assert_eq!(stopped, serde_json::json!({ "pid": pool["pid"] }));
    child.signal(Signal::CONT);
    until(&workspace, "its answer", |pool| pool["busy"] == 2);
    ended(child, Signal::TERM);
    expect_gone(&workspace);
}

#[test]
fn a_command_that_serves_is_listed_with_its_address_and_its_requests() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        let words = ["serve", "--listen=127.0.0.1:0", "-i2", &module("http_by_path")];
        let child = sandhog(&workspace, &words).start();
        let row = until(&workspace, "two workers", |row| row["command"] == "serve" && row["workers"] == 2);
        assert_eq!(row["pid"], child.pid);
        let address: std::net::SocketAddr = row["address"].as_str().unwrap().parse().unwrap();
        sandhog_harness::http::Client::connect(address).unwrap().get("/").unwrap().expect(200);
        let row = until(&workspace, "a request", |row| row["requests"] == 1 && row["connections"] == 0);
        assert!(row["p99_us"].as_u64().is_some_and(|us| us > 0) && row["in_flight"] == 0, "{row}");
        assert!(row["since_ms"].as_u64().is_some_and(|since| since > 0) && row["errors"] == 0, "{row}");
        let text = said(&workspace, &["ps", "--all"]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let row = lines.iter().find(|words| words.first() == Some(&child.pid.to_string().as_str())).unwrap();
        assert_eq!((row[1], row[3], row[4]), ("serve", address.to_string().as_str(), "2"), "{text}");
        assert!(!said(&workspace, &["ps"]).contains("serve"), "without --all there are jobs alone");
        assert_eq!(ended(child, Signal::TERM).exited(), Some(0));
        expect_gone(&workspace);
    }
}

#[test]
fn without_a_runtime_directory_a_pool_works_all_the_same() {
    let workspace = Folder::of(Person::ordinary());
    workspace.write("runtime", "a file").settle();
    let output = sandhog(&workspace, &["map", "-j2", &module("cat")]).stdin("1\n2\n").run();
    assert_eq!((output.exited(), output.stdout.as_slice()), (Some(0), &b"1\n2\n"[..]), "{output:?}");
    assert_eq!(output.stderr, "");
}
