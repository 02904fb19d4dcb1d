//! The documents on jobs that are kept up, held to the executable: the manifest, the events, the example services, and their demo.

use sandhog_harness::{Command, Folder, guest, sandhog};
use sandhog_protocol::control::EventKind;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A manifest in which nothing is set but what makes the rest appear.
const BARE: &str = r#"
[job.web]
module = "web.wasm"
health.command = ["check.wasm"]

[job.api]
module = "api.wasm"
listen = "127.0.0.1:0"

[job.report]
module = "report.wasm"
schedule = "@daily"
"#;

/// What the bare one sets, and has no default.
const SET: [&str; 4] = ["module", "health.command", "listen", "schedule"];

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The manifest in `docs/manifest.md`.
fn manifest() -> String {
    let chapter = fs::read_to_string(repository("docs/manifest.md")).unwrap();
    let (_, text) = chapter.split_once("\n```toml\n").unwrap();
    text.split_once("```\n").unwrap().0.to_owned()
}

fn guests() -> PathBuf {
    guest("hello").parent().unwrap().to_path_buf()
}

/// What `check` says of its jobs: the keys that are set, and all settings.
fn check(text: &str) -> Vec<(BTreeSet<String>, Map<String, Value>)> {
    let folder = Folder::new();
    for name in ["web", "resize", "check", "db", "api", "report"] {
        fs::copy(guest("hello"), folder.join(format!("{name}.wasm"))).unwrap();
    }
    for name in ["pages", "data"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    folder.file("sandhog.toml", text);
    let outcome = Command::sandhog(["check", "--json"]).current_dir(folder.path()).env("HOME", "/home/me").run();
    outcome.reported(0, "");
    let checked: Value = serde_json::from_str(outcome.text()).unwrap();
    let job = |job: &Value| {
        let set = job["set"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect();
        (set, job["settings"].as_object().unwrap().clone())
    };
    checked["jobs"].as_array().unwrap().iter().map(job).collect()
}

/// Whether a comment says of a key what is its default: the value that is shown, unless the comment begins with another one.
fn is_told(comment: &str, shown: &Value, default: &Value) -> bool {
    match comment.split([';', ' ']).next().unwrap() {
        // It is that of something else.
        "by" => true,
        "none" => default.is_null() || default.as_array().is_some_and(Vec::is_empty),
        number if number.parse::<u64>().is_ok() => number.parse::<u64>().is_ok_and(|number| *default == number),
        _ => shown == default,
    }
}

#[test]
fn the_documents_manifest_has_every_key_and_its_default() {
    let text = manifest();
    let (told, bare) = (check(&text), check(BARE));
    let known: BTreeSet<_> = bare.iter().flat_map(|(_, settings)| settings.keys().cloned()).collect();
    let set: BTreeSet<_> = told.iter().flat_map(|(set, _)| set.iter().cloned()).collect();
    assert_eq!(set, known);

    let lines = |name: &str| text.split_once(&format!("[job.{name}]\n")).unwrap().1.split("\n[").next().unwrap();
    for (name, (_, shown), (_, defaults)) in
        [("web", &told[0], &bare[0]), ("api", &told[2], &bare[1]), ("report", &told[3], &bare[2])]
    {
        for line in lines(name).lines().filter(|line| !line.is_empty()) {
            let (key, rest) = line.split_once(" = ").unwrap();
            if SET.contains(&key) {
                continue;
            }
            let comment = rest.rsplit_once(" # ").map_or("", |(_, comment)| comment);
            assert!(is_told(comment, &shown[key], &defaults[key]), "{line}: the default is {}", defaults[key]);
        }
    }
}

#[test]
fn the_documents_list_every_kind_of_event() {
    let chapter = fs::read_to_string(repository("docs/http-api.md")).unwrap();
    let (_, list) = chapter.split_once("A newer daemon may have more kinds than these:").unwrap();
    let told: Vec<_> = list.split("\n\n").next().unwrap().split('`').skip(1).step_by(2).collect();
    let known: Vec<_> = EventKind::ALL.iter().map(EventKind::as_str).collect();
    assert_eq!(told, known);
}

#[test]
fn the_documents_manifest_is_the_one_that_schema_prints() {
    assert_eq!(manifest(), Command::sandhog(["schema", "--sample"]).run().text());
}

#[test]
fn the_example_services_are_a_manifest() {
    let text = fs::read_to_string(repository("jobs/services/sandhog.toml")).unwrap();
    let folder = Folder::new();
    let text =
        text.replace("../../target/guests", guests().to_str().unwrap()).replace("../../target/services", "services");
    folder.file("sandhog.toml", text);
    fs::create_dir(folder.join("services")).unwrap();
    Command::sandhog(["check"]).current_dir(folder.path()).run().reported(0, "");
}

#[test]
fn the_demo_of_services_ends_by_itself_and_leaves_nothing() {
    let target = Folder::new();
    symlink(guests(), target.join("guests")).unwrap();
    let mut demo = std::process::Command::new(repository("scripts/up-demo.sh"));
    let output = demo.arg(sandhog()).arg(target.path()).stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    assert_eq!(target.names(), ["guests"]);
}
