//! What follows from the death of a member that holds or waits, and from that of the keeper.

use rustix::process::Signal;
use sandhog_harness::{Group, process, until};
use std::collections::BTreeSet;

/// Each end of a holder, and how its verdict reads.
const ENDS: [(&str, &str, &str); 4] = [
    ("kill a", "stopped", "stopped"),
    ("a crash", "closed", "trapped"),
    ("a exit 3", "closed", "failed with code 3"),
    ("a exit 0", "closed", "completed"),
];

#[test]
fn a_lock_passes_on_when_its_holder_dies_and_the_next_one_is_told_why_once() {
    for kind in ["lock", "rlock", "condition", "i64", "i64s"] {
        for (end, answer, verdict) in ENDS {
            let mut group = Group::new();
            group.script(&[
                (&format!("new {kind} o 1"), "there"),
                ("start a", "started"),
                ("start b", "started"),
                ("a lock o", "held…"),
                ("b! lock o", ""),
                ("rest b", "rests"),
                (end, answer),
            ]);
            let told = group.ask("b?");
            assert!(told.starts_with("poisoned ") && told.contains(verdict), "{kind}, {end}: {told}");
            group.script(&[
                ("b release o", "done"),
                ("b lock o", "held…"),
                ("b release o", "done"),
                ("lock o", "held…"),
            ]);
            group.end();
        }
    }
}

/// The one way to end that no process knows of before.
#[test]
fn a_lock_passes_on_when_its_holder_is_killed_from_outside() {
    let mut group = Group::new();
    group.script(&[("new lock l", "there"), ("start b", "started"), ("b lock l", "held…"), ("b release l", "done")]);
    let others = workers(&group);
    group.script(&[("start a", "started"), ("a lock l", "held…"), ("b! lock l", ""), ("rest b", "rests")]);
    let [holder] = workers(&group).difference(&others).copied().collect::<Vec<_>>()[..] else { panic!("not one more") };
    kill(holder);
    let told = group.ask("b?");
    assert!(told.starts_with("poisoned ") && told.contains("killed"), "{told}");
    group.script(&[("b release l", "done"), ("lock l", "held…")]);
    group.end();
}

fn workers(group: &Group) -> BTreeSet<u32> {
    process::named_below(group.run.pid, "sandhog-worker").into_iter().collect()
}

fn kill(pid: u32) {
    process::send(pid, Signal::KILL);
}

#[test]
fn a_lock_that_nobody_waits_for_is_poisoned_all_the_same() {
    let mut group = Group::new();
    group.script(&[
        ("new lock l", "there"),
        ("start a", "started"),
        ("a lock l", "held…"),
        ("kill a", "stopped"),
        ("lock l", "poisoned…"),
        ("release l", "done"),
        ("lock l", "held…"),
    ]);
    group.end();
}

#[test]
fn the_token_behind_a_death_is_greater_than_that_of_the_dead() {
    let mut group = Group::new();
    group.script(&[("new lock l", "there"), ("start a", "started")]);
    let dead = group.token("a lock l");
    group.script(&[("kill a", "stopped")]);
    assert!(group.token("lock l") > dead);
    group.end();
}

#[test]
fn an_rlock_that_was_held_twice_is_free_when_its_holder_is_dead() {
    let mut group = Group::new();
    group.script(&[
        ("new rlock r", "there"),
        ("start a", "started"),
        ("start b", "started"),
        ("a lock r", "held…"),
        ("a lock r", "held…"),
        ("kill a", "stopped"),
        ("b lock r", "poisoned…"),
        ("b release r", "done"),
        ("lock r", "held…"),
    ]);
    group.end();
}

#[test]
fn a_dead_waiter_is_waited_for_by_nobody() {
    let mut group = Group::new();
    group.script(&[
        ("new lock l", "there"),
        ("start a", "started"),
        ("start b", "started"),
        ("lock l", "held…"),
        ("a! lock l", ""),
        ("rest a", "rests"),
        ("b! lock l", ""),
        ("rest b", "rests"),
        ("kill a", "stopped"),
        ("release l", "done"),
        ("b?", "held…"),
        ("b release l", "done"),
        ("lock l", "held…"),
    ]);
    group.end();
}

#[test]
fn permits_of_the_dead_come_back_and_no_more_than_those() {
    let mut group = Group::new();
    group.script(&[
        ("new bounded s 3", "there"),
        ("start a", "started"),
        ("start b", "started"),
        ("a acquire s", "held…"),
        ("a acquire s", "held…"),
        ("a release s", "done"),
        ("a acquire s", "held…"),
        ("acquire s", "held…"),
        ("b! acquire s", ""),
        ("rest b", "rests"),
        ("kill a", "stopped"),
        ("b?", "held…"),
        ("acquire s", "held…"),
        ("permits s", "0"),
        ("release s", "done"),
        ("release s", "done"),
        ("b release s", "done"),
        ("permits s", "3"),
        ("give s", "invalid…"),
    ]);
    group.end();
}

#[test]
fn a_barrier_breaks_when_one_that_waits_there_dies() {
    let mut group = Group::new();
    group.script(&[
        ("new barrier b 3", "there"),
        ("start a", "started"),
        ("start b", "started"),
        ("a! wait b", ""),
        ("b! wait b", ""),
    ]);
    until("two that wait", || (group.ask("waiting b") == "2").then_some(()));
    group.script(&[
        ("kill a", "stopped"),
        ("b?", "broken"),
        ("wait b", "broken"),
        ("reset b", "done"),
        ("start c", "started"),
        ("b! wait b", ""),
        ("c! wait b", ""),
        ("wait b", "…"),
    ]);
    group.end();
}

/// The lock is held meanwhile, so that whoever is notified can't have gone on.
#[test]
fn a_notification_for_the_dead_wakes_the_next_one() {
    let mut group = Group::whose_children_wait_at_a_condition();
    group.script(&[
        ("lock c", "held…"),
        ("notify c 1", "done"),
        ("kill a", "stopped"),
        ("release c", "done"),
        ("b?", "done"),
    ]);
    group.end();
}

#[test]
fn all_that_live_are_notified_though_one_that_waits_is_dead() {
    let mut group = Group::whose_children_wait_at_a_condition();
    group.script(&[
        ("kill a", "stopped"),
        ("lock c", "held…"),
        ("notify-all c", "done"),
        ("release c", "done"),
        ("b?", "done"),
    ]);
    group.end();
}

#[test]
fn an_item_that_was_taken_comes_back_to_the_front_and_one_that_was_got_does_not() {
    let mut group = Group::new();
    group.script(&[("new queue q 10 1000", "there"), ("start a", "started"), ("start b", "started")]);
    for item in ["one", "two", "three", "four"] {
        group.script(&[(&format!("put q {item}"), "done")]);
    }
    group.script(&[("a get q", "one"), ("a take q", "…"), ("a take q", "…"), ("kill a", "stopped")]);
    group.script(&[("end a", "stopped…"), ("b take q @5000", "…")]);
    let mut rest = [group.ask("b get q"), group.ask("b get q")];
    rest.sort_unstable();
    group.script(&[("b back q", "done")]);
    // Which of the two comes back first is not said.
    let taken = group.ask("b get q");
    let mut all = [taken.as_str(), &rest[0], &rest[1]];
    all.sort_unstable();
    assert_eq!(all, ["four", "three", "two"]);
    group.end();
}

#[test]
fn neither_a_dead_getter_nor_a_dead_putter_takes_a_place() {
    let mut group = Group::new();
    group.script(&[
        ("new queue q 1 1000", "there"),
        ("start a", "started"),
        ("start b", "started"),
        ("start c", "started"),
        ("a! get q", ""),
        ("rest a", "rests"),
        ("b! get q", ""),
        ("rest b", "rests"),
        ("kill a", "stopped"),
        ("put q one", "done"),
        ("b?", "one"),
        ("put q two", "done"),
        ("b! put q never", ""),
        ("rest b", "rests"),
        ("c! put q three", ""),
        ("rest c", "rests"),
        ("kill b", "stopped"),
        ("get q", "two"),
        ("c?", "done"),
        ("get q", "three"),
        ("get q @0", "would-block"),
    ]);
    group.end();
}

/// The process of the keeper of a run's group.
fn keeper(group: &Group) -> Option<u32> {
    process::named_below(group.run.pid, "sandhog-keeper").into_iter().next()
}

fn kill_keeper(group: &Group) {
    kill(until("a keeper", || keeper(group)));
}

#[test]
fn another_keeper_takes_over_where_one_was_killed() {
    let mut group = Group::new();
    group.script(&[
        ("new lock l", "there"),
        ("new bounded s 2", "there"),
        ("new queue q 10 1000", "there"),
        ("put q one", "done"),
        ("start a", "started"),
        ("start b", "started"),
        ("start c", "started"),
        ("a lock l", "held…"),
        ("a acquire s", "held…"),
        ("a take q", "…"),
        ("b! lock l", ""),
        ("rest b", "rests"),
    ]);
    // It dies before the holder does, and once more behind it.
    kill_keeper(&group);
    group.script(&[("c acquire s", "held…"), ("c release s", "done"), ("kill a", "stopped")]);
    let first = group.ask("b?");
    assert!(first.starts_with("poisoned ") && first.contains("stopped"), "{first}");
    kill_keeper(&group);
    group.script(&[
        ("c get q", "one"),
        ("b release l", "done"),
        ("c lock l", "held…"),
        ("kill c", "stopped"),
        ("lock l", "poisoned…"),
        ("acquire s", "held…"),
        ("acquire s", "held…"),
        ("new event e", "there"),
        ("start d", "started"),
        ("set e", "done"),
        ("d wait e", "done"),
    ]);
    group.end();
}
