//! Instances of one job that come from one zygote: each is an attempt like any other, and the zygote goes with the last of them.

use rustix::process::{Pid, Signal, kill_process};
use sandhog_harness::{
    Daemon, PROMISED, module,
    process::{is_there, named_below},
    quick, told,
    traces::cgroups_of,
    until_within,
};
use sandhog_protocol::control::{Instance, Phase};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// A job that is ready when it says so, and stops when it is asked.
fn job(lines: &str) -> String {
    quick("", &[told("web", &["listen", "ready"], &format!("ready = \"notify\"\nrestart = \"always\"\n{lines}"))])
}

fn zygotes(daemon: &Daemon) -> Vec<u32> {
    named_below(daemon.pid(), "sandhog-zygote")
}

/// The zygote that is left when all that were there for a moment have gone.
fn one_zygote(daemon: &Daemon) -> u32 {
    until_within("one zygote", PROMISED, || <[u32; 1]>::try_from(zygotes(daemon)).ok())[0]
}

fn pids(daemon: &Daemon) -> Vec<u32> {
    daemon.instances().iter().filter_map(|instance| instance.pid).collect()
}

/// The network namespaces of all instances: each is its zygote's.
fn families(daemon: &Daemon) -> BTreeSet<PathBuf> {
    pids(daemon).into_iter().map(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).unwrap()).collect()
}

/// Waits until the attempt that was there before has been followed by one that is ready.
fn followed(daemon: &Daemon, name: &str, before: &Instance) -> Instance {
    let is_next = |instance: &Instance| instance.phase == Phase::Running && instance.attempt != before.attempt;
    daemon.until_instance("the next attempt", name, is_next)
}

#[test]
fn four_instances_come_from_one_zygote_and_nothing_of_it_stays() {
    let daemon = Daemon::start();
    daemon.up_well(&job("instances = 4\nshared_zygote = true"));
    let zygote = one_zygote(&daemon);
    assert_eq!((families(&daemon).len(), pids(&daemon).len(), daemon.workers()), (1, 4, 4));
    // The next attempt of one of them comes from there as well.
    let before = daemon.instance("web/2");
    daemon.tell_and_on("web/2", "exit 3");
    followed(&daemon, "web/2", &before);
    assert_eq!((one_zygote(&daemon), families(&daemon).len()), (zygote, 1));
    assert_eq!(daemon.instance("web/2").last.unwrap().text, "failed with code 3");
    daemon.well(&["stop", "web"]);
    until_within("the zygote's end", PROMISED, || zygotes(&daemon).is_empty().then_some(()));
    daemon.well(&["start", "web"]);
    assert_ne!(one_zygote(&daemon), zygote);
    daemon.well(&["delete", "web"]);
    until_within("nothing", PROMISED, || (zygotes(&daemon).is_empty() && daemon.workers() == 0).then_some(()));
    let cgroups = || cgroups_of(&daemon.path("runtime"));
    until_within("no cgroup", PROMISED, || cgroups().is_empty().then_some(()));
}

#[test]
fn without_the_setting_each_instance_has_its_own() {
    let daemon = Daemon::start();
    daemon.up_well(&job("instances = 3"));
    assert_eq!(families(&daemon).len(), 3);
}

#[test]
fn a_zygote_that_is_killed_ends_no_instance_and_the_next_start_brings_another_one() {
    let daemon = Daemon::start();
    daemon.up_well(&job("instances = 3\nshared_zygote = true"));
    let (zygote, before) = (one_zygote(&daemon), pids(&daemon));
    kill_process(Pid::from_raw(zygote.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    until_within("its end", PROMISED, || (!is_there(zygote)).then_some(()));
    let first = daemon.instance("web/0");
    daemon.tell_and_on("web/0", "trap");
    followed(&daemon, "web/0", &first);
    assert_eq!(pids(&daemon)[1..], before[1..], "{}", daemon.story());
    assert_ne!(one_zygote(&daemon), zygote);
    // The one that was started now shares no namespace with the others, and the next one shares its.
    assert_eq!(families(&daemon).len(), 2);
    let second = daemon.instance("web/1");
    daemon.tell_and_on("web/1", "trap");
    followed(&daemon, "web/1", &second);
    assert_eq!(families(&daemon).len(), 2);
    assert!(daemon.instances().iter().all(|instance| instance.phase == Phase::Running), "{}", daemon.story());
}

#[test]
fn a_reload_brings_the_new_module_from_a_new_zygote_and_the_old_one_goes_with_its_workers() {
    let daemon = Daemon::start();
    let deploy = |of: &str| {
        fs::copy(module(of), daemon.path("new.wasm")).unwrap();
        fs::rename(daemon.path("new.wasm"), daemon.path("own.wasm")).unwrap();
    };
    deploy("does_as_told");
    let manifest = job("instances = 3\nshared_zygote = true").replace(&module("does_as_told"), "own.wasm");
    daemon.up_well(&manifest);
    let (zygote, before) = (one_zygote(&daemon), pids(&daemon));
    deploy("trap_unreachable");
    // It does not become ready: what ran stays, and where it came from.
    let outcome = daemon.run(&["reload", "web"]);
    assert_ne!(outcome.code, 0, "{outcome:#?}");
    assert_eq!((pids(&daemon), one_zygote(&daemon)), (before.clone(), zygote));
    deploy("does_as_told");
    daemon.well(&["reload", "web"]);
    assert!(pids(&daemon).iter().all(|pid| !before.contains(pid)));
    assert_ne!(one_zygote(&daemon), zygote);
    assert_eq!((families(&daemon).len(), daemon.workers()), (1, 3));
}

#[test]
fn more_instances_than_a_zygote_has_slots_come_from_another_one() {
    let daemon = Daemon::start();
    daemon.up_well(&job("instances = 1\nshared_zygote = true"));
    daemon.well(&["scale", "web", "5"]);
    assert_eq!(daemon.workers(), 5);
    assert!((1..=2).contains(&families(&daemon).len()), "{:?}", families(&daemon));
    daemon.well(&["scale", "web", "1"]);
    assert_eq!((daemon.workers(), zygotes(&daemon).len() <= 2), (1, true));
}
