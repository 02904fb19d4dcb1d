//! What strangers send, made up: bytes in any pieces through all of HTTP. A seed that fails is in the message.

use super::super::exercise::{BODY, Exercised, HEAD, exercise};
use super::super::made::Seen;

/// A number from a seed, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % most
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// In pieces of any length, the same bytes.
    fn cut<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        // Single bytes of much would take long.
        let longest = (*self.of(&[1, 7, 100, 5000])).max(bytes.len() / 2000);
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at((1 + self.below(longest)).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}

fn over_all(seeds: std::ops::Range<u64>, mut each: impl FnMut(&mut Chance)) {
    for seed in seeds {
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| each(&mut Chance(seed * 0x9e37_79b9 + 1))));
        assert!(told.is_ok(), "seed {seed}");
    }
}

/// A request that keeps to the rules, and how the guest is to see it.
fn proper(chance: &mut Chance, number: usize) -> (Vec<u8>, Seen) {
    let target = format!("/{number}");
    let length = *chance.of(&[0, 1, 10, 300, 5000, 40_000]);
    // What it hides looks like a request.
    let body: Vec<u8> = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n".iter().copied().cycle().take(length).collect();
    let head = |framing: &str| format!("POST {target} HTTP/1.1\r\nHost: a\r\n{framing}\r\n").into_bytes();
    let seen = |method: &str, body| Seen { method: method.to_owned(), target: target.clone(), body: Some(body) };
    match chance.below(3) {
        0 => (format!("GET {target} HTTP/1.1\r\nX: {number}\r\nHost: a\r\n\r\n").into_bytes(), seen("GET", 0)),
        1 => {
            let head = head(&format!("Content-Length: {length}\r\n"));
            ([head, body].concat(), seen("POST", length as u64))
        }
        _ => {
            let mut bytes = head("Transfer-Encoding: chunked\r\n");
            for chunk in body.chunks(1 + chance.below(3000)) {
                let extension = chance.of(&["", ";a", " ;b=\"c\""]);
                bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend_from_slice(chance.of::<&[u8]>(&[&b"0\r\n\r\n"[..], b"00\r\nTrailer: x\r\n\r\n"]));
            (bytes, seen("POST", length as u64))
        }
    }
}

#[test]
fn requests_that_keep_to_the_rules_are_seen_as_they_are_however_they_are_cut() {
    over_all(0..40, |chance| {
        let all: Vec<_> = (0..1 + chance.below(8)).map(|number| proper(chance, number)).collect();
        let bytes: Vec<u8> = all.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect();
        let Exercised { answers, seen, told } = exercise(&chance.cut(&bytes));
        let expected: Vec<Seen> = all.into_iter().map(|(_, seen)| seen).collect();
        assert_eq!((answers, seen), (vec![200; expected.len()], expected));
        let received: u64 = told.iter().map(|request| request.received_bytes).sum();
        assert!(received < bytes.len() as u64);
    });
}

/// Parts of requests, good and bad.
const PARTS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"POST /x HTTP/1.1\r\n",
    b"POST http://b/y HTTP/1.0\r\n",
    b"HEAD /?q HTTP/1.1\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n",
    b"Host: a\r\n",
    b"Host : a\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"content-length: 18446744073709551615\r\n",
    b"Content-Length:\t5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"transfer-encoding:chunked\n",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Upgrade: h2c\r\n",
    b"X: y\r\n z\r\n",
    b"X: \rY: z\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"5\r\nabcde\r\n",
    b"5;x=y\r\nabcde\r\n",
    b"fffffffffffffffff\r\n",
    b"0\r\n\r\n",
    b"abcde",
    b"\0\xff",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\0\0\0\x04\0\0\0\0\0",
];

#[test]
fn whatever_comes_no_answer_follows_a_refusal_and_all_is_told_once() {
    over_all(100..400, |chance| {
        let mut bytes = Vec::new();
        for _ in 0..1 + chance.below(24) {
            match chance.below(12) {
                0 => bytes.extend(proper(chance, 0).0),
                1 => bytes.extend(std::iter::repeat_n(b'x', chance.below(HEAD as usize + 2000))),
                _ => bytes.extend_from_slice(chance.of::<&[u8]>(PARTS)),
            }
        }
        // What holds for all is checked there.
        let exercised = exercise(&chance.cut(&bytes));
        assert!(exercised.seen.iter().all(|seen| seen.body.is_none_or(|body| body <= BODY)), "{exercised:?}");
    });
}

#[test]
fn what_two_servers_may_read_in_two_ways_is_answered_once_and_reaches_no_guest() {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let body = format!("0\r\n\r\n{hidden}");
    let length = body.len();
    for (headers, status) in [
        (format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), 400),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), 400),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), 400),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n".to_owned(), 400),
        ("Transfer-Encoding: gzip, chunked\r\n".to_owned(), 501),
        ("Content-Length: 5\r\nContent-Length: 5\r\n".to_owned(), 400),
        ("Content-Length: 5\r\nContent-Length: 0\r\n".to_owned(), 400),
        ("X: y\nContent-Length: 5\r\n".to_owned(), 400),
        ("X: y\r\n Transfer-Encoding: chunked\r\n".to_owned(), 400),
        ("X: y\rTransfer-Encoding: chunked\r\n".to_owned(), 400),
        ("Content-Length : 5\r\n".to_owned(), 400),
        ("Content-Length: 5, 5\r\n".to_owned(), 400),
    ] {
        let bytes = format!("GET /before HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}");
        let mut chance = Chance(7);
        for pieces in [vec![bytes.as_bytes()], chance.cut(bytes.as_bytes())] {
            let Exercised { answers, seen, told } = exercise(&pieces);
            let targets: Vec<_> = seen.iter().map(|seen| seen.target.as_str()).collect();
            assert_eq!((answers, targets, told.len()), (vec![200, status], vec!["/before"], 2), "{headers:?}");
        }
    }
}

#[test]
fn a_target_that_is_too_long_is_told_from_headers_that_are() {
    let long = "x".repeat(HEAD as usize);
    for (head, status) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET /{long}{long}"), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}{long}"), 431),
    ] {
        let bytes = format!("GET /before HTTP/1.1\r\nHost: a\r\n\r\n{head}");
        let Exercised { answers, told, .. } = exercise(&[bytes.as_bytes()]);
        let told: Vec<u16> = told.iter().map(|request| request.status).collect();
        assert_eq!((&answers, &told), (&vec![200, status], &answers), "{}", &head[..20]);
    }
}
