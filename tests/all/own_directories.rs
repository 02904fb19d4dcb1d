//! Threats: a grant that reaches into Sandhog's own directories, by which a job could change the machine code of others, read
//! their environment, or take the daemon's place. It is refused, whatever the way to it.

use rustix::mount::{MountFlags, mount, mount_bind};
use sandhog_harness::{
    Command, Daemon, Folder, Outcome, Person, chown, is_root, module, names_in, own_mounts, root_or_missing,
};
use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

const KINDS: [(&str, &str); 3] = [
    ("cache", "SANDHOG_CACHE_DIR"),
    ("state directory", "SANDHOG_STATE_DIR"),
    ("runtime directory", "SANDHOG_RUNTIME_DIR"),
];

/// A folder with the three directories in `own`, beside other things.
struct OwnDirectories {
    scratch: Folder,
    /// Where the variables say that the three are.
    told: PathBuf,
}

impl OwnDirectories {
    fn new() -> Self {
        let scratch = Folder::new();
        for name in ["own/cache/sub", "own/state/logs", "own/runtime/sub", "beside/sub", "own-too"] {
            DirBuilder::new().recursive(true).mode(0o700).create(scratch.join(name)).unwrap();
        }
        Self { told: scratch.join("own"), scratch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// `sandhog run --dir` of one of its directories: `own:rw`.
    fn command(&self, grant: &str) -> Command {
        let (name, access) = grant.split_once(':').unwrap();
        let text = |name: &str| self.told.join(name).into_os_string().into_string().unwrap();
        let run = Command::guest("hello").dir(&self.path(name), &format!("::/granted:{access}"));
        run.env("SANDHOG_CACHE_DIR", text("cache"))
            .env("SANDHOG_STATE_DIR", text("state"))
            .env("SANDHOG_RUNTIME_DIR", text("runtime"))
    }

    fn run(&self, grant: &str) -> Outcome {
        self.command(grant).run()
    }

    /// The same with mounts of its own.
    fn run_with_mounts(&self, grant: &str, mounts: &[Mounted<'_>]) -> Outcome {
        let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap();
        let mounts: Vec<_> = mounts
            .iter()
            .map(|mounted| match mounted {
                Mounted::Bind(from, to) => (Some(text(&self.path(from))), text(&self.path(to))),
                Mounted::Disk(at) => (None, text(&self.path(at))),
            })
            .collect();
        let mount_all = move || {
            own_mounts()?;
            for (from, to) in &mounts {
                match from {
                    Some(from) => mount_bind(from.as_c_str(), to.as_c_str())?,
                    None => mount(c"tmpfs", to.as_c_str(), c"tmpfs", MountFlags::empty(), c"mode=0700")?,
                }
            }
            Ok(())
        };
        self.command(grant).in_child(mount_all).run()
    }
}

enum Mounted<'a> {
    /// The first one is seen at the second one, too.
    Bind(&'a str, &'a str),
    /// Another file system.
    Disk(&'a str),
}

/// It is refused before anything has run, and says how it lies and which variables move what.
#[track_caller]
fn expect_refused(outcome: &Outcome, relation: &str, kinds: &[&str]) {
    outcome.is(126, "refused");
    assert!(outcome.stderr.contains(&format!(" it {relation} Sandhog's ")), "{relation}: {outcome:#?}");
    for (kind, variable) in KINDS {
        let is_named = outcome.stderr.contains(&format!("Sandhog's {kind} \""));
        assert_eq!(is_named, kinds.contains(&kind), "{kind}: {outcome:#?}");
        assert_eq!(outcome.stderr.contains(variable), kinds.contains(&kind), "{variable}: {outcome:#?}");
    }
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:#?}");
}

#[track_caller]
fn expect_runs(outcome: &Outcome) {
    outcome.printed("hello\n");
}

#[test]
fn a_writable_grant_that_holds_an_own_directory_or_lies_in_one_is_refused() {
    let folders = OwnDirectories::new();
    let all = KINDS.map(|(kind, _)| kind);
    expect_refused(&folders.run("own:rw"), "holds", &all);
    expect_refused(&folders.run(":rw"), "holds", &all);
    for (name, (kind, _)) in ["cache", "state", "runtime"].into_iter().zip(KINDS) {
        expect_refused(&folders.run(&format!("own/{name}:rw")), "holds", &[kind]);
        let sub =
            names_in(&folders.path("own").join(name)).into_iter().find(|sub| sub == "sub" || sub == "logs").unwrap();
        expect_refused(&folders.run(&format!("own/{name}/{sub}:rw")), "lies in", &[kind]);
        expect_refused(&folders.run(&format!("beside/../own/{name}/./{sub}/..:rw")), "holds", &[kind]);
    }
    expect_refused(&folders.run("own/cache/../../beside/sub/../..:rw"), "holds", &all);
    assert_eq!(names_in(&folders.path("own/cache")), ["sub"], "nothing was made for a job that is refused");
}

#[test]
fn a_grant_beside_the_own_directories_is_given() {
    let folders = OwnDirectories::new();
    for grant in ["beside:rw", "beside/sub:rw", "own-too:rw", "beside:ro", "own-too:ro"] {
        expect_runs(&folders.run(grant));
    }
}

#[test]
fn only_the_state_is_kept_from_a_reader() {
    let folders = OwnDirectories::new();
    let state = ["state directory"];
    for grant in ["own:ro", ":ro", "own/state:ro"] {
        let outcome = folders.run(grant);
        expect_refused(&outcome, "holds", &state);
        assert!(outcome.stderr.contains("environment"), "{outcome:#?}");
    }
    expect_refused(&folders.run("own/state/logs:ro"), "lies in", &state);
    for grant in ["own/cache:ro", "own/cache/sub:ro", "own/runtime:ro"] {
        expect_runs(&folders.run(grant));
    }
}

#[test]
fn what_will_be_made_is_kept_like_what_is_there() {
    let mut folders = OwnDirectories::new();
    folders.told = folders.path("beside/later/own");
    // Root's holds the ids in use, and is made by every command.
    let runtime = folders.path("own/runtime").into_os_string().into_string().unwrap();
    let run = |grant: &str| folders.command(grant).env("SANDHOG_RUNTIME_DIR", &runtime).run();
    expect_refused(&run("beside:rw"), "holds", &["cache", "state directory"]);
    expect_refused(&run("beside:ro"), "holds", &["state directory"]);
    expect_refused(&run(":ro"), "holds", &["state directory"]);
    assert_eq!(names_in(&folders.path("beside")), ["sub"], "nothing was made");
    expect_runs(&run("beside/sub:rw"));
    assert!(folders.path("beside/later/own/cache").is_dir());
}

#[test]
fn links_are_followed_and_where_one_can_be_replaced_is_no_place_to_write() {
    let mut folders = OwnDirectories::new();
    let all = KINDS.map(|(kind, _)| kind);
    symlink("own", folders.path("link")).unwrap();
    symlink("../../own/cache/sub", folders.path("beside/sub/deep")).unwrap();
    expect_refused(&folders.run("link:rw"), "holds", &all);
    expect_refused(&folders.run("link/state:ro"), "holds", &["state directory"]);
    expect_refused(&folders.run("beside/sub/deep:rw"), "lies in", &["cache"]);
    // A home that is a link.
    symlink("../../own", folders.path("beside/sub/home")).unwrap();
    folders.told = folders.path("beside/sub/home");
    expect_refused(&folders.run("own:rw"), "holds", &all);
    expect_refused(&folders.run("own/state/logs:ro"), "lies in", &["state directory"]);
    // A guest that may write there puts a directory of its own in the link's place.
    expect_refused(&folders.run("beside/sub:rw"), "holds", &all);
    expect_refused(&folders.run("beside:rw"), "holds", &all);
    expect_runs(&folders.run("beside:ro"));
    expect_runs(&folders.run("own-too:rw"));
}

#[test]
fn another_mount_of_an_own_directory_is_the_same_directory() {
    if !root_or_missing("mounting") {
        return;
    }
    let folders = OwnDirectories::new();
    let all = KINDS.map(|(kind, _)| kind);
    fs::create_dir(folders.path("mnt")).unwrap();
    let run = |from: &str, grant: &str| folders.run_with_mounts(grant, &[Mounted::Bind(from, "mnt")]);
    // What holds it, it itself, and what lies in it.
    expect_refused(&run("", "mnt:rw"), "holds", &all);
    expect_refused(&run("own", "mnt:rw"), "holds", &all);
    expect_refused(&run("own", "mnt/state:ro"), "holds", &["state directory"]);
    expect_refused(&run("own", "mnt/state/logs:ro"), "lies in", &["state directory"]);
    expect_refused(&run("own/state/logs", "mnt:ro"), "lies in", &["state directory"]);
    expect_refused(&run("own/cache", "mnt/sub:rw"), "lies in", &["cache"]);
    expect_refused(&run("own/cache/sub", "mnt:rw"), "lies in", &["cache"]);
    expect_runs(&run("beside", "mnt:rw"));
    expect_runs(&run("own", "mnt/cache:ro"));
}

/// `..` leaves a mount by its mount point, and never meets the directories above what it shows.
#[test]
fn an_own_directory_that_is_seen_by_a_mount_is_kept_where_it_really_is() {
    if !root_or_missing("mounting") {
        return;
    }
    let mut folders = OwnDirectories::new();
    let all = KINDS.map(|(kind, _)| kind);
    for name in ["home/me", "data/homes/me/own/state/logs", "data/homes/you"] {
        DirBuilder::new().recursive(true).mode(0o700).create(folders.path(name)).unwrap();
    }
    folders.told = folders.path("home/me/own");
    let run = |grant: &str| folders.run_with_mounts(grant, &[Mounted::Bind("data/homes/me", "home/me")]);
    expect_refused(&run("data:rw"), "holds", &all);
    expect_refused(&run("data/homes:ro"), "holds", &["state directory"]);
    expect_refused(&run("data/homes/me/own/state/logs:ro"), "lies in", &["state directory"]);
    expect_refused(&run("home:rw"), "holds", &all);
    expect_runs(&run("data/homes/you:rw"));
    // What is mounted in an own directory belongs to it, wherever else it is seen.
    folders.told = folders.path("own");
    let run = |grant: &str| folders.run_with_mounts(grant, &[Mounted::Bind("data/homes/you", "own/state/logs")]);
    expect_refused(&run("data/homes/you:ro"), "lies in", &["state directory"]);
    expect_refused(&run("data:ro"), "holds", &["state directory"]);
    expect_refused(&run("own/state/logs:rw"), "lies in", &["state directory"]);
    expect_runs(&run("data/homes/me:rw"));
}

/// A grant shows nothing of what is mounted below it. But a guest that may write the place of a mount can take it away.
#[test]
fn a_state_on_another_disk_is_hidden_from_readers_above_and_kept_from_writers() {
    if !root_or_missing("mounting") {
        return;
    }
    let folders = OwnDirectories::new();
    let run = |grant: &str| folders.run_with_mounts(grant, &[Mounted::Disk("own/state")]);
    expect_runs(&run("own:ro"));
    expect_runs(&run(":ro"));
    expect_refused(&run("own:rw"), "holds", &KINDS.map(|(kind, _)| kind));
    expect_refused(&run("own/state:ro"), "holds", &["state directory"]);
    expect_runs(&run("beside:rw"));
}

#[test]
fn a_persons_whole_home_is_refused_and_a_project_in_it_is_not() {
    let scratch = Folder::new();
    fs::create_dir(scratch.join("project")).unwrap();
    for path in [scratch.path().to_path_buf(), scratch.join("project")] {
        if is_root() {
            chown(&path, Person::MADE_UP.uid());
        }
    }
    let home = scratch.path().to_str().unwrap().to_owned();
    let run = |path: &Path, access: &str| {
        let run = Command::guest("hello").by_ordinary_user().dir(path, access).env("HOME", &home);
        run.env("SANDHOG_CACHE_DIR", "").env("SANDHOG_STATE_DIR", "").run()
    };
    for access in ["::/home:rw", "::/home:ro"] {
        let outcome = run(scratch.path(), access);
        outcome.is(126, "refused");
        assert!(outcome.stderr.contains(".local/state/sandhog"), "{access}: {outcome:#?}");
        assert_eq!(outcome.stderr.contains(".cache/sandhog"), access.ends_with("rw"), "{outcome:#?}");
    }
    assert_eq!(names_in(scratch.path()), ["project"]);
    expect_runs(&run(&scratch.join("project"), "::/project:rw"));
    // Another directory that happens to be writable is no way round: what was made meanwhile is kept as well.
    run(&scratch.join(".cache"), "::/x:rw").is(126, "refused");
    run(&scratch.join(".local"), "::/x:ro").is(126, "refused");
    expect_runs(&run(&scratch.join(".cache"), "::/x:ro"));
}

#[test]
fn every_verb_that_grants_refuses_it() {
    let daemon = Daemon::start();
    let expect = |words: &[&str]| {
        let outcome = daemon.run(words);
        let said = format!("{}{}", outcome.stderr, outcome.text());
        assert_ne!(outcome.code, 0, "{words:?}: {outcome:#?}");
        assert!(said.contains("Sandhog's state directory"), "{words:?}: {said}");
        assert!(said.contains("SANDHOG_STATE_DIR"), "{words:?}: {said}");
    };
    let (hello, sleeper) = (module("hello"), module("sleep_forever"));
    let manifest = |grant: &str| {
        let text = format!("[job.web]\nmodule = {sleeper:?}\nready = \"10ms\"\ndir = [{grant:?}]\n");
        fs::write(daemon.path("sandhog.toml"), text).unwrap();
    };
    for grant in ["state/logs::/x:rw", ".::/x:ro", "state::/x"] {
        manifest(grant);
        for words in [&["check"][..], &["up"], &["up", "--dry-run"]] {
            expect(words);
        }
        let started = ["start", sleeper.as_str(), "--name", "sleeper", "--dir", grant];
        expect(&started);
        expect(&["run", "--dir", grant, &hello]);
    }
    manifest("folder::/x:rw");
    fs::create_dir(daemon.path("folder")).unwrap();
    daemon.well(&["check"]);
    daemon.well(&["up"]);
    daemon.well(&["reload", "web"]);
    // The state directory gets there afterwards.
    fs::remove_dir(daemon.path("folder")).unwrap();
    symlink("state", daemon.path("folder")).unwrap();
    for verb in ["restart", "reload"] {
        let outcome = daemon.run(&[verb, "web"]);
        assert!(outcome.stderr.contains("web: the directory "), "{verb}: {outcome:#?}");
        assert!(outcome.stderr.contains("Sandhog's state directory"), "{verb}: {outcome:#?}");
    }
}
