//! Facts about bounds, strangers and the address for numbers, with real sockets.

use super::*;
use axum::Router;
use axum::http::StatusCode;
use sandhog_protocol::control::ErrorBody;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const LONG: Duration = Duration::from_secs(600);
const CALM: Patience = Patience { head: LONG, body: LONG, read: LONG, follow: LONG, farewell: LONG };

fn refused(answer: &str) -> (u16, ErrorBody) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{answer}");
    (head["HTTP/1.1 ".len()..][..3].parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn all_bodies_together_have_one_bound() {
    let room = Room::new(10, CALM);
    let (mut one, mut other) = (None, None);
    assert_eq!(room.occupy(&mut one, 6), Ok(()));
    assert_eq!(room.occupy(&mut one, 2), Ok(()));
    let refused = room.occupy(&mut other, 3).unwrap_err();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(one);
    assert_eq!(room.occupy(&mut other, 10), Ok(()));
}

/// Has one connection, of a stranger, and no other.
struct Door(Mutex<Option<DuplexStream>>);

impl Accept for Door {
    type Stream = DuplexStream;

    async fn accept(&self) -> io::Result<Accepted<DuplexStream>> {
        let stream = self.0.lock().unwrap().take();
        let Some(stream) = stream else { return std::future::pending().await };
        Ok(Accepted { stream, stranger: Some(Refused::new(StatusCode::FORBIDDEN, "not for you")) })
    }
}

#[tokio::test]
async fn a_stranger_is_told_so_and_reaches_no_route() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let routes = |_| Router::new().fallback(async || -> Refused { panic!("a stranger came here") });
    let (ends, end) = oneshot::channel::<()>();
    let stop = async { drop(end.await) };
    let served = tokio::spawn(serve(Door(Mutex::new(Some(ours))), 1, CALM, routes, stop));
    theirs.write_all("GET / HTTP/1.1\r\nhost: s\r\n\r\n".repeat(2).as_bytes()).await.unwrap();
    let mut answer = String::new();
    theirs.read_to_string(&mut answer).await.unwrap();
    assert_eq!(refused(&answer), (403, ErrorBody { error: "not for you".into(), hint: None }));
    drop(ends);
    served.await.unwrap();
}

/// An address for numbers.
struct Numbers {
    at: SocketAddr,
    ends: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Numbers {
    fn start() -> Self {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let at = socket.local_addr().unwrap();
        let (ends, end) = oneshot::channel::<()>();
        let page = || std::future::ready(Ok("sandhog_jobs 0\n".into()));
        let served = numbers::serve(socket.into(), CALM, page, async { drop(end.await) }).unwrap();
        Self { at, ends, served: tokio::spawn(served) }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    async fn ask(&self, line: &str) -> String {
        let mut stream = self.connect().await;
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn stop(self) {
        drop(self.ends);
        self.served.await.unwrap();
        assert!(TcpStream::connect(self.at).await.is_err());
    }
}

#[tokio::test]
async fn numbers_are_all_that_there_is_at_their_address() {
    let numbers = Numbers::start();
    let page = numbers.ask("GET /metrics").await;
    assert!(page.contains("content-type: text/plain; version=0.0.4"), "{page}");
    assert!(page.ends_with("\r\n\r\nsandhog_jobs 0\n"), "{page}");
    assert!(numbers.ask("GET /metrics?x=1").await.ends_with("sandhog_jobs 0\n"));
    let head = numbers.ask("HEAD /metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    for line in ["GET /v1/daemon", "GET /", "GET /v1/openapi.json", "POST /v1/shutdown", "GET /metrics/x"] {
        let (code, problem) = refused(&numbers.ask(line).await);
        assert_eq!((code, problem.hint.unwrap().as_str()), (404, "there is /metrics and nothing else"), "{line}");
    }
    let answer = numbers.ask("POST /metrics").await;
    assert_eq!(refused(&answer).0, 405);
    assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    numbers.stop().await;
}

#[tokio::test]
async fn whoever_sends_the_numbers_too_much_is_told_so() {
    let numbers = Numbers::start();
    let mut stream = numbers.connect().await;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    let mut stream = numbers.connect().await;
    let long = [b"GET /metrics HTTP/1.1\r\na: ".as_slice(), &vec![b'x'; 128 << 10]].concat();
    // The answer may come before all is sent.
    let _ = stream.write_all(&long).await;
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
    numbers.stop().await;
}

/// Asks on a connection that is kept, and waits for all of the answer.
async fn ask_on(stream: &mut TcpStream) {
    stream.write_all(b"HEAD /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

#[tokio::test]
async fn more_connections_than_the_numbers_take_wait_for_their_turn() {
    let numbers = Numbers::start();
    let mut held = Vec::new();
    for _ in 0..16 {
        let mut stream = numbers.connect().await;
        ask_on(&mut stream).await;
        held.push(stream);
    }
    let mut more = numbers.connect().await;
    more.write_all(b"HEAD /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    for stream in &mut held {
        ask_on(stream).await;
    }
    assert_eq!(more.try_read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock, "it is served as well");
    held.pop();
    more.read_u8().await.unwrap();
    drop((held, more));
    numbers.stop().await;
}
