//! Which crate may know which: what cargo holds apart, as long as nobody writes a dependency into a `Cargo.toml`.
//!
//! Must not: read code. What is in no manifest can't be used.

use super::assert_none;
use super::source::{files, read};
use crate::schema::json_of;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Which of our crates a crate may be built with, from the executables down: each stands above all that it may know.
const CRATES: &[(&str, &[&str])] = &[
    // For tests alone: it knows what people and programs know, and is part of no executable.
    ("harness", &["protocol"]),
    // Executables.
    ("hostile", &["build-id", "cli", "sys"]),
    ("hostile-worker", &["build-id", "probes", "sys", "worker", "zygote"]),
    ("sandhog", &["build-id", "cli", "link", "sys"]),
    // For people. The doctor's table names what was tried.
    ("cli", &["channel", "daemon", "dirs", "doctor", "http", "ipc", "protocol", "runtime", "serve", "spec", "sys"]),
    ("doctor", &["probes", "protocol", "runtime", "sandbox", "supervisor"]),
    // Effects. Whoever keeps jobs up does not know how an attempt goes.
    ("daemon", &["channel", "dirs", "http", "ipc", "protocol", "runtime", "serve", "spec", "supervisor", "sys"]),
    ("serve", &["channel", "protocol", "runtime", "spec", "supervisor", "sys"]),
    ("http", &["protocol", "spec"]),
    (
        "runtime",
        &["channel", "dirs", "ipc", "objects-model", "protocol", "sandbox", "spawner", "spec", "supervisor", "sys"],
    ),
    ("spawner", &["ipc", "protocol", "sandbox", "sys"]),
    // The sealed side. A zygote that lies, for tests of those who hear it, tells lies of `probes`.
    (
        "worker",
        &[
            "build-id",
            "channel",
            "engine",
            "ipc",
            "link",
            "objects",
            "objects-model",
            "probes",
            "protocol",
            "sys",
            "zygote",
        ],
    ),
    ("compiler", &["build-id", "engine", "link", "protocol", "sys", "zygote"]),
    ("zygote", &["channel", "ipc", "probes", "protocol", "sandbox", "sys"]),
    ("engine", &["features", "protocol"]),
    ("objects", &["objects-model", "protocol", "sys"]),
    // Decisions.
    ("supervisor", &["protocol", "spec"]),
    ("objects-model", &["protocol"]),
    // Base.
    ("dirs", &["spec", "sys"]),
    ("spec", &["protocol"]),
    ("probes", &["protocol", "sys"]),
    ("sandbox", &["protocol", "sys"]),
    ("ipc", &["protocol"]),
    ("sys", &["features"]),
    // For tests alone: no crate is built with it.
    ("simulation", &[]),
    // Has no code: what its manifest asks for is asked for in each executable.
    ("features", &[]),
    ("build-id", &[]),
    ("link", &[]),
    // For others as well.
    ("client", &["channel", "protocol"]),
    ("channel", &["protocol"]),
    ("protocol", &[]),
];

/// Who alone may be built with libraries whose names begin like this.
const LIBRARIES: &[(&str, &[&str])] = &[
    // The engine's runtime is in what runs guests, and its compiler in what compiles them.
    ("wasmtime", &["compiler", "engine", "worker"]),
    ("wasmparser", &["compiler"]),
    ("wasi-preview1", &["compiler"]),
    ("wat", &["compiler"]),
    ("wit-", &["compiler"]),
    ("cranelift", &[]),
    ("rayon", &["compiler"]),
    ("rusqlite", &["daemon"]),
    // A disk of chance, for tests alone.
    ("sqlite-vfs", &[]),
    ("axum", &["daemon", "http"]),
    ("hyper", &["cli", "http", "worker"]),
    ("http", &["cli", "daemon", "http"]),
    ("tower", &["http"]),
    // In `sys` for the coordinator alone, in a worker for components, and in `client` for those who ask for it.
    ("tokio", &["cli", "client", "daemon", "doctor", "http", "runtime", "serve", "sys", "worker"]),
    ("jiff", &["cli", "daemon", "spec"]),
    ("strsim", &["spec"]),
    ("clap", &["cli"]),
    ("crossterm", &["cli"]),
    ("indicatif", &["cli"]),
    ("ratatui", &["cli"]),
];

/// What decides has none of these, nor has anything that it is built with.
const IMPURE: &[&str] = &["sandhog-sys", "tokio", "rustix", "libc", "mio"];

/// Crates that are part of no executable for people.
const HOSTILE: &[&str] = &["harness", "hostile", "hostile-worker"];

/// What a crate's manifest asks for.
struct Manifest {
    path: String,
    /// Libraries that it is built with, each with the features that are asked for.
    built_with: BTreeMap<String, Vec<String>>,
    /// What its tests have besides.
    tested_with: BTreeMap<String, Vec<String>>,
    /// What each of its own features turns on.
    features: BTreeMap<String, Vec<String>>,
    keeps_lints: bool,
}

impl Manifest {
    fn of(path: String) -> Self {
        let table = json_of(&read(&path));
        assert!(table.get("target").is_none(), "{path}: all targets have the same dependencies");
        let features = table.get("features").and_then(Value::as_object).into_iter().flatten();
        let keeps_lints = table.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
        let mut built_with = asked(&table, "dependencies");
        built_with.extend(asked(&table, "build-dependencies"));
        Self {
            built_with,
            tested_with: asked(&table, "dev-dependencies"),
            features: features.map(|(name, on)| (name.clone(), texts(on))).collect(),
            keeps_lints: keeps_lints == Some(true),
            path,
        }
    }

    /// Our own crates among what it is built with, by their short names.
    fn own(&self) -> impl Iterator<Item = &str> {
        self.built_with.keys().filter_map(|name| name.strip_prefix("sandhog-"))
    }
}

fn asked(table: &Value, kind: &str) -> BTreeMap<String, Vec<String>> {
    let asked = table.get(kind).and_then(Value::as_object).into_iter().flatten();
    asked.map(|(name, how)| (name.clone(), how.get("features").map(texts).unwrap_or_default())).collect()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// All crates that executables are made of, and the harness of their tests, by their short names.
fn crates() -> BTreeMap<String, Manifest> {
    let folders = ["host", "protocol", "channel", "client", "tests/harness", "tests/hostile", "tests/hostile-worker"];
    let manifests = folders.iter().flat_map(|folder| files(folder));
    // What `sandhog new` copies is nobody's part.
    let manifests = manifests.filter(|path| path.ends_with("/Cargo.toml") && !path.contains("/templates/"));
    let name = |path: &str| path.rsplit('/').nth(1).unwrap().to_owned();
    manifests.map(|path| (name(&path), Manifest::of(path))).collect()
}

/// All of our own crates that one is built with, itself among them.
fn linked<'c>(crates: &'c BTreeMap<String, Manifest>, name: &'c str) -> BTreeSet<&'c str> {
    let (mut linked, mut left) = (BTreeSet::new(), vec![name]);
    while let Some(name) = left.pop() {
        if linked.insert(name) {
            left.extend(crates[name].own());
        }
    }
    linked
}

/// All libraries that one of `Cargo.lock` leads to, itself among them.
fn locked(names: impl Iterator<Item = String>) -> BTreeSet<String> {
    let lock = json_of(&read("Cargo.lock"));
    let mut known: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let needs = package.get("dependencies").map(texts).unwrap_or_default();
        // Where there are two versions, the name has one behind it.
        let needs = needs.into_iter().map(|name| name.split(' ').next().unwrap().to_owned());
        known.entry(package["name"].as_str().unwrap()).or_default().extend(needs);
    }
    let (mut reached, mut left) = (BTreeSet::new(), names.collect::<Vec<_>>());
    while let Some(name) = left.pop() {
        if reached.insert(name.clone()) {
            left.extend(known[name.as_str()].clone());
        }
    }
    reached
}

#[test]
fn a_crate_is_built_with_those_below_it_only() {
    let crates = crates();
    let listed: BTreeSet<_> = CRATES.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        crates.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        listed,
        "crates (left) and the list (right)"
    );
    let position = |name: &str| CRATES.iter().position(|(other, _)| *other == name).unwrap();
    let mut broken = Vec::new();
    for (name, allowed) in CRATES {
        assert!(
            allowed.iter().all(|other| position(other) > position(name)),
            "{name} knows a crate that is not below it"
        );
        let unknown = crates[*name].own().filter(|other| !allowed.contains(other));
        broken.extend(unknown.map(|other| format!("{} has sandhog-{other}", crates[*name].path)));
    }
    assert_none(&broken, "a crate knows one that it may not");
}

#[test]
fn the_sealed_side_is_never_linked_into_the_command() {
    let crates = crates();
    let command = linked(&crates, "sandhog");
    let sealed: Vec<_> =
        ["worker", "compiler", "engine", "zygote"].into_iter().filter(|name| command.contains(name)).collect();
    assert!(sealed.is_empty(), "the command has {sealed:?}");
    assert!(command.contains("spawner"), "{command:?}");
    for executable in ["worker", "compiler"] {
        let linked = linked(&crates, executable);
        let other = ["cli", "daemon", "runtime", "spawner", "supervisor", "spec", "dirs", "worker", "compiler"];
        let other: Vec<_> = other.into_iter().filter(|name| *name != executable && linked.contains(name)).collect();
        assert!(other.is_empty(), "{executable} has {other:?}");
    }
}

#[test]
fn a_library_is_where_it_may_be() {
    let mut broken = Vec::new();
    for (name, manifest) in crates().iter().filter(|(_, manifest)| manifest.path.starts_with("host/")) {
        for library in manifest.built_with.keys() {
            let mut bounds = LIBRARIES.iter().filter(|(start, _)| library.starts_with(start));
            if bounds.any(|(_, allowed)| !allowed.contains(&name.as_str())) {
                broken.push(format!("{} has {library}", manifest.path));
            }
        }
    }
    assert_none(&broken, "a library where it does not belong");
}

#[test]
fn what_decides_is_built_with_nothing_that_could_act() {
    let crates = crates();
    for name in ["supervisor", "spec", "protocol"] {
        let own = linked(&crates, name);
        let libraries = own.iter().flat_map(|name| crates[*name].built_with.keys());
        let (own_crates, libraries): (Vec<&String>, Vec<&String>) =
            libraries.partition(|library| library.starts_with("sandhog-"));
        let all = locked(libraries.into_iter().cloned());
        let acts = |library: &&&str| all.contains(**library) || own_crates.iter().any(|own| own.as_str() == **library);
        let impure: Vec<_> = IMPURE.iter().filter(acts).collect();
        assert!(impure.is_empty(), "{name} is built with {impure:?}");
        assert!(!all.is_empty());
    }
}

#[test]
fn the_engines_compiler_is_in_one_executable() {
    let crates = crates();
    let asks = |manifest: &Manifest, library: &str, feature: &str| {
        manifest.built_with.get(library).is_some_and(|features| features.iter().any(|other| other == feature))
    };
    let compiles: Vec<_> = crates
        .iter()
        .filter(|(_, manifest)| asks(manifest, "sandhog-engine", "compiler"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(compiles, ["compiler"]);
    // Nothing but that feature brings it in.
    let everywhere = asked(&json_of(&read("Cargo.toml"))["workspace"], "dependencies");
    let asked_of_the_engine = crates.values().map(|manifest| &manifest.built_with).chain([&everywhere]);
    for features in asked_of_the_engine.filter_map(|asked| asked.get("wasmtime")) {
        let compiler = ["cranelift", "winch", "all-arch", "wat", "default"];
        assert!(!features.iter().any(|feature| compiler.contains(&feature.as_str())), "{features:?}");
    }
    let turns_on =
        crates.iter().flat_map(|(name, manifest)| manifest.features.iter().map(move |feature| (name, feature)));
    let turns_on = turns_on.filter(|(_, (_, on))| on.iter().any(|on| on.contains("cranelift")));
    assert_eq!(
        turns_on.map(|(name, (feature, _))| (name.as_str(), feature.as_str())).collect::<Vec<_>>(),
        [("engine", "compiler")]
    );
}

#[test]
fn nothing_sealed_has_the_coordinators_event_loop() {
    let crates = crates();
    // A runtime with `signal` has a socket pair for signals, which a worker's filter kills. A worker that serves HTTP waits for its
    // clients by `net`.
    let features = ["signal", "process", "fs", "full", "rt-multi-thread"];
    for name in ["worker", "compiler", "hostile-worker", "spawner"] {
        for name in linked(&crates, name) {
            let manifest = &crates[name];
            let sys = manifest.built_with.get("sandhog-sys").into_iter().flatten();
            assert!(sys.clone().all(|feature| feature != "event-loop"), "{} waits by an event loop", manifest.path);
            // `sys` has it behind `event-loop`.
            let tokio = manifest.built_with.get("tokio").filter(|_| name != "sys").into_iter().flatten();
            let waits = |feature: &str| feature == "net" && name != "worker";
            let broken: Vec<_> = tokio.filter(|it| features.contains(&it.as_str()) || waits(it)).collect();
            assert!(broken.is_empty(), "{} asks tokio for {broken:?}", manifest.path);
        }
    }
    assert_eq!(crates["sys"].features.get("event-loop").unwrap(), &["dep:tokio"]);
    assert!(!crates["sys"].features.contains_key("default"));
}

#[test]
fn executables_contain_no_lies_and_nothing_of_tests() {
    let mut broken = Vec::new();
    for (name, manifest) in crates() {
        for (library, features) in &manifest.built_with {
            let lies = features.iter().any(|feature| feature == "hostile") && !HOSTILE.contains(&name.as_str());
            let tests =
                features.iter().any(|feature| ["children-of-tests", "examples", "openapi"].contains(&feature.as_str()));
            if lies || tests || library.strip_prefix("sandhog-").is_some_and(|other| HOSTILE.contains(&other)) {
                broken.push(format!("{}: {library} {features:?}", manifest.path));
            }
        }
        let lies = manifest.features.iter().filter(|(feature, _)| *feature != "hostile");
        let lies = lies.filter(|(_, on)| on.iter().any(|on| on.ends_with("hostile") || on.contains("of-tests")));
        broken.extend(lies.map(|(feature, _)| format!("{}: feature {feature}", manifest.path)));
        // Tests of a crate are built in one call with those of others, which have no lies either.
        let tested = manifest.tested_with.iter().filter(|(_, features)| features.iter().any(|on| on == "hostile"));
        broken.extend(tested.map(|(library, _)| format!("{}: tests with {library}", manifest.path)));
    }
    assert_none(&broken, "the feature of a test in what people get");
}

#[test]
fn a_worker_knows_a_compiler_in_its_tests_only() {
    let worker = &crates()["worker"];
    let compiles =
        |library: &&String| ["sandhog-compiler", "wat", "wit-component", "wit-parser"].contains(&library.as_str());
    assert_eq!(worker.built_with.keys().filter(compiles).count(), 0);
    assert!(worker.tested_with.keys().filter(compiles).count() > 0, "nothing tests what a compiler made");
}

#[test]
fn every_crate_keeps_the_workspaces_lints() {
    // The harness may panic, as tests do.
    let broken = crates().into_iter().filter(|(name, manifest)| !manifest.keeps_lints && name != "harness");
    let broken: Vec<_> = broken.map(|(_, manifest)| manifest.path).collect();
    assert_none(&broken, "a crate where unsafe code is nobody's concern");
}
