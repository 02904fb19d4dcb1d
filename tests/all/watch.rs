//! `up --watch`: what changes on disk is brought up, and nothing else is touched.

use rustix::process::Signal;
use sandhog_harness::{DEADLINE, Daemon, Running, module, quick};
use sandhog_protocol::control::Phase;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A job that is ready when it says so, with its own module in the manifest's folder.
fn job(name: &str, module: &str, lines: &str) -> String {
    format!("[job.{name}]\nmodule = \"{module}\"\nargs = [\"listen\", \"ready\"]\nready = \"notify\"\n{lines}\n")
}

/// The bytes of a guest that differ from those with another mark, and do the same: a custom section is at their end.
/// Source: WebAssembly Core Specification, "Custom Section".
fn marked(of: &str, mark: u8) -> Vec<u8> {
    let mut bytes = fs::read(module(of)).unwrap();
    bytes.extend([0, 2, 1, mark]);
    bytes
}

/// Puts a module in its place as compilers do it.
fn put(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, path).unwrap();
}

fn build(daemon: &Daemon, name: &str, mark: u8) {
    put(&daemon.path(name), &marked("does_as_told", mark));
}

/// `up --watch` of this manifest, when it watches.
fn watch(daemon: &Daemon, manifest: &str) -> Running {
    daemon.scratch().file("sandhog.toml", manifest);
    let running = daemon.command(&["up", "--watch"]).start();
    running.stderr.until_has("sandhog: watching sandhog.toml and ");
    running
}

fn attempt(daemon: &Daemon, name: &str) -> String {
    daemon.instance(name).attempt.unwrap()
}

/// How often this was said.
fn times(running: &Running, text: &str) -> usize {
    String::from_utf8_lossy(&running.stderr.so_far()).matches(text).count()
}

#[test]
fn a_module_that_changes_is_reloaded_and_no_other_job_is_touched() {
    let daemon = Daemon::start();
    for name in ["web.wasm", "api.wasm"] {
        build(&daemon, name, b'1');
    }
    let manifest = quick("", &[job("web", "web.wasm", ""), job("api", "api.wasm", "")]);
    let watching = watch(&daemon, &manifest);
    let (web, api) = (attempt(&daemon, "web"), attempt(&daemon, "api"));
    // The same bytes once more are no change: what follows is told first.
    build(&daemon, "api.wasm", b'1');
    build(&daemon, "web.wasm", b'2');
    watching.stderr.until_has("sandhog: web.wasm changed: web reloaded\n");
    let second = attempt(&daemon, "web");
    assert!(second != web && attempt(&daemon, "api") == api, "{}", daemon.story());
    assert_eq!((daemon.count("web", "reloaded"), daemon.count("api", "reloaded")), (1, 0));
    // Written in place, too.
    fs::write(daemon.path("web.wasm"), marked("does_as_told", b'3')).unwrap();
    daemon.until_event("web", "reloaded", 2);
    assert_eq!(times(&watching, "api"), 0, "{:?}", String::from_utf8_lossy(&watching.stderr.so_far()));
}

#[test]
fn what_does_not_become_ready_leaves_what_runs_and_can_be_mended() {
    let daemon = Daemon::start();
    build(&daemon, "web.wasm", b'1');
    let watching = watch(&daemon, &quick("", &[job("web", "web.wasm", "")]));
    let first = attempt(&daemon, "web");
    put(&daemon.path("web.wasm"), &marked("trap_unreachable", b'2'));
    watching.stderr.until_has("sandhog: web.wasm changed: web not reloaded\n");
    put(&daemon.path("web.wasm"), b"\0asm half of a module");
    watching.stderr.until_has("what ran before goes on\nsandhog: web.wasm changed: web not reloaded\n");
    fs::remove_file(daemon.path("web.wasm")).unwrap();
    watching.stderr.until_has("sandhog: web.wasm is gone: what runs goes on\n");
    assert_eq!(attempt(&daemon, "web"), first, "{}", daemon.story());
    assert_eq!(daemon.instance("web").phase, Phase::Running);
    build(&daemon, "web.wasm", b'3');
    watching.stderr.until_has("sandhog: web.wasm changed: web reloaded\n");
    assert_ne!(attempt(&daemon, "web"), first);
}

#[test]
fn a_manifest_with_a_fault_changes_nothing_and_one_that_is_right_is_brought_up() {
    let daemon = Daemon::start();
    build(&daemon, "web.wasm", b'1');
    let manifest = |lines: &str, more: &str| quick("", &[job("web", "web.wasm", lines), more.into()]);
    let watching = watch(&daemon, &manifest("", ""));
    let first = attempt(&daemon, "web");
    let write = |text: &str| put(&daemon.path("sandhog.toml"), text.as_bytes());
    write(&manifest("memroy = \"64MiB\"", ""));
    watching.stderr.until_has("there is no key memroy; did you mean memory?\n  hint: nothing was changed\n");
    assert_eq!(attempt(&daemon, "web"), first);
    write(&manifest("memory = \"64MiB\"", ""));
    watching.stderr.until_has("sandhog: sandhog.toml changed: web changed (memory)\n");
    let second = attempt(&daemon, "web");
    assert_ne!(second, first);
    // A job whose module is still to be built comes with it.
    write(&manifest("memory = \"64MiB\"", &job("late", "target/late.wasm", "")));
    watching.stderr.until_has("there is no such module\n  hint: nothing was changed\n");
    fs::create_dir(daemon.path("target")).unwrap();
    build(&daemon, "target/late.wasm", b'1');
    watching.stderr.until_has("sandhog: target/late.wasm changed: late created\n");
    build(&daemon, "target/late.wasm", b'2');
    watching.stderr.until_has("sandhog: target/late.wasm changed: late reloaded\n");
    write(&manifest("memory = \"64MiB\"", ""));
    watching.stderr.until_has("sandhog: sandhog.toml changed: late deleted\n");
    assert_eq!(attempt(&daemon, "web"), second, "{}", daemon.story());
}

#[test]
fn links_and_folders_may_be_replaced() {
    let daemon = Daemon::start();
    for (release, mark) in [("one", b'1'), ("two", b'2')] {
        fs::create_dir(daemon.path(release)).unwrap();
        build(&daemon, &format!("{release}/web.wasm"), mark);
    }
    symlink("one", daemon.path("current")).unwrap();
    let watching = watch(&daemon, &quick("", &[job("web", "current/web.wasm", "")]));
    symlink("two", daemon.path("next")).unwrap();
    fs::rename(daemon.path("next"), daemon.path("current")).unwrap();
    daemon.until_event("web", "reloaded", 1);
    build(&daemon, "two/web.wasm", b'3');
    daemon.until_event("web", "reloaded", 2);
    // As a clean build does it.
    fs::remove_dir_all(daemon.path("two")).unwrap();
    watching.stderr.until_has("is gone: what runs goes on\n");
    fs::create_dir(daemon.path("two")).unwrap();
    build(&daemon, "two/web.wasm", b'4');
    daemon.until_event("web", "reloaded", 3);
    assert_eq!(daemon.instance("web").restarts, 0);
}

#[test]
fn a_job_that_somebody_has_stopped_stays_so() {
    let daemon = Daemon::start();
    build(&daemon, "web.wasm", b'1');
    let watching = watch(&daemon, &quick("", &[job("web", "web.wasm", "")]));
    daemon.well(&["stop", "web"]);
    build(&daemon, "web.wasm", b'2');
    watching.stderr.until_has("sandhog: web.wasm changed: web has it from its next start on\n");
    assert_eq!(daemon.instance("web").phase, Phase::Stopped);
    daemon.well(&["start", "web"]);
    build(&daemon, "web.wasm", b'3');
    watching.stderr.until_has("sandhog: web.wasm changed: web reloaded\n");
}

#[test]
fn ctrl_c_ends_the_watching_and_the_jobs_stay_up() {
    let daemon = Daemon::start();
    build(&daemon, "web.wasm", b'1');
    let watching = watch(&daemon, &quick("", &[job("web", "web.wasm", "")]));
    let before = attempt(&daemon, "web");
    watching.signal(Signal::INT);
    assert!(watching.ends_within(DEADLINE));
    let outcome = watching.wait();
    let end = "sandhog: not watched any more: the jobs stay up\n  hint: sandhog ps says how they are; sandhog down ends them\n";
    assert!(outcome.code == 130 && outcome.stderr.ends_with(end), "{outcome:#?}");
    assert_eq!(attempt(&daemon, "web"), before);
}

#[test]
fn without_a_daemon_it_says_so_and_goes_on_with_the_next_one() {
    let mut daemon = Daemon::start();
    build(&daemon, "web.wasm", b'1');
    let watching = watch(&daemon, &quick("", &[job("web", "web.wasm", "")]));
    daemon.stop();
    build(&daemon, "web.wasm", b'2');
    watching.stderr.until_has("sandhog: web.wasm changed: web not reloaded: no daemon is running");
    daemon.start_again();
    build(&daemon, "web.wasm", b'3');
    watching.stderr.until_has("sandhog: web.wasm changed: web reloaded\n");
}

#[test]
fn what_watches_waits_and_prints_no_object() {
    let daemon = Daemon::start();
    for flag in ["--dry-run", "--no-wait", "--json"] {
        let outcome = daemon.run(&["up", "--watch", flag]);
        assert!(outcome.code == 126 && outcome.stderr.contains("cannot be used with"), "{outcome:#?}");
    }
}
