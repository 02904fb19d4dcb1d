//! A state that can't be read or written: a sentence, and nothing is lost.

use super::{apply, sleeper};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use sandhog_harness::{Daemon, Outcome, Person, Site, chown, is_root, module, root_or_missing};
use sandhog_protocol::control::Phase;
use serde_json::json;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

/// It did not start, and said this in one sentence.
#[track_caller]
fn expect_told(outcome: &Outcome, parts: &[&str]) {
    assert_eq!((outcome.code, outcome.text()), (126, ""), "{outcome:#?}");
    assert!(outcome.stderr.starts_with("sandhog: "), "{outcome:#?}");
    assert!(parts.iter().all(|part| outcome.stderr.contains(part)), "{parts:?}: {outcome:#?}");
    assert!(outcome.stderr.lines().count() <= 3, "{outcome:#?}");
}

#[test]
fn a_damaged_state_is_told_and_stays_as_it_is() {
    let mut daemon = Daemon::start();
    let jobs: Vec<_> = (0..50)
        .map(|number| {
            json!({ "name": format!("job-{number}"), "module": module("hello"),
        "schedule": "0 0 1 1 *" })
        })
        .collect();
    apply(&daemon, &jobs);
    assert_eq!(daemon.stop().code, 0);
    let path = daemon.path("state/state.db");
    let whole = fs::read(&path).unwrap();
    let mut holed = whole.clone();
    holed[4096..].fill(0x5a);
    for damaged in
        [b"this is no database, and long enough to be looked at".repeat(100), whole[..whole.len() / 2].to_vec(), holed]
    {
        for beside in ["state/state.db-wal", "state/state.db-shm"] {
            let _ = fs::remove_file(daemon.path(beside));
        }
        fs::write(&path, &damaged).unwrap();
        let outcome = daemon.run(&["daemon"]);
        expect_told(&outcome, &["state.db\" is damaged", "sandhog up"]);
        assert!(fs::read(&path).unwrap() == damaged, "it was written to");
        assert!(!daemon.socket().exists());
    }
    fs::write(&path, &whole).unwrap();
    daemon.start_again();
    assert_eq!(daemon.instances().len(), 50, "the copy from before is good again");
}

#[test]
fn the_state_of_a_newer_sandhog_and_somebody_elses_database_are_left_alone() {
    let mut daemon = Daemon::start();
    assert_eq!(daemon.stop().code, 0);
    let path = daemon.path("state/state.db");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    // The header of a database: user_version is at 60, application_id at 68.
    file.write_all_at(&9999_u32.to_be_bytes(), 60).unwrap();
    expect_told(&daemon.run(&["daemon"]), &["was written by a newer sandhog (version 9999"]);
    file.write_all_at(&1_u32.to_be_bytes(), 68).unwrap();
    let before = fs::read(&path).unwrap();
    expect_told(&daemon.run(&["daemon"]), &["is a database, but not one of sandhog's"]);
    assert!(fs::read(&path).unwrap() == before, "it was written to");
}

#[test]
fn a_folder_or_a_link_in_the_states_place_is_told() {
    let directories = Site::new();
    fs::create_dir_all(directories.0.join("state/state.db")).unwrap();
    set_mode(&directories, "state", 0o700);
    expect_told(&directories.command(&["daemon"]).run(), &["state.db"]);
    fs::remove_dir(directories.0.join("state/state.db")).unwrap();
    directories.0.file("elsewhere", "precious");
    let lock = directories.0.join("state/daemon.lock");
    fs::remove_file(&lock).unwrap();
    symlink(directories.0.join("elsewhere"), &lock).unwrap();
    expect_told(&directories.command(&["daemon"]).run(), &["daemon.lock"]);
    assert_eq!(fs::read_to_string(directories.0.join("elsewhere")).unwrap(), "precious");
}

fn set_mode(directories: &Site, name: &str, mode: u32) {
    fs::set_permissions(directories.0.join(name), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn directories_that_others_may_write_or_that_are_in_the_way_are_told() {
    let directories = Site::new();
    for (name, variable) in [("state", "SANDHOG_STATE_DIR"), ("runtime", "SANDHOG_RUNTIME_DIR")] {
        let _ = fs::remove_dir_all(directories.0.join(name));
        fs::create_dir(directories.0.join(name)).unwrap();
        set_mode(&directories, name, 0o777);
        expect_told(&directories.command(&["daemon"]).run(), &["others may write the directory", variable]);
        fs::remove_dir_all(directories.0.join(name)).unwrap();
        directories.0.file(name, "");
        let outcome = directories.command(&["daemon"]).run();
        expect_told(&outcome, &[&directories.text(name), variable]);
        fs::remove_file(directories.0.join(name)).unwrap();
    }
    let long = directories.text(&"d".repeat(100));
    let outcome = directories.command(&["daemon"]).env("SANDHOG_RUNTIME_DIR", &long).run();
    expect_told(&outcome, &["the kernel takes 107"]);
}

#[test]
fn a_state_directory_that_may_not_be_written_is_told() {
    let directories = Site::new();
    fs::create_dir(directories.0.join("state")).unwrap();
    if is_root() {
        chown(directories.0.path(), Person::MADE_UP.uid());
        chown(&directories.0.join("state"), Person::MADE_UP.uid());
    }
    set_mode(&directories, "state", 0o500);
    expect_told(&directories.command(&["daemon"]).by_ordinary_user().run(), &[&directories.text("state")]);
    set_mode(&directories, "state", 0o700);
}

/// What a child does before it becomes the daemon: a file system of its own, so many bytes large, over the state's directory.
fn small_state(directories: &Site, bytes: usize) -> impl FnMut() -> std::io::Result<()> + Send + Sync + 'static {
    let path = CString::new(directories.text("state")).unwrap();
    let options = CString::new(format!("size={bytes},mode=0700")).unwrap();
    move || {
        own_mounts_in_child()?;
        mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        mount(c"tmpfs", path.as_c_str(), c"tmpfs", MountFlags::empty(), options.as_c_str())?;
        Ok(())
    }
}

#[allow(unsafe_code)]
fn own_mounts_in_child() -> rustix::io::Result<()> {
    // SAFETY: no descriptors are unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }
}

#[test]
fn a_state_that_is_full_from_the_start_is_told() {
    if !root_or_missing("a mount") {
        return;
    }
    for pages in [1, 2, 4] {
        let directories = Site::new();
        fs::create_dir(directories.0.join("state")).unwrap();
        let full = small_state(&directories, pages * 4096);
        let outcome = directories.command(&["daemon"]).in_child(full).run();
        expect_told(&outcome, &[&directories.text("state")]);
    }
}

/// Logs fill it; the daemon goes on, and says what it could not write.
#[test]
fn a_state_that_fills_up_ends_neither_the_daemon_nor_its_jobs() {
    if !root_or_missing("a mount") {
        return;
    }
    let directories = Site::new();
    fs::create_dir(directories.0.join("state")).unwrap();
    let small = small_state(&directories, 2 << 20);
    let daemon = directories.command(&["daemon"]).in_child(small).start();
    daemon.stderr.until_has("sandhog: ready, at ");
    let socket = directories.0.join("runtime/control.sock");
    let post = |path: &str, body: &serde_json::Value| sandhog_harness::daemon::post(&socket, path, body);
    let spew = json!({ "name": "spew", "module": module("spew"), "restart": "always", "timeout": "100ms",
        "backoff": { "first": "1ms", "max": "10ms" }, "intensity": { "restarts": 10_000, "within": "1s" } });
    post("/v1/apply", &json!({ "jobs": [sleeper("web"), spew] })).expect(200);
    let list = || -> Vec<sandhog_protocol::control::Instance> {
        serde_json::from_str(&sandhog_harness::daemon::get(&socket, "/v1/instances").expect(200)).unwrap()
    };
    let restarts = || list().iter().find(|it| it.job == "spew").unwrap().restarts;
    let enough = |count: u64| (restarts() >= count).then_some(());
    sandhog_harness::until("it writing far more than there is room for", || enough(30));
    let web = list().into_iter().find(|it| it.job == "web").unwrap();
    assert_eq!((web.phase, web.restarts), (Phase::Running, 0));
    let heard = String::from_utf8_lossy(&daemon.stderr.so_far()).into_owned();
    assert!(heard.lines().count() < 20, "it does not repeat itself: {heard}");
    post("/v1/delete", &json!({ "select": ["spew"], "wait": true })).expect(200);
    post("/v1/apply", &json!({ "jobs": [sleeper("more")] })).expect(200);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.wait().code, 0);
}
