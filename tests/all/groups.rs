//! Jobs that concern each other: what comes after what, and whom a crash takes along.

use sandhog_harness::{Daemon, concerns, quick, told};
use sandhog_protocol::control::{Event, Phase};
use serde_json::json;

/// Jobs that are ready when they say so, and say goodbye when they are stopped.
fn job(name: &str, after: &str) -> String {
    told(name, &["listen", "ready"], &format!("ready = \"notify\"\nafter = [{after}]"))
}

/// The number of an instance's last event of this kind.
fn number(events: &[Event], name: &str, kind: &str) -> u64 {
    let event = events.iter().rev().find(|event| concerns(event, name) && event.kind.as_str() == kind);
    event.unwrap_or_else(|| panic!("no {kind} of {name} in {events:#?}")).number
}

fn attempts(daemon: &Daemon, names: &[&str]) -> Vec<Option<String>> {
    names.iter().map(|name| daemon.instance(name).attempt).collect()
}

/// Crashes one of `a`, `b` after it, `c` after that, and `d` beside them; those that were started anew.
fn taken_along(strategy: &str, crashed: &str) -> Vec<&'static str> {
    const ALL: [&str; 4] = ["a", "b", "c", "d"];
    let daemon = Daemon::start();
    let jobs = [job("a", ""), job("b", "\"a\""), job("c", "\"b\""), job("d", "")];
    daemon.up_well(&quick(&format!("strategy = \"{strategy}\""), &jobs));
    let before = attempts(&daemon, &ALL);
    daemon.tell_and_on(crashed, "exit 3");
    daemon.until(&format!("all being up after {strategy}"), |_| {
        let all = daemon.instances();
        let is_back = all.iter().any(|it| it.job == crashed && it.restarts == 1);
        (is_back && all.iter().all(|it| it.phase == Phase::Running)).then_some(())
    });
    let after = attempts(&daemon, &ALL);
    let anew: Vec<_> = (0..4).filter(|index| before[*index] != after[*index]).map(|index| ALL[index]).collect();
    for name in anew.iter().filter(|name| **name != crashed) {
        let instance = daemon.instance(name);
        let verdict = json!({"verdict": "stopped", "graceful": true, "reason": "replaced"});
        assert_eq!((json!(instance.last.unwrap().verdict), instance.restarts), (verdict, 0), "{name}");
    }
    anew
}

#[test]
fn one_for_one_starts_only_the_crashed_one_again() {
    assert_eq!(taken_along("one-for-one", "b"), ["b"]);
}

#[test]
fn one_for_all_starts_the_whole_group_again() {
    assert_eq!(taken_along("one-for-all", "b"), ["a", "b", "c", "d"]);
}

#[test]
fn those_that_are_taken_along_stop_and_start_in_their_order() {
    let daemon = Daemon::start();
    let slow = told("db", &["listen", "ready"], "ready = \"notify\"");
    let api = told("api", &["listen", "linger 30", "ready"], "ready = \"notify\"\nafter = [\"db\"]");
    let jobs = [slow, api, job("web", "\"api\"")];
    daemon.up_well(&quick("strategy = \"one-for-all\"", &jobs));
    daemon.tell_and_on("db", "exit 3");
    daemon.until_event("web", "ready", 2);
    let events = daemon.events();
    assert!(number(&events, "web", "ended") < number(&events, "api", "stopping"), "{}", daemon.story());
    assert!(number(&events, "db", "ready") < number(&events, "api", "starting"), "{}", daemon.story());
    assert!(number(&events, "api", "ready") < number(&events, "web", "starting"), "{}", daemon.story());
}

#[test]
fn rest_for_one_starts_those_again_that_come_after_it() {
    assert_eq!(taken_along("rest-for-one", "b"), ["b", "c"]);
}

#[test]
fn another_group_is_left_alone() {
    let daemon = Daemon::start();
    let other = told("other", &["listen", "ready"], "ready = \"notify\"\ngroup = \"others\"");
    let head = "strategy = \"one-for-all\"\n[group.others]\nstrategy = \"one-for-all\"";
    daemon.up_well(&quick(head, &[job("a", ""), job("b", ""), other]));
    let before = attempts(&daemon, &["b", "other"]);
    daemon.tell_and_on("a", "exit 3");
    daemon.until_event("b", "ready", 2);
    let after = attempts(&daemon, &["b", "other"]);
    assert!(before[0] != after[0] && before[1] == after[1], "{before:?} {after:?}");
}

#[test]
fn a_job_starts_when_what_it_comes_after_is_ready_and_says_what_it_waits_for() {
    let daemon = Daemon::start();
    let slow = told("slow", &["listen"], "ready = \"notify\"\ninstances = 2");
    daemon.up_and_on(&quick("", &[job("first", "\"slow\""), slow, job("last", "\"first\"")]));
    daemon.until_event("slow", "starting", 2);
    for (name, reason) in [("first", "for slow"), ("last", "for first")] {
        let instance = daemon.instance(name);
        assert_eq!((instance.phase, instance.reason.as_deref()), (Phase::Waiting, Some(reason)), "{name}");
    }
    assert!(daemon.well(&["ps"]).text().contains("waiting"));
    daemon.tell("slow/0", "ready");
    assert_eq!(daemon.instance("first").phase, Phase::Waiting);
    daemon.tell("slow/1", "ready");
    daemon.until_event("last", "ready", 1);
    let events = daemon.events();
    assert!(number(&events, "slow", "ready") < number(&events, "first", "starting"));
    assert!(number(&events, "first", "ready") < number(&events, "last", "starting"));
}

#[test]
fn a_job_that_is_stopped_while_it_waits_does_not_start() {
    let daemon = Daemon::start();
    let slow = told("slow", &["listen"], "ready = \"notify\"");
    daemon.up_and_on(&quick("", &[slow, job("first", "\"slow\""), job("other", "\"slow\"")]));
    daemon.until_phase("first", Phase::Waiting);
    daemon.well(&["stop", "first"]);
    daemon.tell("slow", "ready");
    daemon.until_phase("other", Phase::Running);
    assert_eq!((daemon.instance("first").phase, daemon.count("first", "starting")), (Phase::Stopped, 0));
}

#[test]
fn a_job_comes_after_one_that_has_done_its_work() {
    let daemon = Daemon::start();
    let prepare = told("prepare", &["print prepared", "exit 0"], "ready = \"10s\"");
    daemon.up_well(&quick("", &[job("serve", "\"prepare\""), prepare]));
    let events = daemon.events();
    assert!(number(&events, "prepare", "ended") < number(&events, "serve", "starting"));
    assert_eq!((daemon.instance("prepare").phase, daemon.instance("serve").phase), (Phase::Idle, Phase::Running));
}

#[test]
fn up_fails_and_says_who_waits_for_what_failed() {
    let daemon = Daemon::start();
    let broken = told("broken", &["exit 3"], "restart = \"never\"\nready = \"10s\"");
    let outcome = daemon.up(&quick("", &[broken, job("waits", "\"broken\""), job("well", "")]));
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    for words in ["broken/0: the attempt failed with code 3", "waits/0: "] {
        assert!(outcome.stderr.contains(words), "{words}: {outcome:#?}");
    }
    assert_eq!(daemon.instance("waits").phase, Phase::Waiting);
    assert_eq!(daemon.instance("well").phase, Phase::Running);
    // What has failed and is given a new chance takes along what waits for it.
    assert_eq!(daemon.count("waits", "starting"), 0);
}

/// Each needs a while to say goodbye: what it comes after is not even asked before.
#[test]
fn a_group_is_stopped_in_reverse_order() {
    let daemon = Daemon::start();
    let slow = |name: &str, after: &str| {
        told(name, &["listen", "linger 30", "ready"], &format!("ready = \"notify\"\nafter = [{after}]"))
    };
    daemon.up_well(&quick("name = \"shop\"", &[slow("db", ""), slow("api", "\"db\""), slow("web", "\"api\"")]));
    daemon.well(&["stop", "shop"]);
    let events = daemon.events();
    assert!(number(&events, "web", "ended") < number(&events, "api", "stopping"), "{}", daemon.story());
    assert!(number(&events, "api", "ended") < number(&events, "db", "stopping"), "{}", daemon.story());
    assert!(daemon.instances().iter().all(|it| it.phase == Phase::Stopped));
}

#[test]
fn what_a_job_has_waited_for_may_go_down_later() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[job("db", ""), job("api", "\"db\"")]));
    let before = attempts(&daemon, &["api"]);
    daemon.well(&["stop", "db"]);
    assert_eq!((daemon.instance("db").phase, attempts(&daemon, &["api"])), (Phase::Stopped, before));
    // Started anew it waits for it again.
    daemon.well(&["restart", "api", "--no-wait"]);
    let waiting = daemon.until_phase("api", Phase::Waiting);
    assert_eq!(waiting.reason.as_deref(), Some("for db"));
    daemon.well(&["start", "db"]);
    daemon.until_phase("api", Phase::Running);
}

#[test]
fn up_starts_what_somebody_has_stopped() {
    let daemon = Daemon::start();
    let manifest = quick("", &[job("db", ""), job("api", "\"db\"")]);
    daemon.up_well(&manifest);
    let before = attempts(&daemon, &["db"]);
    daemon.well(&["stop", "api"]);
    daemon.up_well(&manifest);
    assert_eq!((daemon.instance("api").phase, attempts(&daemon, &["db"])), (Phase::Running, before));
}

/// What the jobs have written is there when the next daemon is.
#[test]
fn a_daemon_that_ends_stops_its_jobs_in_reverse_order() {
    let mut daemon = Daemon::start();
    let slow = |name: &str, after: &str| {
        told(name, &["listen", "linger 30", "ready"], &format!("ready = \"notify\"\nafter = [{after}]"))
    };
    daemon.up_well(&quick("", &[slow("db", ""), slow("api", "\"db\""), slow("web", "\"api\"")]));
    assert_eq!(daemon.stop().code, 0);
    daemon.start_again();
    daemon
        .until("all being up again", |_| daemon.instances().iter().all(|it| it.phase == Phase::Running).then_some(()));
    let time = |name: &str, text: &str| {
        let lines = daemon.json_lines(&["logs", name]);
        let line = lines.iter().find(|line| line["text"] == text).unwrap_or_else(|| panic!("{text}: {lines:#?}"));
        line["at_ms"].as_u64().unwrap()
    };
    assert!(time("web", "goodbye") <= time("api", "is asked to stop"), "{}", daemon.story());
    assert!(time("api", "goodbye") <= time("db", "is asked to stop"), "{}", daemon.story());
    assert!(time("web", "is asked to stop") < time("api", "is asked to stop"), "{}", daemon.story());
}

#[test]
fn down_ends_what_the_manifest_has_brought_up_and_nothing_else() {
    let daemon = Daemon::start();
    daemon.start_job("other", "does_as_told", &["--ready=notify", "--", "ready"]);
    daemon.up_well(&quick("", &[job("db", ""), job("api", "\"db\"")]));
    daemon.well(&["down"]);
    let left: Vec<_> = daemon.instances().into_iter().map(|it| (it.job, it.phase)).collect();
    assert_eq!(left, [("other".to_owned(), Phase::Running)]);
    let events = daemon.events();
    assert!(number(&events, "api", "ended") < number(&events, "db", "stopping"), "{}", daemon.story());
}
