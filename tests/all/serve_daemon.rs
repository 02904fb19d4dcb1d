//! Jobs that listen, kept up by a daemon: who has the port and when, what is told of requests, and what outlives a worker, a
//! reload, a daemon.

use crate::serve_load::own_address;
use rustix::process::Signal;
use sandhog_harness::{
    Command, Daemon, Outcome,
    http::{Client, head},
    module, process,
    service::{BY_PATH, Who},
    until,
};
use sandhog_protocol::control::{Event, Phase, Requests};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};

/// A job that does as the path says, listening here, with further lines.
fn job(name: &str, address: SocketAddr, lines: &str) -> String {
    format!(
        "[job.{name}]\nmodule = {:?}\nlisten = \"{address}\"\nbackoff.first = \"10ms\"\nbackoff.max = \"50ms\"\n{lines}\n",
        module(BY_PATH)
    )
}

/// A daemon with the job `web`.
fn web(port: u16, lines: &str) -> (Daemon, SocketAddr) {
    let (daemon, address) = (Daemon::start(), own_address(port));
    daemon.up_well(&job("web", address, lines));
    (daemon, address)
}

fn get(address: SocketAddr, target: &str) -> String {
    Client::connect(address).unwrap().get(target).unwrap().expect(200)
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err()
}

pub(crate) fn until_refused(address: SocketAddr) {
    until("the port to be closed", || is_refused(address).then_some(()));
}

/// The attempts that answer, once each of so many has.
fn attempts(address: SocketAddr, count: usize) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    until("each instance to answer", || {
        seen.insert(Who::of(&get(address, "/who")).attempt);
        (seen.len() == count).then_some(())
    });
    seen
}

fn kill(pid: u32) {
    process::send(pid, Signal::KILL);
}

/// Failed, with these words on stderr.
#[track_caller]
fn fails(outcome: &Outcome, words: &[&str]) {
    assert_ne!(outcome.code, 0, "{outcome:#?}");
    for word in words {
        assert!(outcome.stderr.contains(word) || outcome.text().contains(word), "no {word:?}: {outcome:#?}");
    }
}

fn texts(events: &[Event], kind: &str) -> Vec<String> {
    events.iter().filter(|event| event.kind.as_str() == kind).map(|event| event.text.clone()).collect()
}

/// What is told of an instance's requests, as soon as it is so.
fn until_requests(daemon: &Daemon, name: &str, is: impl Fn(&Requests) -> bool) -> Requests {
    until("the requests to be counted", || daemon.instance(name).requests.filter(|requests| is(requests)))
}

#[test]
fn instances_of_a_job_answer_behind_one_port() {
    let (daemon, address) = web(8201, "instances = 2");
    let attempts = attempts(address, 2);
    let known: BTreeSet<String> = daemon.instances().into_iter().map(|it| it.attempt.unwrap()).collect();
    assert_eq!(attempts, known);
    assert_eq!(daemon.workers(), 2);
    assert_eq!(texts(&daemon.events(), "listening"), [format!("listens at {address}")]);
    let sent = daemon.run(&["send", "web", "1"]);
    fails(&sent, &["not sent: it serves HTTP, and reads no messages"]);
}

#[test]
fn a_port_is_open_as_long_as_something_of_its_job_is_up() {
    let (daemon, address) = web(8202, "instances = 2");
    daemon.well(&["stop", "web/0"]);
    get(address, "/");
    daemon.well(&["stop", "web"]);
    until_refused(address);
    assert_eq!(daemon.json(&["show", "web"])["serving"]["address"], Value::Null);
    daemon.well(&["start", "web"]);
    get(address, "/");
    daemon.well(&["scale", "web", "0"]);
    until_refused(address);
    daemon.well(&["scale", "web", "1"]);
    get(address, "/");
    daemon.well(&["restart", "web"]);
    get(address, "/");
    daemon.well(&["down", "web"]);
    until_refused(address);
    let told = texts(&daemon.events(), "closed");
    assert_eq!(told, vec![format!("no longer listens at {address}"); 2], "{}", daemon.story());
}

#[test]
fn a_job_that_is_given_up_leaves_its_port() {
    let (daemon, address) = web(8203, "intensity.restarts = 0\nintensity.within = \"1h\"");
    kill(daemon.instance("web").pid.unwrap());
    daemon.until_phase("web", Phase::Failed);
    until_refused(address);
    daemon.well(&["restart", "web"]);
    get(address, "/");
}

#[test]
fn a_worker_that_is_killed_takes_its_own_requests_along_and_another_one_comes() {
    let (daemon, address) = web(8204, "instances = 2");
    attempts(address, 2);
    // In the middle of a body: some in either worker.
    let mut held: Vec<(Who, Client)> = (0..10)
        .map(|_| {
            let mut client = Client::connect(address).unwrap();
            let who = Who::of(&client.get("/who").unwrap().expect(200));
            client.send(head("POST", "/echo", &[], 3)).unwrap();
            client.send("a").unwrap();
            client.wait_for_some().unwrap();
            (who, client)
        })
        .collect();
    let victim = daemon.instance("web");
    kill(victim.pid.unwrap());
    let is_lost = |who: &Who| Some(&who.attempt) == victim.attempt.as_ref();
    for (who, client) in &mut held {
        let _ = client.send("bc");
        assert_eq!(client.answer().is_err(), is_lost(who), "{who:?}");
    }
    let lost = held.iter().filter(|(who, _)| is_lost(who)).count();
    assert!((1..10).contains(&lost), "{lost} of 10");
    let next = daemon
        .until_instance("another attempt", "web", |it| it.phase == Phase::Running && it.attempt != victim.attempt);
    assert_eq!(next.restarts, 1);
    // Whoever has the fewest connections gets the next one.
    drop(held);
    attempts(address, 2);
}

#[test]
fn the_daemon_that_comes_after_a_kill_serves_again_at_the_same_port() {
    let (mut daemon, address) = web(8205, "instances = 2");
    get(address, "/");
    daemon.kill();
    until_refused(address);
    daemon.start_again();
    daemon.until_phase("web", Phase::Running);
    daemon.until_phase("web/1", Phase::Running);
    attempts(address, 2);
    daemon.stop();
    assert!(is_refused(address));
    daemon.start_again();
    daemon.until_phase("web", Phase::Running);
    get(address, "/");
}

#[test]
fn a_port_that_is_taken_is_an_error_of_up_and_of_start() {
    let (daemon, address) = (Daemon::start(), own_address(8206));
    let taken = TcpListener::bind(address).unwrap();
    let outcome = daemon.up(&job("web", address, ""));
    fails(&outcome, &["the job web", "is taken: another program listens there"]);
    assert!(daemon.instances().is_empty(), "{}", daemon.story());
    drop(taken);
    daemon.well(&["up"]);
    get(address, "/");
    daemon.well(&["stop", "web"]);
    until_refused(address);
    let _taken = TcpListener::bind(address).unwrap();
    fails(&daemon.run(&["start", "web"]), &["web", "is taken: another program listens there"]);
    fails(&daemon.run(&["scale", "web", "2"]), &["web", "is taken: another program listens there"]);
    assert_eq!(daemon.instance("web").phase, Phase::Stopped, "{}", daemon.story());
}

#[test]
fn a_daemon_that_finds_its_port_taken_tries_again_until_it_is_free() {
    let (mut daemon, address) = web(8207, "intensity.restarts = 10000");
    daemon.kill();
    until_refused(address);
    let taken = TcpListener::bind(address).unwrap();
    daemon.start_again();
    let ended = daemon.until_event("web", "ended", 2);
    assert!(ended.text.contains("is taken: another program listens there"), "{}", ended.text);
    drop(taken);
    daemon.until_phase("web", Phase::Running);
    get(address, "/");
}

#[test]
fn another_address_is_there_before_the_old_one_goes_and_one_that_is_taken_changes_nothing() {
    let (daemon, address) = web(8208, "");
    let other = own_address(8209);
    let taken = TcpListener::bind(other).unwrap();
    fails(&daemon.up(&job("web", other, "")), &["is taken"]);
    get(address, "/");
    drop(taken);
    daemon.up_well(&job("web", other, ""));
    get(other, "/");
    until_refused(address);
    assert_eq!(texts(&daemon.events(), "listening").len(), 2);
}

#[test]
fn two_jobs_never_have_one_port_but_one_may_have_it_after_the_other() {
    let (daemon, address) = web(8210, "");
    let both = [job("web", address, ""), job("api", address, "")].concat();
    fails(&daemon.up(&both), &["the job web has this address", "each needs its own"]);
    let swapped = own_address(8211);
    daemon.up_well(&[job("web", address, ""), job("api", swapped, "")].concat());
    // Each takes the other one's; nobody is refused meanwhile, which a new socket could not promise.
    daemon.up_well(&[job("web", swapped, ""), job("api", address, "")].concat());
    let attempt = |name: &str| daemon.instance(name).attempt.unwrap();
    until("the new attempts to answer", || {
        let by = [swapped, address].map(|address| Who::of(&get(address, "/who")).attempt);
        (by == [attempt("web"), attempt("api")]).then_some(())
    });
    // A job by another name is another job.
    daemon.up_well(&job("renamed", address, ""));
    assert_eq!(Who::of(&get(address, "/who")).attempt, attempt("renamed"));
    until_refused(swapped);
}

#[test]
fn a_job_may_listen_where_it_is_free() {
    let daemon = Daemon::start();
    let any = "127.0.0.1:0".parse().unwrap();
    daemon.up_well(&[job("web", any, ""), job("api", any, "")].concat());
    let at = |name: &str| {
        let show = daemon.json(&["show", name]);
        show["serving"]["address"].as_str().unwrap().parse::<SocketAddr>().unwrap()
    };
    assert_ne!(at("web"), at("api"));
    let before = at("web");
    get(before, "/");
    // The same manifest is the same address.
    daemon.well(&["up"]);
    daemon.well(&["reload", "web"]);
    assert_eq!(at("web"), before);
}

#[test]
fn a_request_that_fails_is_an_event_and_many_are_counted() {
    let (daemon, address) = web(8212, "request_timeout = \"300ms\"");
    let status = |target: &str| Client::connect(address).unwrap().get(target).unwrap().status;
    assert_eq!(status("/trap"), 500);
    let event = daemon.until_event("web", "request-failed", 1);
    assert!(event.text.starts_with("request 1 failed: GET /trap: trapped: "), "{}", event.text);
    assert_eq!(event.attempt, daemon.instance("web").attempt);
    assert_eq!(status("/hang"), 504);
    let event = daemon.until_event("web", "request-failed", 2);
    assert_eq!(event.text, "request 2 failed: GET /hang: deadline: more than 300ms");
    for _ in 0..100 {
        assert_eq!(status("/trap"), 500);
    }
    let counted = |events: &[Event]| -> u64 {
        let texts = texts(events, "request-failed");
        let more =
            texts.iter().filter_map(|text| text.split_once(" more failed")?.0.split(' ').next()?.parse::<u64>().ok());
        let one_by_one = texts.iter().filter(|text| !text.contains(" more failed")).count() as u64;
        more.sum::<u64>() + one_by_one
    };
    daemon.until("all to be told", |events| (counted(events) == 102).then_some(()));
    let requests = until_requests(&daemon, "web", |requests| requests.total == 102);
    assert_eq!(requests.errors, 102);
    assert_eq!(daemon.instance("web").phase, Phase::Running, "a request is not its worker");
}

#[test]
fn requests_are_counted_shown_and_written_down() {
    let (daemon, address) = web(8213, "");
    for target in ["/", "/status?code=404", "/a%20b"] {
        let _ = Client::connect(address).unwrap().get(target).unwrap();
    }
    let requests = until_requests(&daemon, "web", |requests| requests.total == 3);
    assert!(requests.p50_us.is_some() && requests.errors == 0 && requests.in_flight == 0, "{requests:?}");
    let ps = daemon.well(&["ps"]).text().to_owned();
    assert!(ps.lines().next().unwrap().contains("REQ/S  "), "{ps}");
    let show = daemon.json(&["show", "web"]);
    let serving = &show["serving"];
    assert_eq!(serving["address"], address.to_string());
    assert_eq!((&serving["requests"]["total"], &serving["by_status"][3]), (&Value::from(3), &Value::from(1)));
    assert!(daemon.well(&["show", "web"]).text().contains(&format!("http://{address}/")));
    let lines =
        until("three lines", || Some(daemon.json_lines(&["logs", "web", "--access"])).filter(|lines| lines.len() == 3));
    assert!(lines.iter().all(|line| line["stream"] == "access"));
    let text = lines[1]["text"].as_str().unwrap();
    assert!(text.contains("\"GET /status?code=404 HTTP/1.1\" 404 ") && text.starts_with("127."), "{text}");
    // What the job has written is elsewhere.
    assert!(daemon.json_lines(&["logs", "web"]).iter().all(|line| line["stream"] == "sandhog"));
}

#[test]
fn a_job_whose_log_begins_at_error_has_lines_about_requests_that_failed_and_no_others() {
    let (daemon, address) = web(8214, "log = \"error\"");
    get(address, "/");
    let _ = Client::connect(address).unwrap().get("/trap").unwrap();
    let lines =
        until("a line", || Some(daemon.json_lines(&["logs", "web", "--access"])).filter(|lines| !lines.is_empty()));
    assert_eq!(lines.len(), 1);
    assert!(lines[0]["text"].as_str().unwrap().contains("\"GET /trap HTTP/1.1\" 500 "), "{lines:?}");
}

/// The value of a metric with exactly these labels.
fn metric(text: &str, line: &str) -> Option<f64> {
    text.lines().find_map(|other| other.strip_prefix(line)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn numbers_are_on_the_control_socket_and_on_an_address_that_was_asked_for() {
    let (mut daemon, address) = web(8215, "instances = 2");
    get(address, "/");
    let requests = "sandhog_http_requests_total{job=\"web\",code=\"2xx\"}";
    let text = until("the request to be counted", || {
        Some(daemon.get("/metrics").expect(200)).filter(|text| metric(text, requests) == Some(1.0))
    });
    let group = daemon.instance("web").group;
    let of = |name: &str, instance: u32| {
        format!("sandhog_instance_{name}{{group=\"{group}\",job=\"web\",instance=\"{instance}\"}}")
    };
    for (line, value) in [
        ("sandhog_jobs".to_owned(), 1.0),
        (of("up", 1), 1.0),
        (of("restarts_total", 0), 0.0),
        ("sandhog_http_workers{job=\"web\"}".to_owned(), 2.0),
    ] {
        assert_eq!(metric(&text, &line), Some(value), "{line}: {text}");
    }
    let memory = metric(&text, &of("memory_bytes", 0));
    assert!(memory.is_some_and(|bytes| bytes > 1e5), "{text}");
    daemon.stop();
    let metrics = own_address(8216);
    let running = daemon.command(&["daemon", "--metrics", &metrics.to_string()]).start();
    running.stderr.until_has("sandhog: ready, at ");
    assert!(running.stderr.so_far().windows(8).any(|text| text == b"metrics "));
    let answer = Client::connect(metrics).unwrap().get("/metrics").unwrap();
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(metric(&answer.expect(200), "sandhog_jobs"), Some(1.0));
    assert_eq!(Client::connect(metrics).unwrap().get("/v1/daemon").unwrap().status, 404);
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code, 0);
    until_refused(metrics);
}

#[test]
fn an_address_that_the_daemon_took_at_its_start_is_a_jobs_only_while_that_is_up() {
    let (mut daemon, address) = (Daemon::start(), own_address(8217));
    daemon.stop();
    let running = daemon.command(&["daemon", "--listen", &address.to_string()]).start();
    running.stderr.until_has("sandhog: ready, at ");
    assert!(is_refused(address));
    daemon.up_well(&job("web", address, ""));
    get(address, "/");
    daemon.well(&["stop", "web"]);
    until_refused(address);
    assert!(TcpListener::bind(address).is_err() || is_refused(address));
    daemon.well(&["start", "web"]);
    get(address, "/");
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code, 0);
    assert!(is_refused(address));
}

#[test]
fn an_address_that_the_daemon_can_not_have_is_said_at_its_start() {
    let taken = TcpListener::bind(own_address(8218)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--metrics"] {
        let outcome = Command::sandhog(["daemon", flag, &address]).run();
        fails(&outcome, &["is taken: another program listens there"]);
    }
    fails(&Command::sandhog(["daemon", "--metrics", "9100"]).run(), &["127.0.0.1:PORT"]);
}

#[test]
fn the_port_is_held_by_the_daemon_alone() {
    let (daemon, address) = web(8219, "");
    let below = process::descendants(daemon.pid());
    // Whoever holds a listener could shut it down for all, and keep it open.
    kill(daemon.instance("web").pid.unwrap());
    daemon.until_instance("another attempt", "web", |it| it.phase == Phase::Running && it.restarts == 1);
    assert!(!below.is_empty());
    get(address, "/");
    daemon.well(&["stop", "web"]);
    until_refused(address);
    // One that a process below it had would listen on.
    TcpListener::bind(address).unwrap();
}
