//! What those hear who wait at a queue that is closed.

use sandhog_harness::Group;

/// Members `a`, `b` and `c` that wait at the queue `q`, and `d` that has taken an item of it, if one is said.
fn three_that_wait(item: Option<&str>) -> Group {
    let mut group = Group::new();
    group.script(&[("new queue q 9 1000", "there")]);
    for who in ["a", "b", "c", "d"] {
        group.script(&[(&format!("start {who} q"), "started")]);
    }
    if let Some(item) = item {
        let answer = group.ask(&format!("put q {item}"));
        assert_eq!(answer, "done");
        assert!(group.ask("d take q").ends_with(item));
    }
    for who in ["a", "b", "c"] {
        group.script(&[(&format!("{who}! get q"), ""), (&format!("rest {who}"), "rests")]);
    }
    group
}

/// What the three hear, in some order.
fn heard(group: &mut Group) -> Vec<String> {
    let mut answers = ["a?", "b?", "c?"].map(|who| group.ask(who));
    answers.sort();
    answers.to_vec()
}

#[test]
fn all_that_wait_hear_that_it_is_closed_also_where_one_gets_what_is_left() {
    let mut group = three_that_wait(None);
    group.script(&[("close q", "done")]);
    assert_eq!(heard(&mut group), ["closed"; 3]);
    group.end();
    // Whoever is called for the item is on its way, or not, when it is closed.
    for _ in 0..10 {
        let mut group = three_that_wait(None);
        group.script(&[("put q item", "done"), ("close q", "done")]);
        assert_eq!(heard(&mut group), ["closed", "closed", "item"]);
        group.end();
    }
}

#[test]
fn nobody_hears_it_while_an_item_may_come_back() {
    for (end, answer) in [("kill d", "stopped"), ("d back q", "done")] {
        let mut group = three_that_wait(Some("item"));
        group.script(&[("close q", "done"), ("get q @20", "timed-out"), ("get q @0", "would-block")]);
        group.script(&[("a? now", "nothing yet"), ("b? now", "nothing yet"), ("c? now", "nothing yet"), (end, answer)]);
        assert_eq!(heard(&mut group), ["closed", "closed", "item"], "{end}");
        group.script(&[("get q", "closed")]);
        group.end();
    }
    let mut group = three_that_wait(Some("item"));
    group.script(&[("close q", "done"), ("a? now", "nothing yet"), ("d ack q", "done")]);
    assert_eq!(heard(&mut group), ["closed"; 3]);
    group.end();
}

/// It would wait for itself.
#[test]
fn whoever_has_taken_the_last_item_itself_hears_it_at_once() {
    let mut group = Group::new();
    group.script(&[
        ("new queue q 9 1000", "there"),
        ("put q item", "done"),
        ("take q", "16777216 item"),
        ("close q", "done"),
        ("get q", "closed"),
        ("back q", "done"),
        ("get q", "item"),
        ("get q", "closed"),
    ]);
    group.end();
}
