//! `--coredump FILE`: what the engine's end of a guest leaves behind for a debugger.

use sandhog_harness::{Command, Folder, Outcome};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn dumping(name: &str, file: &Path) -> Command {
    let mut flag = OsString::from("--coredump=");
    flag.push(file);
    Command::guest(name).flag(flag)
}

/// A whole module in binary form with the sections of a core dump.
fn is_a_dump(file: &Path) -> bool {
    let bytes = fs::read(file).unwrap();
    let has = |section: &[u8]| bytes.windows(section.len()).any(|window| window == section);
    bytes.starts_with(b"\0asm\x01\0\0\0") && has(b"\x04core") && has(b"\x09corestack") && has(b"\x0dcoreinstances")
}

fn left(scratch: &Folder) -> Vec<String> {
    let names = fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

/// There is none, and the verdict says why.
fn none_since(outcome: &Outcome, reason: &str) {
    assert_eq!(
        (&outcome.verdict["coredump"], &outcome.verdict["no_coredump"]),
        (&Value::Null, &reason.into()),
        "{outcome:#?}"
    );
}

#[test]
fn a_trap_leaves_a_core_dump_that_the_verdict_names() {
    let scratch = Folder::new();
    let file = scratch.join("core");
    fs::write(&file, "an older one").unwrap();
    let outcome = dumping("trap_unreachable", &file).run();
    outcome.is(134, "trapped");
    assert_eq!(outcome.verdict["coredump"], file.to_str().unwrap(), "{outcome:#?}");
    assert!(outcome.stderr.contains("the core dump for a debugger is in "), "{outcome:#?}");
    assert!(is_a_dump(&file));
    assert_eq!(left(&scratch), ["core"]);
}

#[test]
fn a_component_leaves_one_as_a_core_module_does() {
    let scratch = Folder::new();
    for (number, guest) in ["does_as_told", "traps_in_0_3.wat"].into_iter().enumerate() {
        let file = scratch.join(format!("core{number}"));
        dumping(guest, &file).arg("trap").run().is(134, "trapped");
        assert!(is_a_dump(&file), "{guest}");
    }
}

#[test]
fn an_ordinary_user_gets_one_as_root_does() {
    let scratch = Folder::new();
    let file = scratch.join("core");
    // A directory that everybody may write to, as the one for temporary files.
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let outcome = dumping("trap_unreachable", &file).by_ordinary_user().run();
    outcome.is(134, "trapped");
    assert_eq!(outcome.verdict["coredump"], file.to_str().unwrap(), "{outcome:#?}");
    assert!(is_a_dump(&file));
}

#[test]
fn what_does_not_trap_leaves_what_was_there() {
    let scratch = Folder::new();
    let file = scratch.join("core");
    fs::write(&file, "an older one").unwrap();
    for (run, verdict) in [
        (dumping("hello", &file), "completed"),
        (dumping("exit_code", &file).arg("3"), "failed"),
        (dumping("spin_forever", &file).flag("--timeout=50ms"), "deadline"),
        (dumping("spew", &file).flag("--max-output=1KiB"), "output"),
    ] {
        let outcome = run.run();
        assert_eq!(outcome.verdict["verdict"], verdict);
        none_since(&outcome, "the engine did not end the guest");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "an older one");
    assert_eq!(left(&scratch), ["core"]);
}

#[test]
fn without_the_flag_the_verdict_has_no_such_key_and_a_trap_says_that_there_is_one() {
    let outcome = Command::guest("trap_unreachable").run();
    assert!(outcome.verdict.get("coredump").is_none() && outcome.verdict.get("no_coredump").is_none());
    assert!(outcome.stderr.ends_with("  hint: --coredump FILE keeps its memory for a debugger\n"), "{outcome:#?}");
}

#[test]
fn a_place_that_can_t_be_written_is_refused_before_the_guest_starts() {
    let scratch = Folder::new();
    for file in [scratch.join("no/core"), scratch.path().to_owned(), "-".into()] {
        let outcome = dumping("hello", &file).run();
        assert!(outcome.code == 126 && outcome.stdout.is_empty(), "{outcome:#?}");
        assert!(outcome.stderr.starts_with("sandhog: --coredump"), "{outcome:#?}");
    }
}

#[test]
fn a_link_that_the_guest_has_planted_is_not_followed() {
    let scratch = Folder::new();
    scratch.file("precious", "kept");
    let file = scratch.join("core");
    let run = dumping("plants_a_link", &file).writable(&scratch).dir(scratch.path(), "::/app:rw");
    run.arg("core").arg("precious").run().is(134, "trapped");
    assert!(!file.is_symlink() && is_a_dump(&file));
    assert_eq!(fs::read_to_string(scratch.join("precious")).unwrap(), "kept");
}

/// The engine makes a dump in memory: what that takes is not the guest's, and does not end it.
#[test]
fn a_guest_near_its_limit_of_memory_leaves_a_whole_dump() {
    let scratch = Folder::new();
    let file = scratch.join("core");
    let outcome = dumping("does_as_told", &file).flag("--memory=40MiB").arg("take 36").arg("trap").run();
    outcome.is(134, "trapped");
    assert!(is_a_dump(&file) && fs::metadata(&file).unwrap().len() > 36 << 20, "{outcome:#?}");
}

#[test]
fn a_dump_that_is_longer_than_a_file_may_be_is_told_and_not_left_in_part() {
    let scratch = Folder::new();
    let outcome = dumping("trap_unreachable", &scratch.join("core")).flag("--max-file=1KiB").run();
    outcome.is(134, "trapped");
    let reason = outcome.verdict["no_coredump"].as_str().unwrap();
    assert!(reason.contains("could not be written: File too large"), "{outcome:#?}");
    assert!(left(&scratch).is_empty());
}
