//! Answers that go on.

use super::*;
use sandhog_protocol::control::LogStream;
use tokio::io::{AsyncBufReadExt, BufReader};

/// A stream behind its head.
async fn follow(server: &Server, path: &str) -> BufReader<UnixStream> {
    let mut stream = server.connect().await;
    stream.write_all(request("GET", path, "").as_bytes()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).await.unwrap();
    }
    assert_eq!(status(&head), 200);
    assert!(head.contains("content-type: application/x-ndjson\r\n"), "{head}");
    stream
}

/// The next line of JSON; the chunks' lengths between them are left out.
async fn next<T: serde::de::DeserializeOwned>(stream: &mut BufReader<UnixStream>) -> T {
    loop {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "the stream has ended");
        if line.starts_with('{') {
            return serde_json::from_str(&line).unwrap();
        }
    }
}

fn line(job: &str, text: &str) -> LogLine {
    let (job, text) = (job.to_owned(), text.to_owned());
    LogLine { at_ms: 1, job, instance: 0, attempt: "a".into(), stream: LogStream::Out, text }
}

#[tokio::test]
async fn a_stream_is_a_line_for_each_thing_that_happens() {
    let server = Server::start(CALM);
    let mut stream = follow(&server, "/v1/events?follow=true").await;
    assert_eq!(next::<Event>(&mut stream).await, event(1));
    for number in 2..100 {
        server.fake.events.send(event(number)).unwrap();
        assert_eq!(next::<Event>(&mut stream).await, event(number));
    }
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_not_followed_ends_by_itself() {
    let server = Server::start(CALM);
    let answer = server.get("/v1/events").await;
    assert_eq!(status(&answer), 200);
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
    assert_eq!(answer.matches("\"number\":1").count(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_client() {
    let server = Server::start(CALM);
    let stream = follow(&server, "/v1/events?follow=true").await;
    assert_eq!(server.fake.events.receiver_count(), 1);
    drop(stream);
    server.fake.events.closed().await;
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_daemon_and_its_last_lines_are_told() {
    let server = Server::start(CALM);
    let mut stream = follow(&server, "/v1/events?follow=true").await;
    for number in 2..5 {
        server.fake.events.send(event(number)).unwrap();
    }
    server.stop().await;
    for number in 1..5 {
        assert_eq!(next::<Event>(&mut stream).await, event(number));
    }
    let mut end = String::new();
    stream.read_to_string(&mut end).await.unwrap();
    assert!(end.ends_with("0\r\n\r\n"), "it is whole: {end:?}");
}

#[tokio::test]
async fn only_what_was_asked_for_is_told_and_what_is_left_out_is_said() {
    let server = Server::start(CALM);
    let mut stream = follow(&server, "/v1/logs?follow=true").await;
    server.fake.lines.send(line("other", "no")).unwrap();
    server.fake.lines.send(line("wanted", "yes")).unwrap();
    assert_eq!(next::<LogLine>(&mut stream).await, line("wanted", "yes"));
    // The channel has room for four, and the session is not asked between these.
    for number in 0..10 {
        server.fake.lines.send(line("wanted", &number.to_string())).unwrap();
    }
    let told = next::<LogLine>(&mut stream).await;
    assert_eq!(told.stream, LogStream::Sandhog);
    assert_eq!(told.text, "6 lines of all jobs were left out: they came faster than they were read");
    for number in 6..10 {
        assert_eq!(next::<LogLine>(&mut stream).await, line("wanted", &number.to_string()));
    }
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_follower_that_does_not_read_holds_no_more_than_the_channels() {
    let server = Server::start(Patience { farewell: SHORT, ..CALM });
    let stream = follow(&server, "/v1/logs?follow=true").await;
    let large = "x".repeat(64 << 10);
    // Nobody waits for the follower: what does not fit is left out, and the sender goes on.
    for _ in 0..1000 {
        server.fake.lines.send(line("wanted", &large)).unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&server.get("/v1/daemon").await), 200);
    server.stop().await;
    drop(stream);
}
