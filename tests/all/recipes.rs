//! What the Justfile has to say of every package: one that is in no group is neither tested nor linted, and nobody notices.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders of the workspace's packages.
fn packages() -> Vec<PathBuf> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    let members = members.trim_end_matches(']').split(", ").map(|member| member.trim_matches('"'));
    let folders = |member: &str| match member.strip_suffix("/*") {
        Some(parent) => fs::read_dir(root().join(parent)).unwrap().map(|entry| entry.unwrap().path()).collect(),
        None => vec![root().join(member)],
    };
    members.flat_map(folders).filter(|folder| folder.join("Cargo.toml").exists()).collect()
}

fn name(package: &Path) -> String {
    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().trim_matches('"').to_owned()
}

/// The packages that a recipe gives to cargo, by `-p` or in a group.
fn packages_of(recipe: &str) -> BTreeSet<String> {
    let justfile = fs::read_to_string(root().join("Justfile")).unwrap().replace(" \\\n", " ");
    let group = |line: &str| {
        let (name, words) = line.split_once(" := ")?;
        words.contains("-p ").then(|| (format!("{{{{ {name} }}}}"), words.replace(['"', '+'], " ")))
    };
    let groups: Vec<_> = justfile.lines().filter_map(group).collect();
    let lines = justfile.lines().skip_while(|line| !line.starts_with(recipe)).skip(1);
    let body: String = lines.take_while(|line| line.starts_with(' ')).map(|line| format!("{line}\n")).collect();
    let body = groups.iter().fold(body, |body, (name, words)| body.replace(name, words));
    let words: Vec<_> = body.split_whitespace().collect();
    words.windows(2).filter(|pair| pair[0] == "-p").map(|pair| pair[1].to_owned()).collect()
}

#[test]
fn every_package_is_linted() {
    let all: BTreeSet<_> = packages().iter().map(|package| name(package)).collect();
    assert!(all.len() > 20, "{all:?}");
    assert_eq!(packages_of("lint:"), all);
}

/// Those that lie are built for tests, and have none.
#[test]
fn every_library_is_tested() {
    let tested = packages_of("test *WORDS:");
    for package in packages().iter().filter(|package| package.join("src/lib.rs").exists()) {
        assert!(tested.contains(&name(package)), "{} is in no group of ./just test", name(package));
    }
    assert!(tested.contains("sandhog-tests"));
}

/// The file that `./just test` gives to cargo has every crate of ours. Whose build is hashed is as in the executables.
#[test]
fn every_crate_is_compiled_for_tests_without_optimisation() {
    let file = fs::read_to_string(root().join(".cargo/tests.toml")).unwrap();
    let named = file.lines().filter_map(|line| line.split_once(" = { opt-level = 0"));
    let named: BTreeSet<_> = named.map(|(name, _)| name.to_owned()).collect();
    let as_they_are = ["sandhog-build-id", "sandhog-features", "sandhog-benches"];
    let all = packages().into_iter().map(|package| name(&package));
    let all: BTreeSet<_> = all.filter(|name| !as_they_are.contains(&name.as_str())).collect();
    assert_eq!(named, all);
}

/// All packages of one call get the union of their features: a worker with the command's would be killed by its filter.
#[test]
fn nothing_is_built_with_the_whole_workspace() {
    for path in ["Justfile", "scripts/test-sdk.sh", "scripts/build-guests.sh", ".ci/run"] {
        let text = fs::read_to_string(root().join(path)).unwrap();
        assert!(!text.contains("--workspace"), "{path}");
    }
    for executable in ["build:", "hostile:"] {
        let justfile = fs::read_to_string(root().join("Justfile")).unwrap();
        let (_, body) = justfile.split_once(&format!("\n{executable} machine\n")).unwrap();
        let calls: Vec<_> =
            body.lines().take_while(|line| line.starts_with(' ')).filter(|line| line.contains("cargo build")).collect();
        assert!(calls.len() >= 2 && calls.iter().all(|call| call.matches("-p ").count() == 1), "{calls:?}");
    }
}
