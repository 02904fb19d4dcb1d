//! Attempts that take the place of others. What runs is never told to go before its replacement is ready.

use sandhog_harness::{Daemon, concerns, kinds, module, quick, told};
use sandhog_protocol::control::{Event, Instance, Phase};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// A job that is ready when it says so, and says goodbye when it is stopped.
fn job(name: &str, lines: &str) -> String {
    told(name, &["listen", "ready"], &format!("ready = \"notify\"\n{lines}"))
}

/// How many attempts of a job were ready at each moment from this event on: ready, and neither told to go nor ended.
fn ready_ones(events: &[Event], name: &str, from: u64) -> Vec<usize> {
    let (mut ready, mut counts) = (BTreeSet::new(), Vec::new());
    for event in events.iter().filter(|event| concerns(event, name)) {
        let Some(attempt) = &event.attempt else { continue };
        match event.kind.as_str() {
            "ready" => drop(ready.insert(attempt.clone())),
            "stopping" | "ended" => drop(ready.remove(attempt)),
            _ => {}
        }
        if event.number >= from {
            counts.push(ready.len());
        }
    }
    counts
}

fn last_number(daemon: &Daemon) -> u64 {
    daemon.events().last().unwrap().number
}

fn attempts(daemon: &Daemon, name: &str) -> Vec<String> {
    daemon.instances().into_iter().filter(|it| it.job == name).map(|it| it.attempt.unwrap()).collect()
}

/// Another attempt runs in its place, and the old one is stopped for that, not for a fault.
fn expect_replaced(daemon: &Daemon, before: &Instance) {
    let attempt = before.attempt.as_deref().unwrap();
    let is_gone = |it: &Instance| it.last.as_ref().is_some_and(|last| last.attempt == attempt);
    let after = daemon.until_instance("the end of the old one", &before.job, is_gone);
    assert_eq!((after.phase, after.id, after.restarts), (Phase::Running, before.id, before.restarts));
    assert_ne!(after.attempt, before.attempt);
    let verdict = json!({"verdict": "stopped", "graceful": true, "reason": "replaced"});
    assert_eq!(json!(after.last.as_ref().unwrap().verdict), verdict);
}

#[test]
fn a_reload_replaces_one_instance_at_a_time_and_never_has_fewer_ready() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[job("web", "instances = 3")]));
    let (before, from) = (attempts(&daemon, "web"), last_number(&daemon));
    daemon.well(&["reload", "web"]);
    let after = attempts(&daemon, "web");
    assert!(before.iter().all(|attempt| !after.contains(attempt)) && after.len() == 3, "{before:?} {after:?}");
    let events = daemon.events();
    let counts = ready_ones(&events, "web", from + 1);
    assert!(counts.iter().all(|count| *count == 3 || *count == 4), "{counts:?}: {}", daemon.story());
    // The next one begins when the one before has gone.
    let later: Vec<_> = events.into_iter().filter(|event| event.number > from).collect();
    let one = ["starting", "ready", "stopping", "ended"];
    let steps: Vec<_> = kinds(&later).into_iter().filter(|kind| one.contains(kind)).collect();
    assert_eq!(steps, one.repeat(3), "{}", daemon.story());
    assert!(daemon.instances().iter().all(|it| it.restarts == 0 && it.phase == Phase::Running));
}

/// A module beside the manifest, which a test changes.
fn own_module(daemon: &Daemon, name: &str, of: &str) -> PathBuf {
    // As compilers do it: what runs keeps the old one.
    let (new, path) = (daemon.path("new.wasm"), daemon.path(name));
    fs::copy(module(of), &new).unwrap();
    fs::rename(&new, &path).unwrap();
    path
}

#[test]
fn where_the_new_module_does_not_become_ready_the_old_instances_stay_and_reload_says_why() {
    let daemon = Daemon::start();
    own_module(&daemon, "web.wasm", "does_as_told");
    let lines = "ready = \"notify\"\nstart_timeout = \"1s\"\ninstances = 3\nargs = [\"listen\", \"ready\"]";
    daemon.up_well(&quick("", &[format!("[job.web]\nmodule = \"web.wasm\"\n{lines}")]));
    let (before, from) = (attempts(&daemon, "web"), last_number(&daemon));
    for (of, reason) in [
        ("sleep_forever", "it was not ready in time"),
        ("exit_code", "failed with code 64"),
        ("trap_unreachable", "trapped"),
        ("imports_nobody_provides.wat", "nobody"),
    ] {
        own_module(&daemon, "web.wasm", of);
        let outcome = daemon.run(&["reload", "web"]);
        assert_ne!(outcome.code, 0, "{of}: {outcome:#?}");
        assert!(outcome.stderr.contains("web/0") && outcome.stderr.contains(reason), "{of}: {outcome:#?}");
        assert_eq!(attempts(&daemon, "web"), before, "{of}: {}", daemon.story());
    }
    let counts = ready_ones(&daemon.events(), "web", from + 1);
    assert!(counts.iter().all(|count| *count == 3), "{counts:?}");
    assert!(daemon.instances().iter().all(|it| it.restarts == 0 && it.phase == Phase::Running));
    daemon.tell("web/2", "print still here");
    // It can be mended.
    own_module(&daemon, "web.wasm", "does_as_told");
    daemon.well(&["reload", "web"]);
    assert!(before.iter().all(|attempt| !attempts(&daemon, "web").contains(attempt)));
}

#[test]
fn a_module_that_is_missing_at_reload_changes_nothing() {
    let daemon = Daemon::start();
    let path = own_module(&daemon, "web.wasm", "does_as_told");
    daemon.up_well(&quick("", &["[job.web]\nmodule = \"web.wasm\"\nargs = [\"ready\"]\n".into()]));
    let before = attempts(&daemon, "web");
    fs::remove_file(path).unwrap();
    let outcome = daemon.run(&["reload", "web"]);
    assert!(outcome.code != 0 && outcome.stderr.contains("web.wasm"), "{outcome:#?}");
    assert_eq!(attempts(&daemon, "web"), before);
}

#[test]
fn what_is_not_up_is_started_by_a_reload() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[job("web", "")]));
    daemon.well(&["stop", "web"]);
    daemon.well(&["reload", "web"]);
    assert_eq!(daemon.instance("web").phase, Phase::Running);
}

#[test]
fn a_changed_manifest_reloads_what_changed_and_nothing_else() {
    let daemon = Daemon::start();
    let jobs = |colour: &str, other: &str| {
        let colour = format!("env = {{ COLOUR = \"{colour}\" }}");
        quick("", &[job("same", ""), job("other", &colour), job(other, "")])
    };
    daemon.up_well(&jobs("red", "old"));
    let (same, other) = (daemon.instance("same"), daemon.instance("other"));
    let manifest = jobs("blue", "new");
    daemon.scratch().file("sandhog.toml", &manifest);
    let from = last_number(&daemon);
    let dry = daemon.json(&["up", "--dry-run"]);
    let changes = json!([
        {"job": "same", "change": "keep", "keys": []},
        {"job": "other", "change": "change", "keys": ["env"]},
        {"job": "new", "change": "create", "keys": []},
        {"job": "old", "change": "delete", "keys": []},
    ]);
    assert_eq!(dry["changes"], changes);
    assert_eq!(last_number(&daemon), from, "a dry run changes nothing: {}", daemon.story());
    let done = daemon.json(&["up"]);
    assert_eq!(done["changes"], changes);
    assert_eq!(daemon.instance("same").attempt, same.attempt);
    expect_replaced(&daemon, &other);
    assert_eq!((daemon.instance("new").phase, daemon.find("old")), (Phase::Running, None));
    let counts = ready_ones(&daemon.events(), "other", from + 1);
    assert!(counts.iter().all(|count| *count >= 1), "{counts:?}");
    // Once more: there is nothing to do.
    let from = last_number(&daemon);
    daemon.well(&["up"]);
    assert_eq!(last_number(&daemon), from, "{}", daemon.story());
}

#[test]
fn a_manifest_whose_new_settings_do_not_work_leaves_the_old_instance_up() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[job("web", "")]));
    let before = daemon.instance("web");
    let broken = quick("", &[told("web", &["exit 3"], "ready = \"notify\"")]);
    // The second time as well: what is up is not what the manifest says.
    for _ in 0..2 {
        let outcome = daemon.up(&broken);
        assert!(outcome.code != 0 && outcome.stderr.contains("failed with code 3"), "{outcome:#?}");
        let after = daemon.instance("web");
        assert_eq!((after.phase, &after.attempt), (Phase::Running, &before.attempt));
    }
    // And back again.
    daemon.up_well(&quick("", &[job("web", "")]));
    assert_eq!(daemon.instance("web").phase, Phase::Running);
}

/// Its rules are other ones, its attempt is the same.
#[test]
fn a_change_that_concerns_no_attempt_needs_no_other_one() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[job("web", "grace = \"1s\"")]));
    let before = daemon.instance("web");
    let done = daemon.up_well(&quick("", &[job("web", "grace = \"2s\"\nintensity.restarts = 7")]));
    assert!(done.text().contains("grace") && done.text().contains("intensity"), "{done:#?}");
    assert_eq!(daemon.instance("web").attempt, before.attempt);
    let settings = daemon.well(&["show", "web"]);
    assert!(settings.text().lines().any(|line| line.contains("grace") && line.contains("2s")), "{settings:#?}");
}

#[test]
fn a_scaled_job_keeps_the_instances_that_it_has() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[job("web", "")]));
    let first = daemon.instance("web").attempt;
    daemon.well(&["scale", "web", "3"]);
    assert_eq!((attempts(&daemon, "web").len(), daemon.instance("web").attempt), (3, first.clone()));
    assert!(daemon.instances().iter().all(|it| it.phase == Phase::Running));
    daemon.well(&["scale", "web", "1"]);
    let left: Vec<_> = daemon.instances().into_iter().map(|it| (it.instance, it.attempt)).collect();
    assert_eq!(left, [(0, first)]);
    // Those that are new have ids of their own.
    daemon.well(&["scale", "web", "2"]);
    assert!(daemon.instance("web/1").id > 3, "{:?}", daemon.instances());
    let none = daemon.run(&["scale", "web", "0"]);
    assert_eq!(none.code, 0, "{none:#?}");
    assert_eq!(daemon.instances(), []);
}

#[test]
fn a_job_that_takes_too_much_memory_is_replaced_before_it_goes() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[job("leak", "recycle.memory = \"64MiB\"")]));
    let (before, from) = (daemon.instance("leak"), last_number(&daemon));
    daemon.tell("leak", "take 64");
    daemon.until_event("leak", "ended", 1);
    let events: Vec<_> = daemon.events_of("leak").into_iter().filter(|event| event.number > from).collect();
    let happened: Vec<_> = kinds(&events).into_iter().filter(|kind| *kind != "message").collect();
    let order = ["recycled", "starting", "ready", "stopping", "reloaded", "ended"];
    assert_eq!(happened, order, "{}", daemon.story());
    expect_replaced(&daemon, &before);
    assert_eq!(daemon.log_of("leak"), ["goodbye"]);
}

#[test]
fn a_job_that_says_that_it_must_end_is_replaced_before_it_goes() {
    let daemon = Daemon::start();
    daemon.up_well(&quick("", &[job("tired", "")]));
    let (before, from) = (daemon.instance("tired"), last_number(&daemon));
    daemon.tell("tired", "retire worn out");
    let retiring = daemon.until_event("tired", "retiring", 1);
    assert_eq!((retiring.text.as_str(), retiring.attempt), ("asks to be replaced: worn out", before.attempt.clone()));
    daemon.until_event("tired", "ended", 1);
    let counts = ready_ones(&daemon.events(), "tired", from + 1);
    assert!(counts.iter().all(|count| *count >= 1), "{counts:?}: {}", daemon.story());
    expect_replaced(&daemon, &before);
}

/// Its replacements crash at first, and it stays until one does not.
#[test]
fn a_job_that_wants_to_be_replaced_stays_until_another_one_is_ready() {
    let daemon = Daemon::start();
    fs::create_dir(daemon.path("data")).unwrap();
    let broken = daemon.path("data/broken");
    let lines = format!("ready = \"notify\"\ndir = [{:?}]", format!("{}::/data", daemon.path("data").display()));
    daemon.up_well(&quick("", &[told("tired", &["listen", "with /data/broken exit 3", "ready"], &lines)]));
    let before = daemon.instance("tired");
    fs::write(&broken, "").unwrap();
    daemon.tell("tired", "retire worn out");
    daemon.until_event("tired", "ended", 3);
    assert_eq!(daemon.instance("tired").attempt, before.attempt, "{}", daemon.story());
    fs::remove_file(&broken).unwrap();
    daemon.until_event("tired", "reloaded", 1);
    assert_ne!(daemon.instance("tired").attempt, before.attempt);
}
