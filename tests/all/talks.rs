//! Parents and children that do not read, send at once, say too much, or hang up: where a cgroup counts their memory, and as an
//! ordinary user, where large messages go in pieces.

use sandhog_harness::{Folder, Person, module};

/// What it prints, as its standard output.
fn told(who: Person, case: &str, bytes: u64, flags: &[&str]) -> String {
    let child = format!("--child=again={}", module("talks_badly"));
    let (module, bytes) = (module("talks_badly"), bytes.to_string());
    let ran = Folder::of(who).run(&[&[child.as_str()][..], flags, &[module.as_str(), "--", case, &bytes]].concat());
    assert_eq!((ran.is(0, "completed").stderr.as_str(), case), ("", case));
    ran.text().to_owned()
}

fn talks_of(who: Person, case: &str, bytes: u64, stdout: &[&str]) {
    let text = told(who, case, bytes, &[]);
    // Of what two jobs print only the order of each one's own is known.
    let mut lines: Vec<_> = text.lines().collect();
    let mut expected = stdout.to_vec();
    lines.sort_unstable();
    expected.sort_unstable();
    assert_eq!(lines, expected, "{who:?} {case} {bytes}");
}

fn talks(case: &str, bytes: u64, stdout: &[&str]) {
    Person::all().into_iter().for_each(|who| talks_of(who, case, bytes, stdout));
}

#[test]
fn a_child_that_does_not_read_makes_its_parent_wait_and_what_timed_out_was_not_sent() {
    let rest = ["whole true", "child: Err(Closed)", "completed"];
    for bytes in [8, 1000, 65_536, 65_537] {
        talks("deaf-child", bytes, &[&["some sent true, then TimedOut, WouldBlock"][..], &rest].concat());
    }
    // Memory that is counted waits for its receiver; what goes in pieces is not sent before it has been received.
    for who in Person::all() {
        let some = if who == Person::Root { "some sent true" } else { "some sent false" };
        let given_up = format!("{some}, then TimedOut, WouldBlock");
        talks_of(who, "deaf-child", 3_000_000, &[&[given_up.as_str()][..], &rest].concat());
    }
}

/// Nobody counts what their workers make: without a bound in the sockets it were a gibibyte.
#[test]
fn an_ordinary_users_children_that_do_not_read_hold_no_more_than_their_sockets() {
    for bytes in [64 << 10, 1 << 20, 60 << 20] {
        let flags = ["--memory=128MiB", "--max-children=16"];
        let told = told(Person::ordinary(), "deaf-children", bytes, &flags);
        let sent: u64 = told.trim().strip_prefix("sent ").unwrap().strip_suffix(" bytes").unwrap().parse().unwrap();
        assert!(sent <= 16 * (280 << 10), "{sent} bytes of {bytes} each");
        assert_eq!(sent > 0, bytes == 64 << 10);
    }
}

#[test]
fn a_child_that_says_more_than_its_parent_takes_is_hung_up_on_unread() {
    for bytes in [1000, 65_536, 65_537, 59_768_832] {
        let parent = format!("Err(TooLarge {{ max: {} }}), then Err(Closed)", bytes - 1);
        let child = "child: Closed, then Err(Closed)";
        talks("says-too-much", bytes, &[&parent, "Err(Closed)", child, "completed"]);
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

/// From a worker to the bridge it goes in pieces, from the bridge to a worker by memory.
#[test]
fn a_large_message_of_an_ordinary_users_job_is_one_line() {
    let workspace = Folder::of(Person::ordinary());
    let line = format!("\"{}\"\n", "x".repeat(3 << 20));
    workspace.write("in", format!("1\n{line}2\n")).settle();
    let ran = workspace.run_after(&[], "exec 3<in 4>out", &["--ipc=3,4", &module("echo")]);
    assert_eq!(ran.is(0, "completed").stderr, "");
    assert!(workspace.read("out") == format!("1\n{line}2\n"));
}
