//! What a request of `sandhog serve` may take, and what its client is told beyond that.

use sandhog_harness::{
    http::{Broken, Client, head},
    service::{BY_PATH, BY_PATH_0_3, serve},
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;

#[test]
fn a_request_that_takes_too_long_is_a_504() {
    let by_process = [(BY_PATH, "process"), (BY_PATH_0_3, "process")];
    for (module, isolation) in
        [(BY_PATH, "instance"), (BY_PATH, "reuse"), (BY_PATH_0_3, "reuse")].into_iter().chain(by_process)
    {
        let service = serve(&["--request-timeout", "300ms", "--isolation", isolation], module);
        for target in ["/hang", "/spin"] {
            service.expect(target, 504);
            service.goes_on();
        }
    }
}

#[test]
fn a_request_that_loops_does_not_stop_the_others_of_its_worker() {
    // By reuse each of them may be in one instance, where nothing can run beside a loop.
    for module in [BY_PATH, BY_PATH_0_3] {
        let service = serve(&["-i", "1", "--isolation", "instance", "--request-timeout", "5s"], module);
        service.goes_on();
        let is_over = AtomicBool::new(false);
        scope(|scope| {
            let mut spins = service.client();
            spins.send(head("GET", "/spin", &[], 0)).unwrap();
            let over = &is_over;
            scope.spawn(move || {
                spins.answer().unwrap().expect(504);
                over.store(true, Ordering::SeqCst);
            });
            (0..20).for_each(|_| service.goes_on());
            assert!(!is_over.load(Ordering::SeqCst), "{module}: they waited for it");
        });
    }
}

#[test]
fn a_body_beyond_its_limit_is_a_413() {
    for module in [BY_PATH, BY_PATH_0_3] {
        let service = serve(&["--max-body", "64KiB"], module);
        let mut client = service.client();
        assert_eq!(client.post("/echo", &[b'x'; 64 << 10]).unwrap().expect(200).len(), 64 << 10, "{module}");
        // It says so beforehand.
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n").unwrap();
        client.answer().unwrap().expect(413);
        // It says nothing, and the guest reads it.
        let mut client = service.client();
        client.send("POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let piece = [b"10000\r\n".as_slice(), &[b'x'; 64 << 10], b"\r\n"].concat();
        // It may be closed while it is sent.
        let _ = (0..4).try_for_each(|_| client.send(&piece)).and_then(|()| client.send("0\r\n\r\n"));
        match client.answer() {
            Ok(answer) => drop(answer.expect(413)),
            // Where it was closed under what was being sent, that answer may be lost.
            Err(broken) => assert!(matches!(broken, Broken::Unanswered(_)), "{module}: {broken:?}"),
        }
        service.goes_on();
    }
}

#[test]
fn a_head_beyond_its_limit_is_a_431() {
    let service = serve(&["--max-headers", "8KiB"], BY_PATH);
    let long = "x".repeat(9 << 10);
    for headers in [format!("X-Long: {long}\r\n"), "X-A: b\r\n".repeat(2000)] {
        let mut client = service.client();
        let _ = client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
        client.answer().unwrap().expect(431);
        assert!(client.is_closed());
    }
    let mut client = service.client();
    let _ = client.send(format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"));
    client.answer().unwrap().expect(414);
    assert!(client.is_closed());
    service.goes_on();
}

#[test]
fn a_client_that_is_slow_with_its_head_gets_a_408() {
    let service = serve(&["--header-timeout", "500ms"], BY_PATH);
    let mut client = service.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow").unwrap();
    client.answer().unwrap().expect(408);
    assert!(client.is_closed());
}

#[test]
fn a_client_that_is_slow_with_its_body_does_not_hold_its_worker() {
    let service = serve(&["--idle-timeout", "500ms", "--request-timeout", "1h"], BY_PATH);
    let mut client = service.client();
    client.send(head("POST", "/count", &[], 100)).unwrap();
    client.send("half").unwrap();
    match client.answer() {
        Ok(answer) => assert!([408, 500].contains(&answer.status), "{answer:?}"),
        Err(broken) => assert!(matches!(broken, Broken::Unanswered(_)), "{broken:?}"),
    }
    service.goes_on();
}

#[test]
fn a_client_that_takes_no_answer_does_not_hold_its_worker() {
    let service = serve(&["--idle-timeout", "500ms", "--request-timeout", "1h", "--concurrency", "1"], BY_PATH);
    let mut client = service.client();
    // More than all buffers on the way.
    client.send(head("GET", "/large?bytes=100000000", &[], 0)).unwrap();
    client.wait_for_some().unwrap();
    // Its place is free when it has been given up.
    service.goes_on();
    let answer = client.answer();
    assert!(matches!(answer, Err(Broken::Torn(..))), "{:?}", answer.map(|answer| answer.body.len()));
}

#[test]
fn a_connection_that_is_idle_is_closed() {
    let service = serve(&["--idle-timeout", "300ms"], BY_PATH);
    let mut client = service.client();
    client.get("/").unwrap().expect(200);
    assert!(client.is_closed());
    let mut silent = service.client();
    assert!(silent.is_closed());
}

#[test]
fn requests_beyond_concurrency_and_queue_are_a_503_that_says_when_to_come_again() {
    for (module, isolation) in [(BY_PATH, "instance"), (BY_PATH_0_3, "reuse")] {
        let flags = ["-i", "1", "--concurrency", "2", "--queue", "3", "--isolation", isolation];
        let service = serve(&flags, module);
        // Two are inside, with the heads of their answers out.
        let mut inside: Vec<Client> = (0..2).map(|_| service.client()).collect();
        for client in &mut inside {
            client.send(head("POST", "/echo", &[], 3)).unwrap();
            client.send("a").unwrap();
            client.wait_for_some().unwrap();
        }
        let mut others: Vec<Client> = (0..8).map(|_| service.client()).collect();
        others.iter_mut().for_each(|client| client.send(head("GET", "/", &[], 0)).unwrap());
        // Five of the eight are told at once, whichever they are; three wait.
        let told = refused(&mut others, 5);
        assert_eq!(told, 5, "{module}");
        for client in &mut inside {
            client.send("bc").unwrap();
            assert_eq!(client.answer().unwrap().expect(200), "abc", "{module}");
        }
        others.iter_mut().for_each(|client| drop(client.answer().unwrap().expect(200)));
        service.goes_on();
    }
}

/// Takes those away that are answered already, until there are so many; each has to be told when to come again.
fn refused(clients: &mut Vec<Client>, count: usize) -> usize {
    sandhog_harness::until("requests to be refused", || {
        let answered = clients.iter_mut().filter(|client| client.has_come()).count();
        (answered >= count).then_some(())
    });
    let (answered, waiting): (Vec<_>, Vec<_>) = clients.drain(..).partition(|client| client.has_come());
    *clients = waiting;
    let count = answered.len();
    for mut client in answered {
        let answer = client.answer().unwrap();
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        answer.expect(503);
    }
    count
}

#[test]
fn connections_beyond_all_workers_are_a_503_or_wait_for_their_turn() {
    let service = serve(&["-i", "1", "--max-connections", "4"], BY_PATH);
    let mut held: Vec<Client> = (0..4).map(|_| service.client()).collect();
    held.iter_mut().for_each(|client| drop(client.get("/").unwrap().expect(200)));
    let mut next = service.client();
    next.send(head("GET", "/", &[], 0)).unwrap();
    drop(held.pop());
    match next.answer().unwrap() {
        answer if answer.status == 503 => assert!(answer.header("retry-after").is_some(), "{answer:?}"),
        answer => drop(answer.expect(200)),
    }
    // Its place is free again.
    drop(next);
    service.goes_on();
}

#[test]
fn an_instance_has_no_more_memory_than_a_request_may_take() {
    for module in [BY_PATH, BY_PATH_0_3] {
        let service = serve(&["--request-memory", "32MiB"], module);
        let bytes: u64 = service.expect("/allocate", 200).trim().parse().unwrap();
        assert!((16 << 20..32 << 20).contains(&bytes), "{module}: {bytes}");
        service.goes_on();
    }
}
