//! Facts about the sources themselves: imports, places of unsafe code, sizes, and documents that say what the code does.
//!
//! Must not: run anything, look outside the repository, or know how a crate does its work.

mod circles;
mod crates;
mod prose;
mod source;

use source::{end_of_item, files, is_word, lines_with, names_behind, read, root, sources, without_tests};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Lines of code in a file: what is neither blank nor comment nor test. None has more; one that needs them has two subjects.
const FILE_LINES: usize = 400;

/// Lines of a function: what fits on a screen.
const FUNCTION_LINES: usize = 70;

/// Lines of an example job.
const JOB_LINES: usize = 100;

/// The bindings of the guests' SDK, which a program has written: see bindings.rs.
const ABI: &str = "guest-sdk/src/abi.rs";

/// Hosts that files may name in an address.
const HOSTS: &[&str] = &[
    "github.com",
    "json-schema.org",
    "keepachangelog.com",
    "semver.org",
    "www.apache.org",
    // This machine.
    "127.0.0.1",
    "docs.kernel.org",
    "man7.org",
    // The name of SVG's namespace.
    "www.w3.org",
];

/// Where Rust has no other way than unsafe code: wrappers of system calls, the engine's loader, and the guests' bindings.
const UNSAFE: &[&str] = &["host/sys/src/", LOADER, ABI];

/// The engine's loader, which believes that a file holds what the compiler wrote.
const LOADER: &str = "host/engine/src/loader.rs";

/// What is built into an executable, or into a program that talks to one.
const PRODUCT: &[&str] = &["host", "protocol/src", "channel/src", "client/src"];

/// The crate of a file below `host`, by its folder's name.
fn crate_of(path: &str) -> &str {
    path.strip_prefix("host/").and_then(|path| path.split('/').next()).unwrap_or_default()
}

fn assert_none(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// Where these words stand, outside of tests, in sources that `concerns` names.
fn uses(words: &[&str], concerns: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources(&["host", "protocol/src"]).into_iter().filter(|source| concerns(&source.path)) {
        for word in words {
            let lines = lines_with(&source.product, word).into_iter();
            found.extend(lines.map(|line| format!("{}:{line} {word}", source.path)));
        }
    }
    found
}

#[test]
fn no_wall_knows_another() {
    let sources = sources(&["host/sandbox/src"]);
    let mechanism = |path: &str| path["host/sandbox/src/".len()..].split(['/', '.']).next().unwrap().to_owned();
    let walls: BTreeSet<_> = sources.iter().map(|source| mechanism(&source.path)).collect();
    let mut broken = Vec::new();
    for source in &sources {
        let own = mechanism(&source.path);
        if own != "steps" && own != "lib" {
            let known = [names_behind(&source.product, "super::"), names_behind(&source.product, "crate::")].concat();
            let others = known.into_iter().filter(|name| *name != own && walls.contains(*name));
            broken.extend(others.map(|name| format!("{} knows {name}", source.path)));
        }
    }
    assert_none(&broken, "only sandbox/steps.rs knows more than one wall");
}

#[test]
fn the_protocol_is_data_without_io_and_without_paths_of_the_host() {
    let manifest = read("protocol/Cargo.toml");
    let (_, dependencies) = manifest.split_once("[dependencies]").unwrap();
    let dependencies = dependencies.split("\n[").next().unwrap();
    let names: Vec<_> = dependencies.lines().filter_map(|line| line.split_once(".workspace")).collect();
    assert_eq!(
        names.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["rmp-serde", "serde", "serde_bytes", "thiserror"]
    );
    let words = ["std::fs", "std::io", "std::net", "std::os", "std::process", "std::thread", "std::time"];
    let broken = uses(&words, |path| path.starts_with("protocol/"));
    assert_none(&broken, "the protocol does I/O");
    let broken = uses(&["Path", "PathBuf", "OsStr", "OsString"], |path| path.starts_with("protocol/"));
    assert_none(&broken, "a message carries a path of the host");
}

#[test]
fn an_attempts_states_know_no_clock_no_process_and_no_runtime() {
    let words =
        ["tokio", "rustix", "libc", "std::time", "std::os", "std::io", "std::fs", "Instant", "SystemTime", "async"];
    let pure = [
        "host/runtime/src/plan.rs",
        "host/runtime/src/rights.rs",
        "protocol/src/exit_code.rs",
        "host/spawner/src/floor.rs",
        "host/spawner/src/range.rs",
    ];
    let decides = |path: &str| path.starts_with("host/supervisor/src/");
    // These have durations; that is no clock.
    let has_durations = |use_: &str| use_.contains("plan.rs") || use_.contains("rights.rs") || decides(use_);
    let broken = uses(&words, |path| pure.contains(&path) || decides(path));
    let broken: Vec<_> =
        broken.into_iter().filter(|use_| !has_durations(use_) || !use_.ends_with(" std::time")).collect();
    assert_none(&broken, "a decision that does not only decide");
}

#[test]
fn the_time_of_day_is_asked_for_in_one_place() {
    let words = ["SystemTime", "UNIX_EPOCH", "libc::CLOCK_REALTIME", "Timestamp::now", "ZonedDateTime::now"];
    let broken = uses(&words, |path| path != "host/sys/src/clock.rs");
    assert_none(&broken, "ask `sandhog_sys::clock`, or let the time come in as an argument");
}

#[test]
fn near_names_are_looked_for_in_one_place() {
    let broken = uses(&["strsim"], |path| path != "host/spec/src/nearest.rs");
    assert_none(&broken, "ask `sandhog_spec::nearest`, so that a slip is as near everywhere");
}

#[test]
fn a_runtime_is_on_the_coordinators_side_and_in_few_files_of_components() {
    let crates = ["cli", "doctor", "daemon", "http", "runtime", "serve"];
    // A wrapper of the event loop, for the coordinator; where a component's worker has its runtime, and the streams that wait
    // in it.
    let files = [
        "host/sys/src/ready.rs",
        "host/worker/src/component/runtime.rs",
        "host/worker/src/component/stdio.rs",
        "host/worker/src/hostcalls/waiting/bell.rs",
    ];
    let broken = uses(&["tokio"], |path| {
        let is_server = path.starts_with("host/worker/src/component/server/");
        path.starts_with("host/") && !crates.contains(&crate_of(path)) && !files.contains(&path) && !is_server
    });
    assert_none(&broken, "a spawner, a zygote, or a worker of a core module with a runtime");
}

#[test]
fn spawner_zygote_and_the_worker_of_a_core_module_start_no_thread_and_no_program() {
    let words = ["thread::spawn", "thread::Builder", "process::Command", "spawn_blocking", "rayon"];
    let crates = ["spawner", "zygote", "worker", "compiler", "engine", "sandbox", "sys", "ipc", "probes"];
    let broken = uses(&words, |path| crates.contains(&crate_of(path)));
    // The compiler has threads, in a process of its own, and so has a component, where it waits for several things, and for the
    // clock of those that serve HTTP.
    let threads = [
        "host/compiler/src/compile.rs",
        "host/worker/src/component/runtime.rs",
        "host/worker/src/component/server/epochs.rs",
    ];
    let broken: Vec<_> = broken.into_iter().filter(|use_| !threads.iter().any(|file| use_.starts_with(file))).collect();
    assert_none(&broken, "a thread or a program where there may be none");
}

#[test]
fn sockets_of_a_network_are_in_the_hands_of_those_who_serve() {
    let words = ["TcpStream", "TcpListener", "UdpSocket", "AF_INET", "AF_INET6", "INET", "INET6"];
    // The doctor and its probes try whether one could get through.
    let tries = |path: &str| ["doctor", "probes"].contains(&crate_of(path)) || path == "host/sys/src/probe.rs";
    // Those who accept, those who answer numbers, the worker that was handed a connection or a listener, and who looks whether it is
    // one that is handed over.
    let serves = |path: &str| {
        crate_of(path) == "serve"
            || path == "host/http/src/numbers.rs"
            || ["host/worker/src/sockets.rs", "host/spawner/src/spawner/fd_kind.rs"].contains(&path)
            || path.starts_with("host/worker/src/component/server/")
    };
    let broken = uses(&words, |path| !tries(path) && !serves(path));
    assert_none(&broken, "nobody else has a socket of a network, and nobody connects");
}

#[test]
fn the_coordinator_maps_no_memory_of_an_object() {
    let maps = uses(&["mmap"], |path| ["runtime", "daemon", "cli", "sandhog"].contains(&crate_of(path)));
    let words = ["Shared", "Words", "Segment", "pread", "pwrite", "File"];
    let reads = uses(&words, |path| path.starts_with("host/runtime/src/objects/") && !path.ends_with("/keeper.rs"));
    assert_none(&[maps, reads].concat(), "memory of an object in the hands of somebody whom others trust");
}

#[test]
fn the_fleets_task_waits_for_its_next_message_and_nothing_else_until_its_end() {
    let mut waits = Vec::new();
    for source in sources(&["host/daemon/src/fleet"]) {
        for (start, _) in source.product.match_indices("impl Daemon {") {
            let methods = &source.product[start..start + end_of_item(&source.product[start..])];
            waits.extend(names_behind(methods, "async fn ").into_iter().map(str::to_owned));
        }
    }
    assert_eq!(waits, ["run", "end"]);
    let broken = uses(&["block_on", "block_in_place"], |path| ["runtime", "daemon"].contains(&crate_of(path)));
    assert_none(&broken, "a task that waits while others could go on");
}

#[test]
fn debug_and_release_builds_have_the_same_walls() {
    assert_none(&uses(&["debug_assertions"], |_| true), "code that depends on the build");
}

#[test]
fn unsafe_code_is_in_sys_and_in_the_engines_loader_only() {
    let mut broken = Vec::new();
    for source in sources(&[
        "host",
        "protocol",
        "channel",
        "client",
        "guest-sdk",
        "jobs",
        "benches",
        "tests/all",
        "tests/harness",
        "tests/hostile",
        "tests/hostile-worker",
    ]) {
        let lines: Vec<_> = source.code.lines().collect();
        // What a test does between fork and exec has no other way; nor has what unlocks a pseudo-terminal, or gives a thread
        // mounts of its own.
        let near = |line: usize| &lines[line.saturating_sub(4)..lines.len().min(line + 3)];
        let excused = |line: usize| {
            let forks = |near: &&str| {
                ["pre_exec", "in_child", "unlockpt", "unshare_unsafe"].iter().any(|call| near.contains(call))
            };
            source.path.starts_with("tests/") && near(line).iter().any(forks)
        };
        let found = lines_with(&source.code, "unsafe").into_iter().filter(|line| !excused(*line));
        if !UNSAFE.iter().any(|position| source.path.starts_with(position)) {
            broken.extend(found.map(|line| format!("{}:{line}", source.path)));
        }
    }
    assert_none(&broken, "unsafe code outside of host/sys, the engine's loader and the SDK's bindings");
}

#[test]
fn unsafe_code_is_allowed_where_it_may_be_only() {
    let sources = sources(&["host", "protocol", "channel", "client", "guest-sdk", "jobs", "benches", "tests/hostile"]);
    let allows = sources.into_iter().filter(|source| !lines_with(&source.product, "unsafe_code").is_empty());
    let allows = allows.map(|source| source.path).filter(|path| !path.starts_with("host/sys/src/"));
    assert_eq!(allows.collect::<Vec<_>>(), [LOADER, "guest-sdk/src/lib.rs"]);
}

#[test]
fn every_unsafe_block_of_the_host_says_why_it_is_sound() {
    let mut broken = Vec::new();
    for source in sources(&["host/sys/src", "host/engine/src"]) {
        let text = read(&source.path);
        let lines: Vec<_> = text.lines().collect();
        for line in lines_with(&source.code, "unsafe").into_iter().filter(|line| !lines[line - 1].contains("unsafe fn"))
        {
            let above = lines[..line].iter().rev().take(8);
            if !above.clone().any(|line| line.contains("SAFETY:")) {
                broken.push(format!("{}:{line}", source.path));
            }
        }
    }
    assert_none(&broken, "unsafe code without a word on its invariant");
}

#[test]
fn nothing_is_unwrapped_and_nothing_is_left_to_do() {
    let words = [".unwrap()", ".expect(", "todo!", "unimplemented!", "dbg!"];
    let mut broken = Vec::new();
    for source in sources(PRODUCT) {
        for (number, line) in source.product.lines().enumerate() {
            let found = words.iter().filter(|word| line.contains(**word));
            broken.extend(found.map(|word| format!("{}:{} {word}", source.path, number + 1)));
        }
    }
    assert_none(&broken, "an error that nobody handles");
}

#[test]
fn an_error_does_not_repeat_its_source() {
    let mut broken = Vec::new();
    for source in sources(PRODUCT) {
        for variant in read(&source.path).split("#[error(").skip(1) {
            let variant = variant.split("\n}").next().unwrap();
            let Some((said, holds)) = variant.split_once(")]") else { continue };
            let has_source = ["#[source]", "#[from]", " source: "].iter().any(|word| holds.contains(word));
            if has_source && ["{0", "{source", "(.0)"].iter().any(|word| said.contains(word)) {
                broken.push(format!("{}: {said}", source.path));
            }
        }
    }
    assert_none(&broken, "whoever shows the chain of causes says one twice");
}

#[test]
fn the_causes_of_an_error_are_walked_in_one_place() {
    let broken = uses(&["error.source()", "(*error).source()"], |path| path != "protocol/src/causes.rs");
    assert_none(&broken, "another way to say an error with its causes");
}

#[test]
fn a_file_has_one_subject() {
    let mut broken = Vec::new();
    // A file of tests is a list of facts: it has a subject, and no length.
    for source in sources(&[PRODUCT, &["guest-sdk", "tests/harness", "benches"]].concat()) {
        if source.path == ABI {
            continue;
        }
        let lines = source.product.lines().filter(|line| !line.trim().is_empty()).count();
        if lines > FILE_LINES {
            broken.push(format!("{}: {lines} lines", source.path));
        }
    }
    assert_none(&broken, &format!("more than {FILE_LINES} lines of code"));
}

#[test]
fn a_function_is_read_without_scrolling() {
    let mut broken = Vec::new();
    let tests = ["tests/all", "tests/harness", "tests/hostile", "tests/hostile-worker"];
    let mut all = sources(&[PRODUCT, &tests, &["guest-sdk", "benches", "jobs"]].concat());
    all.retain(|source| source.path != ABI);
    for source in all {
        for (start, _) in
            source.code.match_indices("fn ").filter(|(at, _)| *at == 0 || !is_word(source.code.as_bytes()[at - 1]))
        {
            let body = &source.code[start..start + end_of_item(&source.code[start..])];
            let name = names_behind(body, "fn ")[0];
            let lines = body.lines().count();
            if lines > FUNCTION_LINES {
                broken.push(format!("{}: {name} has {lines} lines", source.path));
            }
        }
    }
    assert_none(&broken, &format!("more than {FUNCTION_LINES} lines in one function"));
}

#[test]
fn an_example_job_is_one_page() {
    let jobs = files("jobs").into_iter().filter(|path| path.ends_with(".rs"));
    let long: Vec<_> = jobs.filter(|path| read(path).lines().count() > JOB_LINES).collect();
    assert_none(&long, &format!("more than {JOB_LINES} lines"));
}

#[test]
fn all_of_the_engine_is_of_the_long_term_release() {
    let lock = read("Cargo.lock");
    let mut count = 0;
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"'))
        };
        let Some(name) = field("name").filter(|name| name.starts_with("wasmtime") || name.starts_with("wiggle")) else {
            continue;
        };
        assert!(field("version").is_some_and(|version| version.starts_with("48.0.")), "{name}");
        count += 1;
    }
    assert!(count > 10, "the engine has {count} packages only");
}

/// The numbered steps below a heading of sandbox/README.md: name and wall.
fn steps_of_the_readme(heading: &str) -> Vec<(String, String)> {
    let readme = read("host/sandbox/README.md");
    let (_, section) = readme.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no {heading:?}"));
    let section = section.split("\n## ").next().unwrap();
    let mut steps = Vec::new();
    for line in section.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit())) {
        let (number, rest) = line.split_once(". **").unwrap_or_else(|| panic!("{line:?}"));
        assert_eq!(number, (steps.len() + 1).to_string(), "the steps are numbered without gaps");
        let (name, rest) = rest.split_once("** — ").unwrap_or_else(|| panic!("{line:?}"));
        let wall = rest.strip_prefix("wall: ").map_or("", |wall| wall.split('.').next().unwrap());
        steps.push((name.to_owned(), wall.to_owned()));
    }
    steps
}

/// The steps of one list of sandbox/steps.rs: name and wall.
fn steps_of_the_code(list: &str) -> Vec<(String, String)> {
    let code = read("host/sandbox/src/steps.rs");
    let (_, steps) = code.split_once(&format!("static {list}:")).unwrap();
    let steps = steps.split("];\n").next().unwrap();
    let step = |text: &str| {
        let name = text.split('"').next().unwrap().to_owned();
        let wall = text.split_once("wall: ").unwrap().1;
        let wall = wall.strip_prefix("Some(Wall::").map_or("", |wall| wall.split(')').next().unwrap());
        (name, wall.to_lowercase())
    };
    steps.split("name: \"").skip(1).map(step).collect()
}

#[test]
fn the_sandboxs_readme_has_the_codes_steps_in_the_codes_order() {
    let lists = [
        ("The zygote's steps", "ZYGOTE", 7),
        ("Before a module is loaded", "GIVEN", 3),
        ("When the module is loaded", "LOADED", 1),
        ("The worker's steps", "WORKER", 9),
    ];
    for (heading, list, count) in lists {
        let code = steps_of_the_code(list);
        assert_eq!(code.len(), count, "{list}: {code:?}");
        assert_eq!(steps_of_the_readme(heading), code, "{heading}");
    }
}

/// Everything that is written for people.
fn documents() -> Vec<String> {
    files("").into_iter().filter(|path| path.ends_with(".md") && !path.starts_with("jobs/data/")).collect()
}

#[test]
fn the_readme_is_short() {
    let length = read("README.md").len();
    assert!(length <= 8_000, "README.md has {length} bytes: the rest belongs into docs/");
}

#[test]
fn every_link_of_the_documents_leads_to_a_file() {
    let mut broken = String::new();
    for document in documents() {
        let folder = Path::new(&document).parent().unwrap_or(Path::new("")).to_path_buf();
        for target in read(&document).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || target.contains("://") || target.contains(char::is_whitespace) {
                continue;
            }
            if !root().join(&folder).join(path).exists() {
                let _ = writeln!(broken, "  {document}: {target}");
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{broken}");
}

#[test]
fn every_chapter_is_in_the_summary() {
    let summary = read("docs/SUMMARY.md");
    let chapters = files("docs/").into_iter().filter(|path| path.ends_with(".md") && !path.ends_with("SUMMARY.md"));
    let missing: Vec<_> = chapters
        .filter(|path| !path.contains("/decisions/") || path.ends_with("README.md"))
        .filter(|path| !summary.contains(&format!("({})", path.trim_start_matches("docs/"))))
        .collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}

/// `./just snapshots` removes all of them first; this holds who renames a test by hand.
#[test]
fn every_snapshot_is_compared_with_something() {
    let sources = sources(&["host/cli/src", "tests/all"]);
    let is_named = |name: &str| {
        let literal = format!("{name:?}");
        sources.iter().any(|source| read(&source.path).contains(&literal))
    };
    let snapshots = ["host/cli/snapshots/", "tests/snapshots/"].map(files).concat();
    assert!(snapshots.len() > 20, "{snapshots:?}");
    let mut broken = Vec::new();
    for path in snapshots {
        let name = Path::new(&path).file_stem().unwrap().to_str().unwrap();
        // Those of the help are named by the commands.
        let is_help = name.starts_with("help-");
        if !is_help && !is_named(name) && !name.strip_prefix("error-").is_some_and(is_named) {
            broken.push(path);
        }
    }
    assert_none(&broken, "a snapshot that no test reads");
}

#[test]
fn the_library_of_test_guests_makes_none_of_them_a_component() {
    // Whatever links the SDK carries the type of a component, and the guests that try WASI 0.1 would no longer do so.
    let library = "tests/guests/src/lib.rs";
    let text = read(library);
    let modules = names_behind(&text, "mod ").into_iter().map(|name| format!("tests/guests/src/{name}.rs"));
    let files = modules.chain([library.to_owned()]);
    let broken: Vec<_> = files.filter(|path| read(path).contains("sandhog::")).collect();
    assert_none(&broken, "a library of all test guests that links the SDK");
}

#[test]
fn every_recipe_that_the_documents_name_is_in_the_justfile() {
    let justfile = read("Justfile");
    let recipe = |line: &str| line.split([' ', ':']).next().unwrap_or_default().to_owned();
    let recipes: BTreeSet<_> = justfile.lines().filter(|line| line.contains(':')).map(recipe).collect();
    let mut named = BTreeSet::new();
    let ends = |letter: char| !(letter.is_ascii_alphanumeric() || "-_".contains(letter));
    let name = |rest: &str| rest.split(ends).next().map(str::to_owned);
    for document in documents() {
        named.extend(read(&document).split("./just ").skip(1).filter_map(name));
    }
    named.remove("");
    assert!(named.contains("demo") && named.contains("test"), "the newcomer's two commands are missing: {named:?}");
    assert!(named.is_subset(&recipes), "no such recipe: {:?}", named.difference(&recipes));
}

#[test]
fn the_documents_exit_codes_are_the_tables() {
    let code = without_tests(&read("protocol/src/exit_code.rs"));
    let constants = code.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": u8 = "));
    let constants: BTreeSet<u8> = constants.map(|(_, value)| value.trim_end_matches(';').parse().unwrap()).collect();
    let chapters = read("docs/verdicts.md") + &read("docs/many-tasks.md");
    let cells = chapters.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let told: BTreeSet<u8> = cells.flat_map(|cell| cell.split(", ")).filter_map(|word| word.parse().ok()).collect();
    assert!(!constants.is_empty());
    assert_eq!(told, constants);
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let mut tests = BTreeSet::new();
    for source in sources(&[PRODUCT, &["tests/all"]].concat()) {
        for mark in ["#[test]", "#[tokio::test"] {
            for item in source.code.split(mark).skip(1) {
                tests.insert(names_behind(item, "fn ")[0].to_owned());
            }
        }
    }
    let architecture = read("ARCHITECTURE.md");
    let invariants: Vec<_> = architecture.split("**Architecture Invariant:**").skip(1).collect();
    assert!(invariants.len() > 10, "{} invariants", invariants.len());
    for invariant in invariants {
        let invariant = invariant.split("\n\n").next().unwrap().split("\n- ").next().unwrap();
        let invariant = invariant.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, held_by) = invariant.split_once("Held by ").unwrap_or_else(|| panic!("no test holds: {invariant}"));
        let named: Vec<_> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test is named: {invariant}");
        for name in named {
            assert!(tests.contains(name), "no test is called {name}: {invariant}");
        }
    }
}

#[test]
fn files_name_no_host_but_those_on_the_list() {
    let registries = [["crates", "io"].join("."), ["pypi", "org"].join("."), ["pythonhosted", "org"].join(".")];
    let mut broken = String::new();
    for path in files("").into_iter().filter(|path| !path.starts_with("jobs/data/")) {
        // What is no text names nothing.
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            // Cargo's own name for the default registry, whichever mirror a machine uses.
            if path.ends_with("Cargo.lock")
                && line == format!("source = \"registry+https://github.com/rust-lang/{}-index\"", registries[0])
            {
                continue;
            }
            let hosts = line.split("://").skip(1).map(|rest| {
                rest.split(|letter: char| !(letter.is_ascii_alphanumeric() || ".-".contains(letter))).next().unwrap()
            });
            // This machine itself, and names that nobody can have (RFC 2606).
            let is_nobody = |host: &str| host == "127.0.0.1" || host.ends_with(".test");
            let unknown = hosts
                .filter(|host| host.contains('.') && !is_nobody(host) && !HOSTS.contains(&host.trim_end_matches('.')));
            let named = unknown.chain(registries.iter().map(String::as_str).filter(|host| line.contains(host)));
            for host in named {
                let _ = writeln!(broken, "  {path}:{}: {host}", number + 1);
            }
        }
    }
    assert!(broken.is_empty(), "hosts that nobody needs to know:\n{broken}");
}
