//! A worker that serves, in a process of its own behind its filter, and an owner with clients. The guests are those of
//! `tests/guests/src/http`, as `scripts/build-guests.sh` leaves them.

mod kit;
mod strangers;

use kit::{Served, head, served, status};
use sandhog_protocol::http::{FromServer, RequestEnd, ToServer, Version};
use sandhog_protocol::plan::{HttpPlan, Isolation};
use sandhog_protocol::worker::{End, TrapKind};
use std::io::Write;
use std::time::{Duration, Instant};

const OLD: &str = "http_by_path";
const NEW: &str = "http_by_path_0_3";

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a.example:81\r\n\r\n").into_bytes()
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: a.example\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// Answers of which the guest tells which instance it is and how many it has answered.
fn who(owner: &mut Served) -> (String, String) {
    let (_, body) = owner.asked(&get("/who"));
    let line = |name: &str| body.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    (line("instance="), line("served="))
}

#[test]
fn a_request_is_answered_and_the_owner_is_told_in_order() {
    for guest in [OLD, NEW] {
        let end = served(
            guest,
            |_| {},
            |mut owner| {
                let mut client = owner.client();
                client.write_all(&get("/saw?a=b")).unwrap();
                let (answer, body) = head(&mut client);
                assert_eq!(status(&answer), 200);
                assert!(
                    body.starts_with("method=GET\npath=/saw\nquery=a=b\nscheme=http\nauthority=a.example:81\n"),
                    "{body}"
                );
                drop(client);
                let told = owner.told_until(|told| matches!(told, FromServer::Closed { .. }));
                let [
                    FromServer::Reads { connection: 1 },
                    FromServer::Requests { ended, in_flight: 0 },
                    FromServer::Closed { connection: 1 },
                ] = told.as_slice()
                else {
                    panic!("{told:?}");
                };
                let [request] = ended.as_slice() else { panic!("{ended:?}") };
                assert_eq!((request.number, request.connection, request.version), (1, 1, Version::Http11));
                assert_eq!(
                    (request.method.as_str(), request.target.as_str(), request.status),
                    ("GET", "/saw?a=b", 200)
                );
                assert_eq!((request.sent_bytes, &request.end), (body.len() as u64, &RequestEnd::Answered));
            },
        );
        assert_eq!(end, End::Exited { code: 0 });
    }
}

#[test]
fn a_fresh_instance_answers_each_request_or_one_answers_many() {
    let cases = [
        (OLD, None, false),
        (OLD, Some(Isolation::Reuse), true),
        (NEW, None, true),
        (NEW, Some(Isolation::Instance), false),
    ];
    for (guest, isolation, reuses) in cases {
        let change = |plan: &mut HttpPlan| plan.isolation = isolation;
        served(guest, change, |mut owner| {
            let (first, second) = (who(&mut owner), who(&mut owner));
            assert_eq!(first.1, "1");
            assert_eq!((first.0 == second.0, second.1 == "2"), (reuses, reuses), "{guest} {isolation:?}");
        });
    }
}

#[test]
fn requests_that_come_together_are_answered_in_their_order() {
    for guest in [OLD, NEW] {
        served(
            guest,
            |_| {},
            |mut owner| {
                let mut client = owner.client();
                client
                    .write_all(&[get("/status?code=201"), get("/status?code=404"), get("/status?code=204")].concat())
                    .unwrap();
                let answers = [head(&mut client).0, head(&mut client).0, head(&mut client).0];
                assert_eq!(answers.map(|answer| status(&answer)), [201, 404, 204]);
            },
        );
    }
}

#[test]
fn http_2_is_spoken_to_those_who_know() {
    served(
        OLD,
        |_| {},
        |mut owner| {
            let mut client = owner.client();
            // Method, scheme and path by number, the authority as it is: RFC 7541, appendix A.
            let block = b"\x82\x86\x84\x41\x01a";
            let headers = [&[0, 0, block.len() as u8, 1, 5, 0, 0, 0, 1], &block[..]].concat();
            let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
            client.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], &headers].concat()).unwrap();
            let answer = kit::frame_of(&mut client, 1);
            assert_eq!(answer.first(), Some(&0x88), "status 200: {answer:x?}");
            let told = owner.told_until(|told| matches!(told, FromServer::Requests { .. }));
            let Some(FromServer::Requests { ended, .. }) = told.last() else { panic!("{told:?}") };
            assert_eq!((ended[0].version, ended[0].target.as_str()), (Version::Http2, "/"));
        },
    );
}

#[test]
fn what_a_client_sends_is_refused_with_the_status_that_says_why() {
    let change = |plan: &mut HttpPlan| {
        plan.body_bytes = 100;
        plan.header_bytes = 8 << 10;
    };
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(200)).into_bytes();
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(9 << 10)).into_bytes();
    let chunks = |chunks: &str| post("/count", "Transfer-Encoding: chunked\r\n", chunks.as_bytes());
    let cases = [
        (post("/count", "Content-Length: 101\r\n", &[b'x'; 101]), 413),
        (chunks(&format!("65\r\n{}\r\n0\r\n\r\n", "x".repeat(101))), 413),
        (chunks("zz\r\nx\r\n0\r\n\r\n"), 400),
        (chunks("1 1\r\nx\r\n0\r\n\r\n"), 400),
        (large, 431),
        (many, 431),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n".to_vec(), 400),
        (b"GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_vec(), 400),
        (b"\x16\x03\x01 what TLS begins with\r\n\r\n".to_vec(), 400),
        (post("/count", "Content-Length: 1\r\nContent-Length: 2\r\n", b"x"), 400),
        (post("/count", "Content-Length: +1\r\n", b"x"), 400),
        (post("/count", "Transfer-Encoding: chunked, gzip\r\n", b"x"), 400),
        (post("/count", "Transfer-Encoding: gzip, chunked\r\n", b"x"), 501),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(9 << 10)).into_bytes(), 414),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 501),
    ];
    for guest in [OLD, NEW] {
        served(guest, change, |mut owner| {
            // The newer one reads no body to its end before it answers.
            let asked = |request: &[u8]| guest == OLD || !request.windows(9).any(|bytes| bytes == b": chunked");
            for (request, expected) in cases.iter().filter(|(request, _)| asked(request)) {
                let sent = String::from_utf8_lossy(&request[..request.len().min(80)]);
                let (answer, _) = owner.asked(request);
                assert_eq!(status(&answer), *expected, "{guest} {sent}");
                let ended = owner.next_request();
                assert_eq!((&ended.end, ended.status), (&RequestEnd::Refused, *expected), "{guest} {sent}");
            }
            assert_eq!(status(&owner.asked(&get("/")).0), 200);
        });
    }
}

#[test]
fn of_two_lengths_none_is_believed_and_nothing_behind_them_is_read() {
    served(
        OLD,
        |_| {},
        |mut owner| {
            let headers = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n";
            let smuggled = [post("/count", headers, b"1\r\nx\r\n0\r\n\r\n"), get("/trap")].concat();
            let (answer, _) = owner.asked(&smuggled);
            assert_eq!(status(&answer), 400);
            assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
            let refused = owner.next_request();
            assert_eq!((refused.target.as_str(), &refused.end), ("/count", &RequestEnd::Refused));
            assert_eq!((owner.asked(&get("/")).0, owner.next_request().number).1, 2);
        },
    );
}

#[test]
fn a_client_that_is_slow_is_told_so_or_let_go() {
    let change = |plan: &mut HttpPlan| {
        plan.header_ms = 100;
        plan.idle_ms = 200;
    };
    served(OLD, change, |mut owner| {
        // A head that does not end, however often a byte of it comes.
        let (answer, _) = owner.asked(b"GET / HTTP/1.1\r\nHost: a\r\n");
        assert_eq!((status(&answer), owner.next_request().status), (408, 408));
        // A body that does not.
        let (answer, _) = owner.asked(&post("/count", "Content-Length: 5\r\n", b"x"));
        assert_eq!((status(&answer), owner.next_request().end), (408, RequestEnd::Refused));
        // Nothing at all, before the first request and after one.
        assert_eq!(kit::rest(&mut owner.client()), b"");
        let mut client = owner.client();
        client.write_all(&get("/")).unwrap();
        assert_eq!(status(&head(&mut client).0), 200);
        assert_eq!(kit::rest(&mut client), b"");
        assert_eq!(owner.next_request().end, RequestEnd::Answered);
        // An answer that nobody takes.
        let mut client = owner.client();
        client.write_all(&get("/large?bytes=100000000")).unwrap();
        assert_eq!(owner.next_request().end, RequestEnd::Abandoned);
    });
}

#[test]
fn one_request_more_than_there_is_room_for_is_sent_away_for_a_while() {
    for guest in [OLD, NEW] {
        let change = |plan: &mut HttpPlan| (plan.concurrency, plan.waiting) = (1, 1);
        served(guest, change, |mut owner| {
            let (mut first, mut second, mut third) = (owner.client(), owner.client(), owner.client());
            for (client, path) in [(&mut first, "/sleep?ms=300"), (&mut second, "/"), (&mut third, "/")] {
                client.write_all(&get(path)).unwrap();
                owner.told_until(|told| matches!(told, FromServer::Reads { .. }));
            }
            let (answer, _) = head(&mut third);
            assert!(status(&answer) == 503 && answer.contains("retry-after: 1"), "{answer}");
            assert_eq!(owner.next_request().end, RequestEnd::Overloaded);
            assert_eq!([status(&head(&mut first).0), status(&head(&mut second).0)], [200, 200]);
        });
    }
}

#[test]
fn a_request_whose_time_is_over_ends_alone_while_others_are_answered() {
    for guest in [OLD, NEW] {
        /// Long enough for a busy machine to answer three others.
        const TIME: Duration = Duration::from_secs(2);
        let change = |plan: &mut HttpPlan| plan.request_ms = Some(TIME.as_millis() as u64);
        served(guest, change, |mut owner| {
            let began = Instant::now();
            let mut clients = ["/spin", "/hang", "/spin"].map(|path| {
                let mut client = owner.client();
                client.write_all(&get(path)).unwrap();
                client
            });
            for _ in 0..3 {
                assert_eq!(status(&owner.asked(&get("/")).0), 200);
            }
            assert!(began.elapsed() < TIME, "{guest}: others wait for one that computes");
            for client in &mut clients {
                assert_eq!(status(&head(client).0), 504);
            }
            assert_eq!(status(&owner.asked(&get("/")).0), 200);
            let late = (0..7).filter(|_| owner.next_request().end == RequestEnd::Late).count();
            assert_eq!(late, 3);
        });
    }
}

#[test]
fn a_guest_that_fails_is_the_end_of_its_own_request_alone() {
    let failed = |end: &RequestEnd| match end {
        RequestEnd::Failed(end) => match end.as_ref() {
            End::Trapped { kind, message, .. } => (*kind, message.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    served(
        OLD,
        |_| {},
        |mut owner| {
            for (path, kind, text) in [
                ("/trap", TrapKind::Unreachable, "unreachable"),
                ("/never", TrapKind::Other, "the guest gave no answer"),
                ("/error", TrapKind::Other, "the guest answered with an error"),
            ] {
                assert_eq!(status(&owner.asked(&get(path)).0), 500, "{path}");
                let (found, message) = failed(&owner.next_request().end);
                assert!(found == kind && message.contains(text), "{path}: {message}");
            }
            for (path, text) in [("/breaks-off", "broke off"), ("/traps-in-body", "unreachable"), ("/twice", "")] {
                let mut client = owner.client();
                client.write_all(&get(path)).unwrap();
                // Whatever has come, it has no end but the connection's.
                drop(kit::rest(&mut client));
                let ended = owner.next_request();
                let (_, message) = failed(&ended.end);
                assert!(ended.status == 200 && message.contains(text), "{path}: {message}");
            }
            assert_eq!(owner.asked(&get("/newline")).1, "refused\n");
            assert_eq!(status(&owner.asked(&get("/")).0), 200);
        },
    );
    served(
        NEW,
        |_| {},
        |mut owner| {
            let before = who(&mut owner);
            assert_eq!(status(&owner.asked(&get("/trap")).0), 500);
            let after = who(&mut owner);
            assert_ne!(before.0, after.0, "another instance takes the place of one that trapped");
        },
    );
}

#[test]
fn a_request_has_no_more_memory_than_it_may() {
    for guest in [OLD, NEW] {
        let change = |plan: &mut HttpPlan| plan.request_memory_bytes = 6 << 20;
        served(guest, change, |mut owner| {
            let (answer, body) = owner.asked(&get("/allocate"));
            let bytes: u64 = body.trim().parse().unwrap();
            assert!(status(&answer) == 200 && (1 << 20..6 << 20).contains(&bytes), "{body}");
        });
    }
}

#[test]
fn what_is_asked_for_last_is_answered_and_nothing_more_is_taken() {
    for guest in [OLD, NEW] {
        let end = served(
            guest,
            |_| {},
            |mut owner| {
                let (mut idle, mut busy) = (owner.client(), owner.client());
                idle.write_all(&get("/")).unwrap();
                assert_eq!(status(&head(&mut idle).0), 200);
                let silent = owner.client();
                busy.write_all(&get("/sleep?ms=200")).unwrap();
                owner.told_until(|told| matches!(told, FromServer::Reads { connection: 2 }));
                owner.say(&ToServer::Finish);
                let mut late = owner.client();
                let (answer, _) = head(&mut busy);
                assert!(status(&answer) == 200 && answer.contains("connection: close"), "{answer}");
                assert_eq!([kit::rest(&mut idle), kit::rest(&mut busy)], [b"", b""]);
                let told = owner.all_told();
                let declined =
                    told.iter().filter(|told| matches!(told, FromServer::Declined { connection: 3 | 4 })).count();
                assert_eq!(declined, 2, "{told:?}");
                drop((silent, kit::rest(&mut late)));
            },
        );
        assert_eq!(end, End::Exited { code: 0 });
    }
}

#[test]
fn a_worker_for_one_connection_ends_with_it() {
    for guest in [OLD, NEW] {
        let change = |plan: &mut HttpPlan| plan.isolation = Some(Isolation::Process);
        let end = served(guest, change, |mut owner| {
            let mut client = owner.client();
            let second = owner.client();
            for served in ["served=1", "served=2"] {
                client.write_all(&get("/who")).unwrap();
                assert!(head(&mut client).1.contains(served));
            }
            drop((client, second));
            let told = owner.all_told();
            assert!(told.contains(&FromServer::Declined { connection: 2 }), "{told:?}");
            assert_eq!(told.last(), Some(&FromServer::Closed { connection: 1 }));
        });
        assert_eq!(end, End::Exited { code: 0 });
    }
}

#[test]
fn a_connection_too_many_is_declined() {
    let change = |plan: &mut HttpPlan| plan.connections = 1;
    served(OLD, change, |mut owner| {
        let mut first = owner.client();
        let second = owner.client();
        let told = owner.told_until(|told| matches!(told, FromServer::Declined { .. }));
        assert_eq!(told, [FromServer::Declined { connection: 2 }]);
        first.write_all(&get("/")).unwrap();
        assert_eq!(status(&head(&mut first).0), 200);
        drop(second);
    });
}

/// Random enough and the same on every run (Marsaglia, "Xorshift RNGs").
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    /// Some bytes are others, some are gone, some come twice, and some pieces stand elsewhere.
    fn garbled(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(6) {
            let (place, other) = (self.below(bytes.len()), self.below(bytes.len()));
            match self.below(5) {
                0 => bytes[place] = self.below(256) as u8,
                1 => bytes[place] ^= 1 << self.below(8),
                2 => drop(bytes.drain(place.min(other)..place.max(other).min(place.min(other) + 8))),
                3 => bytes.insert(place, b"\r\n :0,"[self.below(6)]),
                _ => bytes.extend_from_within(place.min(other)..place.max(other)),
            }
            if bytes.is_empty() {
                bytes.push(b'\n');
            }
        }
        bytes
    }
}

#[test]
fn no_bytes_of_a_client_end_the_worker_or_reach_another_client() {
    let change = |plan: &mut HttpPlan| (plan.header_ms, plan.idle_ms) = (50, 50);
    let framed = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0, 0, 0, 4, 0, 0, 0, 0, 0][..],
        b"\0\0\x04\x01\x05\0\0\0\x01\x82\x86\x84\x41",
    ]
    .concat();
    let seeds = [
        get("/count"),
        post("/count", "Content-Length: 5\r\n", b"hello"),
        post("/echo", "Transfer-Encoding: chunked\r\nTrailer: a\r\n", b"5;a=b\r\nhello\r\n0\r\na: b\r\n\r\n"),
        [post("/count", "Expect: 100-continue\r\nContent-Length: 1\r\n", b"x"), get("/")].concat(),
        framed,
    ];
    let end = served(OLD, change, |mut owner| {
        let mut random = Random(0x5eed);
        for round in 0..400 {
            let seed = seeds[random.below(seeds.len())].clone();
            let mut client = owner.client();
            // One that is refused is not read to its end.
            let _ = client.write_all(&random.garbled(seed));
            let _ = client.shutdown(std::net::Shutdown::Write);
            drop(kit::rest(&mut client));
            owner.told_until(|told| matches!(told, FromServer::Closed { .. }));
            if round % 100 == 0 {
                assert_eq!(owner.asked(&get("/")).1, "done\n");
                owner.told_until(|told| matches!(told, FromServer::Closed { .. }));
            }
        }
        assert_eq!(owner.asked(&get("/")).1, "done\n");
    });
    assert_eq!(end, End::Exited { code: 0 });
}

#[test]
fn an_owner_that_does_not_listen_for_a_while_hears_of_every_request_all_the_same() {
    /// More than the worker keeps and the socket takes.
    const REQUESTS: usize = 4000;
    let change = |plan: &mut HttpPlan| plan.isolation = Some(Isolation::Reuse);
    served(OLD, change, |mut owner| {
        let client = owner.client();
        let (mut writes, mut reads) = (client.try_clone().unwrap(), client);
        std::thread::scope(|scope| {
            scope.spawn(move || (0..REQUESTS).for_each(|_| writes.write_all(&get("/")).unwrap()));
            let reading = scope.spawn(move || (0..REQUESTS).for_each(|_| assert_eq!(status(&head(&mut reads).0), 200)));
            // Nothing is heard before some of it waits.
            kit::until_some_waits(&owner);
            let numbers: Vec<u64> = (0..REQUESTS).map(|_| owner.next_request().number).collect();
            assert!(numbers.iter().copied().eq(1..=REQUESTS as u64));
            reading.join().unwrap();
        });
    });
}

#[test]
fn after_as_many_requests_as_it_may_answer_it_asks_for_its_end() {
    let change = |plan: &mut HttpPlan| plan.max_requests = Some(2);
    served(OLD, change, |mut owner| {
        for _ in 0..3 {
            assert_eq!(status(&owner.asked(&get("/")).0), 200, "until the owner knows, it goes on");
        }
        let told = owner.all_told_after_finish();
        assert_eq!(told.iter().filter(|told| **told == FromServer::Retires).count(), 1, "{told:?}");
    });
}

#[test]
fn without_an_owner_it_ends_when_all_is_answered() {
    let end = served(
        OLD,
        |_| {},
        |mut owner| {
            let mut client = owner.client();
            client.write_all(&get("/sleep?ms=100")).unwrap();
            owner.told_until(|told| matches!(told, FromServer::Reads { .. }));
            drop(owner);
            assert_eq!(status(&head(&mut client).0), 200);
        },
    );
    assert_eq!(end, End::Exited { code: 0 });
}

#[test]
fn a_module_that_is_not_what_is_wanted_of_it_says_what_to_do() {
    let (program, server) = kit::refusals(OLD);
    assert_eq!(program, "it is a program, which runs once, and no server of HTTP: use sandhog run");
    assert_eq!(server, "it is a server of HTTP, which answers requests: use sandhog serve, or `listen` in a manifest");
}
