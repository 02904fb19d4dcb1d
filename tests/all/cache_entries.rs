//! Entries of the cache: each is bound to its module and to the secret of the state directory, whoever has put it there.

use sandhog_harness::{Command, Folder, guest, is_root, names_in};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A cache and a state directory of a test's own.
struct Own(Folder);

impl Own {
    fn new() -> Self {
        Self(Folder::new())
    }

    fn command(&self, guest: &str, state: &str) -> Command {
        let state = self.0.join(state).into_os_string().into_string().unwrap();
        Command::guest(guest).cache(self.cache()).env("SANDHOG_STATE_DIR", &state)
    }

    #[track_caller]
    fn hello(&self) {
        self.command("hello", "state").run().printed("hello\n");
    }

    #[track_caller]
    fn expect_args(&self) {
        self.command("print_args", "state").run().printed("print_args.wasm\n");
    }

    fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    fn secret(&self) -> PathBuf {
        self.0.join("state/cache.key")
    }

    fn entries(&self) -> Vec<PathBuf> {
        let names = if self.cache().exists() { names_in(&self.cache()) } else { Vec::new() };
        let names = names.into_iter().filter(|name| name.ends_with(".compiled"));
        names.map(|name| self.cache().join(name)).collect()
    }

    /// The entry that this run makes.
    fn new_entry(&self, run: impl FnOnce()) -> PathBuf {
        let before = self.entries();
        run();
        let new: Vec<_> = self.entries().into_iter().filter(|entry| !before.contains(entry)).collect();
        let [entry] = new.try_into().expect("one more entry");
        entry
    }
}

/// What changes when a file is made again.
fn identity(path: &Path) -> (u64, i64, i64) {
    let status = fs::metadata(path).unwrap();
    (status.ino(), status.mtime(), status.mtime_nsec())
}

#[test]
fn an_entry_that_was_copied_over_another_one_is_noticed() {
    let own = Own::new();
    let hello = own.new_entry(|| own.hello());
    let args_entry = own.new_entry(|| own.expect_args());
    let sound = fs::read(&args_entry).unwrap();
    fs::copy(&hello, &args_entry).unwrap();
    own.expect_args();
    assert_eq!(fs::read(&args_entry).unwrap().len(), sound.len(), "made again");
    let made = identity(&args_entry);
    own.expect_args();
    assert_eq!(identity(&args_entry), made);
}

/// Whoever can write the cache and has all of Sandhog but the secret.
#[test]
fn an_entry_that_somebody_else_has_written_is_noticed() {
    let (own, others) = (Own::new(), Own::new());
    let entry = own.new_entry(|| own.hello());
    let sealed_by_others = fs::read(others.new_entry(|| others.hello())).unwrap();
    fs::write(&entry, &sealed_by_others).unwrap();
    own.hello();
    assert_ne!(fs::read(&entry).unwrap(), sealed_by_others, "made again");
}

#[test]
fn two_state_directories_leave_each_others_entries_alone() {
    let own = Own::new();
    let mine = own.new_entry(|| own.hello());
    let run = || _ = own.command("hello", "other").run().printed("hello\n");
    let yours = own.new_entry(run);
    let before = (identity(&mine), identity(&yours));
    for state in ["state", "other"] {
        own.command("hello", state).run().printed("hello\n");
    }
    assert_eq!((identity(&mine), identity(&yours)), before);
    fs::copy(&yours, &mine).unwrap();
    own.hello();
    assert_ne!(fs::read(&mine).unwrap(), fs::read(&yours).unwrap(), "an entry of the other one is none");
}

#[test]
fn commands_that_make_the_secret_at_once_have_the_same() {
    let own = Own::new();
    let all: Vec<_> = (0..6).map(|_| own.command("hello", "state").start()).collect();
    for running in all {
        running.wait().printed("hello\n");
    }
    assert_eq!(own.entries().len(), 1);
    let status = fs::metadata(own.secret()).unwrap();
    assert_eq!((status.len(), status.mode() & 0o7777), (32, 0o600));
    assert_eq!(fs::metadata(own.0.join("state")).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(names_in(&own.0.join("state")), ["cache.key"]);
}

#[test]
fn a_secret_that_others_could_read_is_made_anew() {
    let own = Own::new();
    let first = own.new_entry(|| own.hello());
    let secret = fs::read(own.secret()).unwrap();
    fs::set_permissions(own.secret(), Permissions::from_mode(0o644)).unwrap();
    let second = own.new_entry(|| own.hello());
    assert_ne!(fs::read(own.secret()).unwrap(), secret);
    assert!(first != second && first.exists());
}

#[test]
fn a_link_a_second_name_or_a_pipe_in_an_entrys_place_is_none() {
    let own = Own::new();
    let entry = own.new_entry(|| own.hello());
    let elsewhere = own.0.join("elsewhere");
    fs::copy(&entry, &elsewhere).unwrap();
    let expect_made_again = |what: &str| {
        own.hello();
        let status = fs::symlink_metadata(&entry).unwrap();
        assert!(status.is_file() && status.nlink() == 1, "{what}");
    };
    fs::remove_file(&entry).unwrap();
    symlink(&elsewhere, &entry).unwrap();
    expect_made_again("a link");
    fs::hard_link(&entry, own.0.join("second")).unwrap();
    expect_made_again("a second name");
    fs::remove_file(&entry).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &entry, fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR, 0).unwrap();
    expect_made_again("a pipe");
}

/// Compiled for this run alone: what can't be sealed for good is not kept.
#[test]
fn without_a_state_that_can_be_written_a_job_runs_and_nothing_is_kept() {
    let own = Own::new();
    own.0.file("file", "");
    fs::create_dir(own.0.join("closed")).unwrap();
    fs::set_permissions(own.0.join("closed"), Permissions::from_mode(0o500)).unwrap();
    fs::create_dir(own.0.join("shared")).unwrap();
    fs::set_permissions(own.0.join("shared"), Permissions::from_mode(0o777)).unwrap();
    for (state, reason) in
        [("file/below", "Not a directory"), ("closed", "Permission denied"), ("shared", "others may write")]
    {
        let outcome = own.command("hello", state).run();
        outcome.is(0, "completed");
        assert_eq!(outcome.text(), "hello\n");
        let note = "sandhog: compiled modules are not kept: ";
        assert!(outcome.stderr.starts_with(note) && outcome.stderr.contains(reason), "{outcome:#?}");
        assert!(outcome.stderr.contains("SANDHOG_STATE_DIR"), "{outcome:#?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:#?}");
        own.command("hello", state).flag("--log=off").run().printed("hello\n");
    }
    assert!(own.entries().is_empty(), "{:?}", own.entries());
}

#[test]
fn without_a_state_a_job_and_its_children_run() {
    let own = Own::new();
    own.0.file("file", "");
    let child = format!("--child=cat={}", guest("cat").display());
    let run = own.command("chains_children", "file/below").flag(&child).flag("--log=off").arg("10").run();
    run.is(0, "completed");
    assert!(own.entries().is_empty());
}

/// Without root, the ordinary user's state is made by the run itself, below their home.
#[test]
fn a_run_makes_the_state_directory_that_it_needs() {
    let own = Own::new();
    if is_root() {
        sandhog_harness::chown(own.0.path(), sandhog_harness::Person::MADE_UP.uid());
    }
    let home = own.0.path().to_str().unwrap();
    let run = Command::guest("hello").by_ordinary_user().env("HOME", home).env("SANDHOG_CACHE_DIR", "");
    run.env("SANDHOG_STATE_DIR", "").run().printed("hello\n");
    assert_eq!(fs::metadata(own.0.join(".local/state/sandhog/cache.key")).unwrap().len(), 32);
    assert_eq!(names_in(&own.0.join(".cache/sandhog")).len(), 2);
}
