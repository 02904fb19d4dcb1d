//! Jobs under a daemon that have a process for each connection: what people see of them, and what outlives a process, a reload, a
//! pool.

use crate::serve_load::own_address;
use rustix::process::Signal;
use sandhog_harness::{
    Daemon,
    http::{
        Client, head,
        load::{Counts, Load},
    },
    module, process,
    service::{BY_PATH, Who},
    until,
};
use sandhog_protocol::control::{Instance, Phase};
use std::collections::BTreeSet;
use std::net::SocketAddr;

fn job(address: SocketAddr, lines: &str) -> String {
    format!("[job.web]\nmodule = {:?}\nlisten = \"{address}\"\nisolation = \"process\"\n{lines}\n", module(BY_PATH))
}

fn web(port: u16, lines: &str) -> (Daemon, SocketAddr) {
    let (daemon, address) = (Daemon::start(), own_address(port));
    daemon.up_well(&job(address, lines));
    (daemon, address)
}

fn who(client: &mut Client) -> Who {
    Who::of(&client.get("/who").unwrap().expect(200))
}

fn get(address: SocketAddr) -> Who {
    who(&mut Client::connect(address).unwrap())
}

#[test]
fn each_connection_has_a_process_of_its_own_and_the_instance_stays() {
    let (daemon, address) = web(8131, "instances = 2");
    let before = daemon.instance("web").attempt.unwrap();
    let attempts: BTreeSet<String> = (0..6).map(|_| get(address).attempt).collect();
    assert_eq!(attempts.len(), 6);
    let mut client = Client::connect(address).unwrap();
    assert_eq!(who(&mut client).attempt, who(&mut client).attempt);
    let known: BTreeSet<String> = daemon.instances().into_iter().map(|it| it.attempt.unwrap()).collect();
    assert!(known.contains(&before) && known.is_disjoint(&attempts), "{known:?} {attempts:?}");
    let requests = until("all to be counted", || {
        let all: Vec<_> = daemon.instances().into_iter().filter_map(|it| it.requests).collect();
        (all.iter().map(|requests| requests.total).sum::<u64>() == 8).then_some(all)
    });
    assert_eq!(requests.len(), 2);
    assert_eq!(daemon.json(&["show", "web"])["serving"]["requests"]["total"], 8);
    let instance = daemon.instance("web");
    assert_eq!((instance.restarts, instance.phase), (0, Phase::Running));
    let lines = until("a line of each request", || {
        Some(daemon.json_lines(&["logs", "web", "--access"])).filter(|lines| lines.len() == 8)
    });
    assert!(attempts.iter().all(|attempt| lines.iter().any(|line| line["attempt"] == attempt.as_str())), "{lines:?}");
}

#[test]
fn as_many_connections_are_served_at_once_as_there_are_instances() {
    let (daemon, address) = web(8132, "instances = 2");
    let mut held: Vec<Client> = (0..2).map(|_| Client::connect(address).unwrap()).collect();
    held.iter_mut().for_each(|client| drop(who(client)));
    let mut third = Client::connect(address).unwrap();
    third.send(head("GET", "/who", &[], 0)).unwrap();
    until("the third to wait", || (daemon.json(&["show", "web"])["serving"]["waiting"] == 1).then_some(()));
    daemon.well(&["scale", "web", "3"]);
    assert_eq!(third.answer().unwrap().status, 200);
    // Down again: whoever has a connection finishes it.
    daemon.well(&["scale", "web", "1"]);
    drop((held, third));
    get(address);
}

#[test]
fn the_process_of_a_connection_is_shown_while_it_is_there() {
    let (daemon, address) = web(8133, "");
    let mut client = Client::connect(address).unwrap();
    who(&mut client);
    // No event says so: it is looked at.
    let instance =
        |is: fn(&Instance) -> bool| until("the instance to be so", || Some(daemon.instance("web")).filter(is));
    let shown = instance(|it| it.pid.is_some() && it.memory_bytes.is_some());
    assert!(process::is_there(shown.pid.unwrap()));
    client.send(head("POST", "/echo", &[], 3)).unwrap();
    client.send("a").unwrap();
    client.wait_for_some().unwrap();
    client.send("bc").unwrap();
    client.answer().unwrap();
    instance(|it| it.requests.is_some_and(|requests| requests.total == 2 && requests.in_flight == 0));
}

#[test]
fn a_process_that_dies_is_an_event_and_no_restart() {
    let (daemon, address) = web(8134, "");
    let mut client = Client::connect(address).unwrap();
    let lost = who(&mut client).attempt;
    let pid = until("its process", || daemon.instance("web").pid);
    process::send(pid, Signal::KILL);
    let event = daemon.until_event("web", "request-failed", 1);
    assert!(event.text.starts_with("the process of a connection has ended: "), "{}", event.text);
    assert_eq!(event.attempt.as_deref(), Some(lost.as_str()));
    assert!(client.is_closed());
    assert_ne!(get(address).attempt, lost);
    assert_eq!(daemon.instance("web").restarts, 0, "{}", daemon.story());
}

#[test]
fn a_request_that_traps_is_an_event_with_the_attempt_of_its_process() {
    let (daemon, address) = web(8135, "");
    assert_eq!(Client::connect(address).unwrap().get("/trap").unwrap().status, 500);
    let event = daemon.until_event("web", "request-failed", 1);
    assert!(event.text.starts_with("request 1 failed: GET /trap: trapped: "), "{}", event.text);
    assert_ne!(event.attempt, daemon.instance("web").attempt);
}

#[test]
fn what_processes_write_is_in_the_log_of_the_job() {
    let (daemon, address) = web(8136, "");
    Client::connect(address).unwrap().get("/says").unwrap().expect(200);
    let lines = until("a line", || {
        let lines = daemon.json_lines(&["logs", "web"]);
        lines.into_iter().find(|line| line["text"] == "said on stderr")
    });
    assert_eq!(lines["stream"], "err");
}

#[test]
fn reloads_and_scaling_lose_no_request() {
    let (daemon, address) = web(8137, "instances = 2");
    let asking = Load { to: address, clients: 8, target: "/who".into(), keep_alive: false }.start();
    for _ in 0..3 {
        asking.goes_on(40);
        let before = daemon.instance("web").attempt;
        daemon.well(&["reload", "web"]);
        assert_ne!(daemon.instance("web").attempt, before);
    }
    for count in ["4", "1", "2"] {
        asking.goes_on(40);
        daemon.well(&["scale", "web", count]);
    }
    asking.goes_on(40);
    Counts::all_ok(&asking.stop());
    daemon.well(&["down", "web"]);
    until("no process to be left", || (daemon.workers() == 0).then_some(()));
}

#[test]
fn a_module_that_does_not_serve_leaves_the_old_one() {
    let (daemon, address) = web(8138, "");
    let before = daemon.instance("web").attempt;
    std::fs::write(daemon.path("sandhog.toml"), job(address, "").replace(&module(BY_PATH), &module("hello"))).unwrap();
    let outcome = daemon.run(&["up"]);
    assert_ne!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stderr.contains("is a program, which runs once"), "{outcome:#?}");
    get(address);
    assert_eq!(daemon.instance("web").attempt, before);
}

#[test]
fn a_stop_lets_a_request_end() {
    let (daemon, address) = web(8140, "");
    let mut client = Client::connect(address).unwrap();
    client.send(head("POST", "/echo", &[], 6)).unwrap();
    client.send("abc").unwrap();
    client.wait_for_some().unwrap();
    daemon.well(&["stop", "web", "--no-wait"]);
    until("the port to be closed", || Client::connect(address).is_err().then_some(()));
    client.send("def").unwrap();
    assert_eq!(client.answer().unwrap().body, b"abcdef");
    let ended = daemon.until_event("web", "ended", 1);
    assert!(ended.text.contains("stopped"), "{}", ended.text);
}

#[test]
fn with_a_heartbeat_it_is_refused_for_no_process_lives_on() {
    let daemon = Daemon::start();
    let outcome = daemon.up(&job(own_address(8139), "health.heartbeat = \"1s\""));
    assert_ne!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stderr.contains("no process lives on between two connections"), "{outcome:#?}");
}
