//! What a job is granted is settled when the operator speaks, and by nobody else.

use sandhog_harness::{Command, Daemon, Folder, guest, module, own_mounts, quick, root_or_missing, told};
use sandhog_protocol::control::{Instance, Phase};
use sandhog_protocol::verdict::Verdict;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What the job may never see: it lies beside what it was granted.
const SECRET: &str = "not for the job";

/// A daemon with `app/`, which the job may write, in it `sub/` and `input`; and `victim/` with the secret beside it.
fn scene() -> Daemon {
    let daemon = Daemon::start();
    fs::create_dir_all(daemon.path("app/sub")).unwrap();
    fs::create_dir(daemon.path("victim")).unwrap();
    daemon.scratch().file("app/sub/secret", "its own");
    daemon.scratch().file("app/input", "granted input");
    daemon.scratch().file("victim/secret", SECRET);
    daemon
}

/// The job that swaps what lies in `app/` for a link, and is started again.
fn attacker(name: &str, target: &str, lines: &str) -> String {
    format!("[job.web]\nmodule = {:?}\nargs = [{name:?}, {target:?}]\n{lines}\n", module("leads_astray"))
}

/// What its second attempt has said, once it has.
fn second_attempt(daemon: &Daemon, lines: usize) -> Vec<String> {
    daemon.until("the second attempt's words", |_| Some(daemon.log_of("web")).filter(|log| log.len() >= lines))
}

fn expect_untouched(daemon: &Daemon) {
    assert_eq!(fs::read_dir(daemon.path("victim")).unwrap().count(), 1, "only the secret is there");
}

/// Waits until the job is given up since it is refused, and says why.
fn why_given_up(daemon: &Daemon, name: &str) -> String {
    match daemon.until_phase(name, Phase::Failed).last.unwrap().verdict {
        Verdict::Refused { reason } => reason,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_restart_by_policy_has_the_directories_that_the_operator_granted() {
    let daemon = scene();
    let dirs = "dir = [\"app::/app:rw\", \"app/sub::/sub:rw\"]";
    let up = daemon.up_and_on(&quick("", &[attacker("sub", "../victim", dirs)]));
    let log = second_attempt(&daemon, 2);
    assert_eq!(log, ["stdin: ", "sub: its own"], "{up:#?}");
    assert!(daemon.path("app/moved/written").exists(), "what was granted is what it writes to");
    expect_untouched(&daemon);
}

#[test]
fn a_restart_by_policy_reads_the_stdin_that_the_operator_named_and_from_its_start() {
    let daemon = scene();
    let lines = "dir = [\"app::/app:rw\"]\nstdin = \"app/input\"\ninstances = 2";
    daemon.up_and_on(&quick("", &[attacker("input", "../victim/secret", lines)]));
    let log = second_attempt(&daemon, 2);
    assert_eq!(log, ["stdin: granted input"; 2]);
}

#[test]
fn after_a_restart_of_the_daemon_no_link_is_followed_where_a_job_may_write() {
    let mut daemon = scene();
    let lines = "dir = [\"app::/app:rw\", \"app/sub::/sub:rw\"]\nstdin = \"app/input\"";
    daemon.up_and_on(&quick("", &[attacker("sub", "../victim", lines)]));
    second_attempt(&daemon, 2);
    daemon.stop();
    daemon.start_again();
    let reason = why_given_up(&daemon, "web");
    let (at, app) = (daemon.path("app/sub"), daemon.path("app"));
    assert!(reason.contains(&format!("the directory {at:?} leads through the link {at:?}")), "{reason}");
    assert!(reason.contains(&format!("a job may write {app:?}")), "{reason}");
    assert!(reason.ends_with("accept it with: sandhog restart web"), "{reason}");
    expect_untouched(&daemon);
    // The operator has looked, and this is what is meant.
    daemon.well(&["restart", "web"]);
    let log = second_attempt(&daemon, 4);
    assert_eq!(log[2..], ["stdin: granted input".to_owned(), format!("sub: {SECRET}")]);
}

/// A job that is told nothing, with all kinds of paths below `app/`, which it may write.
fn exposed_job(lines: &str) -> String {
    let words = ["listen", "ready"];
    let job =
        told("web", &words, "ready = \"notify\"\ndir = [\"app::/app:rw\", \"app/sub::/sub\"]\nstdin = \"app/input\"");
    let of = |name: &str| format!("module = {:?}", module(name));
    job.replace(&of("does_as_told"), "module = \"app/web.wasm\"") + "child = [\"x=app/child.wasm\"]\n" + lines
}

/// A module that does the same, and is another one.
fn like(name: &str, to: &Path) {
    // A custom section of the name `x`: of no meaning (WebAssembly specification, 2.5, "Custom sections").
    let bytes = [fs::read(guest(name)).unwrap().as_slice(), &[0, 2, 1, b'x']].concat();
    // By another file, as who deploys does it.
    fs::write(to.with_extension("new"), bytes).unwrap();
    fs::rename(to.with_extension("new"), to).unwrap();
}

fn lay_out(daemon: &Daemon) {
    for (name, of) in [("web", "does_as_told"), ("child", "hello"), ("health", "hello")] {
        fs::copy(guest(of), daemon.path(format!("app/{name}.wasm"))).unwrap();
    }
}

#[test]
fn after_a_restart_of_the_daemon_what_lies_where_a_job_may_write_is_what_it_was() {
    let mut daemon = scene();
    lay_out(&daemon);
    daemon.up_well(&quick("", &[exposed_job("health.command = [\"app/health.wasm\"]\n")]));
    let replaced =
        |what: &str| format!("the {what} {{}} is not the one that was granted: another {what} lies there now");
    let bytes = "the module {} is not the one that was granted: its bytes are others now".to_owned();
    type Change = Box<dyn Fn(&Path)>;
    let cases: [(&str, Change, String); 5] = [
        (
            "sub",
            Box::new(|path| {
                fs::rename(path, path.with_extension("away")).unwrap();
                fs::create_dir(path).unwrap();
            }),
            replaced("directory"),
        ),
        (
            "input",
            Box::new(|path| {
                fs::write(path.with_extension("new"), "granted input").unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
            }),
            replaced("file"),
        ),
        ("web.wasm", Box::new(|path| like("does_as_told", path)), bytes.clone()),
        ("child.wasm", Box::new(|path| like("hello", path)), bytes.clone()),
        ("health.wasm", Box::new(|path| like("hello", path)), bytes),
    ];
    for (name, change, sentence) in cases {
        daemon.stop();
        let path = daemon.path("app").join(name);
        change(&path);
        daemon.start_again();
        let reason = why_given_up(&daemon, "web");
        assert!(reason.contains(&sentence.replace("{}", &format!("{path:?}"))), "{name}: {reason}");
        daemon.well(&["restart", "web"]);
        // What was accepted is what is known from then on, and new content of a file is fine.
        fs::write(daemon.path("app/input"), "other content").unwrap();
        daemon.stop();
        daemon.start_again();
        daemon.until_phase("web", Phase::Running);
    }
}

#[test]
fn where_no_job_may_write_a_restart_of_the_daemon_stops_nobody() {
    let mut daemon = scene();
    lay_out(&daemon);
    symlink("app", daemon.path("current")).unwrap();
    let job = exposed_job("").replace(":rw", "").replace("\"app", "\"current");
    daemon.up_well(&quick("", &[job]));
    daemon.stop();
    // Another release, out of a backup: nothing of it is what it was.
    fs::create_dir_all(daemon.path("restored/sub")).unwrap();
    for (name, of) in [("web", "does_as_told"), ("child", "hello")] {
        like(of, &daemon.path(format!("restored/{name}.wasm")));
    }
    daemon.scratch().file("restored/input", "restored");
    fs::remove_file(daemon.path("current")).unwrap();
    symlink("restored", daemon.path("current")).unwrap();
    daemon.start_again();
    daemon.until_phase("web", Phase::Running);
}

#[test]
fn what_a_deleted_job_has_left_behind_is_not_followed_either() {
    let mut daemon = scene();
    let reader = told("reader", &["listen", "ready"], "ready = \"notify\"\nstdin = \"app/input\"");
    daemon.up_well(&quick("", &[reader.clone(), attacker("input", "../victim/secret", "dir = [\"app::/app:rw\"]")]));
    second_attempt(&daemon, 1);
    daemon.well(&["delete", "web"]);
    daemon.stop();
    daemon.start_again();
    let reason = why_given_up(&daemon, "reader");
    assert!(reason.contains(&format!("leads through the link {:?}", daemon.path("app/input"))), "{reason}");
    // What the operator accepts without that job is no job's any more.
    daemon.well(&["restart", "reader"]);
    daemon.stop();
    fs::remove_file(daemon.path("app/input")).unwrap();
    symlink("moved", daemon.path("app/input")).unwrap();
    daemon.start_again();
    daemon.until_phase("reader", Phase::Running);
}

#[test]
fn what_was_deployed_by_a_link_is_taken_when_the_operator_says_so_and_not_before() {
    let daemon = Daemon::start();
    let manifest = |folder: &Path| {
        let job = told("web", &["print up", "with /data/1 print one", "with /data/2 print two", "ready"], "");
        let job = job.replace(&format!("{:?}", module("does_as_told")), "\"web.wasm\"");
        fs::write(folder.join("sandhog.toml"), quick("", &[job + "ready = \"notify\"\ndir = [\"data::/data\"]\n"]))
            .unwrap();
    };
    let release = |number: &str| {
        let folder = daemon.path(format!("releases/{number}"));
        fs::create_dir_all(folder.join("data")).unwrap();
        fs::write(folder.join("data").join(number), "").unwrap();
        manifest(&folder);
        like("does_as_told", &folder.join("web.wasm"));
        let current = daemon.path("current");
        drop(fs::remove_file(&current));
        symlink(&folder, current).unwrap();
    };
    let until_said = |all: &[&str]| daemon.until("its words", |_| (daemon.log_of("web") == all).then_some(()));
    release("1");
    daemon.well(&["up", "current/sandhog.toml"]);
    until_said(&["up", "one"]);
    release("2");
    fs::remove_dir_all(daemon.path("releases/1")).unwrap();
    daemon.tell_and_on("web", "exit 1");
    // A restart by policy is no word of the operator's: what was there is gone, and what is new is not taken.
    until_said(&["up", "one", "up"]);
    daemon.well(&["reload", "web"]);
    until_said(&["up", "one", "up", "up", "two"]);
    // By the folder that the shell says it is in, and by the path of the manifest.
    let within = |directory: &str| {
        let run = daemon.command(&["up"]).current_dir(daemon.path(directory));
        run.env("PWD", daemon.path(directory).to_str().unwrap()).run()
    };
    assert_eq!(within("current").text(), "web: kept as it is\nready: 1 instance\n");
    release("1");
    fs::remove_dir_all(daemon.path("releases/2")).unwrap();
    assert!(within("current").text().starts_with("web: changed: dir\n"));
    release("2");
    let up = daemon.well(&["up", "current/sandhog.toml"]);
    assert!(up.text().starts_with("web: changed: dir\n"), "{up:#?}");
    daemon.well(&["restart", "web"]);
    assert_eq!(daemon.log_of("web").pop().unwrap(), "two");
}

#[test]
fn one_manifest_is_one_by_all_its_names() {
    let daemon = Daemon::start();
    fs::create_dir(daemon.path("real")).unwrap();
    symlink("real", daemon.path("link")).unwrap();
    let job = told("web", &["listen", "ready"], "ready = \"notify\"");
    fs::write(daemon.path("real/sandhog.toml"), quick("name = \"site\"", &[job])).unwrap();
    daemon.well(&["up", "link/sandhog.toml"]);
    for name in ["real/sandhog.toml", "link/../real/sandhog.toml", "link/sandhog.toml"] {
        assert_eq!(daemon.well(&["up", name]).text(), "web: kept as it is\nready: 1 instance\n", "{name}");
    }
    daemon.well(&["down", "real/sandhog.toml"]);
    assert_eq!(daemon.instances(), []);
}

#[test]
fn a_health_check_runs_the_module_that_the_operator_named() {
    let daemon = Daemon::start();
    fs::create_dir_all(daemon.path("out")).unwrap();
    fs::copy(guest("write_file"), daemon.path("check.wasm")).unwrap();
    let check = "dir = [\"out::/out:rw\"]\nhealth.command = [\"check.wasm\", \"/out/checked\", \"x\"]\nhealth.interval = \"50ms\"";
    daemon.up_well(&quick("", &[told("web", &["listen", "ready"], &format!("ready = \"notify\"\n{check}"))]));
    let checked = daemon.path("out/checked");
    fs::copy(guest("panics"), daemon.path("new.wasm")).unwrap();
    fs::rename(daemon.path("new.wasm"), daemon.path("check.wasm")).unwrap();
    drop(fs::remove_file(&checked));
    sandhog_harness::until("a check after the module was replaced", || checked.exists().then_some(()));
    assert_eq!(daemon.count("web", "unhealthy"), 0);
}

#[test]
fn a_verb_that_finds_no_module_changes_nothing_and_says_so() {
    let daemon = Daemon::start();
    fs::copy(guest("does_as_told"), daemon.path("web.wasm")).unwrap();
    let job = told("web", &["listen", "ready"], "ready = \"notify\"");
    daemon.up_well(&quick("", &[job.replace(&format!("{:?}", module("does_as_told")), "\"web.wasm\"")]));
    let before: Instance = daemon.instance("web");
    fs::rename(daemon.path("web.wasm"), daemon.path("away.wasm")).unwrap();
    for verb in ["reload", "restart"] {
        let outcome = daemon.run(&[verb, "web"]);
        assert_ne!(outcome.code, 0, "{outcome:#?}");
        let sentence = format!("web: there is no module at {:?}", daemon.path("web.wasm"));
        assert!(outcome.stderr.contains(&sentence), "{outcome:#?}");
    }
    assert_eq!(daemon.instance("web").attempt, before.attempt);
    // What runs is what was granted, and goes on with it.
    daemon.tell_and_on("web", "exit 1");
    daemon.until_instance("another attempt", "web", |web| web.phase == Phase::Running && web.attempt != before.attempt);
}

#[test]
fn what_a_job_could_replace_is_warned_of() {
    let daemon = scene();
    lay_out(&daemon);
    let up = daemon.up_well(&quick("", &[exposed_job("health.command = [\"app/health.wasm\"]\n")]));
    for key in ["module", "health.command", "child", "dir", "stdin"] {
        assert!(up.stderr.contains(&format!("sandhog: warning: web: {key} ")), "{key}: {}", up.stderr);
    }
    let check = daemon.well(&["check"]);
    assert_eq!(check.stderr.matches("sandhog: warning: sandhog.toml:").count(), 5, "{}", check.stderr);
    // Of another manifest, from either side.
    let other = Folder::new();
    let reader = told("reader", &["listen", "ready"], "ready = \"notify\"");
    let stdin = format!("stdin = {:?}\n", daemon.path("app/input"));
    other.file("sandhog.toml", quick("name = \"other\"", &[reader + &stdin]));
    let manifest = other.join("sandhog.toml");
    let warned = daemon.well(&["up", manifest.to_str().unwrap()]);
    assert!(warned.stderr.contains("sandhog: warning: reader: stdin "), "{}", warned.stderr);
    daemon.well(&["delete", "web"]);
    let late = daemon.well(&["up"]);
    assert!(late.stderr.contains("sandhog: warning: reader: a path of it leads through "), "{}", late.stderr);
}

#[test]
fn a_run_is_not_warned_and_has_what_its_paths_lead_to_now() {
    let scratch = Folder::new();
    fs::create_dir(scratch.join("real")).unwrap();
    scratch.file("real/file", "content");
    symlink("real", scratch.join("link")).unwrap();
    let run = Command::guest("read_file").dir(&scratch.join("link"), "::/in").arg("/in/file").run();
    assert_eq!((run.code, run.text(), run.stderr.as_str()), (0, "content", ""), "{run:#?}");
}

#[test]
fn a_mount_of_what_lies_where_a_job_may_write_is_no_way_around() {
    if !root_or_missing("mounting") {
        return;
    }
    own_mounts().unwrap();
    let mut daemon = scene();
    fs::create_dir(daemon.path("mount")).unwrap();
    rustix::mount::mount_bind(daemon.path("app/sub"), daemon.path("mount")).unwrap();
    let reader = told("reader", &["listen", "ready"], "ready = \"notify\"\nstdin = \"mount/secret\"");
    daemon.up_well(&quick("", &[reader, told("web", &["ready"], "dir = [\"app::/app:rw\"]")]));
    daemon.stop();
    fs::remove_file(daemon.path("app/sub/secret")).unwrap();
    symlink("../../victim/secret", daemon.path("app/sub/secret")).unwrap();
    daemon.start_again();
    let reason = why_given_up(&daemon, "reader");
    assert!(reason.contains(&format!("leads through the link {:?}", daemon.path("mount/secret"))), "{reason}");
    daemon.stop();
    rustix::mount::unmount(daemon.path("mount"), rustix::mount::UnmountFlags::empty()).unwrap();
}
