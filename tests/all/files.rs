//! Threats: a hostile guest in a granted directory. What it may do in there works; nothing of it leads out, and what is
//! granted read-only stays as it is.

use rustix::fs::{RenameFlags, StatVfsMountFlags};
use sandhog_harness::{Folder, Need, Person, Process, Running, data, is_root, missing, mode, module, root_or_missing};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const SECRET: &str = "the secret";

/// A granted directory with what the hostile guests need, a secret beside it, and links that lead to it.
fn prepared(who: Person) -> Folder {
    let workspace = Folder::of(who);
    for name in ["file", "other", "third", "sub/inner"] {
        workspace.write(format!("grant/{name}"), "ours");
    }
    workspace.folder("grant/empty").write("secret", SECRET);
    workspace.link("../secret", "grant/link_relative").link(workspace.join("secret"), "grant/link_absolute");
    workspace.link("..", "grant/link_parent").link("/", "grant/link_root").link("/proc/self/root", "grant/link_proc");
    workspace.link("../../secret", "grant/sub/link_below").link("sub/link_below", "grant/link_of_link");
    workspace.settle();
    workspace
}

/// All below a folder: names, sizes, contents, modes, owners and times.
fn look(folder: &Path) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, status) = (entry.path(), entry.metadata().unwrap());
        let content = if status.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let times = (status.mtime(), status.mtime_nsec(), status.ctime(), status.ctime_nsec());
        seen.push(format!("{path:?} {:o} {} {times:?} {content:?}", status.mode(), status.uid()));
        if status.is_dir() {
            seen.extend(look(&path));
        }
    }
    seen.sort();
    seen
}

#[test]
fn no_way_out_of_a_granted_directory_gets_through() {
    for (who, access) in Person::all().into_iter().flat_map(|who| [(who, "ro"), (who, "rw")]) {
        let workspace = prepared(who);
        let (grant, secret) = (format!("grant::/grant:{access}"), workspace.text("secret"));
        let ran = workspace.run(&["--dir", &grant, &module("file_attack"), "--", "/grant", "secret", &secret]);
        let through: Vec<&str> = ran.text().lines().filter(|line| line.contains(": GOT")).collect();
        assert!(through.is_empty(), "{who:?} {access}: {through:#?}");
        ran.is(0, "completed");
        assert!(ran.text().ends_with("0 got through\n"), "{ran:#?}");
        assert_eq!(workspace.read("secret"), SECRET);
        let beside = fs::read_dir(workspace.join("")).unwrap().flatten().map(|entry| entry.file_name());
        let mut beside: Vec<_> = beside.filter_map(|name| name.into_string().ok()).collect();
        beside.sort();
        assert_eq!(beside, ["grant", "secret", "verdict.json"], "{who:?} {access}");
    }
}

/// The harmless twin: what stays inside works, links and new names as well.
#[test]
fn what_stays_inside_of_a_granted_directory_works() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("grant/file", "inside").folder("grant/sub");
        workspace.link("../file", "grant/sub/link").link("sub", "grant/folder");
        workspace.link("sub", "grant/folder_link").settle();
        let read = |path: &str| {
            let ran = workspace.run(&["--dir", "grant::/grant", &module("read_file"), "--", path]);
            ran.is(0, "completed").text().to_owned()
        };
        for path in
            ["/grant/file", "/grant/sub/../file", "/grant/sub/link", "/grant/folder_link/link", "/grant//./file"]
        {
            assert_eq!(read(path), "inside", "{who:?}: {path}");
        }
        let ran = workspace.run(&["--dir", "grant::/grant:rw", &module("file-store"), "--", "/grant/store", "50"]);
        ran.is(0, "completed");
    }
}

#[test]
fn nothing_is_written_through_a_read_only_grant() {
    for who in Person::all() {
        let workspace = prepared(who);
        let before = look(&workspace.join("grant"));
        let ran = workspace.run(&["--dir", "grant::/grant", &module("write_attack"), "--", "/grant"]);
        ran.is(0, "completed");
        assert!(ran.text().ends_with("\n0 got through\n"), "{ran:#?}");
        assert_eq!(look(&workspace.join("grant")), before, "{who:?}");
    }
}

/// The harmless twin. A descriptor that was opened to be read stays so; everything by path gets through.
#[test]
fn everything_by_path_is_written_through_a_read_write_grant() {
    for who in Person::all() {
        let workspace = prepared(who);
        let ran = workspace.run(&["--dir", "grant::/grant:rw", &module("write_attack"), "--", "/grant"]);
        ran.is(1, "failed");
        // The directory itself is open only to look names up in it.
        let by_descriptor =
            ["write_by_descriptor", "size_to_zero", "size_grown", "allocate", "times_by_descriptor", "times_of_grant"];
        let lines = ran.text().lines().filter_map(|line| line.split_once(": "));
        let refused: Vec<&str> = lines.filter(|(_, how)| how.starts_with("refused")).map(|(name, _)| name).collect();
        let by_path: Vec<&&str> = refused.iter().filter(|name| !by_descriptor.contains(name)).collect();
        assert!(by_path.is_empty(), "{who:?}: {by_path:?} in {ran:#?}");
        assert_eq!(workspace.read("grant/new"), "new");
    }
}

#[test]
fn a_file_that_is_appended_to_keeps_what_it_had() {
    for who in Person::all() {
        let workspace = prepared(who);
        workspace.run(&["--dir", "grant::/grant:rw", &module("write_attack"), "--", "/grant"]);
        // `file` is overwritten ("overwritten"), appended to ("appended"), cut to 0, linked, replaced: the link is it.
        assert_eq!(fs::metadata(workspace.join("grant/link")).unwrap().len(), 0, "{who:?}");
    }
}

#[test]
fn a_directory_swapped_for_symlinks_during_100_000_opens_never_leads_outside() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("outside/file", SECRET).write("grant/real/file", "inside");
        workspace.link("../outside", "grant/out").link(workspace.join("outside"), "grant/out_absolute").settle();
        let over = AtomicBool::new(false);
        let exchange = |one: &str, other: &str| {
            let (one, other) = (workspace.join(one), workspace.join(other));
            rustix::fs::renameat_with(rustix::fs::CWD, one, rustix::fs::CWD, other, RenameFlags::EXCHANGE).unwrap();
        };
        let ran = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for out in ["grant/out", "grant/out_absolute"] {
                        exchange("grant/real", out);
                        exchange("grant/real", out);
                    }
                }
            });
            let ran =
                workspace.run(&["--dir", "grant::/grant", &module("open_loop"), "--", "/grant", "real/file", "100000"]);
            over.store(true, Ordering::Relaxed);
            ran
        });
        ran.is(0, "completed");
        let times = |what: &str| {
            let lines = ran.text().lines().filter_map(|line| line.split_once(' '));
            lines.filter(|(_, seen)| seen.contains(what)).map(|(times, _)| times.parse::<u64>().unwrap()).sum::<u64>()
        };
        assert_eq!(times(SECRET), 0, "{who:?}: {ran:#?}");
        assert!(times("inside") > 0 && times("refused") > 0, "the race was none: {ran:#?}");
        assert_eq!(times("inside") + times("refused"), 100_000, "{who:?}: {ran:#?}");
    }
}

#[test]
fn a_symlink_swapped_between_inside_and_outside_never_leads_outside() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("outside", SECRET).write("grant/inside", "inside");
        workspace.link("inside", "grant/link").link("../outside", "grant/trap").settle();
        let over = AtomicBool::new(false);
        let ran = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (link, trap) = (workspace.join("grant/link"), workspace.join("grant/trap"));
                while !over.load(Ordering::Relaxed) {
                    let cwd = rustix::fs::CWD;
                    rustix::fs::renameat_with(cwd, &link, cwd, &trap, RenameFlags::EXCHANGE).unwrap();
                }
            });
            let ran = workspace.run(&["--dir", "grant::/grant", &module("open_loop"), "--", "/grant", "link", "30000"]);
            over.store(true, Ordering::Relaxed);
            ran
        });
        ran.is(0, "completed");
        assert!(!ran.text().contains(SECRET), "{who:?}: {ran:#?}");
        assert!(ran.text().contains("inside") && ran.text().contains("refused"), "the race was none: {ran:#?}");
    }
}

/// The kernel answers EAGAIN to every `..` while anything on the machine is renamed: that ends nobody's job.
#[test]
fn a_rename_storm_elsewhere_ends_nobody() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("grant/file", "inside").folder("grant/sub");
        workspace.link("../file", "grant/sub/link").link("sub", "grant/folder");
        for name in ["a", "b"] {
            workspace.folder(format!("storm/{name}"));
        }
        workspace.settle();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // One thread of it: two would leave a machine of two cores none to open anything with.
            let (one, other) = (workspace.join("storm/a"), workspace.join("storm/b"));
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let cwd = rustix::fs::CWD;
                    rustix::fs::renameat_with(cwd, &one, cwd, &other, RenameFlags::EXCHANGE).unwrap();
                }
            });
            // The first look of a fresh process is the slowest, and a storm hits it nearly every time.
            let path = "/grant/folder/link";
            let first = || workspace.run(&["--dir", "grant::/grant", &module("read_file"), "--", path]);
            let rans: Vec<_> = (0..5).map(|_| first()).collect();
            let many = ["--dir", "grant::/grant", &module("open_loop"), "--", "/grant", "folder/link", "2000"];
            let many = workspace.run(&many);
            over.store(true, Ordering::Relaxed);
            for ran in rans {
                assert_eq!(ran.is(0, "completed").text(), "inside", "{who:?}");
            }
            assert_eq!(many.is(0, "completed").text(), "2000 \"inside\"\n", "{who:?}");
        });
    }
}

/// The kernel's refusal reaches the guest; it is no reason to end it.
#[test]
fn an_immutable_file_is_an_error_to_the_guest() {
    if !root_or_missing("chattr +i") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    workspace.write("grant/file", "stays");
    let chattr = |flag: &str| std::process::Command::new("chattr").arg(flag).arg(workspace.join("grant/file")).status();
    if !chattr("+i").is_ok_and(|status| status.success()) {
        missing(Need::FileSystem, "a file system with immutable files");
        return;
    }
    let ran = workspace.run(&["--dir", "grant::/grant:rw", &module("write_file"), "--", "/grant/file", "changed"]);
    chattr("-i").unwrap();
    assert!(ran.is(1, "failed").text().starts_with("refused("), "{ran:?}");
    assert_eq!(workspace.read("grant/file"), "stays");
}

/// A hard link is the file itself: who puts one into the directory puts the file there. What the person may read,
/// the guest reads.
#[test]
fn a_hard_link_made_by_the_person_is_a_file_of_the_directory() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("outside", "linked in").folder("grant").settle();
        fs::set_permissions(workspace.join("outside"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(workspace.join("outside"), workspace.join("grant/hard")).unwrap();
        let ran = workspace.run(&["--dir", "grant::/grant", &module("read_file"), "--", "/grant/hard"]);
        assert_eq!(ran.is(0, "completed").text(), "linked in", "{who:?}");
    }
}

/// Started by root, too: the worker has the rights of the person over the person's files, and over others' files those
/// that everybody has.
#[test]
fn a_hard_link_to_somebody_else_s_private_file_stays_closed() {
    if !root_or_missing("a file of somebody else") {
        return;
    }
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("grant/private", SECRET).write("grant/public", "for everybody").settle();
        for (name, mode) in [("private", 0o600), ("public", 0o644)] {
            let path = workspace.join("grant").join(name);
            chown(&path, Some(54322), Some(54322)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let run = |name: &str, path: &str| {
            let args = ["--dir", "grant::/grant:rw", &module(name), "--", path, "overwritten"];
            workspace.run(&args).text().to_owned()
        };
        assert_eq!(run("read_file", "/grant/private"), "refused(ACCES)\n", "{who:?}");
        assert_eq!(run("read_file", "/grant/public"), "for everybody", "{who:?}");
        for name in ["/grant/private", "/grant/public"] {
            assert!(run("write_file", name).starts_with("refused("), "{who:?}: {name}");
        }
        assert_eq!(workspace.read("grant/public"), "for everybody");
    }
}

#[test]
fn what_a_guest_makes_belongs_to_the_person_and_has_no_special_bit() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.folder("grant").settle();
        let made = workspace.run(&["--dir", "grant::/grant:rw", &module("file-store"), "--", "/grant/a", "3"]);
        made.is(0, "completed");
        let written =
            workspace.run(&["--dir", "grant::/grant:rw", &module("write_file"), "--", "/grant/file", "content"]);
        written.is(0, "completed");
        for path in ["grant/file", "grant/a", "grant/a/01", "grant/a/01/1.value"] {
            let status = fs::symlink_metadata(workspace.join(path)).unwrap();
            assert_eq!((status.uid(), status.gid()), (who.uid(), who.uid()), "{who:?}: {path}");
            assert_eq!(mode(&workspace.join(path)) & 0o7022, 0, "{who:?}: {path}");
        }
    }
}

#[test]
fn behind_sudo_files_belong_to_whoever_called_it() {
    if !root_or_missing("sudo") {
        return;
    }
    let person = Person::ordinary();
    let workspace = Folder::of(person);
    workspace.folder("grant").folder("root_s").settle();
    fs::set_permissions(workspace.join("root_s"), fs::Permissions::from_mode(0o700)).unwrap();
    chown(workspace.join("root_s"), Some(0), Some(0)).unwrap();
    let sudo = |grant: &str, path: &str| {
        let uid = person.uid().to_string();
        let command = workspace.sandhog(["run", "--dir", grant, &module("write_file"), "--", path, "content"]);
        command.by(Person::Root).env("SUDO_UID", &uid).env("SUDO_GID", &uid).run()
    };
    let output = sudo("grant::/grant:rw", "/grant/file");
    assert!(output.went_well(), "{output:?}");
    let status = fs::metadata(workspace.join("grant/file")).unwrap();
    assert_eq!((status.uid(), status.gid()), (person.uid(), person.uid()));
    // Root's own folder is opened with the person's rights, not with root's.
    let output = sudo("root_s/::/grant:rw", "/grant/file");
    let inside = fs::read_dir(workspace.join("root_s")).unwrap().count();
    assert!(!output.went_well() && inside == 0, "{output:?}");
}

#[test]
fn a_setuid_file_that_a_guest_writes_to_is_setuid_no_more() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("grant/tool", "before").settle();
        fs::set_permissions(workspace.join("grant/tool"), fs::Permissions::from_mode(0o6755)).unwrap();
        let ran = workspace.run(&["--dir", "grant::/grant:rw", &module("write_file"), "--", "/grant/tool", "after"]);
        ran.is(0, "completed");
        assert_eq!(workspace.read("grant/tool"), "after");
        assert_eq!(mode(&workspace.join("grant/tool")), 0o755, "{who:?}");
    }
}

/// As the worker itself holds it, seen from outside.
#[test]
fn a_granted_directory_is_a_mount_without_setuid_devices_and_programs() {
    if !root_or_missing("looking into another process's descriptors") {
        return;
    }
    for (who, access) in Person::all().into_iter().flat_map(|who| [(who, "ro"), (who, "rw")]) {
        let workspace = Folder::of(who);
        workspace.write("grant/file", "inside").settle();
        let session = Session::start(&workspace, &format!("grant::/grant:{access}"));
        let worker = session.worker();
        let folder = granted_descriptor(&worker, &workspace.join("grant"));
        let flags = rustix::fs::statvfs(&folder).unwrap().f_flag;
        let expected = StatVfsMountFlags::NOSUID | StatVfsMountFlags::NODEV | StatVfsMountFlags::NOEXEC;
        assert!(flags.contains(expected), "{who:?} {access}: {flags:?}");
        assert_eq!(flags.contains(StatVfsMountFlags::RDONLY), access == "ro", "{who:?}");
        session.end();
    }
}

/// The worker's descriptor of a directory, as a path that leads through the worker.
fn granted_descriptor(worker: &Process, folder: &Path) -> PathBuf {
    let wanted = fs::metadata(folder).unwrap();
    let open = fs::read_dir(format!("/proc/{}/fd", worker.pid)).unwrap().flatten().map(|entry| entry.path());
    let same = |path: &PathBuf| fs::metadata(path).is_ok_and(|it| (it.dev(), it.ino()) == (wanted.dev(), wanted.ino()));
    open.into_iter().find(same).expect("the worker has the directory open")
}

/// A guest that reads what it is told to, line by line.
struct Session {
    child: Running,
    heard: usize,
}

impl Session {
    fn start(workspace: &Folder, grant: &str) -> Self {
        let child = workspace.start(&["--dir", grant, &module("read_on_line"), "--", "/grant"]);
        let mut session = Self { child, heard: 0 };
        // It runs as soon as it answers.
        assert_eq!(session.read("file"), "\"inside\"");
        session
    }

    fn read(&mut self, path: &str) -> String {
        self.child.say(&format!("{path}\n"));
        self.heard += 1;
        self.child.stdout.line(self.heard - 1).trim_end().to_owned()
    }

    fn worker(&self) -> Process {
        self.child.process("sandhog-worker")
    }

    fn end(self) {
        self.child.wait().is(0, "completed");
    }
}

#[test]
fn a_granted_directory_that_is_replaced_meanwhile_stays_the_same_directory() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("grant/file", "inside").write("impostor/file", "impostor").settle();
        let mut session = Session::start(&workspace, "grant::/grant");
        fs::rename(workspace.join("grant"), workspace.join("moved")).unwrap();
        fs::rename(workspace.join("impostor"), workspace.join("grant")).unwrap();
        assert_eq!(session.read("file"), "\"inside\"", "{who:?}");
        workspace.write("moved/later", "later").settle();
        assert_eq!(session.read("later"), "\"later\"", "{who:?}");
        assert_eq!(session.read("../grant/file"), "refused(PERM)", "{who:?}");
        session.end();
    }
}

#[test]
fn a_directory_moved_out_of_the_grant_meanwhile_is_no_way_out() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("grant/file", "inside").write("grant/sub/deep/file", "deep").write("secret", SECRET).settle();
        let mut session = Session::start(&workspace, "grant::/grant");
        assert_eq!(session.read("sub/deep/file"), "\"deep\"");
        fs::rename(workspace.join("grant/sub/deep"), workspace.join("deep")).unwrap();
        assert!(session.read("sub/deep/../../secret").starts_with("refused("), "{who:?}");
        assert!(session.read("sub/deep/file").starts_with("refused("), "{who:?}");
        session.end();
    }
}

#[test]
fn what_is_mounted_below_a_granted_directory_is_absent() {
    if !root_or_missing("mounting") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    workspace.write("grant/file", "inside").folder("grant/below");
    let setup = format!("mount -t tmpfs none {0} && echo outside > {0}/secret", workspace.text("grant/below"));
    for access in ["ro", "rw"] {
        let grant = format!("grant::/grant:{access}");
        let ran = workspace.run_in_own_mounts(&setup, &["--dir", &grant, &module("list_dir"), "--", "/grant/below"]);
        assert_eq!(ran.is(0, "completed").text(), "", "{access}");
        let args = ["--dir", &grant, &module("read_file"), "--", "/grant/below/secret"];
        assert_eq!(workspace.run_in_own_mounts(&setup, &args).is(1, "failed").text(), "refused(NOENT)\n");
    }
}

/// The kernel lets nobody without privilege look below a mount, so that there is nothing to be granted.
#[test]
fn a_directory_with_a_mount_below_is_refused_to_an_ordinary_user_in_a_sentence() {
    let Person::Ordinary(uid) = Person::ordinary() else { return };
    if !root_or_missing("mounting") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    workspace.write("grant/file", "inside").folder("grant/below");
    let setup = format!(
        "mount -t tmpfs none {}; export HOME=/ SANDHOG_CACHE_DIR={}; exec setpriv --reuid {uid} --regid {uid} \
         --clear-groups \"$0\" \"$@\"",
        workspace.text("grant/below"),
        workspace.text("cache")
    );
    workspace.folder("cache");
    chown(workspace.join("cache"), Some(uid), Some(uid)).unwrap();
    let command = workspace.sandhog(["run", "--dir", "grant::/grant", &module("hello")]);
    let ran = command.under(&["unshare", "--mount", "--propagation", "private"]).after(&setup).run();
    ran.refused_with(&["is mounted somewhere below it", "as root"]);
}

#[test]
fn an_overlay_is_refused_to_root_with_what_to_do() {
    if !root_or_missing("mounting an overlay") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    workspace.folder("at");
    let at = workspace.text("at");
    let setup = format!(
        "mount -t tmpfs none {at}; cd {at}; mkdir lower upper work merged; \
         mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work merged || exit 77; cd .."
    );
    let ran = workspace.run_in_own_mounts(&setup, &["--dir", "at/merged::/grant", &module("hello")]);
    if ran.exited() == Some(77) {
        missing(Need::FileSystem, "an overlay file system");
        return;
    }
    ran.refused_with(&["cannot map ids", "grant a copy on another file system", "as an ordinary user"]);
    assert_eq!(ran.text(), "");
}

#[test]
fn a_directory_in_somebody_else_s_private_folder_is_refused() {
    if !root_or_missing("a folder of somebody else") {
        return;
    }
    for (who, owner) in [(Person::ordinary(), 0), (Person::ordinary(), 54322), (Person::Root, 54322)] {
        let workspace = Folder::of(who);
        workspace.write("private/grant/file", SECRET);
        fs::set_permissions(workspace.join("private"), fs::Permissions::from_mode(0o700)).unwrap();
        chown(workspace.join("private"), Some(owner), Some(owner)).unwrap();
        let ran = workspace.run(&["--dir", "private/grant::/grant", &module("list_dir"), "--", "/grant"]);
        ran.refused_with(&["private/grant", "--dir", "Permission denied"]);
        assert_eq!(ran.stderr.matches("Permission denied").count(), 1, "{ran:#?}");
    }
}

#[test]
fn what_is_no_directory_is_refused() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.write("file", "").settle();
        workspace.link("file", "link");
        rustix::fs::mknodat(rustix::fs::CWD, workspace.join("fifo"), rustix::fs::FileType::Fifo, 0o666.into(), 0)
            .unwrap();
        for (name, said) in [
            ("file", "Not a directory"),
            ("link", "Not a directory"),
            ("fifo", "Not a directory"),
            ("none", "No such file"),
        ] {
            let ran = workspace.run(&["--dir", &format!("{name}::/grant"), &module("hello")]);
            ran.refused_with(&[name, said]);
        }
    }
}

#[test]
fn sixty_four_directories_are_granted_and_one_more_is_refused() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        let name = |number: usize| format!("folder {number}");
        (0..65).for_each(|number| {
            workspace.write(format!("{}/file", name(number)), name(number));
        });
        workspace.settle();
        let run = |count: usize, path: &str| {
            let grants: Vec<String> = (0..count).map(|number| format!("{}::/{number}:rw", name(number))).collect();
            let mut args: Vec<&str> = grants.iter().flat_map(|grant| ["--dir", grant]).collect();
            let reader = module("read_file");
            args.extend([reader.as_str(), "--", path]);
            workspace.run(&args)
        };
        for number in [0, 31, 63] {
            assert_eq!(run(64, &format!("/{number}/file")).is(0, "completed").text(), name(number), "{who:?}");
        }
        run(65, "/0/file").refused_with(&["65", "64"]);
    }
}

#[test]
fn two_grants_of_one_directory_keep_their_own_access() {
    for who in Person::all() {
        let workspace = prepared(who);
        let grants = ["--dir", "grant::/reads", "--dir", "grant/sub::/writes:rw"];
        let run = |path: &str| {
            let writer = module("write_file");
            let mut args = grants.to_vec();
            args.extend([writer.as_str(), "--", path, "written"]);
            workspace.run(&args)
        };
        run("/writes/new").is(0, "completed");
        run("/reads/sub/inner").is(1, "failed");
        run("/reads/new").is(1, "failed");
        assert_eq!(
            (workspace.read("grant/sub/new").as_str(), workspace.read("grant/sub/inner").as_str()),
            ("written", "ours")
        );
    }
}

#[test]
fn a_store_of_many_small_files_holds_what_was_put_into_it() {
    const COUNT: usize = 2000;
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.folder("grant").settle();
        let ran =
            workspace.run(&["--dir", "grant::/grant:rw", &module("file-store"), "--", "/grant", &COUNT.to_string()]);
        ran.is(0, "completed");
        for key in 0..COUNT {
            let found = fs::read_to_string(workspace.join(format!("grant/{:02x}/{key}.value", key % 256))).ok();
            let replaced = if key % 3 == 0 { ", replaced" } else { "" };
            let expected = (key % 5 != 0).then(|| format!("value {key}{replaced}\n"));
            assert_eq!(found, expected, "{who:?}: {key}");
        }
    }
}

/// Counted here as well, another way.
fn counted(text: &str) -> (u64, u64, u64, HashMap<String, u64>) {
    let mut seen: HashMap<String, u64> = HashMap::new();
    let (mut words, mut word) = (0, String::new());
    for letter in text.chars().chain([' ']) {
        if letter.is_alphanumeric() || letter == '\'' {
            word.push(letter);
            continue;
        }
        let whole = std::mem::take(&mut word).trim_matches('\'').to_lowercase();
        if !whole.is_empty() {
            words += 1;
            *seen.entry(whole).or_default() += 1;
        }
    }
    let lines = text.matches('\n').count() + usize::from(!text.is_empty() && !text.ends_with('\n'));
    (lines as u64, words, text.len() as u64, seen)
}

#[test]
fn the_words_of_a_real_novel_are_counted_right() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        for name in ["persuasion.txt", "constitution.txt"] {
            workspace.write(format!("texts/{name}"), fs::read_to_string(data(name)).unwrap());
        }
        workspace.settle();
        let ran = workspace.run(&["--dir", "texts::/texts", &module("word-count"), "--", "/texts"]);
        let report: Value = serde_json::from_str(ran.is(0, "completed").text()).unwrap();
        let both = workspace.read("texts/constitution.txt") + "\n" + &workspace.read("texts/persuasion.txt");
        let files = [("constitution.txt", 0), ("persuasion.txt", 1)].map(|(name, at)| (&report["files"][at], name));
        for (found, name) in files {
            let (lines, words, bytes, seen) = counted(&workspace.read(format!("texts/{name}")));
            assert_eq!(found["name"], format!("/texts/{name}"));
            assert_eq!((found["lines"].as_u64(), found["words"].as_u64()), (Some(lines), Some(words)), "{name}");
            assert_eq!((found["bytes"].as_u64(), found["distinct"].as_u64()), (Some(bytes), Some(seen.len() as u64)));
        }
        let (_, words, _, seen) = counted(&both);
        assert_eq!(report["total"]["words"], words);
        assert_eq!(report["total"]["top"]["the"], seen["the"]);
    }
}

/// 512 by 512, eight bits, and of this colour: 0 is gray, 2 red, green and blue (the PNG specification, 11.2.2).
fn is_picture(png: &[u8], color: u8) -> bool {
    let header = [512_u32.to_be_bytes(), 512_u32.to_be_bytes()].concat();
    png.starts_with(b"\x89PNG\r\n\x1a\n")
        && png[12..16] == *b"IHDR"
        && png[16..24] == header
        && png[24..26] == [8, color]
}

#[test]
fn a_real_picture_is_filtered_right() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.folder("in").folder("out");
        fs::copy(data("astronaut.png"), workspace.join("in/picture.png")).unwrap();
        workspace.settle();
        let filter = |name: &str, from: &str, to: &str| {
            let grants = ["--dir", "in::/in", "--dir", "out::/out:rw"];
            let filter = module("image-filter");
            let mut args = grants.to_vec();
            args.extend([filter.as_str(), "--", name, from, to]);
            workspace.run(&args).is(0, "completed");
            fs::read(workspace.join(to.trim_start_matches('/'))).unwrap()
        };
        let gray = filter("grayscale", "/in/picture.png", "/out/gray.png");
        // What is gray already stays as it is, to the bit.
        assert!(is_picture(&gray, 0) && gray == filter("grayscale", "/out/gray.png", "/out/again.png"), "{who:?}");
        assert!(is_picture(&filter("blur", "/in/picture.png", "/out/blur.png"), 2), "{who:?}");
        assert_eq!(blake3::hash(&gray).to_hex().as_str(), GRAY, "{who:?}");
        assert_eq!(fs::read(workspace.join("in/picture.png")).unwrap(), fs::read(data("astronaut.png")).unwrap());
        assert!(!is_root() || fs::metadata(workspace.join("out/gray.png")).unwrap().uid() == who.uid());
    }
}

/// The gray picture's file. Its pixels were compared once with those that Python computes from the original.
const GRAY: &str = "e33b43dab62267871898303a1aacf08d25f4cab9f0f1f53c2bf2eeca64da92d7";

#[test]
fn a_file_moves_from_one_directory_of_a_grant_to_another_and_not_into_another_grant() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        workspace.folder("out").folder("out/a").folder("out/b").folder("else");
        fs::write(workspace.join("out/a/file"), "content").unwrap();
        workspace.settle();
        let guest = module("moves_file");
        let grants = ["--dir", "out::/out:rw", "--dir", "else::/else:rw"];
        let moved = |from: &str, link: &str, to: &str| {
            let mut args = grants.to_vec();
            args.extend([guest.as_str(), "--", from, link, to]);
            workspace.run(&args)
        };
        moved("/out/a/file", "/out/b/link", "/out/b/moved").is(0, "completed");
        let content = |name: &str| fs::read_to_string(workspace.join(name)).ok();
        assert_eq!((content("out/a/file"), content("out/b/moved")), (None, Some("content".into())), "{who:?}");
        assert_eq!(content("out/b/link"), Some("content".into()), "{who:?}");
        moved("/out/b/moved", "/out/a/link", "/else/moved").is(1, "failed");
        assert_eq!((content("else/moved"), content("out/b/moved")), (None, Some("content".into())), "{who:?}");
    }
}
