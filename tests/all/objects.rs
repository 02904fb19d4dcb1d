//! What each of the shared objects does among members that live.

use sandhog_harness::{Group, until};

#[test]
fn a_lock_has_one_holder_and_passes_on() {
    let mut group = Group::new();
    group.script(&[
        ("new lock l", "there"),
        ("start a", "started"),
        ("start b", "started"),
        ("a lock l", "held…"),
        ("b lock l @0", "would-block"),
        ("b lock l @30", "timed-out"),
        ("b! lock l", ""),
        ("rest b", "rests"),
        ("b? now", "nothing yet"),
        ("a release l", "done"),
        ("b?", "held…"),
        // It is the attempt that holds it.
        ("b lock l @10", "timed-out"),
        ("b release l", "done"),
        ("lock l", "held…"),
    ]);
    group.end();
}

#[test]
fn many_steps_under_a_lock_are_all_done() {
    let mut group = Group::new();
    group.script(&[
        ("new i64 locked 0", "there"),
        ("new i64 added 0", "there"),
        ("start a", "started"),
        ("start b", "started"),
        ("a! count-locked locked 3000", ""),
        ("b! count-locked locked 3000", ""),
        ("a?", "done"),
        ("b?", "done"),
        ("get locked", "6000"),
        ("a! count added 20000 3", ""),
        ("b! count added 20000 -1", ""),
        ("a?", "done"),
        ("b?", "done"),
        ("get added", "40000"),
    ]);
    group.end();
}

#[test]
fn each_acquisition_has_a_greater_token_than_the_one_before() {
    let mut group = Group::new();
    group.script(&[("new lock l", "there"), ("new semaphore s 3", "there"), ("start a", "started")]);
    let mut last = 0;
    for _ in 0..3 {
        for who in ["", "a "] {
            let token = group.token(&format!("{who}lock l"));
            assert!(token > last, "{token} after {last}");
            last = token;
            group.script(&[(&format!("{who}release l"), "done")]);
        }
    }
    let tokens = ["acquire s", "a acquire s", "acquire s"].map(|line| group.token(line));
    assert!(tokens.is_sorted_by(|first, second| first < second), "{tokens:?}");
    group.end();
}

#[test]
fn the_holder_of_an_rlock_may_lock_it_again() {
    let mut group = Group::new();
    group.script(&[
        ("new rlock r", "there"),
        ("start a", "started"),
        ("lock r", "held…"),
        ("lock r", "held…"),
        ("release r", "done"),
        ("a lock r @20", "timed-out"),
        ("release r", "done"),
        ("a lock r", "held…"),
        ("release-anyway r", "invalid…"),
    ]);
    group.end();
}

#[test]
fn nobody_releases_what_is_not_held() {
    let mut group = Group::new();
    group.script(&[
        ("new lock l", "there"),
        ("new rlock r", "there"),
        ("start a", "started"),
        ("release-anyway l", "invalid…"),
        ("release-anyway r", "invalid…"),
        ("lock l", "held…"),
        ("a release-anyway l", "invalid…"),
        ("a lock l @0", "would-block"),
        ("release-anyway l", "done"),
        ("release-anyway l", "invalid…"),
        ("a lock l", "held…"),
        // The guard of a lock that was released by other means.
        ("release l", "invalid…"),
        ("lock l @0", "would-block"),
    ]);
    group.end();
}

#[test]
fn a_semaphore_counts_and_a_bounded_one_has_a_bound() {
    let mut group = Group::new();
    group.script(&[
        ("new semaphore s 2", "there"),
        ("new bounded b 1", "there"),
        ("start a", "started"),
        ("acquire s", "held…"),
        ("a acquire s", "held…"),
        ("permits s", "0"),
        ("acquire s @0", "would-block"),
        ("a acquire s @20", "timed-out"),
        ("a! acquire s", ""),
        ("release s", "done"),
        ("a?", "held…"),
        // Anybody may give what nobody has acquired.
        ("give s", "done"),
        ("permits s", "1"),
        ("give b", "invalid…"),
        ("acquire b", "held…"),
        ("a give b", "done"),
        ("permits b", "1"),
        ("give b", "invalid…"),
    ]);
    group.end();
}

#[test]
fn all_that_wait_for_an_event_go_on_when_it_is_set() {
    let mut group = Group::new();
    group.script(&[
        ("new event e", "there"),
        ("start a", "started"),
        ("start b", "started"),
        ("is-set e", "false"),
        ("wait e @0", "would-block"),
        ("wait e @20", "timed-out"),
        ("a! wait e", ""),
        ("b! wait e", ""),
        ("rest a", "rests"),
        ("set e", "done"),
        ("a?", "done"),
        ("b?", "done"),
        ("a is-set e", "true"),
        ("wait e", "done"),
        ("clear e", "done"),
        ("a wait e @10", "timed-out"),
    ]);
    group.end();
}

#[test]
fn a_notification_wakes_the_one_that_has_waited_longest_and_all_wake_all() {
    let mut group = Group::whose_children_wait_at_a_condition();
    group.script(&[
        ("lock c", "held…"),
        ("notify c 1", "done"),
        ("a? now", "nothing yet"),
        ("release c", "done"),
        ("a?", "done"),
        ("a release c", "done"),
        ("b? now", "nothing yet"),
        ("a lock c", "held…"),
        ("a! wait c", ""),
        ("lock c", "held…"),
        ("notify-all c", "done"),
        ("release c", "done"),
    ]);
    // Which of them has the lock first is not said.
    let first =
        until("one of the two", || ["a", "b"].into_iter().find(|who| group.ask(&format!("{who}? now")) == "done"));
    let second = if first == "a" { "b" } else { "a" };
    group.script(&[(&format!("{first} release c"), "done"), (&format!("{second}?"), "done")]);
    group.end();
}

#[test]
fn a_wait_for_a_notification_holds_the_lock_again_after_its_time() {
    let mut group = Group::new();
    group.script(&[
        ("new condition c", "there"),
        ("start a", "started"),
        ("lock c @20", "held…"),
        ("lock c @20", "held…"),
        ("wait c", "timed-out"),
        ("a lock c @20", "timed-out"),
        ("release c", "done"),
        ("a lock c @20", "timed-out"),
        ("release c", "done"),
        ("a lock c", "held…"),
    ]);
    group.end();
}

#[test]
fn a_barrier_lets_all_go_when_the_last_one_is_there_and_can_be_used_again() {
    let mut group = Group::new();
    group.script(&[("new barrier b 3", "there"), ("start a", "started"), ("start b", "started")]);
    for _ in 0..3 {
        group.script(&[("a! wait b", ""), ("b! wait b", "")]);
        let mut arrived = [group.ask("wait b"), group.ask("a?"), group.ask("b?")];
        arrived.sort_unstable();
        assert_eq!(arrived, ["0", "1", "2"]);
    }
    group.script(&[("waiting b", "0"), ("parties b", "3"), ("is-broken b", "false")]);
    group.end();
}

#[test]
fn whoever_gives_up_at_a_barrier_breaks_it_for_all() {
    let mut group = Group::new();
    group.script(&[
        ("new barrier b 3", "there"),
        ("start a", "started"),
        ("a! wait b", ""),
        ("wait b @20", "timed-out"),
        ("a?", "broken"),
        ("wait b", "broken"),
        ("is-broken b", "true"),
        ("reset b", "done"),
        ("is-broken b", "false"),
        ("a! wait b", ""),
        ("rest a", "rests"),
        ("abort b", "done"),
        ("a?", "broken"),
        ("a wait b", "broken"),
    ]);
    group.end();
}

#[test]
fn a_value_is_changed_in_one_step() {
    let mut group = Group::new();
    group.script(&[
        ("new i64 i -5", "there"),
        ("new u8 u 250", "there"),
        ("new f64 f 0.5", "there"),
        ("start a", "started"),
        ("a add i 7", "-5"),
        ("get i", "2"),
        ("swap i 9", "2"),
        ("a cas i 9 10", "9"),
        ("a cas i 9 11", "10"),
        ("get i", "10"),
        ("add u 10", "250"),
        ("a get u", "4"),
        ("a add f 0.25", "0.5"),
        ("get f", "0.75"),
        ("cas f 0.75 1", "0.75"),
        ("a swap f -0", "1.0"),
        ("get f", "-0.0"),
        ("lock i", "held…"),
        ("lock i", "held…"),
        ("a lock i @10", "timed-out"),
        // Its lock is for those who take it.
        ("a add i 1", "10"),
    ]);
    group.end();
}

#[test]
fn an_array_is_copied_in_bulk_and_changed_one_by_one() {
    let mut group = Group::new();
    group.script(&[
        ("new i64s n 1000", "there"),
        ("new f32s f 10", "there"),
        ("start a", "started"),
        ("write n 997 1 -2 3", "done"),
        ("a read n 996 4", "[0, 1, -2, 3]"),
        ("a add n 999 4", "3"),
        ("get n 999", "7"),
        ("a len n", "1000"),
        ("a write f 0 0.5 1.5", "done"),
        ("a add f 1 0.5", "1.5"),
        ("read f 0 3", "[0.5, 2.0, 0.0]"),
        ("get n 1000", "invalid…"),
        ("set n 1000 1", "invalid…"),
        ("read n 999 2", "invalid…"),
        ("write n 999 1 2", "invalid…"),
        ("get n 999", "7"),
    ]);
    group.end();
}

#[test]
fn memory_is_what_was_written_there_and_nothing_is_outside() {
    let mut group = Group::new();
    group.script(&[
        ("new memory m 100000", "there"),
        ("start a", "started"),
        ("write m 99995 hello", "done"),
        ("a read m 99993 7", "..hello"),
        ("a size m", "100000"),
        ("a write m 99996 hello", "invalid…"),
        ("a read m 99996 5", "invalid…"),
        ("a read m 4294967295 1", "invalid…"),
        ("read m 100000 0", ""),
        ("fill m 0 100000", "done"),
        ("a read m 99998 2", "xx"),
    ]);
    group.end();
}

#[test]
fn a_queue_is_first_in_first_out_and_bounded_by_both() {
    let mut group = Group::new();
    group.script(&[
        ("new queue q 3 1000", "there"),
        ("start a", "started"),
        ("put q one", "done"),
        ("put q two", "done"),
        ("put-size q 500", "done"),
        ("put q @0 four", "would-block"),
        ("put q @20 four", "timed-out"),
        ("size q", "3"),
        ("a get q", "one"),
        // There is room for one more, and not for as many bytes.
        ("put-size q @20 600", "timed-out"),
        ("put-size q 2000", "too-large…"),
        ("put q four", "done"),
        ("a get q", "two"),
        ("a get-bytes q", "500"),
        ("a get q", "four"),
        ("bytes q", "0"),
        ("a get q @0", "would-block"),
        ("a get q @20", "timed-out"),
        ("a! get q", ""),
        ("put q five", "done"),
        ("a?", "five"),
    ]);
    group.end();
}

#[test]
fn a_closed_queue_gives_what_is_left_and_takes_nothing() {
    let mut group = Group::new();
    group.script(&[
        ("new queue q 1 1000", "there"),
        ("start a", "started"),
        ("start b", "started"),
        ("put q one", "done"),
        ("a! put q two", ""),
        ("rest a", "rests"),
        ("close q", "done"),
        ("a?", "closed"),
        ("put q three", "closed"),
        ("b get q", "one"),
        ("b get q", "closed"),
        ("close q", "done"),
    ]);
    group.end();
}

#[test]
fn whoever_waits_for_an_item_hears_of_the_close() {
    let mut group = Group::new();
    group.script(&[
        ("new queue q 1 1000", "there"),
        ("start a", "started"),
        ("a! get q", ""),
        ("rest a", "rests"),
        ("close q", "done"),
        ("a?", "closed"),
    ]);
    group.end();
}

#[test]
fn items_go_from_many_to_many_none_lost_none_doubled_each_putters_in_order() {
    let mut group = Group::new();
    group.script(&[("new queue q 20 10000", "there")]);
    let (putters, getters) = (["a", "b", "c"], ["x", "y"]);
    for name in putters.iter().chain(&getters) {
        group.script(&[(&format!("start {name}"), "started")]);
    }
    getters.iter().for_each(|name| group.tell(&format!("{name}! drain q")));
    putters.iter().for_each(|name| group.tell(&format!("{name}! put-range q 0 1000 {name}")));
    putters.iter().for_each(|name| assert_eq!(group.ask(&format!("{name}?")), "done"));
    group.script(&[("close q", "done")]);
    let counts = getters.map(|name| {
        let answer = group.ask(&format!("{name}?"));
        let count = answer.strip_suffix(" in order true").unwrap_or_else(|| panic!("{name}: {answer}"));
        count.parse::<u64>().unwrap()
    });
    assert_eq!(counts.iter().sum::<u64>(), 3000, "{counts:?}");
    group.end();
}

#[test]
fn many_items_go_at_once_in_either_direction() {
    let mut group = Group::new();
    group.script(&[
        ("new queue q 10 10000", "there"),
        ("start a", "started"),
        ("put-batch q 0 7", "done"),
        ("size q", "7"),
        // All or none.
        ("put-batch q @20 0 4", "timed-out"),
        ("size q", "7"),
        ("put-batch q 0 11", "too-large…"),
        ("a get-batch q 5", "[0, 1, 2, 3, 4]"),
        ("a get-batch q 5", "[5, 6]"),
        ("a get-batch q @10 5", "timed-out"),
        ("get-batch q 0", "invalid…"),
    ]);
    group.end();
}

#[test]
fn a_join_waits_until_all_that_was_put_is_done() {
    let mut group = Group::new();
    group.script(&[
        ("new queue q 10 1000", "there"),
        ("start a", "started"),
        ("join q", "done"),
        ("put q one", "done"),
        ("put q two", "done"),
        ("a! join q", ""),
        ("get q", "one"),
        ("take q", "…"),
        ("done q", "done"),
        ("a? now", "nothing yet"),
        ("ack q", "done"),
        ("a?", "done"),
        ("done q", "invalid…"),
    ]);
    group.end();
}

#[test]
fn an_item_that_is_given_back_is_the_next_one() {
    let mut group = Group::new();
    group.script(&[
        ("new queue q 10 1000", "there"),
        ("start a", "started"),
        ("put q one", "done"),
        ("put q two", "done"),
        ("take q", "…"),
        ("back q", "done"),
        ("a get q", "one"),
        ("a get q", "two"),
        ("ack q", "invalid…"),
    ]);
    group.end();
}

#[test]
fn a_wait_ends_when_its_job_is_asked_to_stop() {
    let objects = [
        ("new lock o", "lock o", "lock o"),
        ("new rlock o", "lock o", "lock o"),
        ("new semaphore o 0", "permits o", "acquire o"),
        ("new event o", "is-set o", "wait o"),
        ("new barrier o 2", "waiting o", "wait o"),
        ("new queue o 1 10", "size o", "get o"),
        ("new queue o 1 10", "put o x", "put o y"),
        ("new queue o 1 10", "put o x", "join o"),
    ];
    for (new, before, wait) in objects {
        let mut group = Group::new();
        // One that has not begun to wait would be ended at once.
        group.script(&[(new, "there"), (before, "…"), ("start a", "started"), ("a listen", "false")]);
        group.tell(&format!("a! {wait}"));
        group.script(&[("rest a", "rests"), ("stop a", "asked"), ("a?", "stopping")]);
        group.end();
    }
}
