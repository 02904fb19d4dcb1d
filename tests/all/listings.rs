//! What a guest is told of directories and times: names that come and go meanwhile, names and times that WASI can't tell.

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use sandhog_harness::{Folder, Person, module, root_or_missing};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

/// More names than any buffer holds, in a directory of the grant's or in the grant itself.
fn crowded(who: Person, folder: &str) -> Folder {
    let workspace = Folder::of(who);
    for number in 0..1500 {
        workspace.write(format!("{folder}/a rather long name of a file, number {number}"), "");
    }
    workspace.settle();
    workspace
}

fn read_dir(workspace: &Folder, how: &str, room: &str) -> String {
    let ran = workspace.run(&["--dir", "grant::/grant:rw", &module("reads_dir"), "--", how, "/grant", room]);
    ran.is(0, "completed").text().to_owned()
}

#[test]
fn names_are_removed_one_by_one_while_they_are_listed_and_none_is_left_out() {
    for (who, room) in Person::all().into_iter().flat_map(|who| ["4096", "100", "65536"].map(|room| (who, room))) {
        let workspace = crowded(who, "grant");
        assert_eq!(read_dir(&workspace, "remove", room), "removed 1500, left 0\n", "{who:?} {room}");
    }
}

#[test]
fn std_removes_a_directory_of_1500_names_and_all_that_is_in_it() {
    for who in Person::all() {
        let workspace = crowded(who, "grant/full");
        let ran = workspace.run(&["--dir", "grant::/grant:rw", &module("removes_tree"), "--", "/grant/full"]);
        ran.is(0, "completed");
        assert!(!workspace.join("grant/full").exists(), "{who:?}");
    }
}

#[test]
fn a_cookie_leads_back_to_where_it_was_in_each_descriptor() {
    for who in Person::all() {
        let workspace = crowded(who, "grant");
        assert_eq!(read_dir(&workspace, "again", "1000"), "1500 names after [\".\", \"..\"], 0 wrong\n", "{who:?}");
    }
}

#[test]
fn who_begins_anew_sees_what_has_been_made_meanwhile() {
    for who in Person::all() {
        let workspace = crowded(who, "grant");
        assert_eq!(read_dir(&workspace, "anew", "4096"), "1 more\n", "{who:?}");
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_left_out_and_the_others_are_listed() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("grant/one", "").write("grant/two", "");
        fs::write(workspace.join("grant").join(OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
        workspace.settle();
        for name in ["tells_times", "tells_times_as_component"] {
            let ran = workspace.run(&["--dir", "grant::/grant", &module(name), "--", "/grant"]);
            let stdout = &ran.is(0, "completed").text();
            let names: Vec<&str> = stdout.lines().map(|line| line.split(' ').next().unwrap()).collect();
            assert_eq!(names, ["one", "two"], "{who:?} {name}");
        }
    }
}

#[test]
fn a_time_before_1970_is_the_first_that_wasi_holds() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("grant/file", "");
        let time = Timespec { tv_sec: -315_619_200, tv_nsec: 5 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, workspace.join("grant/file"), &times, AtFlags::empty()).unwrap();
        workspace.settle();
        assert!(fs::metadata(workspace.join("grant/file")).unwrap().mtime() < 0, "this file system keeps no such time");
        for name in ["tells_times", "tells_times_as_component"] {
            let ran = workspace.run(&["--dir", "grant::/grant", &module(name), "--", "/grant"]);
            assert_eq!(ran.is(0, "completed").text(), "file 0\n", "{who:?} {name}");
        }
    }
}

/// Not every file system keeps such a time: tmpfs does.
#[test]
fn a_time_after_2554_is_the_last_that_wasi_holds() {
    if !root_or_missing("mounting") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    workspace.folder("grant");
    let setup = format!("mount -t tmpfs none {0} && touch -d 2600-01-01 {0}/file", workspace.text("grant"));
    for name in ["tells_times", "tells_times_as_component"] {
        let ran = workspace.run_in_own_mounts(&setup, &["--dir", "grant::/grant", &module(name), "--", "/grant"]);
        assert_eq!(ran.is(0, "completed").text(), "file 18446744073\n", "{name}");
    }
}
