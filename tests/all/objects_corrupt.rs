//! What a member does to its group that was taken over and writes what it likes into the memory of objects: no wait of the
//! others lasts longer than its time-out, no end is lost, and nobody outside of the group notices anything.

use sandhog_harness::Group;

/// How each object is made, and what is then done with it, each with a time-out where it can wait.
const OBJECTS: &[(&str, &[&str])] = &[
    ("lock o", &["lock o @50", "release o", "release-anyway o", "lock o @50"]),
    ("rlock o", &["lock o @50", "release o", "release-anyway o", "lock o @50"]),
    ("semaphore o 2", &["acquire o @50", "give o", "permits o", "release o"]),
    ("bounded o 2", &["acquire o @50", "give o", "permits o"]),
    ("event o", &["is-set o", "wait o @50", "set o", "clear o", "wait o @50"]),
    ("condition o", &["lock o @50", "release o", "lock o @50"]),
    ("barrier o 2", &["waiting o", "wait o @50", "is-broken o", "reset o", "abort o"]),
    ("i64 o 1", &["get o", "add o 1", "lock o @50", "release o"]),
    ("i64s o 4", &["get o 3", "add o 3 1", "lock o @50", "release o", "read o 0 4"]),
    ("memory o 64", &["read o 0 64", "size o"]),
    (
        "queue o 4 4096",
        &["size o", "put o @50 x", "get o @50", "take o @50", "done o", "join o @50", "close o", "get o @50"],
    ),
];

/// Bytes of all objects' words, and what is written there: nothing else at all, and a member that there may be.
const MANGLED: &[&str] =
    &["fill raw:o 0 64", "fill raw:o 8 8", "fill raw:o 0 4", "write raw:o 20 \u{1}\u{1}\u{1}\u{1}"];

#[test]
fn whatever_a_member_writes_no_wait_is_longer_than_its_time_out_and_all_ends_are_orderly() {
    for (object, operations) in OBJECTS {
        let mut group = Group::taken_over(&["--max-objects=64"]);
        group.script(&[(&format!("new {object}"), "there"), ("start a", "started"), ("a open memory raw:o", "there")]);
        for mangled in MANGLED {
            // An item or a permit is there, so that more of the words mean something.
            let _ = group.ask(operations[0]);
            group.script(&[(&format!("a {mangled}"), "done")]);
            for operation in *operations {
                // Whatever it says: it says something.
                assert!(!group.ask(operation).is_empty());
            }
        }
        // The keeper recovers from such memory what a dead member may have held.
        let _ = group.ask(operations[0]);
        group.script(&[("kill a", "stopped"), ("start b", "started")]);
        assert!(!group.ask(&format!("b {}", operations[0])).is_empty());
        // Others of the group are as they were.
        group.script(&[("new lock other", "there"), ("lock other @1000", "held…"), ("release other", "done")]);
        group.end();
    }
}

#[test]
fn another_group_notices_nothing_of_one_whose_memory_is_written_to_all_the_time() {
    let mut mad = Group::taken_over(&["--max-objects=64"]);
    mad.script(&[("new lock o", "there"), ("start a", "started"), ("a open memory raw:o", "there")]);
    let mut honest = Group::new();
    honest.script(&[("new lock o", "there"), ("start a", "started")]);
    for _ in 0..20 {
        mad.tell("a! fill raw:o 0 64");
        let _ = mad.ask("lock o @5");
        mad.script(&[("a?", "done")]);
        honest.script(&[("a lock o @5000", "held…"), ("a release o", "done")]);
        honest.script(&[("lock o @5000", "held…"), ("release o", "done")]);
    }
    mad.end();
    honest.end();
}
