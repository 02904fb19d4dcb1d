//! What a job makes for its children: pipes, of which one end is another job's, and a part of what it may make itself.

use sandhog_harness::Group;

#[test]
fn an_end_of_a_new_pipe_is_a_childs_and_its_makers_no_more() {
    let mut group = Group::new();
    group.script(&[
        ("new-pipe x y", "there"),
        ("send x early", "done"),
        ("start a y", "started"),
        ("a recv y", "early"),
        ("a send-bytes y raw", "done"),
        ("recv-bytes x", "raw"),
        // It was handed on.
        ("send y more", "closed"),
        ("recv y", "closed"),
        ("start b y", "invalid…"),
        ("recv x @10", "timed-out"),
        ("a! recv y", ""),
        ("rest a", "rests"),
        ("send x late", "done"),
        ("a?", "late"),
        ("kill a", "stopped"),
        ("recv x", "closed"),
        ("send x nobody", "closed"),
    ]);
    group.end();
}

#[test]
fn two_children_have_an_end_each_and_one_hears_at_once_that_the_other_is_dead() {
    for end in ["kill a", "a crash", "a exit 3", "a disconnect x"] {
        let mut group = Group::new();
        group.script(&[
            ("new-pipe x y", "there"),
            ("start a x", "started"),
            ("start b y", "started"),
            ("a send x hello", "done"),
            ("b recv y", "hello"),
            ("b! recv y", ""),
            ("rest b", "rests"),
        ]);
        group.ask(end);
        group.script(&[("b?", "closed"), ("b send y nobody", "closed"), ("b recv y", "closed")]);
        group.end();
    }
}

#[test]
fn what_nothing_leads_to_any_more_is_closed_and_what_was_sent_before_arrives() {
    let mut group = Group::new();
    group.script(&[
        ("new-pipe x y", "there"),
        ("start a y", "started"),
        ("send x last", "done"),
        ("forget x", "forgotten"),
        ("a recv y", "last"),
        ("a recv y", "closed"),
        // Both ends are here.
        ("new-pipe v w", "there"),
        ("disconnect v", "done"),
        ("recv w", "closed"),
        ("start b v", "invalid…"),
    ]);
    group.end();
}

/// What was taken in and not received would be lost with it.
#[test]
fn an_end_through_which_something_went_is_not_handed_on() {
    let mut group = Group::new();
    group.script(&[
        ("new-pipe x y", "there"),
        ("recv y @10", "timed-out"),
        ("start a y", "invalid…"),
        // Both ends for one child; the start that came to nothing took nothing along.
        ("new-pipe v w", "there"),
        ("start a v w", "invalid…"),
        ("start a v", "started"),
        ("start b w", "started"),
        ("a send v through", "done"),
        ("b recv w", "through"),
        // The end of a connection to a child is none of a pipe, and neither is one with another kind's name.
        ("a open lock v", "invalid…"),
    ]);
    group.end();
}

#[test]
fn a_pipe_counts_among_the_objects_that_a_job_may_make() {
    let mut group = Group::with(&["--max-objects=2"]);
    group.script(&[
        ("new-pipe x y", "there"),
        ("new-pipe v w", "there"),
        ("new-pipe r s", "quota…"),
        ("start a y", "started"),
        ("forget x", "forgotten"),
        // The child has one end still.
        ("new lock l", "quota…"),
        ("kill a", "stopped"),
        ("new lock l", "there"),
        ("new lock m", "quota…"),
    ]);
    group.end();
    let mut group = Group::with(&["--object", "l: lock"]);
    group.script(&[("new-pipe x y", "denied…")]);
    group.end();
}

#[test]
fn a_child_makes_as_many_objects_as_its_parent_gave_it_of_its_own() {
    let mut group = Group::with(&["--max-objects=4"]);
    group.script(&[
        ("new event e", "there"),
        ("start a +2 e", "started"),
        ("a new lock l", "there"),
        ("a new-pipe x y", "there"),
        ("a send x self", "done"),
        ("a recv y", "self"),
        ("a new lock m", "quota…"),
        ("a forget l", "forgotten"),
        ("a new lock m", "there"),
        // One is left.
        ("start b +2 e", "quota…"),
        ("start b +4294967295 e", "quota…"),
        ("new lock l", "there"),
        ("new lock m", "quota…"),
        ("start b e", "started"),
        ("b new lock l", "denied…"),
        ("kill a", "stopped"),
        ("start c +1 e", "started"),
        ("new lock m", "there"),
        ("new lock n", "quota…"),
        ("c new memory m 1", "there"),
    ]);
    group.end();
}

#[test]
fn what_a_child_makes_is_within_the_memory_of_the_group() {
    let mut group = Group::with(&["--max-objects=4", "--objects-memory=1MiB"]);
    group.script(&[
        ("new memory m 600000", "there"),
        ("start a +2 m", "started"),
        ("a new memory n 600000", "quota…"),
        ("a new memory n 300000", "there"),
        ("kill a", "stopped"),
        ("forget m", "forgotten"),
        ("new memory m 1000000", "there"),
    ]);
    group.end();
}

#[test]
fn whoever_finds_a_lock_poisoned_is_told_which_attempt_died() {
    for kind in ["lock", "rlock", "condition", "i64", "i64s"] {
        let mut group = Group::new();
        group.script(&[(&format!("new {kind} o 1"), "there"), ("start a", "started"), ("a lock o", "held…")]);
        let attempt = group.ask("a attempt");
        group.script(&[("kill a", "stopped")]);
        let told = group.ask("lock o");
        assert!(told.starts_with("poisoned ") && told.ends_with(&format!(" by {attempt}")), "{kind}: {told}");
        group.end();
    }
}
