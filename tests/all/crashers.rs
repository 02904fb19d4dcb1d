//! Jobs that crash at once, and again and again: what they cost the daemon stays bounded, and in the end they are given up.

use sandhog_harness::{
    DEADLINE, Daemon, Seen, module,
    process::{all_cpu_ticks, descriptors, resident_bytes},
    until,
};
use sandhog_protocol::control::Phase;
use serde_json::{Value, json};
use std::time::Instant;

const CRASHERS: usize = 40;

/// CPU time of the daemon itself for a restart, in ticks of a hundredth of a second: measured is a tenth of one. It does
/// not depend on what else the machine does, for that is no time of the daemon's.
const TICKS_A_RESTART: u64 = 2;

fn crashers(intensity: &Value) -> Value {
    let job = |number: usize| {
        json!({
            "name": format!("crasher-{number}"), "module": module("trap_unreachable"), "restart": "always",
            "backoff": { "first": "10ms", "max": "500ms" }, "intensity": intensity,
        })
    };
    let jobs: Vec<_> = (0..CRASHERS).map(job).collect();
    json!({ "jobs": jobs })
}

/// How often they were started again, all together, and the one with the fewest.
fn restarts(daemon: &Daemon) -> (u64, u64) {
    let all: Vec<u64> = daemon.instances().iter().map(|it| it.restarts).collect();
    assert_eq!(all.len(), CRASHERS);
    (all.iter().sum(), all.into_iter().min().unwrap())
}

/// The most that the daemon has open, and its memory, while all are started again some times.
fn peak(daemon: &Daemon, times: u64) -> (usize, u64) {
    let from = restarts(daemon).1;
    let mut peak = (0, 0);
    let start = Instant::now();
    while restarts(daemon).1 < from + times {
        assert!(start.elapsed() < DEADLINE, "they are not started again: {:?}", restarts(daemon));
        peak = (peak.0.max(descriptors(daemon.pid())), peak.1.max(resident_bytes(daemon.pid()).unwrap()));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    peak
}

#[test]
fn forty_jobs_that_crash_at_once_cost_a_bounded_share() {
    let daemon = Daemon::start();
    daemon.post("/v1/apply", &crashers(&json!({ "restarts": 10_000, "within": "1m" }))).expect(200);
    // Everything that is made once has been made.
    let before = peak(&daemon, 3);
    let (ticks, (first, _)) = (all_cpu_ticks(daemon.pid()), restarts(&daemon));
    let after = peak(&daemon, 5);
    let (ticks, count) = (all_cpu_ticks(daemon.pid()) - ticks, restarts(&daemon).0 - first);
    println!("{count} restarts took {ticks} ticks; descriptors and bytes: {before:?}, then {after:?}");
    assert!(ticks < count * TICKS_A_RESTART, "{ticks} ticks for {count} restarts");
    // An attempt has some dozen of them while it starts, and how many start at once is chance.
    assert!(after.0 < before.0 + 12 * CRASHERS, "{before:?}, then {after:?}");
    assert!(after.1 < before.1 + (16 << 20), "{before:?}, then {after:?}");
    daemon.post("/v1/stop", &json!({ "select": ["all"], "wait": true })).expect(200);
    let mut seen = Seen::of(daemon.pid());
    seen.look();
    assert!(seen.named("sandhog-worker").is_none(), "all are stopped");
}

/// With what is open when nothing runs, so that nothing depends on the moment.
#[test]
fn what_crashers_had_open_is_closed_when_they_are_given_up() {
    let daemon = Daemon::start();
    let mut open = Vec::new();
    let mut bytes = Vec::new();
    for _ in 0..3 {
        daemon.post("/v1/apply", &crashers(&json!({ "restarts": 3, "within": "1m" }))).expect(200);
        daemon.post("/v1/start", &json!({ "select": ["all"] })).expect(200);
        let is_over = || daemon.instances().iter().all(|it| it.phase == Phase::Failed).then_some(());
        until("all being given up", is_over);
        open.push(descriptors(daemon.pid()));
        bytes.push(resident_bytes(daemon.pid()).unwrap());
    }
    // The first round opens what stays open: logs.
    assert!(open[2] <= open[1] + 4, "{open:?}");
    assert!(bytes[2] < bytes[1] + (16 << 20), "{bytes:?}");
    assert!(Seen::of(daemon.pid()).alive().is_empty());
}

#[test]
fn with_the_usual_rules_they_are_given_up_and_say_why() {
    let daemon = Daemon::start();
    daemon.post("/v1/apply", &crashers(&json!({}))).expect(200);
    until("all being given up", || daemon.instances().iter().all(|it| it.phase == Phase::Failed).then_some(()));
    for instance in daemon.instances() {
        assert_eq!((instance.restarts, instance.pid), (5, None), "{instance:#?}");
        assert!(instance.reason.as_deref().is_some_and(|reason| reason.contains('5')), "{instance:#?}");
        assert_eq!(serde_json::to_value(instance.last.unwrap().verdict).unwrap()["verdict"], "trapped");
    }
}
