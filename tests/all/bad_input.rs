//! Bad input: a clear error, an exit code of the table, nothing left behind.

use sandhog_harness::{Command, Folder, Person, guest, is_root, names_in};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The end of most errors about flags.
const HELP: &str = "  hint: sandhog help run shows every flag with examples\n";

fn hello(flags: &[&str]) -> sandhog_harness::Outcome {
    flags.iter().fold(Command::guest("hello"), |run, flag| run.flag(flag)).run()
}

#[test]
fn a_missing_module_is_not_found() {
    let scratch = Folder::new();
    let run = |name: &str| Command::module(name).current_dir(scratch.path()).run();
    run("gone.wasm").reported(127, "sandhog: there is no module at \"gone.wasm\"\n");
    run("gone/gone.wasm").reported(127, "sandhog: there is no module at \"gone/gone.wasm\"\n");
    assert!(scratch.names().is_empty());
}

#[test]
fn what_is_no_file_is_no_module() {
    let scratch = Folder::new();
    scratch.fifo("fifo");
    fs::create_dir(scratch.join("directory")).unwrap();
    let run = |name: &str| Command::module(name).current_dir(scratch.path()).run();
    run("directory").reported(126, "sandhog: \"directory\" is a directory; a module is a file (.wasm or .wat)\n");
    for (name, shown) in [("fifo", "fifo"), ("/dev/null", "/dev/null")] {
        run(name).reported(
            126,
            &format!(
                "sandhog: \"{shown}\" is no regular file (a pipe, socket or device); copy the module into a file first\n"
            ),
        );
    }
}

#[test]
fn a_module_that_may_not_be_read_is_refused() {
    let scratch = Folder::new();
    let path = scratch.join("secret.wasm");
    fs::copy(guest("hello"), &path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    if is_root() {
        sandhog_harness::chown(&path, 0);
    }
    let outcome = Command::sandhog(["run"]).flag(&path).by_ordinary_user().run();
    let path = path.display();
    outcome.reported(126, &format!("sandhog: failed to read the module \"{path}\": Permission denied (os error 13)\n"));
}

#[test]
fn an_ordinary_user_runs_a_module() {
    let outcome = Command::guest("hello").by_ordinary_user().run();
    outcome.printed("hello\n");
}

#[test]
fn a_module_is_needed() {
    Command::sandhog(["run"])
        .run()
        .reported(126, &format!("sandhog: the following required arguments were not provided: <FILE>\n{HELP}"));
}

#[test]
fn a_directory_that_cannot_be_granted_is_named() {
    let scratch = Folder::new();
    let (file, fifo) = (scratch.file("file", ""), scratch.fifo("fifo"));
    for (path, reason) in [
        (scratch.join("missing"), "No such file or directory (os error 2)"),
        (file, "Not a directory (os error 20)"),
        (fifo, "Not a directory (os error 20)"),
    ] {
        let outcome = Command::guest("hello").dir(&path, "").run();
        let sentence = format!("sandhog: failed to open the directory {path:?} of --dir: {reason}\n");
        outcome.is(126, "refused").reported(126, &sentence);
    }
}

#[test]
fn another_users_private_folder_cannot_be_granted() {
    if !is_root() {
        println!("not tried: only root can make a folder that belongs to another user");
        return;
    }
    let scratch = Folder::new();
    let private = scratch.join("private");
    fs::create_dir_all(private.join("inside")).unwrap();
    fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
    let path = private.join("inside");
    let sentence =
        format!("sandhog: failed to open the directory {path:?} of --dir: Permission denied (os error 13)\n");
    Command::guest("hello").by_ordinary_user().dir(&path, "").run().reported(126, &sentence);
    // Root's command has no privilege to reach into it either.
    sandhog_harness::chown(&private, Person::MADE_UP.uid());
    Command::guest("hello").dir(&path, "").run().reported(126, &sentence);
}

#[test]
fn behind_sudo_it_is_the_person_whose_files_are_granted_and_whose_cache_is_used() {
    if !is_root() {
        println!("not tried: only root stands behind sudo");
        return;
    }
    let (cache, private) = (Folder::new(), Folder::new());
    sandhog_harness::chown(cache.path(), Person::MADE_UP.uid());
    fs::set_permissions(private.path(), Permissions::from_mode(0o700)).unwrap();
    fs::create_dir(private.join("inside")).unwrap();
    let (id, state) = (Person::MADE_UP.uid().to_string(), cache.join("state"));
    let behind_sudo = || {
        let run = Command::guest("hello").env("SUDO_UID", &id).env("SUDO_GID", &id);
        run.without_verdict().cache(cache.join("cache")).env("SANDHOG_STATE_DIR", state.to_str().unwrap())
    };
    behind_sudo().run().reported(0, "");
    assert_eq!(fs::metadata(cache.join("cache")).unwrap().uid(), Person::MADE_UP.uid());
    assert_eq!(fs::metadata(state.join("cache.key")).unwrap().uid(), Person::MADE_UP.uid());
    assert_eq!(behind_sudo().dir(&private.join("inside"), "").run().code, 126);
}

#[test]
fn a_grant_that_makes_no_sense_is_explained() {
    for (flag, said) in [
        ("--dir=", "--dir \"\": no path of the host is given"),
        ("--dir=/tmp::", "--dir \"/tmp::\": the guest's path is empty"),
        ("--env==x", "--env \"=…\": the variable has no name"),
        ("--env=NOT_SET", "--env NOT_SET: not set here, so there is nothing to pass on"),
    ] {
        let outcome = hello(&[flag]);
        let (first, hint) = outcome.stderr.split_once('\n').unwrap();
        assert_eq!((outcome.code, first), (126, format!("sandhog: {said}").as_str()));
        assert!(hint.starts_with("  hint: "), "{outcome:?}");
    }
}

#[test]
fn a_stdin_that_cannot_be_opened_is_named() {
    let scratch = Folder::new();
    let missing = scratch.join("missing");
    let sentence = |path: &Path, reason: &str| format!("sandhog: failed to open {path:?} of --stdin: {reason}\n");
    let run = |path: &Path| Command::guest("cat").flag("--stdin").flag(path).run();
    run(&missing).reported(126, &sentence(&missing, "No such file or directory (os error 2)"));
    assert_eq!(run(scratch.path()).code, 126);
}

#[test]
fn limits_that_make_no_sense_are_explained() {
    let bad = |value: &str, flag: &str, reason: &str| {
        format!("sandhog: invalid value '{value}' for '{flag}': {reason}\n{HELP}")
    };
    for (flags, said) in [
        (
            ["--memory", "0"],
            "sandhog: --memory 0B: less than 64KiB, one page of WebAssembly memory\n  \
             hint: leave --memory out for 512MiB\n"
                .to_owned(),
        ),
        (["--memory", "-1"], bad("-1", "--memory <SIZE>", "below zero; write a number and a unit, such as 64MiB")),
        (
            ["--memory", "99999999TiB"],
            bad("99999999TiB", "--memory <SIZE>", "more than 8191PiB, the most that Linux can count"),
        ),
        (
            ["--memory", "65GiB"],
            "sandhog: --memory 65GiB: more than 64GiB, the most that one job can have\n".to_owned(),
        ),
        (["--timeout", "NaN"], bad("NaN", "--timeout <TIME>", "not a number and a unit, such as 30s")),
        (["--timeout", "-1s"], bad("-1s", "--timeout <TIME>", "below zero; write a number and a unit, such as 30s")),
        (
            ["--timeout", "0"],
            "sandhog: --timeout 0: it has to be more than 0\n  hint: leave it out for no limit\n".to_owned(),
        ),
        (["--cpu", "0s"], "sandhog: --cpu 0: it has to be more than 0\n  hint: leave it out for no limit\n".to_owned()),
        (
            ["--fuel", "0"],
            "sandhog: --fuel 0: it has to be more than 0\n  hint: leave it out for no limit\n".to_owned(),
        ),
        (["--fuel", "1.5"], bad("1.5", "--fuel <COUNT>", "not a whole number, such as 64 or 1_000_000")),
        (
            ["--max-files", "0"],
            "sandhog: --max-files 0: a guest needs at least one open file\n  hint: leave --max-files out for 256\n"
                .to_owned(),
        ),
        (
            ["--compile-memory", "1MiB"],
            "sandhog: --compile-memory 1MiB: less than 16MiB, which the compiler needs for itself\n  \
             hint: leave --compile-memory out for 2GiB\n"
                .to_owned(),
        ),
    ] {
        let outcome = hello(&flags);
        outcome.reported(126, &said);
        assert_eq!(outcome.text(), "");
    }
}

#[test]
fn a_guest_is_never_root() {
    let outcome = hello(&["--user=0:0"]);
    assert_eq!(outcome.code, 126);
    assert!(outcome.stderr.starts_with("sandhog: --user 0:0: "), "{outcome:?}");
    let keep = hello(&["--user=keep"]);
    assert_eq!(keep.code, if is_root() { 126 } else { 0 }, "{keep:?}");
}

#[test]
fn names_from_outside_leave_the_terminal_alone() {
    const NAME: &str = "a\nb\x1b[31m\u{202e}c";
    let scratch = Folder::new();
    fs::copy(guest("hello"), scratch.join(format!("{NAME}.wasm"))).unwrap();
    fs::create_dir(scratch.join(NAME)).unwrap();
    let hello = || Command::guest("hello").current_dir(scratch.path());
    for (run, code) in [
        (Command::module(format!("{NAME}.wasm")).current_dir(scratch.path()), 126),
        (Command::module(scratch.join(NAME)), 126),
        (Command::module(scratch.join(NAME).join("gone.wasm")), 127),
        (hello().dir(Path::new(NAME), "/missing"), 126),
        (hello().flag(format!("--env={NAME}")), 126),
        (hello().flag("--stdin").flag(format!("{NAME}.gone")), 126),
        (hello().flag(format!("--memory={NAME}")), 126),
        (hello().flag(format!("--user={NAME}")), 126),
        (hello().flag(format!("--{NAME}")), 126),
        (hello().without_verdict().flag("--verdict").flag(format!("{NAME}/missing/v")), 126),
        (Command::sandhog([NAME]), 126),
        (hello().cache(scratch.join(format!("{NAME}.wasm"))), 126),
        (hello().arg("fine").flag(format!("--argv0={NAME}")), 0),
    ] {
        let outcome = run.run();
        assert_eq!(outcome.code, code, "{outcome:?}");
        let clean = outcome.stderr.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}'));
        let ours = |line: &str| line.starts_with("sandhog: ") || line.starts_with("  ");
        assert!(clean && outcome.stderr.lines().all(ours), "{outcome:?}");
    }
}

#[test]
fn what_is_not_utf8_is_explained() {
    let odd = OsStr::from_bytes(b"\xff\xfe");
    let outcome = Command::guest("hello").arg(odd).run();
    assert_eq!(outcome.code, 126);
    assert!(outcome.stderr.starts_with("sandhog: argument 1 is not UTF-8: "), "{outcome:?}");
    let scratch = Folder::new();
    fs::create_dir(scratch.join(odd)).unwrap();
    Command::guest("list_dir").arg("/in").dir(&scratch.join(odd), "::/in").run().is(0, "completed");
}

#[test]
fn a_cache_that_cannot_be_used_is_told() {
    let scratch = Folder::new();
    let (file, fifo) = (scratch.file("file", ""), scratch.fifo("fifo"));
    for path in [file.clone(), fifo, file.join("below")] {
        let outcome = Command::guest("hello").cache(&path).run();
        outcome.is(126, "refused");
        let told = outcome.verdict["reason"].as_str().unwrap();
        assert!(told.contains(&format!("{path:?}")) && told.contains("set SANDHOG_CACHE_DIR"), "{outcome:?}");
        assert_eq!(outcome.stderr, format!("sandhog: refused: {told}\n"));
    }
    assert_eq!(scratch.names(), ["fifo", "file"]);
}

#[test]
fn a_cache_that_others_may_write_is_not_used() {
    let scratch = Folder::new();
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o777)).unwrap();
    let outcome = Command::guest("hello").cache(scratch.path()).run();
    outcome.is(126, "refused");
    let path = scratch.path();
    assert_eq!(
        outcome.verdict["reason"],
        format!(
            "others may write the directory {path:?}: make it yours alone (chown, chmod go-w), or set \
             SANDHOG_CACHE_DIR to another one"
        )
    );
    assert!(scratch.names().is_empty());
}

#[test]
fn another_users_cache_is_not_used() {
    if !is_root() {
        println!("not tried: only root can make a directory that belongs to another user");
        return;
    }
    let scratch = Folder::new();
    let outcome = Command::guest("hello").by_ordinary_user().cache(scratch.path()).run();
    outcome.is(126, "refused");
    assert!(outcome.stderr.contains("set SANDHOG_CACHE_DIR to another one"), "{outcome:?}");
    assert!(scratch.names().is_empty());
}

#[test]
fn a_cache_that_we_may_not_write_is_told() {
    let scratch = Folder::new();
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o500)).unwrap();
    for path in [scratch.path().to_path_buf(), scratch.join("below")] {
        let outcome = Command::guest("hello").cache(&path).run();
        outcome.is(126, "refused");
        let told = outcome.verdict["reason"].as_str().unwrap();
        assert!(told.contains(&format!("{path:?}")) && told.contains("Permission denied"), "{outcome:?}");
        assert!(told.contains("SANDHOG_CACHE_DIR"), "{outcome:?}");
    }
    assert!(scratch.names().is_empty());
}

/// A file system of its own, this large, that only the command sees.
fn small_disk(run: Command, at: &Path, bytes: &str) -> Command {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
    use rustix::thread::UnshareFlags;
    let at = std::ffi::CString::new(at.as_os_str().as_bytes()).unwrap();
    let options = std::ffi::CString::new(format!("size={bytes},mode=700")).unwrap();
    #[allow(unsafe_code)]
    run.in_child(move || {
        // SAFETY: between fork and exec there is one thread, and it keeps its descriptors to itself.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
        mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        mount(c"tmpfs", at.as_c_str(), c"tmpfs", MountFlags::empty(), options.as_c_str())?;
        Ok(())
    })
}

#[test]
fn a_full_disk_under_the_cache_is_told_and_in_the_way_of_nothing() {
    if !is_root() {
        println!("not tried: only root can mount a small disk");
        return;
    }
    // Full while the compiler writes, and full once it has: hello compiles to more than 100 KB.
    for bytes in ["4k", "64k"] {
        let disk = Folder::new();
        let outcome = small_disk(Command::guest("hello").cache(disk.path()), disk.path(), bytes).run();
        outcome.is(0, "completed");
        assert_eq!(
            outcome.stderr,
            format!(
                "sandhog: compiled modules are not kept: no room for the compiled module in the cache {:?} (make room, or \
                 set SANDHOG_CACHE_DIR to another disk): No space left on device (os error 28)\n",
                disk.path()
            )
        );
        assert_eq!(outcome.text(), "hello\n");
    }
    let disk = Folder::new();
    small_disk(Command::guest("hello").cache(disk.path()), disk.path(), "64m").run().printed("hello\n");
}

#[test]
fn what_goes_wrong_leaves_no_files_behind() {
    let scratch = Folder::new();
    let cache = scratch.join("cache");
    for run in [Command::module("gone.wasm"), Command::guest("reactor.wat"), Command::guest("hello").flag("--dir=gone")]
    {
        assert_ne!(run.cache(&cache).current_dir(scratch.path()).run().code, 0);
    }
    let left: Vec<_> = if cache.exists() { names_in(&cache) } else { Vec::new() };
    assert!(left.iter().all(|name| name == "lock"), "{left:?}");
    assert!(scratch.names().iter().all(|name| name == "cache"), "{:?}", scratch.names());
}
