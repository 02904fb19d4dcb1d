//! Hashes what makes a build: see `src/lib.rs`.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

/// The sources of worker and compiler, and the words that they share with the command, below the repository's folder.
const SEALED: [&str; 15] = [
    "Cargo.lock",
    "channel",
    "protocol",
    "host/compiler",
    "host/engine",
    "host/features",
    "host/ipc",
    "host/link",
    "host/objects",
    "host/objects-model",
    "host/probes",
    "host/sandbox",
    "host/sys",
    "host/worker",
    "host/zygote",
];

fn main() -> io::Result<()> {
    let root = Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    // The same numbers for the same input in every run: its keys are fixed.
    let mut hasher = DefaultHasher::new();
    for variable in ["TARGET", "OPT_LEVEL", "CARGO_PKG_VERSION"] {
        env::var_os(variable).hash(&mut hasher);
    }
    for name in SEALED {
        let path = root.join(name);
        println!("cargo::rerun-if-changed={}", path.display());
        let mut files = BTreeSet::new();
        collect(&path, &mut files)?;
        for file in files {
            file.strip_prefix(&root).unwrap_or(&file).hash(&mut hasher);
            fs::read(&file)?.hash(&mut hasher);
        }
    }
    println!("cargo::rustc-env=SANDHOG_BUILD_ID={:016x}", hasher.finish());
    Ok(())
}

fn collect(path: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.insert(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}
