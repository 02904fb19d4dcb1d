//! What the Justfile has to say of every package: one that is in no group is neither tested nor linted, and nobody notices.

use sandhog_harness::Folder;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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

/// What cargo runs test binaries by.
fn runner() -> PathBuf {
    let file = fs::read_to_string(root().join(".cargo/tests.toml")).unwrap();
    let runner = file.lines().find_map(|line| line.strip_prefix("runner = [\"")).unwrap().trim_end_matches("\"]");
    root().join(runner)
}

/// Runs it as cargo runs a test binary, with this limit.
fn limited(seconds: &str, binary: &[&str]) -> Output {
    let mut command = Command::new(runner());
    command.args(binary).env("SANDHOG_TEST_SECONDS", seconds).output().unwrap()
}

#[test]
fn a_unit_test_that_hangs_ends_the_run_with_a_failure() {
    let hangs = limited("0.1", &["sleep", "infinity"]);
    assert_eq!(hangs.status.code(), Some(124), "{hangs:?}");
    let said = String::from_utf8(hangs.stderr).unwrap();
    assert!(said.contains("sleep was ended") && said.contains("has been running for over 60 seconds"), "{said}");
}

#[test]
fn the_limit_of_unit_tests_leaves_their_outcome_alone() {
    for code in [0, 101] {
        let ends = limited("600", &["sh", "-c", "echo it ran; exit $0", &code.to_string()]);
        assert_eq!((ends.status.code(), &ends.stdout[..], &ends.stderr[..]), (Some(code), &b"it ran\n"[..], &b""[..]));
    }
}

/// Facts have limits of their own: nothing is between them and whoever starts them.
#[test]
fn facts_are_not_under_the_limit_of_unit_tests() {
    let folder = Folder::new();
    let [unit, facts] = ["sandhog_spec-1", "all-1"].map(|name| folder.join(name));
    for name in [&unit, &facts] {
        symlink("/bin/sh", name).unwrap();
    }
    let parent = |binary: &Path| limited("600", &[binary.to_str().unwrap(), "-c", "echo $PPID"]).stdout;
    let own = format!("{}\n", std::process::id()).into_bytes();
    assert_eq!(parent(&facts), own);
    assert_ne!(parent(&unit), own);
}

/// Whoever runs the tests in the background, or under nohup(1), has them ignored.
#[test]
fn tests_hear_the_signals_that_their_starter_ignores() {
    let folder = Folder::new();
    let facts = folder.join("all-1");
    symlink("/bin/sh", &facts).unwrap();
    for signal in ["HUP", "INT", "TERM"] {
        let binary = [facts.to_str().unwrap(), "-c", &format!("kill -{signal} $$; echo deaf")].map(str::to_owned);
        let script = format!("trap '' {signal}; exec \"$0\" \"$@\"");
        let ended = Command::new("sh").args(["-c", &script]).arg(runner()).args(binary).output().unwrap();
        assert!(ended.status.code().is_none() && ended.stdout.is_empty(), "{signal}: {ended:?}");
    }
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
