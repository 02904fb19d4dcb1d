//! Where the executables under test and the guests lie, and what is kept for all tests.
//!
//! Must not: start anything under test.

use crate::folder::chown;
use crate::person::{Person, is_root};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

/// What lies beside each other.
const EXECUTABLES: [&str; 3] = ["sandhog", "sandhog-worker", "sandhog-compiler"];

/// The executables and the folder of guests, where everybody can reach them.
struct Installed {
    /// `sandhog`, with all that it starts beside it.
    program: PathBuf,
    /// A command and a worker that lie, under the same names.
    hostile: PathBuf,
    guests: PathBuf,
    kept: PathBuf,
}

/// The folder of the build: the tests themselves are in `deps` below it.
fn release() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_path_buf()
}

/// The executable under test, as it was built. Others than root may not reach it: see [`program`].
pub fn sandhog() -> PathBuf {
    crate::each_test::begin();
    let path = std::env::var_os("SANDHOG_BIN").map_or_else(|| release().join("sandhog"), PathBuf::from);
    let path = path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}: ./just build", path.display()));
    for name in EXECUTABLES {
        assert!(path.with_file_name(name).exists(), "{name} is not beside {}: ./just build", path.display());
    }
    path
}

/// The command that lies, as it was built, with a worker that lies beside it.
fn built_hostile() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = release().join("hostile");
        make_closed(&folder);
        for (name, built) in [
            ("sandhog", "hostile-sandhog"),
            ("sandhog-worker", "hostile-worker"),
            ("sandhog-compiler", "sandhog-compiler"),
        ] {
            copy_new(&release().join(built), &folder.join(name));
        }
        folder.join("sandhog")
    })
}

/// The folder that everything is built in: guests, and what is kept from test run to test run.
pub fn target() -> PathBuf {
    let release = release();
    let target = release.ancestors().find(|folder| folder.join("guests").exists());
    target.unwrap_or_else(|| panic!("there are no guests above {}: ./just jobs", release.display())).to_path_buf()
}

fn installed() -> &'static Installed {
    crate::each_test::begin();
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let target = target();
        let found = Installed {
            program: sandhog(),
            hostile: built_hostile().to_path_buf(),
            guests: target.join("guests"),
            kept: target.clone(),
        };
        let open = |folder: &Path| fs::metadata(folder).unwrap().permissions().mode() & 0o005 == 0o005;
        let reachable = target.ancestors().chain(found.program.ancestors().skip(1)).all(open);
        if is_root() && !reachable { found.copied() } else { found }
    })
}

impl Installed {
    /// In a repository that only root may enter an ordinary user finds nothing: a copy elsewhere, kept for the next time.
    fn copied(self) -> Self {
        let to = std::env::temp_dir().join("sandhog-tests");
        let (guests, hostile) = (to.join("guests"), to.join("hostile"));
        for folder in [&guests, &hostile] {
            make_closed(folder);
        }
        for name in EXECUTABLES {
            copy_new(&self.program.with_file_name(name), &to.join(name));
            copy_new(&self.hostile.with_file_name(name), &hostile.join(name));
        }
        for guest in fs::read_dir(&self.guests).unwrap().flatten() {
            copy_new(&guest.path(), &guests.join(guest.file_name()));
        }
        Self { program: to.join("sandhog"), hostile: hostile.join("sandhog"), guests, kept: to }
    }
}

/// The executable under test, where everybody can reach it.
pub fn program() -> &'static Path {
    &installed().program
}

/// The command that lies, where everybody can reach it.
pub fn hostile() -> &'static Path {
    &installed().hostile
}

/// A guest by its name, where everybody can reach it: `hello` for hello.wasm, or with its ending: `reactor.wat`.
///
/// # Panics
///
/// Where there is none.
pub fn guest(name: &str) -> PathBuf {
    let file = if name.contains('.') { name.to_owned() } else { format!("{name}.wasm") };
    let path = installed().guests.join(file);
    assert!(path.exists(), "{path:?} is missing: ./just jobs");
    path
}

/// The path of a guest (see [`guest`]) as text, for manifests and flags.
pub fn module(name: &str) -> String {
    guest(name).into_os_string().into_string().unwrap()
}

/// Real input, which lies beside the jobs.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../jobs/data").join(name)
}

/// Compiled guests of this person, kept for all tests and all test runs.
pub fn cache_of(person: Person) -> PathBuf {
    kept("cache", person)
}

/// The state directory beside [`cache_of`], with the secret that its entries are sealed with.
pub fn state_of(person: Person) -> PathBuf {
    let state = kept("state", person);
    share_secret(&state);
    if person.is_another() {
        chown(&state.join(KEY), person.uid());
    }
    state
}

/// A folder of a person's own that outlives the tests: beside the guests, or where that is closed to us among the temporary
/// files.
fn kept(what: &str, person: Person) -> PathBuf {
    let kept = &installed().kept;
    let open = rustix::fs::access(kept, rustix::fs::Access::WRITE_OK).is_ok();
    let folder = if open { kept.clone() } else { std::env::temp_dir() };
    let path = folder.join(format!("sandhog-test-{what}-{}", person.uid()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).unwrap();
    if person.is_another() {
        chown(&path, person.uid());
    }
    path
}

/// The secret of a state directory.
const KEY: &str = "cache.key";

/// Gives a state directory the secret of all tests, so that what it compiles can be used by others, and the other way round.
pub fn share_secret(state: &Path) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state).unwrap();
    let (key, beside) = (state.join(KEY), state.join(format!("{KEY}-{}", std::process::id())));
    if !key.exists() {
        fs::write(&beside, [b'k'; 32]).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(beside, key).unwrap();
    }
}

/// A folder that its owner alone may write, whatever the umask: what lies elsewhere is not started.
fn make_closed(folder: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).unwrap();
}

/// Beside and renamed: an executable that runs can't be written to.
fn copy_new(from: &Path, to: &Path) {
    let changed = |path: &Path| fs::metadata(path).and_then(|status| status.modified()).ok();
    if changed(to) < changed(from) {
        let beside = to.with_extension(format!("new-{}", std::process::id()));
        // By a process of its own: a program that is started at that moment, for another test, would hold it open for writing.
        let copied = Command::new("cp").arg(from).arg(&beside).status().unwrap();
        assert!(copied.success(), "{}: ./just build", from.display());
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(beside, to).unwrap();
    }
}
