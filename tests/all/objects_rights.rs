//! Which objects there are for whom: names, rights, quotas, and what makes no sense.

use sandhog_harness::{Command, Group};

#[test]
fn an_object_that_was_not_granted_is_not_there_and_none_is_of_another_kind() {
    let mut group = Group::with(&["--object=l: lock", "--object=q: queue(10) put get", "--object=v: value(i64) rw"]);
    group.script(&[
        ("open lock l", "there"),
        ("open queue q", "there"),
        ("open i64 v", "there"),
        ("open lock other", "not-found…"),
        ("open lock q", "invalid…"),
        ("open queue l", "invalid…"),
        ("open u8 v", "invalid…"),
        ("open pipe l", "invalid…"),
        ("lock l", "held…"),
        // A child has what it is given, and nothing by itself.
        ("start a q:get", "started"),
        ("a open queue q", "there"),
        ("a open lock l", "not-found…"),
        ("a open i64 v", "not-found…"),
    ]);
    group.end();
}

#[test]
fn a_child_may_do_what_its_rights_say() {
    let mut group = Group::new();
    for new in ["semaphore s 5", "event e", "i64 v 1", "i64s n 10", "memory m 100", "queue q 10 1000"] {
        group.script(&[(&format!("new {new}"), "there")]);
    }
    group.script(&[
        ("start a s:acquire e:wait v:read n:read m:read q:get", "started"),
        ("start b s:release e:set v:write n:write m:write q:put", "started"),
        ("a acquire s", "held…"),
        ("a give s", "denied…"),
        ("b acquire s", "denied…"),
        ("b give s", "done"),
        ("a set e", "denied…"),
        ("a clear e", "denied…"),
        ("b wait e", "denied…"),
        ("b set e", "done"),
        ("a wait e", "done"),
        ("a set v 2", "denied…"),
        ("a add v 2", "denied…"),
        ("b get v", "denied…"),
        ("b set v 3", "done"),
        ("a get v", "3"),
        ("a lock v", "held…"),
        ("b lock v @10", "timed-out"),
        ("a set n 0 1", "denied…"),
        ("a write n 0 1", "denied…"),
        ("b read n 0 1", "denied…"),
        ("b write n 0 7", "done"),
        ("a read n 0 1", "[7]"),
        ("a write m 0 x", "denied…"),
        ("b read m 0 1", "denied…"),
        ("b write m 0 x", "done"),
        ("a read m 0 1", "x"),
        ("a put q x", "denied…"),
        ("a close q", "denied…"),
        ("b get q", "denied…"),
        ("b take q", "denied…"),
        ("b done q", "denied…"),
        ("b put q x", "done"),
        ("a get q", "x"),
        ("a done q", "done"),
        ("a size q", "0"),
        ("b size q", "0"),
        ("b close q", "done"),
    ]);
    group.end();
}

#[test]
fn nobody_passes_on_more_than_it_has() {
    let mut group = Group::with(&[
        "--object=q: queue(10) put",
        "--object=m: memory(4KiB) ro",
        "--object=s: semaphore(2) acquire",
        "--object=e: event wait",
    ]);
    group.script(&[
        ("open queue q", "there"),
        ("open memory m", "there"),
        ("open semaphore s", "there"),
        ("open event e", "there"),
        ("start a q:put,get", "denied…"),
        ("start a m:read,write", "denied…"),
        ("start a s:release", "denied…"),
        ("start a e:set", "denied…"),
        // One that this kind has not.
        ("start a m:put", "denied…"),
        ("start a q:put m:read s:acquire e:wait", "started"),
        ("a put q x", "done"),
        ("a write m 0 x", "denied…"),
        ("write m 0 x", "denied…"),
        ("get q @0", "denied…"),
    ]);
    group.end();
}

#[test]
fn objects_without_a_name_are_made_by_whoever_may_and_no_more_than_it_may() {
    let mut none = Group::with(&["--object=l: lock"]);
    none.script(&[("new lock x", "denied…"), ("open lock l", "there")]);
    none.end();
    let mut few = Group::with(&["--max-objects=3"]);
    few.script(&[("new-many lock 10", "3 then quota…")]);
    // Those are gone again.
    few.script(&[("new-many lock 10", "3 then quota…"), ("new lock l", "there"), ("lock l", "held…")]);
    few.end();
}

#[test]
fn the_memory_of_a_group_is_bounded() {
    let mut group = Group::with(&["--max-objects=100", "--objects-memory=1MiB"]);
    group.script(&[
        ("new memory m 2000000", "quota…"),
        ("new memory m 700000", "there"),
        ("new memory n 700000", "quota…"),
        ("new i64s n 100000", "quota…"),
        ("new queue n 10 700000", "quota…"),
        ("write m 0 hello", "done"),
        ("forget m", "forgotten"),
        ("new memory n 700000", "there"),
        // Nothing of another one's is left in it.
        ("read n 0 5", "....."),
    ]);
    group.end();
}

#[test]
fn sizes_that_make_no_sense_are_an_error() {
    let mut group = Group::new();
    for zero in ["barrier 0", "array 0", "memory 0", "queue 0 100", "queue 1 0"] {
        group.script(&[(&format!("new-raw {zero}"), "invalid…")]);
    }
    for large in ["array 9223372036854775808", "memory 9223372036854775808", "memory 18446744073709551615"] {
        let answer = group.ask(&format!("new-raw {large}"));
        assert!(answer.starts_with("quota") || answer.starts_with("invalid"), "{large}: {answer}");
    }
    for large in ["queue 4294967295 100", "queue 1 9223372036854775808", "array 2305843009213693952"] {
        let answer = group.ask(&format!("new-raw {large}"));
        assert!(answer.starts_with("quota") || answer.starts_with("invalid"), "{large}: {answer}");
    }
    group.script(&[
        ("new-raw semaphore 0", "there"),
        ("read-raw 4096 9223372036854775808 1", "invalid…"),
        ("read-raw 4096 4095 9223372036854775808", "…"),
        ("read-raw 4096 18446744073709551615 18446744073709551615", "…"),
        ("read-raw 4096 4095 1", "1"),
        ("new lock l", "there"),
        ("lock l", "held…"),
    ]);
    group.end();
}

#[test]
fn a_grant_that_nobody_can_read_is_refused_before_the_start() {
    for wrong in
        ["l", "l: lok", "q: queue(10)", "q: queue(0) put", "v: value(i65) rw", "l: lock put", "m: memory(8MiB) put"]
    {
        let outcome = Command::guest("hello").flag(format!("--object={wrong}")).run();
        assert!(outcome.code != 0 && outcome.stdout.is_empty(), "{wrong}: {outcome:#?}");
        assert!(outcome.stderr.contains("--object"), "{wrong}: {outcome:#?}");
    }
}
