//! Workers that are asked whether they are well: by `sandhog serve`, and under a daemon.

use crate::serve_load::own_address;
use rustix::process::Signal;
use sandhog_harness::{
    Daemon,
    http::Client,
    module, process,
    service::{BY_PATH, Who, command, serve},
    until,
};
use sandhog_protocol::control::Phase;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;

const QUICK: &[&str] = &["--health-interval", "20ms", "--backoff-first", "10ms", "--backoff-max", "50ms"];

fn flags<'a>(path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    ["--health-path", path].iter().chain(QUICK).chain(more).copied().collect()
}

fn manifest(address: SocketAddr, health: &str) -> String {
    format!(
        "[job.web]\nmodule = {:?}\nlisten = \"{address}\"\nbackoff.first = \"10ms\"\nbackoff.max = \"50ms\"\n\
         health = {{ interval = \"20ms\", {health} }}\n",
        module(BY_PATH)
    )
}

fn who(address: SocketAddr) -> Who {
    Who::of(&Client::connect(address).unwrap().get("/who").unwrap().expect(200))
}

#[test]
fn a_worker_that_answers_well_is_ready_and_its_questions_are_no_requests() {
    let service = serve(&flags("/healthz", &["--isolation", "reuse", "--access-log", "common"]), BY_PATH);
    // Each question is a request of its guest's as well. One that meets another request makes a second guest.
    let mut own = BTreeMap::<String, u64>::new();
    until("ten questions", || {
        let Who { instance, served, .. } = service.who();
        let own = own.entry(instance).or_default();
        *own += 1;
        (served > *own + 10).then_some(())
    });
    let outcome = service.end();
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let text = String::from_utf8(outcome.stdout).unwrap();
    assert!(text.contains("\"GET /who HTTP/1.1\" 200") && !text.contains("/healthz"), "{text}");
}

#[test]
fn a_worker_that_does_not_answer_well_is_never_ready() {
    for path in ["/status?code=503", "/trap", "/hang", "/never"] {
        let times = ["--health-timeout", "100ms", "--start-timeout", "500ms", "--intensity-restarts", "1"];
        let outcome = command(&["--listen", "127.0.0.1:0"], &flags(path, &times), BY_PATH).run();
        assert_eq!(outcome.code, 125, "{path}: {outcome:#?}");
        assert!(outcome.stderr.contains("it was not ready in time"), "{path}: {outcome:#?}");
        assert!(!outcome.stderr.contains("serving on"), "{path}: {outcome:#?}");
    }
}

#[test]
fn a_worker_that_answers_no_more_is_killed_and_another_one_takes_its_place() {
    // One worker of one request at a time: a request that hangs is in the way of the next question.
    let more = ["--health-timeout", "50ms", "--concurrency", "1", "--request-timeout", "none", "--isolation", "reuse"];
    let service = serve(&flags("/healthz", &more), BY_PATH);
    let before = service.who().attempt;
    let mut hangs = service.client();
    hangs.send(sandhog_harness::http::head("GET", "/hang", &[], 0)).unwrap();
    service.running.stderr.until_has("is unhealthy: it did not answer the request of its health check well");
    until("another worker", || {
        (service.get("/who").ok()?.status == 200 && service.who().attempt != before).then_some(())
    });
    assert!(hangs.is_closed());
}

#[test]
fn a_reload_of_a_worker_that_is_not_well_leaves_the_old_one_and_gives_the_new_one_no_client() {
    let (daemon, address) = (Daemon::start(), own_address(8121));
    daemon.up_well(&manifest(address, "path = \"/healthz\""));
    let before = who(address);
    let broken = manifest(address, "path = \"/status?code=500\", timeout = \"1s\"") + "start_timeout = \"500ms\"\n";
    std::fs::write(daemon.path("sandhog.toml"), broken + "env = [\"NEW=1\"]\n").unwrap();
    let outcome = daemon.run(&["up"]);
    assert_ne!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stderr.contains("is not replaced: the new attempt was unhealthy"), "{outcome:#?}");
    assert_eq!(who(address).attempt, before.attempt);
    // The one that is well takes its place.
    daemon.up_well(&(manifest(address, "path = \"/healthz\"") + "env = [\"NEW=2\"]\n"));
    until("the new one", || (who(address).attempt != before.attempt).then_some(()));
}

#[test]
fn under_a_daemon_a_job_that_answers_no_more_is_unhealthy_by_its_verdict() {
    let (daemon, address) = (Daemon::start(), own_address(8122));
    let lines = "concurrency = 1\nrequest_timeout = \"none\"\nisolation = \"reuse\"\n";
    daemon.up_well(&(manifest(address, "path = \"/healthz\", timeout = \"50ms\"") + lines));
    let before = daemon.instance("web").attempt;
    let mut hangs = Client::connect(address).unwrap();
    hangs.send(sandhog_harness::http::head("GET", "/hang", &[], 0)).unwrap();
    let ended = daemon.until_event("web", "ended", 1);
    assert_eq!(serde_json::to_value(&ended.verdict).unwrap()["check"], Value::from("request"), "{ended:?}");
    daemon.until_instance("another attempt", "web", |it| it.phase == Phase::Running && it.attempt != before);
    assert_eq!(daemon.json(&["show", "web"])["serving"]["requests"]["total"], 0, "questions are no requests");
}

#[test]
fn what_can_not_be_asked_is_refused_with_why() {
    for (flags, words) in [
        (&["--health-path", "healthz"][..], "health.path \"healthz\": not a path such as /healthz"),
        (&["--health-path", "/a b"], "health.path \"/a b\": not a path such as /healthz"),
        (&["--health-path", "/", "--isolation", "process"], "no process lives on between two connections"),
        (&["--health-timeout", "1s"], "there is no check"),
    ] {
        let outcome = command(&["--listen", "127.0.0.1:0"], flags, BY_PATH).run();
        assert_eq!(outcome.code, 126, "{flags:?}: {outcome:#?}");
        assert!(outcome.stderr.contains(words), "{flags:?}: {outcome:#?}");
    }
    let daemon = Daemon::start();
    let both = "path = \"/healthz\", command = [\"check.wasm\"]";
    let outcome = daemon.up(&manifest(own_address(8123), both));
    assert!(outcome.stderr.contains("a job has one check beside its heartbeats"), "{outcome:#?}");
}

#[test]
fn a_worker_that_takes_too_much_memory_is_replaced() {
    let service = serve(&["--isolation", "reuse", "--memory", "256MiB", "--recycle-memory", "64MiB"], BY_PATH);
    let [worker] = service.workers()[..] else { panic!("{:?}", service.workers()) };
    let before = service.who().attempt;
    let _ = service.get("/keep?mib=100");
    until("the worker to be gone", || (!process::is_there(worker)).then_some(()));
    assert_ne!(service.who().attempt, before);
    service.running.signal(Signal::TERM);
    let outcome = service.running.wait();
    assert!(outcome.stderr.contains("of memory") || outcome.stderr.contains("MiB and is replaced"), "{outcome:#?}");
}
