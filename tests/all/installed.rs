//! Where the executables under test and the guests lie.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What lies beside each other.
const EXECUTABLES: [&str; 3] = ["sandhog", "sandhog-worker", "sandhog-compiler"];

/// The executables and the folder of guests, where everybody can reach them.
pub(crate) struct Installed {
    /// `sandhog`, with all that it starts beside it.
    pub(crate) program: PathBuf,
    /// A command and a worker that lie, under the same names.
    pub(crate) hostile: PathBuf,
    pub(crate) guests: PathBuf,
    pub(crate) cache: PathBuf,
}

/// The folder of the build: the tests themselves are in `deps` below it.
fn release() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_path_buf()
}

/// The executable under test.
pub(crate) fn sandhog() -> PathBuf {
    crate::each_test::begin();
    let path = std::env::var_os("SANDHOG_BIN").map_or_else(|| release().join("sandhog"), PathBuf::from);
    let path = path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}: ./just build", path.display()));
    for name in EXECUTABLES {
        assert!(path.with_file_name(name).exists(), "{name} is not beside {}: ./just build", path.display());
    }
    path
}

/// The command that lies, with a worker that lies beside it.
pub(crate) fn hostile() -> &'static Path {
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
pub(crate) fn target() -> PathBuf {
    let release = release();
    let target = release.ancestors().find(|folder| folder.join("guests").exists());
    target.unwrap_or_else(|| panic!("there are no guests above {}: ./just jobs", release.display())).to_path_buf()
}

pub(crate) fn installed() -> &'static Installed {
    crate::each_test::begin();
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let target = target();
        let found = Installed {
            program: sandhog(),
            hostile: hostile().to_path_buf(),
            guests: target.join("guests"),
            cache: target.clone(),
        };
        let open = |folder: &Path| fs::metadata(folder).unwrap().permissions().mode() & 0o005 == 0o005;
        let reachable = target.ancestors().chain(found.program.ancestors().skip(1)).all(open);
        if rustix::process::geteuid().is_root() && !reachable { found.copied() } else { found }
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
        Self { program: to.join("sandhog"), hostile: hostile.join("sandhog"), guests, cache: to }
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
