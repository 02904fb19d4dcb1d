//! Files and directories of a test's own.
//!
//! Must not: outlive its test, or run anything.

use crate::each_test;
use crate::person::{Person, is_root};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A person's folder for one test, with what lies in it; removed when it is dropped.
#[derive(Debug)]
pub struct Folder {
    /// Whom it belongs to.
    pub person: Person,
    root: tempfile::TempDir,
}

impl Folder {
    /// One of whoever runs the tests. Nobody else may enter it.
    pub fn new() -> Self {
        Self::of(Person::me())
    }

    /// One of this person.
    pub fn of(person: Person) -> Self {
        each_test::begin();
        let folder = Self { person, root: tempfile::tempdir().unwrap() };
        folder.settle();
        folder
    }

    /// Its own path.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// A path in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(name)
    }

    /// The same as text.
    pub fn text(&self, name: impl AsRef<Path>) -> String {
        self.join(name).into_os_string().into_string().unwrap()
    }

    /// Makes a file, with the folders that it is in, and gives its path.
    pub fn file(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The same, one after the other.
    pub fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> &Self {
        self.file(name, bytes);
        self
    }

    /// Makes a folder, with those that it is in.
    pub fn folder(&self, name: impl AsRef<Path>) -> &Self {
        fs::create_dir_all(self.join(name)).unwrap();
        self
    }

    /// Makes a symbolic link.
    pub fn link(&self, target: impl AsRef<Path>, name: impl AsRef<Path>) -> &Self {
        symlink(target, self.join(name)).unwrap();
        self
    }

    /// Makes a named pipe, and gives its path.
    pub fn fifo(&self, name: &str) -> PathBuf {
        let path = self.join(name);
        let mode = rustix::fs::Mode::from_raw_mode(0o666);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        path
    }

    /// The text of a file.
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        fs::read_to_string(self.join(name)).unwrap()
    }

    /// The names in it, sorted.
    pub fn names(&self) -> Vec<String> {
        names_in(self.path())
    }

    /// Everything that lies here by now belongs to its person, where this process may give files away.
    pub fn settle(&self) -> &Self {
        if is_root() {
            chown_all(self.path(), self.person.uid());
        }
        self
    }

    /// Lets everybody in, to do what they like.
    pub fn open(self) -> Self {
        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o777)).unwrap();
        self
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

/// The names in a directory, sorted.
pub fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Gives a file to a user, and to the group of the same number.
pub fn chown(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
}

/// The same with all that lies below it. Links are not followed.
fn chown_all(path: &Path, user: u32) {
    chown(path, user);
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::read_dir(path).unwrap().flatten().for_each(|entry| chown_all(&entry.path(), user));
    }
}

/// The permission bits of a file, setuid and the like included.
pub fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}
