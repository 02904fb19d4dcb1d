//! `sandhog serve`: what it says, whom it gives connections to, what guests see and answer, and how it ends.

use rustix::process::Signal;
use sandhog_harness::{
    Command, Service, guest,
    http::{Broken, Client, head},
    service::{BY_PATH, BY_PATH_0_3, Who, command, serve},
    until,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;

#[test]
fn a_service_says_first_where_it_is_and_answers_there() {
    for module in [BY_PATH, BY_PATH_0_3, "hello-http"] {
        let service = serve(&[], module);
        assert!(service.address.ip().is_loopback() && service.address.port() != 0);
        service.expect("/", 200);
        assert_eq!(service.end().code, 0, "{module}");
    }
}

#[test]
fn a_guest_sees_what_the_client_wrote() {
    for module in [BY_PATH, BY_PATH_0_3] {
        let service = serve(&[], module);
        let headers = [("X-Twice", "1"), ("X-Twice", "2"), ("X-Empty", ""), ("Accept", "a; q=0.5, b")];
        let saw = service.client().ask("PATCH", "/saw?a=b%20c&d=/../e", &headers, b"").unwrap().expect(200);
        for line in [
            "method=PATCH",
            "path=/saw",
            "query=a=b%20c&d=/../e",
            "scheme=http",
            "authority=sandhog.test",
            "x-twice: 1",
            "x-twice: 2",
            "x-empty: ",
            "accept: a; q=0.5, b",
        ] {
            assert!(saw.lines().any(|seen| seen == line), "{module}: no {line:?} in {saw}");
        }
    }
}

#[test]
fn a_request_for_a_whole_address_is_one_for_its_authority() {
    let service = serve(&[], BY_PATH);
    let mut client = service.client();
    client.send("GET http://127.0.0.1:81/saw HTTP/1.1\r\nHost: sandhog.test\r\n\r\n").unwrap();
    let saw = client.answer().unwrap().expect(200);
    assert!(saw.contains("authority=127.0.0.1:81\n") && saw.contains("path=/saw\n"), "{saw}");
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let service = serve(&[], BY_PATH);
    let mut client = service.client();
    for _ in 0..20 {
        let answer = client.get("/").unwrap();
        assert!(answer.keeps_open());
        answer.expect(200);
    }
    // Several at once are answered in their order.
    let requests = [head("GET", "/status?code=201", &[], 0), head("GET", "/status?code=202", &[], 0)].concat();
    client.send(requests).unwrap();
    client.answer().unwrap().expect(201);
    client.answer().unwrap().expect(202);
    client.send("GET / HTTP/1.0\r\n\r\n").unwrap();
    client.answer().unwrap().expect(200);
    assert!(client.is_closed());
}

#[test]
fn a_body_goes_through_in_pieces_and_comes_back_the_same() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    for module in [BY_PATH, BY_PATH_0_3] {
        let service = serve(&[], module);
        let mut client = service.client();
        // The server's answer begins while the client still sends: both at once, or each waits for the other.
        let echoed = std::thread::scope(|scope| {
            let mut sender = client.second_end();
            let body = &body;
            scope.spawn(move || {
                sender.send([head("POST", "/echo", &[], body.len()).as_bytes(), body].concat()).unwrap()
            });
            client.answer().unwrap()
        });
        assert!(echoed.status == 200 && echoed.body == body, "{module}: {} bytes", echoed.body.len());
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").unwrap();
        client.send("2;ext=1\r\nde\r\n0\r\n\r\n").unwrap();
        assert_eq!(client.answer().unwrap().expect(200), "abcde", "{module}");
        let large = client.get("/large?bytes=3000000").unwrap();
        assert!(large.body.len() == 3_000_000 && large.body.iter().all(|byte| *byte == b'x'), "{module}");
        let to_head = client.ask("HEAD", "/large?bytes=3000000", &[], b"").unwrap();
        assert_eq!((to_head.status, to_head.body.len()), (200, 0), "{module}");
    }
}

#[test]
fn connections_are_spread_over_the_workers() {
    let service = serve(&["-i", "2"], BY_PATH);
    service.until_all_answer(2);
    let mut clients: Vec<Client> = (0..100).map(|_| service.client()).collect();
    let mut spread = BTreeMap::new();
    for client in &mut clients {
        let who = Who::of(&client.get("/who").unwrap().expect(200));
        *spread.entry(who.attempt).or_insert(0) += 1;
    }
    let counts: Vec<u32> = spread.into_values().collect();
    assert!(counts.len() == 2 && counts.iter().all(|count| (40..=60).contains(count)), "{counts:?}");
}

#[test]
fn by_instance_requests_have_the_process_in_common_and_nothing_else() {
    let service = serve(&["--isolation", "instance"], BY_PATH);
    let all: Vec<Who> = (0..5).map(|_| service.who()).collect();
    let (attempts, instances) = distinct(&all);
    assert!(attempts == 1 && instances == 5 && all.iter().all(|who| who.served == 1), "{all:?}");
}

#[test]
fn by_reuse_requests_have_an_instance_in_common() {
    for module in [BY_PATH, BY_PATH_0_3] {
        let service = serve(&["--isolation", "reuse"], module);
        let all: Vec<Who> = (0..5).map(|_| service.who()).collect();
        let served: Vec<u64> = all.iter().map(|who| who.served).collect();
        assert_eq!((distinct(&all), served), ((1, 1), vec![1, 2, 3, 4, 5]), "{module}: {all:?}");
    }
}

#[test]
fn by_process_each_connection_has_a_process_of_its_own() {
    let service = serve(&["--isolation", "process"], BY_PATH);
    let all: Vec<Who> = (0..5).map(|_| service.who()).collect();
    assert_eq!(distinct(&all), (5, 5), "{all:?}");
    let mut client = service.client();
    let both: Vec<Who> = (0..2).map(|_| Who::of(&client.get("/who").unwrap().expect(200))).collect();
    assert_eq!(both[0].attempt, both[1].attempt);
}

/// What makes its guest yield is a timer: a thread costs more than all that it does.
#[test]
fn by_process_a_worker_has_one_thread() {
    for module in [BY_PATH, BY_PATH_0_3] {
        let service = serve(&["--isolation", "process"], module);
        let mut client = service.client();
        client.get("/who").unwrap().expect(200);
        let threads = |worker| fs::read_dir(format!("/proc/{worker}/task")).map_or(0, Iterator::count);
        let all: Vec<usize> = service.workers().into_iter().map(threads).collect();
        // Its own at least, which lives for as long as its connection; one that is about to end has none.
        assert!(all.contains(&1) && all.iter().all(|threads| *threads <= 1), "{module}: {all:?}");
        client.get("/who").unwrap().expect(200);
    }
}

/// How many attempts and instances there are among these.
fn distinct(all: &[Who]) -> (usize, usize) {
    let attempts: BTreeSet<_> = all.iter().map(|who| &who.attempt).collect();
    let instances: BTreeSet<_> = all.iter().map(|who| &who.instance).collect();
    (attempts.len(), instances.len())
}

#[test]
fn a_worker_that_has_served_its_requests_gives_way_to_the_next_one() {
    let service = serve(&["--isolation", "reuse", "--max-requests", "3"], BY_PATH);
    let mut served = BTreeMap::new();
    for _ in 0..12 {
        *served.entry(service.who().attempt).or_insert(0) += 1;
    }
    // One more may be on its way to a worker that says so.
    assert!(served.len() >= 3 && served.values().all(|count| *count <= 4), "{served:?}");
}

#[test]
fn a_service_that_is_asked_to_end_finishes_what_it_has_and_ends_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let service = serve(&["-i", "2"], BY_PATH);
        let mut idle = service.client();
        idle.get("/").unwrap().expect(200);
        let mut client = service.client();
        client.send(head("POST", "/echo", &[], 6)).unwrap();
        client.send("abc").unwrap();
        // It is inside of the guest when its head comes back.
        let begun = client.some().unwrap();
        service.running.signal(signal);
        until("the socket to be closed", || Client::connect(service.address).is_err().then_some(()));
        assert!(idle.is_closed());
        client.send("def").unwrap();
        let mut answer = begun;
        loop {
            match client.some().unwrap() {
                piece if piece.is_empty() => break,
                piece => answer.extend(piece),
            }
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("0\r\n\r\n"), "{answer:?}");
        let outcome = service.running.wait();
        assert_eq!(outcome.code, 0, "{outcome:#?}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let service = serve(&["--request-timeout", "1h", "--grace", "1h"], BY_PATH);
    let mut hangs = service.client();
    hangs.send(head("GET", "/hang", &[], 0)).unwrap();
    // Behind it in the same worker's order.
    service.goes_on();
    service.begin_to_drain();
    service.running.signal(Signal::TERM);
    let outcome = service.running.wait();
    assert_ne!(outcome.code, 0, "{outcome:#?}");
    assert!(matches!(hangs.answer(), Err(Broken::Unanswered(_))));
}

#[test]
fn a_service_ends_with_its_workers() {
    let service = serve(&["-i", "2"], BY_PATH);
    service.goes_on();
    let workers = service.all_workers(2);
    service.running.signal(Signal::KILL);
    until("the workers to be gone", || {
        workers.iter().all(|worker| !sandhog_harness::process::is_there(*worker)).then_some(())
    });
}

#[test]
fn a_port_that_is_taken_is_refused_with_the_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let outcome = command(&["--listen", &address], &[], BY_PATH).run();
    assert!(outcome.code == 126 && outcome.stderr.contains(&address), "{outcome:#?}");
}

#[test]
fn an_address_that_can_not_be_served_is_refused_with_the_reason() {
    for (address, said) in [
        ("127.0.0.1", "there is no port"),
        (":8080", "there is no address"),
        ("example.com:80", "not an IP address"),
        ("::1:80", "brackets"),
        // Of no interface here: RFC 5737 keeps it for documents.
        ("192.0.2.1:8080", "192.0.2.1:8080"),
    ] {
        let outcome = command(&["--listen", address], &[], BY_PATH).run();
        assert!([2, 126].contains(&outcome.code) && outcome.stderr.contains(said), "{address}: {outcome:#?}");
    }
    let outcome = command(&[], &[], BY_PATH).run();
    assert!([2, 126].contains(&outcome.code) && outcome.stderr.contains("--listen"), "{outcome:#?}");
}

#[test]
fn what_serves_no_http_is_not_served() {
    for module in ["hello", "echo", "hello-handler"] {
        let outcome = command(&["--listen", "127.0.0.1:0"], &[], module).run();
        assert!(outcome.code == 126 && outcome.stderr.to_lowercase().contains("http"), "{module}: {outcome:#?}");
    }
}

#[test]
fn a_service_is_inspected_as_one_and_is_no_program() {
    for module in [BY_PATH, BY_PATH_0_3] {
        let outcome = Command::sandhog(["inspect", "--json"]).flag(guest(module)).run();
        assert!(outcome.code == 0 && outcome.text().contains("wasi:http/"), "{outcome:#?}");
        assert!(outcome.text().contains("\"refused\":null"), "{outcome:#?}");
        let outcome = Command::guest(module).run();
        assert!(outcome.code == 126 && outcome.stderr.contains("sandhog serve"), "{outcome:#?}");
    }
}

#[test]
fn a_guest_that_fails_is_a_500_to_its_own_request_and_the_worker_goes_on() {
    for (module, isolation) in [(BY_PATH, "instance"), (BY_PATH, "reuse"), (BY_PATH_0_3, "reuse")] {
        let service = serve(&["--isolation", isolation], module);
        let before = service.who().attempt;
        for target in ["/trap", "/error"] {
            service.expect(target, 500);
            service.goes_on();
        }
        assert_eq!(service.who().attempt, before, "{module}: another worker");
    }
}

#[test]
fn a_trap_leaves_the_other_requests_of_its_worker_alone() {
    let service = serve(&["--isolation", "instance"], BY_PATH);
    let mut others: Vec<Client> = (0..8).map(|_| service.client()).collect();
    for client in &mut others {
        client.send(head("POST", "/echo", &[], 3)).unwrap();
        client.send("a").unwrap();
        client.wait_for_some().unwrap();
    }
    for _ in 0..5 {
        service.expect("/trap", 500);
    }
    for client in &mut others {
        client.send("bc").unwrap();
        assert_eq!(client.answer().unwrap().expect(200), "abc");
    }
}

#[test]
fn a_guest_that_never_answers_or_answers_twice_is_told_from_one_that_does() {
    let service = serve(&[], BY_PATH);
    service.expect("/never", 500);
    // The first answer may be on its way when the second one ends the guest.
    match service.get("/twice") {
        Ok(answer) => assert!([200, 500].contains(&answer.status), "{answer:?}"),
        Err(broken) => assert!(matches!(broken, Broken::Torn(..) | Broken::Unanswered(_)), "{broken:?}"),
    }
    service.goes_on();
}

#[test]
fn an_answer_that_breaks_off_is_seen_to_be_no_whole_one() {
    for module in [BY_PATH, BY_PATH_0_3] {
        let service = serve(&[], module);
        for target in ["/breaks-off", "/traps-in-body"] {
            let broken = service.get(target).map(|answer| answer.status);
            assert!(
                matches!(broken, Err(Broken::Torn(..) | Broken::Unanswered(_)) | Ok(500)),
                "{module}{target}: {broken:?}"
            );
            service.goes_on();
        }
    }
}

#[test]
fn a_header_with_a_newline_reaches_no_client() {
    for module in [BY_PATH, BY_PATH_0_3] {
        let service = serve(&[], module);
        let answer = service.get("/newline").unwrap();
        assert_eq!((answer.header("x-smuggled"), answer.header("x-split")), (None, None), "{module}");
        assert_eq!(answer.expect(200), "refused\n", "{module}");
    }
}

#[test]
fn workers_share_objects() {
    let service = serve(&["-i", "2", "--object", "visits: value(u64) rw"], "visits-api");
    assert_eq!(service.expect("/visits", 200), "{\"visits\":0}\n");
    for _ in 0..10 {
        service.client().post("/visits", b"2").unwrap().expect(200);
    }
    assert_eq!(service.expect("/visits", 200), "{\"visits\":20}\n");
    service.client().post("/visits", b"two").unwrap().expect(400);
    service.expect("/elsewhere", 404);
}

#[test]
fn a_directory_that_is_granted_is_served_and_nothing_beside_it() {
    let scratch = sandhog_harness::Folder::new();
    std::fs::create_dir(scratch.join("site")).unwrap();
    let page = "<h1>here</h1>".repeat(10_000);
    scratch.file("site/index.html", &page);
    scratch.file("secret", "secret");
    std::os::unix::fs::symlink("../secret", scratch.join("site/link")).unwrap();
    let grant = format!("--dir={}::/site", scratch.join("site").display());
    let service = serve(&[&grant], "static-files");
    let answer = service.get("/").unwrap();
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.expect(200), page);
    for path in ["/../secret", "/%2e%2e/secret", "/none", "/link"] {
        let answer = service.get(path).unwrap();
        assert!([404, 500].contains(&answer.status) && !answer.text().contains("secret"), "{path}: {answer:?}");
    }
}

#[test]
fn events_come_one_by_one_while_others_are_answered() {
    let service = serve(&[], "clock-events");
    let mut clients: Vec<Client> = (0..20).map(|_| service.client()).collect();
    for client in &mut clients {
        client.send(head("GET", "/?events=2", &[], 0)).unwrap();
    }
    for client in &mut clients {
        let answer = client.answer().unwrap();
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        assert_eq!(answer.expect(200), "event: second\ndata: 0\n\nevent: second\ndata: 1\n\n");
    }
}

#[test]
fn a_worker_that_is_killed_takes_only_its_own_requests_along() {
    let service = serve(&["-i", "2"], BY_PATH);
    service.until_all_answer(2);
    let mut clients: Vec<(String, Client)> = (0..20)
        .map(|_| {
            let mut client = service.client();
            let who = Who::of(&client.get("/who").unwrap().expect(200));
            client.send(head("POST", "/echo", &[], 3)).unwrap();
            client.send("a").unwrap();
            client.wait_for_some().unwrap();
            (who.attempt, client)
        })
        .collect();
    Service::kill(service.workers()[0]);
    let mut survivors = BTreeSet::new();
    let mut lost = BTreeSet::new();
    for (attempt, client) in &mut clients {
        let _ = client.send("bc");
        let ended = client.answer().map(|answer| answer.expect(200));
        let side = if ended.is_ok_and(|text| text == "abc") { &mut survivors } else { &mut lost };
        side.insert(attempt.clone());
    }
    assert!(survivors.len() == 1 && lost.len() == 1 && survivors.is_disjoint(&lost), "{survivors:?} {lost:?}");
    // Another one is in its place.
    service.all_workers(2);
    service.goes_on();
}
