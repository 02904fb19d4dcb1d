//! Requests of one worker that wait for each other, or for anything else: the worker has others meanwhile.

use sandhog_harness::{
    Service, guest,
    http::{Client, head},
    service::{BY_PATH, BY_PATH_0_3, serve},
    until,
};

const OBJECTS: [&str; 6] =
    ["--object", "lock: lock", "--object", "go: event set wait", "--object", "tasks: queue(1) put get"];

/// One worker; each guest that a request may wait in.
fn one_worker(flags: &[&str], each: impl Fn(&str, Service)) {
    for (module, isolation) in [(BY_PATH, "instance"), (BY_PATH, "reuse"), (BY_PATH_0_3, "reuse")] {
        let all: Vec<&str> = ["-i", "1", "--isolation", isolation].iter().chain(flags).copied().collect();
        each(&format!("{module}, {isolation}"), serve(&all, module));
    }
}

fn asks(service: &Service, target: &str) -> Client {
    let mut client = service.client();
    client.send(head("GET", target, &[], 0)).unwrap();
    client
}

#[test]
fn a_request_waits_for_a_lock_that_another_one_of_its_worker_holds() {
    one_worker(&OBJECTS, |guest, service| {
        let mut holds = asks(&service, "/hold");
        until("the lock to be held", || (service.expect("/free", 200) == "taken\n").then_some(()));
        let mut wants = asks(&service, "/lock");
        service.goes_on();
        assert!(!holds.has_come() && !wants.has_come(), "{guest}: nobody waits");
        assert_eq!(service.expect("/set", 200), "set\n", "{guest}");
        assert_eq!(holds.answer().unwrap().expect(200), "held\n", "{guest}");
        assert_eq!(wants.answer().unwrap().expect(200), "had\n", "{guest}");
    });
}

#[test]
fn requests_of_a_worker_wait_for_room_and_for_items_of_a_queue_that_they_share() {
    one_worker(&OBJECTS, |guest, service| {
        let mut gets = asks(&service, "/get");
        service.goes_on();
        assert!(!gets.has_come(), "{guest}: nobody waits");
        assert_eq!(service.expect("/put", 200), "put\n", "{guest}");
        assert_eq!(gets.answer().unwrap().expect(200), "4\n", "{guest}");
        // It holds one.
        assert_eq!(service.expect("/put", 200), "put\n", "{guest}");
        let mut puts = asks(&service, "/put");
        service.goes_on();
        assert!(!puts.has_come(), "{guest}: nobody waits");
        assert_eq!(service.expect("/get", 200), "4\n", "{guest}");
        assert_eq!(puts.answer().unwrap().expect(200), "put\n", "{guest}");
    });
}

#[test]
fn a_request_that_waits_at_a_condition_does_not_stop_the_others_and_is_notified_by_them() {
    one_worker(&["--object", "change: condition"], |guest, service| {
        let mut waiting = [(); 2].map(|()| asks(&service, "/await"));
        (0..5).for_each(|_| service.goes_on());
        assert!(waiting.iter().all(|waits| !waits.has_come()), "{guest}: nobody waits");
        until("both to be notified", || {
            assert_eq!(service.expect("/notify", 200), "told\n", "{guest}");
            waiting.iter().all(|waits| waits.has_come()).then_some(())
        });
        for waits in &mut waiting {
            assert_eq!(waits.answer().unwrap().expect(200), "notified\n", "{guest}");
        }
        // It has its lock when its own time is over, and gives it back.
        assert_eq!(service.expect("/await-briefly", 200), "the time was over\n", "{guest}");
        assert_eq!(service.expect("/notify", 200), "told\n", "{guest}");
    });
}

#[test]
fn requests_of_a_worker_meet_at_a_barrier() {
    one_worker(&["--object", "meet: barrier(3)"], |guest, service| {
        let mut waiting = [(); 2].map(|()| asks(&service, "/meet"));
        until("both to be there", || (service.expect("/met", 200) == "2\n").then_some(()));
        assert!(waiting.iter().all(|waits| !waits.has_come()), "{guest}: nobody waits");
        assert_eq!(service.expect("/meet", 200), "2\n", "{guest}");
        let mut indices = waiting.each_mut().map(|waits| waits.answer().unwrap().expect(200));
        indices.sort();
        assert_eq!(indices, ["0\n", "1\n"], "{guest}");
        assert_eq!(service.expect("/met", 200), "0\n", "{guest}");
    });
}

#[test]
fn a_request_whose_time_is_over_at_a_condition_ends_alone_and_its_lock_is_free() {
    one_worker(&["--object", "change: condition", "--request-timeout", "1s"], |guest, service| {
        let mut waits = asks(&service, "/await");
        service.goes_on();
        waits.answer().unwrap().expect(504);
        assert_eq!(service.expect("/notify", 200), "told\n", "{guest}");
    });
}

#[test]
fn a_request_whose_time_is_over_at_a_barrier_ends_and_breaks_it_for_those_that_wait_there() {
    one_worker(&["--object", "meet: barrier(2)", "--request-timeout", "1s"], |guest, service| {
        let mut waits = asks(&service, "/meet");
        until("it to be there", || (service.expect("/met", 200) == "1\n").then_some(()));
        waits.answer().unwrap().expect(504);
        until("it to be broken", || (service.expect("/met", 200) == "broken\n").then_some(()));
        assert_eq!(service.expect("/meet-anew", 200), "whole\n", "{guest}");
        let mut first = asks(&service, "/meet");
        until("it to be there", || (service.expect("/met", 200) == "1\n").then_some(()));
        assert_eq!(service.expect("/meet", 200), "1\n", "{guest}");
        assert_eq!(first.answer().unwrap().expect(200), "0\n", "{guest}");
    });
}

#[test]
fn a_request_that_waits_for_its_child_does_not_stop_the_others_of_its_worker() {
    let child = |name: &str| format!("child={}", guest(name).to_str().unwrap());
    let (forever, short) = (child("sleep_forever"), child("hello"));
    one_worker(&["--child", &short], |guest, service| {
        assert_eq!(service.expect("/child", 200), "completed\n", "{guest}");
    });
    one_worker(&["--child", &forever, "--request-timeout", "2s"], |guest, service| {
        let mut waits = asks(&service, "/child");
        (0..5).for_each(|_| service.goes_on());
        assert!(!waits.has_come(), "{guest}: nobody waits");
        waits.answer().unwrap().expect(504);
        service.goes_on();
    });
}
