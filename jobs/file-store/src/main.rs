//! A store of keys and values in a directory, one small file for each key: it puts many, replaces
//! some, deletes some, and checks after each step that every key holds what it should.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use std::{fs, io};

const USAGE: &str = "usage: file-store DIRECTORY COUNT   (the directory needs a grant with :rw)";

struct Store {
    root: PathBuf,
}

impl Store {
    /// In 256 folders, so that none of them grows long.
    fn folder(&self, key: usize) -> PathBuf {
        self.root.join(format!("{:02x}", key % 256))
    }

    fn path(&self, key: usize) -> PathBuf {
        self.folder(key).join(format!("{key}.value"))
    }

    /// Written beside and renamed: a reader finds the old value or the new one, never half of one.
    fn put(&self, key: usize, value: &str) -> io::Result<()> {
        let beside = self.path(key).with_extension("new");
        fs::create_dir_all(self.folder(key))?;
        fs::write(&beside, value)?;
        fs::rename(&beside, self.path(key))
    }

    fn get(&self, key: usize) -> io::Result<Option<String>> {
        match fs::read_to_string(self.path(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    fn delete(&self, key: usize) -> io::Result<()> {
        fs::remove_file(self.path(key))
    }
}

/// What the steps do to a store with `count` keys. Every third value is replaced, every fifth deleted.
fn run(store: &Store, count: usize) -> io::Result<()> {
    let (all, thirds, fifths) = (0..count, (0..count).step_by(3), (0..count).step_by(5));
    let first = |key: usize| format!("value {key}\n");
    let second = |key: usize| format!("value {key}, replaced\n");

    step("put", all.clone(), |key| store.put(key, &first(key)))?;
    step("check", all.clone(), |key| expect(key, store.get(key)?, Some(first(key))))?;
    step("replace", thirds, |key| store.put(key, &second(key)))?;
    step("delete", fifths, |key| store.delete(key))?;
    step("check", all, |key| {
        let value = if key % 3 == 0 { second(key) } else { first(key) };
        expect(key, store.get(key)?, (key % 5 != 0).then_some(value))
    })
}

fn expect(key: usize, found: Option<String>, expected: Option<String>) -> io::Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(io::Error::other(format!("key {key} holds {found:?}, not {expected:?}")))
}

/// Does one thing to each key and tells how long that took.
fn step(
    name: &str,
    keys: impl Iterator<Item = usize>,
    mut act: impl FnMut(usize) -> io::Result<()>,
) -> io::Result<()> {
    let (start, mut done) = (Instant::now(), 0);
    for key in keys {
        act(key)?;
        done += 1;
    }
    println!("{name:<8} {done:>7} files in {:>6} ms", start.elapsed().as_millis());
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next();
    let count = arguments.next().and_then(|count| count.parse().ok());
    let (Some(root), Some(count)) = (root, count) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let store = Store { root: PathBuf::from(&root) };
    let done = run(&store, count).inspect_err(|error| eprintln!("file-store: {root}: {error}"));
    done.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
