//! Facts about the control socket, with real sockets. How long a client may take is short where it is to run out, and
//! long everywhere else; nothing here depends on how fast the machine is.

#[cfg(test)]
pub(super) mod description;
#[cfg(test)]
mod document;
#[cfg(test)]
mod stalling;
#[cfg(test)]
mod streams;

use super::api::{Answer, Api};
use super::socket::{Listener, bind, serve};
use super::{Patience, socket};
use crate::fleet::{LogTail, Refusal, Verb};
use sandhog_protocol::control::*;
use std::future::ready;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

/// What a client that is served is sent at the least, where it asks for instances.
const LARGE: usize = 8 << 20;

/// A daemon's jobs, or what a session sees of them.
#[derive(Clone)]
struct Fake {
    calls: Arc<Mutex<Vec<Call>>>,
    events: broadcast::Sender<Event>,
    lines: broadcast::Sender<LogLine>,
    /// Goes when a call that waits is given up.
    waits: Arc<Mutex<Option<mpsc::Sender<()>>>>,
}

/// What the jobs were asked.
#[derive(Clone, Debug, PartialEq)]
enum Call {
    Daemon,
    Instances { select: Vec<String> },
    Jobs { select: Vec<String> },
    Job { name: String },
    Objects,
    Apply(ApplyRequest),
    Ask(Verb, VerbRequest),
    Scale(ScaleRequest),
    Send(SendRequest),
    Logs { select: Vec<String>, lines: usize, follow: bool, access: bool },
    Events { since: u64, last: usize },
    ShutDown,
    Metrics,
}

impl Fake {
    fn called<T: Send>(&self, call: Call, answer: T) -> impl Answer<T> + use<T> {
        self.calls.lock().unwrap().push(call);
        ready(Ok(answer))
    }
}

impl Api for Fake {
    fn daemon(&self) -> impl Answer<Daemon> {
        self.called(Call::Daemon, Daemon { version: "1.2.3".into(), ..Daemon::default() })
    }

    fn instances(&self, select: Vec<String>) -> impl Answer<Vec<Instance>> {
        let large = Instance { reason: Some("x".repeat(LARGE)), ..document::instance() };
        self.called(Call::Instances { select }, vec![large])
    }

    fn jobs(&self, select: Vec<String>) -> impl Answer<Vec<JobSummary>> {
        self.called(Call::Jobs { select }, Vec::new())
    }

    fn job(&self, name: String) -> impl Answer<Job> {
        assert_ne!(name, "panic", "a fault of ours");
        self.called(Call::Job { name }, document::whole_job())
    }

    fn objects(&self) -> impl Answer<Vec<SharedObject>> {
        self.called(Call::Objects, Vec::new())
    }

    fn apply(&self, apply: ApplyRequest) -> impl Answer<VerbResult> {
        self.called(Call::Apply(apply), VerbResult::default())
    }

    async fn ask(&self, verb: Verb, ask: VerbRequest) -> Result<VerbResult, Refusal> {
        if verb == Verb::Start && ask.wait {
            let _given_up = self.waits.lock().unwrap().take();
            return std::future::pending().await;
        }
        self.called(Call::Ask(verb, ask), VerbResult::default()).await
    }

    fn scale(&self, scale: ScaleRequest) -> impl Answer<VerbResult> {
        self.called(Call::Scale(scale), VerbResult::default())
    }

    fn send(&self, send: SendRequest) -> impl Answer<Vec<SendReply>> {
        self.called(Call::Send(send), Vec::new())
    }

    fn logs(&self, select: Vec<String>, lines: usize, follow: bool, access: bool) -> impl Answer<LogTail> {
        let follows = follow.then(|| self.lines.subscribe());
        let tail = LogTail { lines: Vec::new(), follow: follows, concerns: Box::new(|line| line.job == "wanted") };
        self.called(Call::Logs { select, lines, follow, access }, tail)
    }

    fn events(&self, since: u64, last: usize) -> impl Answer<(Vec<Event>, Receiver<Event>)> {
        self.called(Call::Events { since, last }, (vec![event(1)], self.events.subscribe()))
    }

    fn shut_down(&self) -> impl Answer<()> {
        self.called(Call::ShutDown, ())
    }

    fn metrics(&self) -> impl Answer<String> {
        self.called(Call::Metrics, "sandhog_jobs 0\n".into())
    }
}

fn event(number: u64) -> Event {
    Event {
        number,
        at_ms: 0,
        job: None,
        instance: None,
        id: None,
        attempt: None,
        kind: EventKind::Ready,
        text: String::new(),
        verdict: None,
        message: None,
    }
}

/// A socket that is served, in a directory of its own.
struct Server {
    path: PathBuf,
    _directory: tempfile::TempDir,
    fake: Fake,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(30);
const CALM: Patience = Patience { head: LONG, body: LONG, read: LONG, follow: LONG, farewell: LONG };

/// Where a socket is to be, and what it goes with.
fn new_socket() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    (directory, path)
}

impl Server {
    fn start(patience: Patience) -> Self {
        let (directory, path) = new_socket();
        let (events, lines) = (broadcast::channel(4).0, broadcast::channel(4).0);
        let fake = Fake { calls: Arc::default(), events, lines, waits: Arc::default() };
        let (stop, stopped) = oneshot::channel();
        let listener = bind(&path).unwrap();
        let owner = rustix::process::geteuid().as_raw();
        let served = tokio::spawn(serve(listener, owner, fake.clone(), patience, async move {
            let _ = stopped.await;
        }));
        Self { path, _directory: directory, fake, stop: Some(stop), served }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).await.unwrap()
    }

    /// Sends this, and gives back all that comes until the server closes.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        rest(&mut stream).await
    }

    async fn get(&self, path: &str) -> String {
        self.say(request("GET", path, "").as_bytes()).await
    }

    async fn post(&self, path: &str, body: &str) -> String {
        self.say(request("POST", path, body).as_bytes()).await
    }

    fn calls(&self) -> Vec<Call> {
        self.fake.calls.lock().unwrap().clone()
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.served.await.unwrap();
        assert!(!self.path.exists(), "the socket's file goes with it");
    }
}

fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nhost: s\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

const KEPT: &str = "GET /v1/daemon HTTP/1.1\r\nhost: s\r\n\r\n";

async fn rest(stream: &mut UnixStream) -> String {
    let mut text = Vec::new();
    // A reset is an end, too: what came before it counts.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

/// One answer with a length, from a connection that stays.
async fn one(stream: &mut UnixStream) -> String {
    let mut text = Vec::new();
    loop {
        text.push(stream.read_u8().await.unwrap());
        if let Some(head) = text.strip_suffix(b"\r\n\r\n") {
            let head = String::from_utf8(head.to_vec()).unwrap();
            let (_, length) = head.split_once("content-length: ").unwrap();
            let mut body = vec![0; length.lines().next().unwrap().parse().unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            return format!("{head}\r\n\r\n{}", String::from_utf8(body).unwrap());
        }
    }
}

fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("{answer:?}"))[..3].parse().unwrap()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// The status, and what is wrong by the answer's body.
fn refusal(answer: &str) -> (u16, ErrorBody) {
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    (status(answer), serde_json::from_str(body(answer)).unwrap())
}

#[tokio::test]
async fn a_request_is_answered_in_json() {
    let server = Server::start(CALM);
    let answer = server.get("/v1/daemon").await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("content-type: application/json\r\n"));
    assert_eq!(serde_json::from_str::<Daemon>(body(&answer)).unwrap().version, "1.2.3");
    server.stop().await;
}

#[tokio::test]
async fn each_route_is_the_call_that_it_says() {
    let server = Server::start(CALM);
    server.get("/v1/jobs/a%2Fb%20%C3%A9").await;
    server.post("/v1/stop", r#"{"select":["a"],"wait":true}"#).await;
    server.post("/v1/signal", r#"{"select":["a"],"signal":"HUP"}"#).await;
    server.post("/v1/shutdown", "").await;
    server.get("/v1/logs?select=a&select=b%26&lines=7").await;
    server.get("/v1/events?since=18446744073709551615").await;
    let calls = server.calls();
    let ask = |select: &str, wait, signal: Option<&str>| sandhog_protocol::control::VerbRequest {
        select: vec![select.into()],
        wait,
        signal: signal.map(Into::into),
    };
    let expected = [
        Call::Job { name: "a/b é".into() },
        Call::Ask(Verb::Stop, ask("a", true, None)),
        Call::Ask(Verb::Signal, ask("a", false, Some("HUP"))),
        Call::ShutDown,
        Call::Logs { select: vec!["a".into(), "b&".into()], lines: 7, follow: false, access: false },
        Call::Events { since: u64::MAX, last: 0 },
    ];
    assert_eq!(calls, expected);
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_refused_with_what_is() {
    let server = Server::start(CALM);
    let (code, problem) = refusal(&server.get("/v1/instance").await);
    assert_eq!((code, problem.error.as_str()), (404, "there is nothing at /v1/instance"));
    assert_eq!(problem.hint.unwrap(), "do you mean /v1/instances? GET /v1/openapi.json has them all");
    for path in ["/", "/v2/daemon", "/v1/jobs/", "/v1/jobs/a/b", "/v1/daemon/", "//v1/daemon", "/v1/../v1/daemon"] {
        assert_eq!(refusal(&server.get(path).await).0, 404, "{path}");
    }
    let answer = server.post("/v1/daemon", "").await;
    assert_eq!(refusal(&answer).0, 405);
    assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    let answer = server.say(request("BREW", "/v1/stop", "").as_bytes()).await;
    assert!(status(&answer) == 405 && answer.contains("allow: POST\r\n"), "{answer}");
    let answer = server.say(request("HEAD", "/v1/stop", "").as_bytes()).await;
    assert!(status(&answer) == 405 && body(&answer).is_empty(), "{answer}");
    assert!(server.calls().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn head_is_answered_as_get_is_but_for_the_body() {
    let server = Server::start(CALM);
    let whole = server.get("/v1/daemon").await;
    let head = server.say(request("HEAD", "/v1/daemon", "").as_bytes()).await;
    let but_for_the_time = |answer: &str| {
        let lines = answer.split_once("\r\n\r\n").unwrap().0.lines().filter(|line| !line.starts_with("date: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(but_for_the_time(&head), but_for_the_time(&whole));
    assert_eq!(body(&head), "");
    // Nobody follows for a client that has no body to read.
    server.say(request("HEAD", "/v1/events?follow=true", "").as_bytes()).await;
    server.fake.events.closed().await;
    server.stop().await;
}

#[tokio::test]
async fn the_document_is_answered_as_it_is_kept() {
    let server = Server::start(CALM);
    let answer = server.get("/v1/openapi.json").await;
    assert!(answer.contains("content-type: application/json\r\n"), "{answer:.200}");
    assert_eq!(body(&answer), super::document::DOCUMENT);
    server.stop().await;
}

#[tokio::test]
async fn a_query_is_what_its_route_knows_and_nothing_else() {
    let server = Server::start(CALM);
    let long = format!("/v1/instances?select={}", "a".repeat(257));
    let many = format!("/v1/instances?{}", "select=a&".repeat(1001));
    let wrong = [
        ("/v1/instances?selcet=a", "the query has \"selcet\", which is not known here"),
        ("/v1/daemon?a", "the query has \"a\", which is not known here"),
        ("/v1/logs?lines=-1", "lines=-1 is no whole number from 0 to 10000"),
        ("/v1/logs?lines=+1", "lines=+1 is no whole number from 0 to 10000"),
        ("/v1/logs?lines=10001", "lines=10001 is no whole number from 0 to 10000"),
        ("/v1/logs?lines=1&lines=2", "the query has lines more than once"),
        ("/v1/logs?follow=yes", "follow=yes is neither true nor false"),
        ("/v1/instances?select=%zz", "\"%zz\" in the address has a % without two hexadecimal digits behind it"),
        ("/v1/instances?select=%f", "\"%f\" in the address has a % without two hexadecimal digits behind it"),
        ("/v1/jobs/%ff", "\"%ff\" in the address is not UTF-8"),
        ("/v1/instances?select=%1b%5b2J&x%1b=1", "the query has \"x\\\\u{1b}\", which is not known here"),
        (&long, "in the address is longer than 256 bytes"),
        (&many, "the query has more than 1000 selectors"),
    ];
    for (path, sentence) in wrong {
        let (status, problem) = refusal(&server.get(path).await);
        assert_eq!(status, 400, "{path}");
        assert!(problem.error.ends_with(sentence), "{}", problem.error);
    }
    assert!(server.calls().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_body_is_what_its_route_knows_and_nothing_else() {
    let server = Server::start(CALM);
    let deep = format!("{{\"jobs\":{}", "[".repeat(100_000));
    let wrong = [
        ("/v1/stop", "", "it is no JSON object"),
        ("/v1/stop", "[[\"a\"],true]", "it is no JSON object"),
        ("/v1/stop", "{", "EOF while parsing"),
        ("/v1/stop", "{\"select\":[]}", "nothing is selected"),
        ("/v1/send", "{}", "nothing is selected"),
        ("/v1/stop", "{\"selcet\":[\"a\"]}", "unknown field `selcet`, expected one of `select`, `wait`, `signal`"),
        ("/v1/stop", "{\"select\":[\"a\"]} x", "trailing characters"),
        ("/v1/stop", "{\"select\":[\"a\"],\"signal\":\"HUP\"}", "only /v1/signal takes"),
        ("/v1/signal", "{\"select\":[\"a\"]}", "has no signal"),
        ("/v1/apply", "{\"jobs\":[{\"name\":1}]}", "invalid type: integer `1`, expected a string"),
        ("/v1/apply", deep.as_str(), "invalid type: sequence, expected a string"),
        ("/v1/apply", "{\"\u{202e}\":1}", "unknown field `\\u{202e}`"),
        ("/v1/shutdown", "{\"now\":true}", "unknown field `now`"),
    ];
    for (path, body, sentence) in wrong {
        let (status, problem) = refusal(&server.post(path, body).await);
        assert_eq!(status, 400, "{path} {body:.80}");
        assert!(problem.error.contains(sentence), "{}", problem.error);
    }
    assert_eq!(refusal(&server.say(request("GET", "/v1/daemon", "{}").as_bytes()).await).0, 413);
    assert!(server.calls().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_http_1_1_is_refused() {
    let server = Server::start(CALM);
    let answer = server.say(b"GET /v1/daemon HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 505 "), "{answer}");
    for bytes in [b"\x00\x01\x02\x03\r\n\r\n".as_slice(), b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"] {
        assert_eq!(status(&server.say(bytes).await), 400);
    }
    // HTTP/2 with prior knowledge is hung up on.
    server.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(status(&server.get("/v1/daemon").await), 200);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = Server::start(CALM);
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(KEPT.as_bytes()).await.unwrap();
        assert_eq!(status(&one(&mut stream).await), 200);
    }
    // A refusal of what has been read to its end does not end it.
    stream.write_all(KEPT.replace("daemon", "demon").as_bytes()).await.unwrap();
    assert_eq!(status(&one(&mut stream).await), 404);
    stream.write_all(KEPT.repeat(2).as_bytes()).await.unwrap();
    assert_eq!((status(&one(&mut stream).await), status(&one(&mut stream).await)), (200, 200), "two at once");
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn two_hundred_connections_are_served_and_more_wait_for_their_turn() {
    let server = Server::start(CALM);
    let mut streams = Vec::new();
    for _ in 0..200 {
        streams.push(server.connect().await);
    }
    for stream in streams.iter_mut().rev() {
        stream.write_all(KEPT.as_bytes()).await.unwrap();
        assert_eq!(status(&one(stream).await), 200);
    }
    let more: Vec<_> = (0..100).map(|_| std::os::unix::net::UnixStream::connect(&server.path).unwrap()).collect();
    drop(streams);
    for stream in more {
        stream.set_nonblocking(true).unwrap();
        let mut stream = UnixStream::from_std(stream).unwrap();
        stream.write_all(KEPT.as_bytes()).await.unwrap();
        assert_eq!(status(&one(&mut stream).await), 200);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_fault_while_serving_one_ends_that_one_alone() {
    let server = Server::start(CALM);
    let mut other = server.connect().await;
    assert_eq!(server.get("/v1/jobs/panic").await, "");
    other.write_all(KEPT.as_bytes()).await.unwrap();
    assert_eq!(status(&one(&mut other).await), 200);
    drop(other);
    server.stop().await;
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_given_up() {
    let server = Server::start(CALM);
    let (sender, mut receiver) = mpsc::channel(1);
    *server.fake.waits.lock().unwrap() = Some(sender);
    let mut stream = server.connect().await;
    stream.write_all(request("POST", "/v1/start", r#"{"select":["a"],"wait":true}"#).as_bytes()).await.unwrap();
    drop(stream);
    assert_eq!(receiver.recv().await, None);
    server.stop().await;
}

#[tokio::test]
async fn idle_connections_do_not_keep_a_daemon_from_ending() {
    let server = Server::start(CALM);
    let mut stream = server.connect().await;
    stream.write_all(KEPT.as_bytes()).await.unwrap();
    one(&mut stream).await;
    let silent = server.connect().await;
    server.stop().await;
    assert_eq!(rest(&mut stream).await, "");
    drop(silent);
}

#[tokio::test]
async fn the_socket_is_the_persons_alone_and_a_stale_one_is_replaced() {
    let (_directory, path) = new_socket();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "it is left behind by one that was killed");
    let listener: Listener = bind(&path).unwrap();
    assert_eq!(std::fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(listener);
    assert!(!path.exists());
    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(bind(&path), Err(socket::Error::InTheWay(there)) if there == path));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn only_the_person_and_root_may_speak() {
    assert!(socket::may_speak(1000, 1000) && socket::may_speak(0, 1000));
    assert!(!socket::may_speak(1001, 1000) && !socket::may_speak(1000, 0) && !socket::may_speak(65_534, 1000));
}

#[tokio::test]
async fn numbers_are_text() {
    let server = Server::start(CALM);
    let answer = server.get("/metrics").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nsandhog_jobs 0\n"), "{answer}");
    server.stop().await;
}
