//! What strangers send to `sandhog serve`: it answers everybody else meanwhile, and its memory stays as it is.

use rustix::process::Signal;
use sandhog_harness::{
    Need, Service, alone,
    http::{Broken, Client, flood::Flood, head, load::Load},
    missing, process,
    service::{BY_PATH, serve},
    until,
};
use std::net::Shutdown;

/// Growth of everything together that is nobody's fault, in bytes: buffers of allocators, a page here and there.
const FLAT: u64 = 24 << 20;

/// Warm, so that what it keeps anyway is there.
fn warm(flags: &[&str]) -> (Service, u64) {
    let service = serve(flags, BY_PATH);
    for _ in 0..50 {
        service.client().post("/echo", &[b'x'; 64 << 10]).unwrap().expect(200);
    }
    let memory = service.memory();
    (service, memory)
}

#[track_caller]
fn is_flat(service: &Service, before: u64) {
    let after = service.memory();
    assert!(after < before + FLAT, "{} MiB became {} MiB", before >> 20, after >> 20);
}

#[test]
fn five_hundred_clients_that_never_finish_their_heads_stop_nobody() {
    let (service, before) = warm(&["-i", "2", "--header-timeout", "3s"]);
    let mut slow = Flood::open(service.address, 500, b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    for piece in ["X-", "Slow", ": ", "lor", "is\r\n"] {
        slow.send(piece.as_bytes());
        (0..10).for_each(|_| service.goes_on());
    }
    is_flat(&service, before);
    let statuses = slow.statuses().unwrap();
    assert!(statuses.keys().all(|status| [0, 408].contains(status)), "{statuses:?}");
    assert!(statuses.get(&408).is_some_and(|count| *count >= 450), "{statuses:?}");
    service.goes_on();
}

#[test]
fn a_body_of_1_gb_goes_through_or_is_refused_and_is_never_kept() {
    let (service, before) = warm(&["-i", "1", "--max-body", "2GiB", "--request-timeout", "1h"]);
    let mut client = service.client();
    client.send(head("POST", "/count", &[], 1 << 30)).unwrap();
    let piece = vec![b'x'; 1 << 20];
    let mut most = 0;
    for sent in 0..1024 {
        client.send(&piece).unwrap();
        if sent % 128 == 0 {
            most = service.memory().max(most);
        }
    }
    assert_eq!(client.answer().unwrap().expect(200), "1073741824\n");
    assert!(most < before + FLAT, "{} MiB became {} MiB", before >> 20, most >> 20);
    // By whoever is allowed less, it is not even read.
    let (service, before) = warm(&["--max-body", "1MiB"]);
    let mut client = service.client();
    client.send(head("POST", "/count", &[], 1 << 30)).unwrap();
    client.answer().unwrap().expect(413);
    is_flat(&service, before);
}

#[test]
fn a_hundred_thousand_headers_are_refused() {
    let (service, before) = warm(&[]);
    for headers in ["A: b\r\n".repeat(100_000), (0..100_000).map(|number| format!("h{number}: {number}\r\n")).collect()]
    {
        let mut client = service.client();
        // It is closed while they are sent: the answer may be lost in that.
        let _ = client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
        match client.answer() {
            Ok(answer) => assert!([400, 431].contains(&answer.status), "{answer:?}"),
            Err(broken) => assert!(matches!(broken, Broken::Unanswered(_) | Broken::Torn(..)), "{broken:?}"),
        }
    }
    is_flat(&service, before);
    service.goes_on();
}

#[test]
fn garbage_behind_a_request_ends_the_connection_and_nothing_else() {
    let service = serve(&["-i", "1", "--header-timeout", "1s", "--idle-timeout", "1s"], BY_PATH);
    let attempt = service.who().attempt;
    let garbage: Vec<u8> = (0..64_u32 << 10).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for behind in [
        garbage.as_slice(),
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 what TLS begins with",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\xff\xfe GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut client = service.client();
        let _ = client.send([head("GET", "/", &[], 0).as_bytes(), behind].concat());
        let mut statuses = Vec::new();
        while let Ok(answer) = client.answer() {
            statuses.push(answer.status);
        }
        assert!([&[200, 400][..], &[200, 408], &[200]].contains(&statuses.as_slice()), "{statuses:?}");
        let mut client = service.client();
        let _ = client.send(behind);
        assert!(client.answer().is_ok_and(|answer| answer.status != 200) || client.is_closed());
    }
    assert_eq!(service.who().attempt, attempt);
}

#[test]
fn no_request_is_hidden_in_another_one() {
    let service = serve(&["-i", "1"], BY_PATH);
    let attempt = service.who().attempt;
    let hidden = "GET /status?code=299 HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunked = format!("0\r\n\r\n{hidden}");
    let length = chunked.len();
    for (headers, status) in [
        (format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), 400),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), 400),
        (format!("Content-Length: {length}\r\nTransfer-Encoding: identity\r\n"), 400),
        ("Content-Length: 5\r\nContent-Length: 0\r\n".to_owned(), 400),
        ("Content-Length: 5\r\nContent-Length: 5\r\n".to_owned(), 400),
        ("Content-Length: 5, 0\r\n".to_owned(), 400),
        ("Content-Length: +5\r\n".to_owned(), 400),
        ("Content-Length: 0x5\r\n".to_owned(), 400),
        ("Content-Length : 5\r\n".to_owned(), 400),
        ("Content-Length: 99999999999999999999\r\n".to_owned(), 400),
        ("Transfer-Encoding: xchunked\r\n".to_owned(), 400),
        ("Transfer-Encoding: chunked, identity\r\n".to_owned(), 400),
        ("Transfer-Encoding : chunked\r\n".to_owned(), 400),
        ("Transfer-Encoding: identity\r\n".to_owned(), 400),
        ("Transfer-Encoding:\x0bchunked\r\n".to_owned(), 400),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n".to_owned(), 400),
        ("Transfer-Encoding: gzip, chunked\r\n".to_owned(), 501),
        ("X: y\r\n Transfer-Encoding: chunked\r\n".to_owned(), 400),
        ("X: a\rTransfer-Encoding: chunked\r\n".to_owned(), 400),
        ("X: a\nTransfer-Encoding: chunked\r\n".to_owned(), 400),
        ("Host: b\r\n".to_owned(), 400),
    ] {
        let mut client = service.client();
        let _ = client.send(format!("POST /count HTTP/1.1\r\nHost: a\r\n{headers}\r\n{chunked}"));
        client.answer().unwrap().expect(status);
        // Nothing behind it is read.
        assert!(client.is_closed(), "{headers:?}");
    }
    assert_eq!(service.who().attempt, attempt);
}

#[test]
fn nothing_that_follows_a_refused_request_is_answered_and_what_came_before_it_is() {
    let service = serve(&["-i", "1"], BY_PATH);
    for refused in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let mut client = service.client();
        let (before, behind) = (head("GET", "/status?code=202", &[], 0), head("GET", "/status?code=299", &[], 0));
        let _ = client.send(format!("{before}{refused}{behind}"));
        client.answer().unwrap().expect(202);
        client.answer().unwrap().expect(400);
        assert!(client.is_closed(), "{refused:?}");
    }
}

#[test]
fn bodies_that_break_off_end_their_own_request() {
    let service = serve(&["-i", "1"], BY_PATH);
    let attempt = service.who().attempt;
    for (headers, body) in [
        ("Transfer-Encoding: chunked", "ff\r\nabc"),
        ("Transfer-Encoding: chunked", "3\r\nabcX"),
        ("Transfer-Encoding: chunked", "xyz\r\nabc\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "ffffffffffffffffff\r\n"),
        ("Transfer-Encoding: chunked", "3\r\nabc\r\n"),
        ("Content-Length: 100", "abc"),
    ] {
        let mut client = service.client();
        client.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}")).unwrap();
        client.finish_sending();
        let ended = client.answer();
        let is_whole = ended.as_ref().is_ok_and(|answer| answer.status == 200);
        assert!(!is_whole, "{body:?}: {ended:?}");
        service.goes_on();
    }
    assert_eq!(service.who().attempt, attempt);
}

#[test]
fn clients_that_go_away_leave_nothing_behind() {
    let (service, before) = warm(&["-i", "1"]);
    let files = process::descriptors(service.running.pid);
    for _ in 0..300 {
        let mut client = service.client();
        client.send(head("GET", "/large?bytes=10000000", &[], 0)).unwrap();
        client.wait_for_some().unwrap();
        client.shutdown(Shutdown::Both);
    }
    is_flat(&service, before);
    until("the descriptors to be closed", || (process::descriptors(service.running.pid) <= files + 4).then_some(()));
    service.goes_on();
}

#[test]
fn five_hundred_clients_with_ten_thousand_short_connections_are_answered_at_the_usual_settings() {
    const CONNECTIONS: u64 = 10_000;
    let service = serve(&["--access-log", "none"], BY_PATH);
    service.goes_on();
    let load = Load { to: service.address, clients: 500, target: "/".into(), keep_alive: false };
    let asking = load.start();
    asking.goes_on(CONNECTIONS);
    let counts = asking.stop();
    counts.all_ok();
    assert!(counts.connections >= CONNECTIONS, "{counts:?}");
}

#[test]
fn clients_that_nobody_has_room_for_wait_in_the_kernels_queue() {
    let service = serve(&["--access-log", "none", "--metrics", "127.0.0.1:0"], BY_PATH);
    service.goes_on();
    let line = service.running.stderr.line(1);
    let numbers = line.strip_prefix("sandhog: numbers are at http://").and_then(|rest| rest.strip_suffix("/metrics"));
    let numbers: std::net::SocketAddr = numbers.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
    let [worker] = service.workers()[..] else { panic!("{:?}", service.workers()) };
    let signal = |signal| process::send(worker, signal);
    let queue = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse::<usize>().unwrap();
    // Requests of a worker, and connections that the command lets wait; then as many as the kernel takes, and as are answered in
    // their time on a busy machine.
    let count = 256 + 128 + queue.min(1600);
    signal(Signal::STOP);
    let request = head("GET", "/", &[("Connection", "close")], 0);
    let mut all = Flood::open(service.address, count, request.as_bytes()).unwrap();
    until("as many to wait as may", || {
        let page = Client::connect(numbers).ok()?.get("/metrics").ok()?.expect(200);
        page.lines().any(|line| line.ends_with("connections_waiting{job=\"http_by_path\"} 128")).then_some(())
    });
    signal(Signal::CONT);
    assert_eq!(all.statuses().unwrap(), [(200, count)].into());
    service.goes_on();
}

#[test]
fn ten_thousand_connections_are_served() {
    const CONNECTIONS: usize = 10_000;
    // One for each of ours, and those that other tests have open.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if limit.is_some_and(|limit| limit < 12_000) {
        return missing(Need::Descriptors, "12,000 open files (ulimit -n)");
    }
    alone();
    // They come faster than workers take them: as many may wait.
    let flags = ["-i", "2", "--max-connections", "10000", "--queue", "10000", "--idle-timeout", "5m"];
    let service = serve(&flags, BY_PATH);
    service.goes_on();
    let before = service.memory();
    let mut all = Flood::open(service.address, CONNECTIONS, head("GET", "/", &[], 0).as_bytes()).unwrap();
    assert_eq!(all.statuses().unwrap(), [(200, CONNECTIONS)].into());
    service.goes_on();
    // What each costs, in the command and in its workers together.
    let each = service.memory().saturating_sub(before) / CONNECTIONS as u64;
    assert!(each < 40 << 10, "{each} bytes for each connection");
    // Those that were there before are still served.
    assert_eq!(all.send(head("GET", "/", &[], 0).as_bytes()), CONNECTIONS);
    assert_eq!(all.statuses().unwrap(), [(200, CONNECTIONS)].into());
    drop(all);
    let mut next = Client::connect(service.address).unwrap();
    next.get("/").unwrap().expect(200);
}
