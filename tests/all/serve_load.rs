//! Services that are replaced, killed and scaled while fifty clients ask: no request fails but those inside of a worker that was
//! killed, and they are counted one by one.

use rustix::process::Signal;
use sandhog_harness::{
    Daemon, Service, alone,
    http::{
        Client, head,
        load::{Asking, Counts, Load},
    },
    module, process,
    service::{BY_PATH, Who, serve},
    until,
};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

const CLIENTS: usize = 50;

/// An address of this test run's own: the loopback network has as many as there are processes, and each its own ports.
pub(crate) fn own_address(port: u16) -> SocketAddr {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    (Ipv4Addr::new(127, 128 + b % 64, c, d), port).into()
}

/// Half of them keep their connections.
fn ask(to: SocketAddr, target: &str) -> [Asking; 2] {
    let load = |keep_alive| Load { to, clients: CLIENTS / 2, target: target.into(), keep_alive };
    [load(true), load(false)].map(|load| load.start())
}

/// Each kind of client goes on for so many requests.
fn go_on(asking: &[Asking; 2], requests: u64) {
    asking.iter().for_each(|asking| asking.goes_on(requests));
}

fn stop(asking: [Asking; 2]) -> [Counts; 2] {
    asking.map(Asking::stop)
}

/// A daemon with the job `web`, which listens.
fn daemon(port: u16, instances: u32) -> (Daemon, SocketAddr) {
    let (daemon, address) = (Daemon::start(), own_address(port));
    daemon.up_well(&manifest(BY_PATH, address, instances));
    (daemon, address)
}

fn manifest(guest: &str, address: SocketAddr, instances: u32) -> String {
    format!("[job.web]\nmodule = {:?}\ninstances = {instances}\nlisten = \"{address}\"\n", module(guest))
}

#[test]
fn ten_reloads_lose_no_request() {
    alone();
    let service = serve(&["-i", "2"], BY_PATH);
    let asking = ask(service.address, "/who");
    for _ in 0..10 {
        go_on(&asking, 50);
        let old = service.all_workers(2);
        service.running.signal(Signal::HUP);
        until("the old workers to be gone", || old.iter().all(|worker| !process::is_there(*worker)).then_some(()));
    }
    go_on(&asking, 50);
    let counts = stop(asking);
    counts.iter().for_each(Counts::all_ok);
    assert!(counts.iter().all(|counts| counts.ok >= 550), "{counts:?}");
    assert_eq!(service.end().code, 0);
}

#[test]
fn a_job_that_listens_is_reloaded_without_a_lost_request() {
    alone();
    let (daemon, address) = daemon(8101, 2);
    let asking = ask(address, "/");
    for _ in 0..3 {
        go_on(&asking, 50);
        daemon.well(&["reload", "web"]);
    }
    go_on(&asking, 50);
    stop(asking).iter().for_each(Counts::all_ok);
}

#[test]
fn a_service_that_is_scaled_up_and_down_loses_no_request() {
    alone();
    let (daemon, address) = daemon(8102, 1);
    let asking = ask(address, "/");
    for count in ["4", "2", "1", "3"] {
        go_on(&asking, 50);
        daemon.well(&["scale", "web", count]);
        assert_eq!(daemon.workers(), count.parse::<usize>().unwrap());
    }
    go_on(&asking, 50);
    stop(asking).iter().for_each(Counts::all_ok);
}

#[test]
fn a_reload_of_a_module_that_does_not_serve_leaves_the_old_one() {
    alone();
    let (daemon, address) = daemon(8103, 2);
    let asking = ask(address, "/");
    go_on(&asking, 50);
    std::fs::write(daemon.path("sandhog.toml"), manifest("hello", address, 2)).unwrap();
    let outcome = daemon.run(&["up"]);
    assert_ne!(outcome.code, 0, "{outcome:#?}");
    go_on(&asking, 50);
    stop(asking).iter().for_each(Counts::all_ok);
}

#[test]
fn five_kills_lose_the_requests_of_the_killed_workers_and_no_others() {
    alone();
    let service =
        serve(&["-i", "2", "--backoff-first", "10ms", "--backoff-max", "50ms", "--intensity-restarts", "100"], BY_PATH);
    let asking = ask(service.address, "/");
    for _ in 0..5 {
        go_on(&asking, 100);
        let workers = service.all_workers(2);
        // In the middle of an answer over each connection that it has: what is in it is what is lost.
        let mut held = hold(&service);
        let whole = finish_after_the_death_of(workers[0], &service, &mut held);
        assert!((1..held.len()).contains(&whole), "{whole} of {} are whole", held.len());
    }
    go_on(&asking, 100);
    // Of those who ask: at most what a killed worker had, one request of each client.
    for counts in stop(asking) {
        assert!(counts.other.is_empty() && counts.refused == 0, "{counts:?}");
        assert!(counts.failed.len() as u64 + counts.crossed <= 5 * (CLIENTS as u64 / 2), "{counts:?}");
    }
}

/// Connections with a request inside of a worker, and in which one: of each worker at least two.
fn hold(service: &Service) -> Vec<(Who, Client)> {
    let mut held = Vec::new();
    until("both workers to have some", || {
        let mut client = service.client();
        let who = Who::of(&client.get("/who").unwrap().expect(200));
        client.send(head("POST", "/echo", &[], 3)).unwrap();
        client.send("a").unwrap();
        client.wait_for_some().unwrap();
        held.push((who, client));
        let mut of_each = BTreeMap::new();
        held.iter().for_each(|(who, _)| *of_each.entry(&who.attempt).or_insert(0) += 1);
        (of_each.len() == 2 && of_each.values().all(|count| *count >= 2)).then_some(())
    });
    held
}

/// Kills the worker, sends the rest, and gives the number of whole answers. All of one attempt fare alike.
fn finish_after_the_death_of(worker: u32, service: &Service, held: &mut [(Who, Client)]) -> usize {
    Service::kill(worker);
    let mut fates: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (who, client) in held.iter_mut() {
        let _ = client.send("bc");
        let is_whole = client.answer().is_ok_and(|answer| answer.body == b"abc");
        let (whole, lost) = fates.entry(who.attempt.clone()).or_default();
        if is_whole { *whole += 1 } else { *lost += 1 }
    }
    assert!(fates.values().all(|(whole, lost)| *whole == 0 || *lost == 0), "{fates:?}");
    until("the worker to be gone", || (!process::is_there(worker)).then_some(()));
    service.goes_on();
    fates.values().map(|(whole, _)| whole).sum()
}
