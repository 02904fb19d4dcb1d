//! Facts about the ids of root's workers: whose they are, and that nobody else has them.

use sandhog_harness::{Folder, Outcome, Person, Process, Running, module, root_or_missing};
use std::path::Path;
use std::process::{Command, Stdio};

/// A copy of /etc over it, in mounts of the command's own, with these lines in the files of subordinate ids.
fn etc(workspace: &Folder, subuid: &str, subgid: &str) -> String {
    workspace.write("subuid", subuid).write("subgid", subgid);
    let copy = workspace.text("etc");
    format!(
        "cp -a /etc '{copy}'; cp '{}' '{copy}/subuid'; cp '{}' '{copy}/subgid'; mount --bind '{copy}' /etc",
        workspace.text("subuid"),
        workspace.text("subgid")
    )
}

fn hello(subuid: &str, subgid: &str) -> Outcome {
    let workspace = Folder::of(Person::Root);
    let ran = workspace.run_in_own_mounts(&etc(&workspace, subuid, subgid), &[&module("hello")]);
    assert_eq!(ran.is(0, "completed").text(), "hello\n");
    ran
}

/// A guest that has begun, where `setup` was done before.
fn start(workspace: &Folder, setup: &str, runtime: Option<&Path>) -> Running {
    let command = workspace.sandhog(["run", &module("cat")]).stdin_open();
    let command = command.under(&["unshare", "--mount", "--propagation", "private"]).after(setup);
    let command = match runtime {
        Some(runtime) => command.env("SANDHOG_RUNTIME_DIR", runtime),
        None => command,
    };
    let mut child = command.start();
    child.say("x");
    child.stdout.until("x");
    child
}

fn ids(child: &Running, name: &str) -> (u32, u32) {
    child.process(name).ids().expect("it runs")
}

#[test]
fn ids_that_somebody_else_has_too_are_a_weak_wall() {
    if !root_or_missing("an identity of one's own") {
        return;
    }
    let ran = hello("anna:100000:4000000000\n", "");
    assert!(ran.list("weak_walls").contains(&"identity") && !ran.list("walls").contains(&"identity"), "{ran:#?}");
    let reason = ran.verdict["weak_reasons"]["identity"].as_str().unwrap();
    for part in ["anna", "/etc/subuid", "sandhog:FIRST:65536"] {
        assert!(reason.contains(part), "{reason}");
    }
}

/// What useradd makes of a machine with three accounts.
#[test]
fn the_subordinate_ids_of_a_common_machine_make_nothing_weak() {
    if !root_or_missing("an identity of one's own") {
        return;
    }
    let three = "anna:100000:65536\nbert:165536:65536\ncarl:231072:65536\n";
    let ran = hello(three, three);
    assert!(ran.list("walls").contains(&"identity") && !ran.list("weak_walls").contains(&"identity"), "{ran:#?}");
}

#[test]
fn workers_have_the_ids_that_are_registered_for_sandhog() {
    if !root_or_missing("an identity of one's own") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    let line = "sandhog:700000000:64\n";
    let child = start(&workspace, &etc(&workspace, line, line), None);
    let (uid, gid) = ids(&child, "sandhog-worker");
    assert!((700_000_000..700_000_064).contains(&uid) && uid == gid, "{uid}:{gid}");
    child.wait();
    assert!(!hello(line, line).list("weak_walls").contains(&"identity"));
    assert!(hello(&format!("{line}anna:700000063:1\n"), line).list("weak_walls").contains(&"identity"));
}

#[test]
fn commands_with_other_runtime_directories_never_share_an_id() {
    if !root_or_missing("a runtime directory") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    let line = "sandhog:1879048191:64\n";
    let registered = etc(&workspace, line, line);
    let (one, two) = (workspace.join("one"), workspace.join("two"));
    // The last one has other ids, of which most are the others' as well.
    let children = [
        start(&workspace, "true", Some(&one)),
        start(&workspace, "true", Some(&two)),
        start(&workspace, "true", None),
        start(&workspace, &registered, Some(&one)),
    ];
    let mut taken = Vec::new();
    for child in &children {
        // Its zygote had the one before.
        let (worker, _) = ids(child, "sandhog-worker");
        taken.extend([worker, worker - 1]);
    }
    let all = taken.len();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), all, "{taken:?}");
    assert!(!one.exists(), "a run needs no runtime directory");
    for child in children {
        child.wait();
    }
}

#[test]
fn a_person_can_t_be_made_one_of_sandhogs_own_ids() {
    if !root_or_missing("an identity of one's own") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    for user in ["1879048193:1879048193", "1000:1879048193", "1879048193:1000"] {
        workspace.run(&["--user", user, &module("hello")]).refused_with(&["--user", "1879048192 to 1879113727"]);
    }
}

/// A person whose subordinate ids are those of before can't end a worker with them.
#[test]
fn nobody_with_an_account_s_subordinate_ids_can_signal_a_worker() {
    if !root_or_missing("an identity of one's own") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    let child = start(&workspace, "true", None);
    let worker: Process = child.process("sandhog-worker");
    for uid in [100_000, 165_536, 200_001, 231_072, 265_535] {
        use std::os::unix::process::CommandExt;
        let kill = Command::new("kill")
            .arg("-KILL")
            .arg(worker.pid.to_string())
            .uid(uid)
            .gid(uid)
            .stderr(Stdio::null())
            .status();
        assert!(!kill.unwrap().success() && worker.is_alive(), "{uid}");
    }
    assert!(child.wait().went_well());
}
