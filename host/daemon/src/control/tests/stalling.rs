//! Clients that send too much, too slowly, or do not read.

use super::*;
use crate::control::limits::APPLY_BYTES;

/// Writes the same again and again until the other side does not take it any more.
async fn flood(mut stream: impl AsyncWriteExt + Unpin, piece: &[u8]) {
    while stream.write_all(piece).await.is_ok() {}
}

#[tokio::test]
async fn four_gibibytes_that_are_announced_are_refused_unread() {
    let server = Server::start(CALM);
    let head = format!("POST /v1/apply HTTP/1.1\r\nhost: s\r\ncontent-length: {}\r\n\r\n", 4_u64 << 30);
    assert_eq!(refusal(&server.say(head.as_bytes()).await).0, 413);
    let head = head.replace("content-length", "expect: 100-continue\r\ncontent-length");
    assert_eq!(refusal(&server.say(head.as_bytes()).await).0, 413, "it is not asked to go on");
    server.stop().await;
}

#[tokio::test]
async fn bytes_without_end_are_refused_at_the_bound() {
    let server = Server::start(CALM);
    for (path, piece) in [("/v1/stop", 1 << 10), ("/v1/apply", 1 << 20)] {
        let (mut reading, mut writing) = server.connect().await.into_split();
        let head = format!("POST {path} HTTP/1.1\r\nhost: s\r\ntransfer-encoding: chunked\r\n\r\n");
        writing.write_all(head.as_bytes()).await.unwrap();
        let piece = format!("{piece:x}\r\n{}\r\n", " ".repeat(piece)).into_bytes();
        let writer = tokio::spawn(async move { flood(writing, &piece).await });
        let mut answer = Vec::new();
        let _ = reading.read_to_end(&mut answer).await;
        let (status, problem) = refusal(&String::from_utf8(answer).unwrap());
        assert_eq!(status, 413);
        assert!(problem.error.starts_with("the body is longer than "), "{}", problem.error);
        writer.await.unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn ten_thousand_jobs_are_not_too_many() {
    let server = Server::start(CALM);
    let job = sandhog_protocol::control::JobSpec {
        name: "n".repeat(60),
        module: "/m".repeat(100),
        dir: vec!["/d".repeat(100); 4],
        ..Default::default()
    };
    let apply = sandhog_protocol::control::ApplyRequest { jobs: vec![job; 10_000], ..Default::default() };
    let text = serde_json::to_string(&apply).unwrap();
    assert!(text.len() < APPLY_BYTES, "{}", text.len());
    assert_eq!(status(&server.post("/v1/apply", &text).await), 200);
    assert_eq!(server.calls(), [Call::Apply(apply)]);
    server.stop().await;
}

#[tokio::test]
async fn jobs_of_two_bytes_are_counted_while_they_are_read() {
    let server = Server::start(CALM);
    let jobs = vec!["{}"; sandhog_protocol::limits::JOBS + 1].join(",");
    let (code, problem) = refusal(&server.post("/v1/apply", &format!("{{\"jobs\":[{jobs}]}}")).await);
    assert_eq!(code, 400);
    assert!(problem.error.contains("invalid length 20001, expected a list of at most 20000 jobs"), "{}", problem.error);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_only_so_long() {
    let server = Server::start(Patience { body: SHORT, ..CALM });
    let head = "POST /v1/stop HTTP/1.1\r\nhost: s\r\ncontent-length: 100\r\n\r\n{";
    assert_eq!(refusal(&server.say(head.as_bytes()).await).0, 408);
    // Byte by byte it takes as long: the time is that of the whole body.
    let (mut reading, mut writing) = server.connect().await.into_split();
    let head = "POST /v1/stop HTTP/1.1\r\nhost: s\r\ntransfer-encoding: chunked\r\n\r\n";
    writing.write_all(head.as_bytes()).await.unwrap();
    let writer = tokio::spawn(trickle(writing, b"1\r\n \r\n"));
    let mut answer = Vec::new();
    let _ = reading.read_to_end(&mut answer).await;
    assert_eq!(refusal(&String::from_utf8(answer).unwrap()).0, 408);
    writer.await.unwrap();
    server.stop().await;
}

/// Writes the same again and again, slowly.
async fn trickle(mut stream: impl AsyncWriteExt + Unpin, piece: &'static [u8]) {
    while stream.write_all(piece).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_is_waited_for_only_so_long() {
    let server = Server::start(Patience { head: SHORT, ..CALM });
    assert_eq!(server.say(b"").await, "", "nothing at all");
    assert_eq!(server.say(b"GET /v1/daemon HTTP/1.1\r\nhost:").await, "");
    let (mut reading, writing) = server.connect().await.into_split();
    let writer = tokio::spawn(trickle(writing, b"G"));
    let _ = reading.read_to_end(&mut Vec::new()).await;
    writer.await.unwrap();
    let mut kept = server.connect().await;
    kept.write_all(KEPT.as_bytes()).await.unwrap();
    assert_eq!(status(&one(&mut kept).await), 200);
    assert_eq!(rest(&mut kept).await, "", "and nothing behind a request");
    server.stop().await;
}

#[tokio::test]
async fn a_head_without_end_is_refused_at_the_bound() {
    let server = Server::start(CALM);
    for piece in ["a: b\r\n".repeat(100), "x".repeat(1 << 10)] {
        let (mut reading, mut writing) = server.connect().await.into_split();
        writing.write_all(b"GET /v1/daemon HTTP/1.1\r\nlong: ").await.unwrap();
        let writer = tokio::spawn(async move { flood(writing, piece.as_bytes()).await });
        let mut answer = Vec::new();
        let _ = reading.read_to_end(&mut answer).await;
        assert_eq!(status(&String::from_utf8(answer).unwrap()), 431);
        writer.await.unwrap();
    }
    server.stop().await;
}

/// Asks for something large and does not read it, until the server hangs up; gives back what has come.
async fn be_deaf(server: &Server) -> usize {
    let mut stream = server.connect().await;
    stream.write_all(KEPT.replace("daemon", "instances").as_bytes()).await.unwrap();
    // Nothing of this is taken in while the answer waits: it fails when the server has hung up.
    flood(&mut stream, &[b' '; 1 << 10]).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer.len()
}

#[tokio::test]
async fn a_client_that_does_not_read_is_hung_up_on() {
    let server = Server::start(Patience { read: SHORT, ..CALM });
    assert!(be_deaf(&server).await < LARGE);
    assert_eq!(status(&server.get("/v1/daemon").await), 200);
    server.stop().await;
}

#[tokio::test]
async fn who_follows_may_pause_for_longer() {
    let server = Server::start(Patience { read: SHORT, ..CALM });
    let mut stream = server.connect().await;
    stream.write_all(request("GET", "/v1/events?follow=true", "").as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    // More than the socket and all between have room for.
    for number in 2..100 {
        let large = Event { text: "x".repeat(64 << 10), ..event(number) };
        server.fake.events.send(large).unwrap();
        tokio::task::yield_now().await;
    }
    assert!(be_deaf(&server).await < LARGE, "somebody else's time is over meanwhile");
    assert_eq!(server.fake.events.receiver_count(), 1);
    drop(stream);
    server.fake.events.closed().await;
    server.stop().await;
}
