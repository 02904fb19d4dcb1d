//! Workers that lie as parents: rights that they don't have, numbers of children that are none, bombs, and ends at the
//! worst of times. The children are honest guests.

use super::{FLAT, HostileWorker, child, exited, path};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use sandhog_harness::{Command, DEADLINE, Folder, Running, alone, process, until};
use sandhog_protocol::frame;
use sandhog_protocol::limits;
use sandhog_protocol::message::{Format, Message};
use sandhog_protocol::plan::Access;
use sandhog_protocol::request::{ChildDirectory, ChildId, ChildJob, ChildLimits, ChildStdio, Refused, Reply, Request};
use sandhog_protocol::usage::WorkerUsage;
use sandhog_protocol::verdict::{StopReason, Verdict};
use sandhog_protocol::worker::FromWorker;
use std::os::unix::fs::symlink;
use std::time::Instant;

const BY_PARENT: Verdict = Verdict::Stopped { graceful: false, reason: StopReason::Parent };

fn spawn(job: ChildJob) -> Vec<u8> {
    frame::encode(&FromWorker::Asks(Request::Spawn(Box::new(job)))).unwrap()
}

fn uses(child: ChildId) -> Vec<u8> {
    frame::encode(&FromWorker::Asks(Request::Usage { child })).unwrap()
}

fn directory(path: &str, name: &str, access: Access) -> ChildDirectory {
    ChildDirectory { path: path.into(), name: name.into(), access }
}

fn with_directory(path: &str, access: Access) -> ChildJob {
    let stdio = [ChildStdio::Null, ChildStdio::Inherit, ChildStdio::Inherit];
    ChildJob { directories: vec![directory(path, "/d", access)], stdio, ..child("list_dir") }
}

#[test]
fn a_child_runs_and_its_end_is_told_once() {
    let mut hostile = HostileWorker::with_children(&["exit_code"], &[]);
    let number = hostile.has(ChildJob { arguments: vec!["7".into()], ..child("exit_code") });
    assert_eq!(hostile.buries(), (number, Verdict::Failed { code: 7 }, 7));
    hostile.completes();
}

#[test]
fn what_was_not_granted_is_refused_and_the_parent_lives_on() {
    let mut hostile = HostileWorker::with_children(&["hello"], &["--memory=64MiB", "--timeout=30s"]);
    let limits = |limits| ChildJob { limits, ..child("hello") };
    let denied = [
        child("cat"),
        ChildJob { detached: true, ..child("hello") },
        ChildJob { modules: vec!["cat".into()], ..child("hello") },
        with_directory("/", Access::ReadOnly),
        limits(ChildLimits { memory_bytes: Some(u64::MAX), ..ChildLimits::default() }),
        limits(ChildLimits { timeout_ns: Some(u64::MAX), ..ChildLimits::default() }),
        limits(ChildLimits { max_files: Some(u32::MAX), ..ChildLimits::default() }),
    ];
    for mut job in denied {
        if job.module == "list_dir" {
            job.module = "hello".into();
        }
        let refused = hostile.is_refused(job.clone());
        assert!(matches!(refused, Refused::Denied(_)), "{job:?}: {refused:?}");
    }
    hostile.completes();
}

#[test]
fn nonsense_is_refused_with_a_sentence_and_the_parent_lives_on() {
    let mut hostile = HostileWorker::with_children(&["hello"], &[]);
    let long = "\u{1}\n\0\u{10ffff}".repeat(40_000);
    let nonsense = [
        ChildJob { arguments: vec![long.clone()], ..child("hello") },
        ChildJob { environment: vec![(long.clone(), String::new())], ..child("hello") },
        ChildJob { environment: vec![(long.replace('\0', "="), String::new())], ..child("hello") },
        ChildJob { module: long.clone(), ..child("hello") },
        ChildJob { modules: vec![long.replace('\0', "")], ..child("hello") },
        ChildJob { directories: vec![directory(&long, "x", Access::ReadWrite)], ..child("hello") },
        ChildJob {
            directories: vec![directory(&long.replace('\0', "/../"), "x", Access::ReadWrite)],
            ..child("hello")
        },
        ChildJob { directories: vec![directory("/", "", Access::ReadWrite); 10_000], ..child("hello") },
        ChildJob { arguments: vec!["x".repeat(limits::ARGUMENTS)], ..child("hello") },
        ChildJob {
            data: Some(Message { format: Format::Value, body: vec![0x91; limits::ARGUMENTS + 1] }),
            ..child("hello")
        },
        ChildJob { limits: ChildLimits { memory_bytes: Some(0), ..ChildLimits::default() }, ..child("hello") },
        ChildJob { limits: ChildLimits { timeout_ns: Some(0), ..ChildLimits::default() }, ..child("hello") },
    ];
    for job in nonsense {
        let (Refused::Denied(reason) | Refused::Invalid(reason) | Refused::NotFound(reason) | Refused::Quota(reason)) =
            hostile.is_refused(job);
        assert!(reason.len() < 8 << 10, "{} bytes", reason.len());
    }
    hostile.completes();
}

#[test]
fn a_child_with_as_much_as_fits_starts() {
    let mut hostile = HostileWorker::with_children(&["exit_code"], &[]);
    let rest = limits::ARGUMENTS - 1024;
    let full = [
        ChildJob { arguments: vec!["0".into(), "x".repeat(rest)], ..child("exit_code") },
        ChildJob {
            arguments: vec!["0".into()],
            data: Some(Message { format: Format::Value, body: vec![0x91; rest] }),
            ..child("exit_code")
        },
    ];
    for job in full {
        hostile.has(job);
        assert_eq!(hostile.buries().1, Verdict::Completed { code: 0 });
    }
    hostile.completes();
}

#[test]
fn directories_lead_nowhere_but_down() {
    let scratch = Folder::new();
    let inside = scratch.join("granted/inside");
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::write(inside.join("found"), "").unwrap();
    std::fs::create_dir(scratch.join("outside")).unwrap();
    let granted = scratch.join("granted");
    symlink("../outside", granted.join("out")).unwrap();
    symlink(scratch.join("outside"), granted.join("absolute")).unwrap();
    symlink("inside/../inside", granted.join("in")).unwrap();
    symlink("loop", granted.join("loop")).unwrap();
    symlink("/proc/self/root", granted.join("magic")).unwrap();
    let flag = format!("--dir={}::/g:ro", granted.display());
    let mut hostile = HostileWorker::with_children(&["list_dir"], &[&flag]);
    for way in ["/g/out", "/g/absolute", "/g/magic", "/g/out/../outside", "/g/..", "/g/../g", "/", "/h"] {
        let refused = hostile.is_refused(with_directory(way, Access::ReadOnly));
        assert!(matches!(refused, Refused::Denied(_) | Refused::Invalid(_)), "{way}: {refused:?}");
    }
    for way in ["/g/loop", "/g/nothing", "/g/inside/found", "/g/a\nb", "/g/inside\u{1b}[2J"] {
        let refused = hostile.is_refused(with_directory(way, Access::ReadOnly));
        assert!(matches!(refused, Refused::NotFound(_) | Refused::Invalid(_)), "{way}: {refused:?}");
    }
    let refused = hostile.is_refused(with_directory("/g/inside", Access::ReadWrite));
    assert!(matches!(refused, Refused::Denied(_)), "{refused:?}");
    for way in ["/g/inside", "/g/in", "/g//./inside/"] {
        hostile.has(ChildJob {
            stdio: [ChildStdio::Null; 3],
            arguments: vec!["/d".into()],
            ..with_directory(way, Access::ReadOnly)
        });
        assert_eq!(hostile.buries().1, Verdict::Completed { code: 0 }, "{way}");
    }
    hostile.completes();
}

#[test]
fn no_more_children_live_than_may_and_a_place_is_free_again() {
    let mut hostile = HostileWorker::with_children(&["sleep_forever"], &["--max-children=3"]);
    let first = hostile.has(child("sleep_forever"));
    hostile.has(child("sleep_forever"));
    hostile.has(child("sleep_forever"));
    assert!(
        matches!(hostile.is_refused(child("sleep_forever")), Refused::Quota(reason) if reason.contains("--max-children"))
    );
    hostile.asks(Request::Kill { child: first });
    assert_eq!(hostile.buries(), (first, BY_PARENT, 143));
    hostile.has(child("sleep_forever"));
    hostile.completes();
}

#[test]
fn a_bomb_of_children_ends_in_the_quota_and_leaves_the_memory_flat() {
    alone();
    for lie in ["relay", "deaf"] {
        let granted = format!("--child=sleep_forever={}", path("sleep_forever"));
        let flags = [granted.as_str(), "--timeout=2s", "--max-child-rate=1000"];
        let hostile = HostileWorker::of(Command::lie(lie).flag("--"), &flags);
        let pid = hostile.running.pid;
        let most = std::thread::spawn(move || {
            let mut most = 0;
            while process::is_there(pid) {
                most = most.max(process::descendants(pid).len());
            }
            most
        });
        let (outcome, peak) = hostile.floods(spawn(child("sleep_forever")).repeat(50));
        outcome.is(124, "deadline");
        assert!(peak < FLAT, "{lie}: {peak} bytes");
        // The spawner; zygote and worker of the hostile one and of sixteen children; as many that are ending, for a moment.
        assert!(most.join().unwrap() <= 1 + 4 * 17, "{lie}");
    }
}

#[test]
fn children_that_come_and_go_without_end_leave_the_memory_flat() {
    alone();
    for lie in ["relay", "deaf"] {
        let granted = format!("--child=hello={}", path("hello"));
        let flags = [granted.as_str(), "--timeout=3s", "--max-child-rate=10000"];
        let job = ChildJob { connected: true, stdio: [ChildStdio::Piped; 3], ..child("hello") };
        let (outcome, peak) = HostileWorker::of(Command::lie(lie).flag("--"), &flags).floods(spawn(job).repeat(50));
        outcome.is(124, "deadline");
        assert!(peak < FLAT, "{lie}: {peak} bytes");
    }
}

#[test]
fn a_child_that_has_ended_can_be_stopped_and_killed_again_and_again() {
    let mut hostile = HostileWorker::with_children(&["hello"], &[]);
    let number = hostile.has(child("hello"));
    hostile.buries();
    for _ in 0..100 {
        hostile.asks(Request::Kill { child: number }).asks(Request::Stop { child: number });
    }
    // They were all heard: this one comes after them.
    hostile.has(child("hello"));
    hostile.buries();
    hostile.asks(Request::Kill { child: 3 });
    hostile.caught("the number 3 of a child that it never had");
}

#[test]
fn what_a_child_uses_is_told_in_the_order_of_the_questions_until_it_has_ended() {
    let mut hostile = HostileWorker::with_children(&["sleep_forever", "hello"], &[]);
    let sleeps = hostile.has(child("sleep_forever"));
    hostile.has(child("hello"));
    hostile.buries();
    let bytes = [uses(sleeps), uses(2), spawn(child("nobody"))].concat();
    hostile.writes(&bytes.repeat(40));
    for _ in 0..40 {
        assert!(matches!(hostile.hears(), Reply::Used(WorkerUsage::Alive(_))));
        assert_eq!(hostile.hears(), Reply::Used(WorkerUsage::Ended));
        assert!(matches!(hostile.hears(), Reply::NotSpawned(Refused::Denied(_))));
    }
    hostile.completes();
}

#[test]
fn questions_without_end_what_a_child_uses_leave_the_memory_flat() {
    for lie in ["relay", "deaf"] {
        let granted = format!("--child=sleep_forever={}", path("sleep_forever"));
        let mut hostile = HostileWorker::of(Command::lie(lie).flag("--"), &[granted.as_str(), "--timeout=3s"]);
        hostile.writes(&spawn(child("sleep_forever")));
        let (outcome, peak) = hostile.floods(uses(1).repeat(1000));
        outcome.is(124, "deadline");
        assert!(peak < FLAT, "{lie}: {peak} bytes");
    }
}

#[test]
fn a_child_that_is_killed_while_it_starts_has_one_end() {
    let mut hostile = HostileWorker::with_children(&["sleep_forever"], &["--max-child-rate=1000"]);
    for number in 1..=20 {
        let mut bytes = spawn(child("sleep_forever"));
        for _ in 0..number % 4 {
            bytes.extend(frame::encode(&FromWorker::Asks(Request::Stop { child: number })).unwrap());
        }
        bytes.extend(frame::encode(&FromWorker::Asks(Request::Kill { child: number })).unwrap());
        hostile.writes(&bytes);
        assert!(matches!(hostile.hears(), Reply::Spawned { child, .. } if child == number));
        assert_eq!(hostile.buries(), (number, BY_PARENT, 143));
    }
    hostile.completes();
}

#[test]
fn questions_that_do_not_wait_for_answers_are_answered_in_their_order() {
    let mut hostile =
        HostileWorker::with_children(&["sleep_forever"], &["--max-children=100", "--max-child-rate=1000"]);
    let bytes = [spawn(child("nobody")), spawn(child("sleep_forever"))].concat();
    hostile.writes(&bytes.repeat(40));
    for number in 1..=40 {
        assert!(matches!(hostile.hears(), Reply::NotSpawned(Refused::Denied(_))));
        assert!(matches!(hostile.hears(), Reply::Spawned { child, .. } if child == number));
    }
    hostile.completes();
}

#[test]
fn children_end_with_a_parent_that_is_killed_from_outside() {
    let mut hostile = HostileWorker::with_children(&["sleep_forever"], &[]);
    // Spawner and worker; it runs, so that its zygote goes.
    hostile.asks(Request::Spawn(Box::new(child("nobody")))).hears();
    let worker = settled(&hostile.running, 2)[1];
    hostile.has(child("sleep_forever"));
    hostile.has(child("sleep_forever"));
    rustix::process::kill_process(rustix::process::Pid::from_raw(worker.cast_signed()).unwrap(), Signal::KILL).unwrap();
    let outcome = hostile.running.wait_with_stdin_open();
    outcome.is(137, "killed");
}

/// The command's descendants, once they are as many.
fn settled(running: &Running, count: usize) -> Vec<u32> {
    until("processes", || Some(process::descendants(running.pid)).filter(|all| all.len() == count))
}

#[test]
fn nothing_lives_on_when_the_command_is_killed() {
    let mut hostile = HostileWorker::with_children(&["sleep_forever", "spin_forever"], &["--allow-detached"]);
    for module in ["sleep_forever", "spin_forever"] {
        hostile.has(child(module));
        hostile.has(ChildJob { detached: true, ..child(module) });
    }
    let all = settled(&hostile.running, 1 + 1 + 4);
    hostile.running.signal(Signal::KILL);
    until("the end of all", || all.iter().all(|pid| !process::is_there(*pid)).then_some(()));
}

#[test]
fn a_parent_that_listens_is_asked_to_stop_and_its_children_end_with_it() {
    let mut hostile = HostileWorker::with_children(&["sleep_forever"], &[]);
    hostile.asks(Request::Listens);
    hostile.has(child("sleep_forever"));
    hostile.running.signal(Signal::INT);
    assert_eq!(hostile.hears(), Reply::Stop);
    hostile.says(&exited(0));
    let outcome = hostile.running.wait_with_stdin_open();
    outcome.is(130, "stopped");
    assert_eq!(outcome.verdict["graceful"], true);
}

#[test]
fn a_parent_that_listens_and_goes_on_is_ended_all_the_same() {
    let mut hostile = HostileWorker::with_children(&["sleep_forever"], &[]);
    hostile.asks(Request::Listens);
    hostile.has(child("sleep_forever"));
    hostile.running.signal(Signal::TERM);
    assert_eq!(hostile.hears(), Reply::Stop);
    let start = Instant::now();
    // It may still do what it may.
    hostile.has(child("sleep_forever"));
    let outcome = hostile.running.wait_with_stdin_open();
    outcome.is(143, "stopped");
    assert_eq!(outcome.verdict["graceful"], false);
    assert!(start.elapsed() < DEADLINE / 2);
}

#[test]
fn a_detached_child_outlives_its_parent_but_not_the_command() {
    let mut hostile = HostileWorker::with_children(&["sleep_forever"], &["--allow-detached"]);
    hostile.has(ChildJob { detached: true, ..child("sleep_forever") });
    // Spawner, parent and child, or the child's zygote: only then two of them are without the parent.
    settled(&hostile.running, 3);
    hostile.says(&exited(0));
    drop(hostile.running.stdin.take());
    // Spawner and child.
    let all = settled(&hostile.running, 2);
    assert!(!hostile.running.has_ended());
    hostile.running.signal(Signal::INT);
    hostile.running.wait().is(0, "completed");
    assert!(all.iter().all(|pid| !process::is_there(*pid)));
}

#[test]
fn a_command_that_can_open_no_more_files_says_so_and_goes_on() {
    let few = || {
        let limit = Rlimit { current: Some(128), maximum: Some(128) };
        setrlimit(Resource::Nofile, limit).map_err(Into::into)
    };
    let granted = format!("--child=sleep_forever={}", path("sleep_forever"));
    let run = Command::lie("relay").flag("--").in_child(few);
    let mut hostile = HostileWorker::of(run, &[&granted, "--max-children=100", "--max-files=16"]);
    let job = ChildJob { connected: true, stdio: [ChildStdio::Piped; 3], ..child("sleep_forever") };
    let refused = loop {
        match hostile.spawns(job.clone()) {
            Reply::Spawned { .. } => {}
            Reply::NotSpawned(reason) => break reason,
            Reply::ChildEnded { verdict, .. } => {
                assert!(matches!(verdict, Verdict::Refused { .. } | Verdict::Lost { .. }))
            }
            other @ (Reply::Stop | Reply::InputFailed { .. } | Reply::Used(_)) => panic!("{other:?}"),
            other @ (Reply::Attached(_) | Reply::NotAttached(_) | Reply::Dead(_)) => panic!("{other:?}"),
        }
    };
    assert!(matches!(&refused, Refused::Quota(reason) if reason.contains("can open no more")), "{refused:?}");
    hostile.completes();
}

#[test]
fn what_a_child_writes_counts_with_what_its_parent_writes() {
    let spew = ChildJob { stdio: [ChildStdio::Inherit; 3], ..child("spew") };
    let mut hostile = HostileWorker::with_children(&["spew"], &["--max-output=1MiB"]);
    hostile.asks(Request::Spawn(Box::new(spew)));
    let (mut heard, mut spewed) = (Vec::new(), 0);
    until("the end of both", || {
        heard = hostile.running.stdout.so_far();
        spewed = heard.len();
        (spewed >= 1 << 20).then_some(())
    });
    hostile.running.signal(Signal::INT);
    let outcome = hostile.running.wait_with_stdin_open();
    // Two streams that write at the same moment may pass a chunk more than the limit together.
    assert!(outcome.stdout.len() <= (1 << 20) + (64 << 10), "{}", outcome.stdout.len());
}
