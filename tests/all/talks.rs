//! Parents and children that do not read, send at once, or hang up.

use crate::support::{Run, guest};

fn talks(case: &str, bytes: u64, stdout: &[&str]) {
    let run = Run::new("talks_badly").flag(format!("--child=again={}", guest("talks_badly").display()));
    let outcome = run.arg(case).arg(bytes.to_string()).run();
    outcome.is(0, "completed");
    // Of what two jobs print only the order of each one's own is known.
    let mut lines: Vec<_> = outcome.text().lines().collect();
    let mut expected = stdout.to_vec();
    lines.sort_unstable();
    expected.sort_unstable();
    assert_eq!((lines, outcome.stderr.as_str()), (expected, ""), "{case} {bytes}");
}

#[test]
fn a_child_that_does_not_read_makes_its_parent_wait_and_what_timed_out_was_not_sent() {
    for bytes in [8, 1000, 65_536, 65_537, 3_000_000] {
        let given_up = "some sent true, then TimedOut, WouldBlock";
        talks("deaf-child", bytes, &[given_up, "whole true", "child: Err(Closed)", "completed"]);
    }
}

#[test]
fn a_parent_that_does_not_read_makes_its_child_wait_and_loses_nothing() {
    talks("deaf-parent", 0, &["Err(TimedOut)", "whole true, then Err(Closed)", "completed"]);
}

#[test]
fn a_child_hears_of_a_parent_that_let_go_of_it() {
    talks("careless-parent", 0, &["Err(TimedOut)", "child: some sent true, then Closed"]);
}

#[test]
fn both_ends_may_send_before_either_reads() {
    for bytes in [8, 65_536, 65_537, 1 << 20, 64 << 20] {
        talks("at-once", bytes, &["parent: whole true", "child: whole true", "completed"]);
    }
}

#[test]
fn what_was_sent_before_a_parent_hangs_up_arrives_and_then_both_hear_the_end() {
    let heard = "child: whole true, then Err(Closed) Err(Closed)";
    talks("hangs-up", 0, &["Err(Closed) Err(Closed)", heard, "completed"]);
}

#[test]
fn what_was_sent_before_a_child_hangs_up_arrives_and_then_both_hear_the_end() {
    let lines = ["whole true, then Err(Closed)", "Err(Closed)", "child: Err(Closed) Err(Closed)", "completed"];
    talks("is-left", 0, &lines);
}
