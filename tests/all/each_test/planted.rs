//! Tests that break the rules, and the facts that start them in a process of their own.
//!
//! Must not: have a test that breaks a rule in an ordinary run. Such a one does so only where [`PLANTED`] is set, and is the fact
//! itself where it is not.

use sandhog_harness::until;
use sandhog_harness::{
    Command,
    each_test::{alone, begin, limit, running_beside, waiting},
};
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Set in the process of a planted test.
const PLANTED: &str = "SANDHOG_PLANTED_TEST";

/// Far too short for a test that waits for anything.
const SHORT: Duration = Duration::from_millis(300);

fn is_planted() -> bool {
    std::env::var_os(PLANTED).is_some()
}

/// Runs these tests of this file once more, planted.
fn planted(names: &[&str], threads: &str) -> Output {
    begin();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(names.iter().map(|name| format!("each_test::planted::{name}")));
    // A backtrace out of an executable of this size takes longer on a busy machine than the grace behind so short a limit.
    command.args(["--exact", "--test-threads", threads]).env(PLANTED, "").env("RUST_BACKTRACE", "0").output().unwrap()
}

#[track_caller]
fn said(output: &Output, words: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    for word in words {
        assert!(told.contains(word), "no {word:?} in {told}{}", String::from_utf8_lossy(&output.stdout));
    }
    assert_eq!(output.status.code(), Some(101), "{told}");
}

#[test]
fn a_test_over_its_limit_is_named_with_its_processes_which_are_ended() {
    if is_planted() {
        limit(SHORT);
        // It ends when its process does: with a verdict that nobody expected.
        Command::guest("sleep_forever").run().is(0, "completed");
        return;
    }
    for threads in ["1", "2"] {
        let output = planted(&["a_test_over_its_limit_is_named_with_its_processes_which_are_ended"], threads);
        let name =
            "each_test::planted::a_test_over_its_limit_is_named_with_its_processes_which_are_ended runs for longer";
        said(&output, &[name, "than its limit of 300ms", "sandhog run --verdict", "sleep_forever.wasm"]);
        // It failed as any other, and the run went on to its end.
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains("test result: FAILED. 0 passed; 1 failed"), "{told}");
    }
}

#[test]
fn a_test_that_waits_for_ever_ends_the_run_with_a_failure() {
    if is_planted() {
        limit(SHORT);
        loop {
            std::thread::park();
        }
    }
    let output = planted(&["a_test_that_waits_for_ever_ends_the_run_with_a_failure"], "1");
    said(&output, &["a_test_that_waits_for_ever_ends_the_run_with_a_failure does not end: the test run ends here"]);
}

#[test]
fn a_test_that_passes_over_its_limit_ends_the_run_with_a_failure() {
    if is_planted() {
        limit(SHORT);
        let run = Command::guest("sleep_forever").start();
        assert!(run.ends_within(sandhog_harness::DEADLINE));
        return;
    }
    let output = planted(&["a_test_that_passes_over_its_limit_ends_the_run_with_a_failure"], "1");
    said(&output, &["passed, but over its limit of 300ms: the test run ends here"]);
}

/// In a run of both: this one has begun, and the next one has to wait for its end.
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

#[test]
fn a_test_that_runs_alone_waits_for_one_that_has_begun() {
    if is_planted() {
        begin();
        until("the other one to wait", || (waiting() == 1).then_some(()));
        HAS_ENDED.store(true, Ordering::SeqCst);
        return;
    }
    let names = [
        "a_test_that_runs_alone_waits_for_one_that_has_begun",
        "a_test_that_has_begun_beside_others_does_not_run_alone_any_more",
    ];
    let output = planted(&names, "2");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("test result: ok. 2 passed"), "{told}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_test_that_has_begun_beside_others_does_not_run_alone_any_more() {
    if is_planted() {
        while running_beside() == 0 {
            std::thread::yield_now();
        }
        alone();
        assert!(HAS_ENDED.load(Ordering::SeqCst));
        return;
    }
    begin();
    assert!(std::panic::catch_unwind(alone).is_err());
}
