//! An ordinary user: what works, what is told to stand lower, and what is refused in a sentence.

use sandhog_harness::{Folder, Need, Person, missing, mode, module, root_or_missing};
use std::fs;
use std::os::unix::fs::MetadataExt;

fn workspace() -> Folder {
    Folder::of(Person::ordinary())
}

const WEAK: [&str; 2] = ["identity", "cgroup"];

#[test]
fn an_ordinary_user_runs_a_module_and_is_told_which_walls_stand_lower() {
    let workspace = workspace();
    let ran = workspace.run(&[&module("hello")]);
    assert_eq!(ran.is(0, "completed").text(), "hello\n");
    let weak = ran.list("weak_walls");
    assert!(WEAK.iter().all(|wall| weak.contains(wall)), "{ran:#?}");
    assert!(ran.list("missing_walls").is_empty(), "{ran:#?}");
    let walls = ["namespaces", "root", "capabilities", "rlimits", "directories", "seccomp"];
    assert!(walls.iter().all(|wall| ran.list("walls").contains(wall)), "{ran:#?}");
    assert!(weak.iter().all(|wall| !ran.list("walls").contains(wall)), "a wall is in two lists: {ran:#?}");
    for wall in WEAK {
        assert!(ran.verdict["weak_reasons"][wall].as_str().is_some_and(|reason| reason.contains("root")), "{ran:#?}");
    }
}

#[test]
fn limits_hold_for_an_ordinary_user() {
    let workspace = workspace();
    workspace.run(&["--memory", "32MiB", &module("grow_memory"), "--", "64"]).is(137, "memory");
    workspace.run(&["--timeout", "50ms", &module("spin_forever")]).is(124, "deadline");
    workspace.run(&["--cpu", "50ms", &module("spin_forever")]).is(124, "cpu");
    let spewed = workspace.run(&["--max-output", "100KiB", &module("spew")]);
    assert_eq!(spewed.is(153, "output").verdict["stdout_bytes"], 100 << 10);
}

#[test]
fn files_that_an_ordinary_user_s_guest_makes_are_that_user_s() {
    let workspace = workspace();
    workspace.write("grant/file", "inside").settle();
    let run = |access: &str, name: &str, path: &str| {
        workspace.run(&["--dir", &format!("grant::/grant:{access}"), &module(name), "--", path, "written"])
    };
    assert_eq!(run("ro", "read_file", "/grant/file").is(0, "completed").text(), "inside");
    run("ro", "write_file", "/grant/new").is(1, "failed");
    run("rw", "write_file", "/grant/new").is(0, "completed");
    let status = fs::metadata(workspace.join("grant/new")).unwrap();
    assert_eq!((workspace.read("grant/new").as_str(), status.uid()), ("written", workspace.person.uid()));
    assert_eq!(mode(&workspace.join("grant/new")) & 0o7022, 0);
}

/// Same user, other job: modes alone would let it in.
#[test]
fn a_guest_of_an_ordinary_user_does_not_reach_the_user_s_other_files() {
    let workspace = workspace();
    workspace.write("grant/file", "inside").write("secret", "the secret").settle();
    for access in ["ro", "rw"] {
        let (grant, secret) = (format!("grant::/grant:{access}"), workspace.text("secret"));
        let ran = workspace.run(&["--dir", &grant, &module("file_attack"), "--", "/grant", "secret", &secret]);
        assert!(ran.is(0, "completed").text().ends_with("0 got through\n"), "{ran:#?}");
        assert!(!ran.text().contains("the secret"), "{ran:#?}");
    }
}

#[test]
fn an_ordinary_user_keeps_their_identity_and_gives_nobody_another() {
    let workspace = workspace();
    for user in ["keep", "auto"] {
        assert_eq!(workspace.run(&["--user", user, &module("hello")]).is(0, "completed").text(), "hello\n");
    }
    for user in ["1:1", "54322:54322"] {
        let ran = workspace.run(&["--user", user, &module("hello")]);
        ran.refused_with(&["--user", "only root"]);
        assert_eq!(ran.text(), "");
    }
}

#[test]
fn root_is_never_a_guest_s_identity() {
    if !root_or_missing("refusing root's identity") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    for user in ["keep", "0", "0:0", "0:1", "1:0"] {
        workspace.run(&["--user", user, &module("hello")]).refused_with(&["--user", "never root"]);
    }
    let ran = workspace.run(&["--user", "54322:54323", &module("hello")]);
    assert_eq!(ran.is(0, "completed").text(), "hello\n");
}

/// In a user namespace that allows no further one, as a machine does that forbids them.
#[test]
fn without_user_namespaces_an_ordinary_user_is_told_what_to_do() {
    let workspace = workspace();
    let uid = workspace.person.uid().to_string();
    let setup = "echo 0 > /proc/sys/user/max_user_namespaces || exit 77";
    let mapped = ["unshare", "--user", &format!("--map-user={uid}"), &format!("--map-group={uid}"), "--keep-caps"];
    let ran = workspace.run_after(&mapped, setup, &[&module("hello")]);
    if ran.exited() == Some(77) || ran.stderr.contains("unshare:") {
        missing(Need::UserNamespaces, &format!("a user namespace to forbid further ones in: {}", ran.stderr));
        return;
    }
    let advice = ["user namespace", "kernel.unprivileged_userns_clone=1", "user.max_user_namespaces", "as root"];
    ran.refused_with(&advice).refused_with(&["AppArmor"]);
    assert_eq!(ran.stderr.matches("No space left on device").count(), 1, "{ran:#?}");
    assert_eq!(ran.text(), "");
}

/// Root of a user namespace with one id, as in a container without privilege: not root, but an ordinary user.
#[test]
fn root_of_a_user_namespace_runs_a_module_or_is_told_why_not() {
    let workspace = workspace();
    let ran = workspace.run_after(&["unshare", "--user", "--map-root-user"], "true", &[&module("hello")]);
    if ran.stderr.contains("unshare:") {
        missing(Need::UserNamespaces, &format!("a user namespace: {}", ran.stderr));
        return;
    }
    assert_eq!(ran.is(0, "completed").text(), "hello\n");
    assert!(WEAK.iter().all(|wall| ran.list("weak_walls").contains(wall)), "{ran:#?}");
}

#[test]
fn without_cgroups_root_is_refused_unless_the_operator_lets_them_go() {
    if !root_or_missing("a machine without cgroups") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    let setup = "mount -t tmpfs none /sys/fs/cgroup; umount --recursive --lazy /sys/fs/cgroup; \
                 umount --recursive --lazy /sys/fs/cgroup 2>/dev/null || true";
    let refused = workspace.run_in_own_mounts(setup, &[&module("hello")]);
    refused.refused_with(&["cgroup", "can't be built here"]);
    assert_eq!(refused.text(), "");
    let ran = workspace.run_in_own_mounts(setup, &["--allow-missing", "cgroup", &module("hello")]);
    assert_eq!(ran.is(0, "completed").text(), "hello\n");
    assert_eq!(ran.list("missing_walls"), ["cgroup"]);
    assert!(!ran.list("walls").contains(&"cgroup") && !ran.list("weak_walls").contains(&"cgroup"), "{ran:#?}");
}

/// Letting a wall go that stands changes nothing.
#[test]
fn a_wall_that_can_be_built_is_built_even_where_it_may_be_missing() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        let ran = workspace.run(&["--allow-missing", "seccomp", "--allow-missing", "landlock", &module("hello")]);
        ran.is(0, "completed");
        assert!(ran.list("missing_walls").is_empty() && ran.list("walls").contains(&"seccomp"), "{who:?}: {ran:#?}");
    }
}

#[test]
fn a_cache_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.folder("cache").settle();
        fs::set_permissions(workspace.join("cache"), fs::Permissions::from_mode(0o777)).unwrap();
        let output = workspace.sandhog(["run", &module("hello")]).cache(workspace.join("cache")).run();
        assert!(output.exited() == Some(126) && output.stderr.contains("others may write"), "{who:?}: {output:?}");
    }
}
