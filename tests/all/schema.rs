//! What `sandhog schema` prints: a schema that takes the manifests that `check` takes and no wrong ones, and documents that
//! have every key.

mod pattern;
mod validate;

use sandhog_harness::{Command, Folder, guest};
use serde_json::Value;
use std::fs;
use std::path::Path;
use validate::faults;
pub(crate) use validate::json_of;

fn answer(words: &[&str]) -> String {
    let outcome = Command::sandhog(words).run();
    outcome.reported(0, "");
    outcome.text().to_owned()
}

fn schema() -> Value {
    serde_json::from_str(&answer(&["schema"])).unwrap()
}

/// Keys of a job that the schema offers, those of tables with the table's name.
fn keys(schema: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in schema["$defs"]["job-table"]["properties"].as_object().unwrap() {
        match value["properties"].as_object() {
            Some(inner) => keys.extend(inner.keys().map(|inner| format!("{key}.{inner}"))),
            None => keys.push(key.clone()),
        }
    }
    keys
}

fn repository(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[test]
fn the_schema_takes_the_manifests_that_there_are() {
    let schema = schema();
    let chapter = repository("docs/manifest.md");
    let example = chapter.split_once("\n```toml\n").unwrap().1.split_once("```\n").unwrap().0;
    let sample = answer(&["schema", "--sample"]);
    for text in [example, &sample, &repository("jobs/services/sandhog.toml"), ""] {
        assert_eq!(faults(&schema, &json_of(text)), [""; 0], "{text}");
    }
}

#[test]
fn what_check_refuses_by_itself_the_schema_refuses_and_its_dashes_it_takes() {
    let schema = schema();
    let wrong = [
        "memory = 64",
        "memory = \"64\"",
        "memory = \"64mib\"",
        "memroy = \"64MiB\"",
        "timeout = \"10\"",
        "restart = \"sometimes\"",
        "instances = -1",
        "instances = 1001",
        "health.failure_threshold = 0",
        "health.mises = 1",
        "max_files = 0",
        "max_files = 1.5",
        "fresh = \"true\"",
        "after = \"db\"",
        "args = [1]",
        "stop_on = [\"crashed\"]",
        "retry_on = [{ factor = 2 }]",
        "retry_on = [{ verdict = \"memory\", factor = 1 }]",
        "retry_on = [{ verdict = \"memory\", tiems = 2 }]",
        "env = { A = 1 }",
        "env = { A = false }",
        "ready = \"sayd\"",
        "log = \"loud\"",
        "net = \"host\"",
        "allow_missing = [\"moat\"]",
        "child = [\"resize\"]",
        "backoff = 3",
        "name = \"other\"",
    ];
    for line in wrong {
        let text = format!("[job.web]\nmodule = \"a.wasm\"\n{line}\n");
        assert!(!faults(&schema, &json_of(&text)).is_empty(), "the schema takes {line}");
        let folder = Folder::new();
        fs::copy(guest("hello"), folder.join("a.wasm")).unwrap();
        folder.file("sandhog.toml", &text);
        let outcome = Command::sandhog(["check"]).current_dir(folder.path()).run();
        assert!(outcome.code == 126 && outcome.stderr.contains("sandhog.toml:3:"), "{line}: {outcome:#?}");
    }
    for text in [
        "[job.a]\n",
        "[defaults]\nmodule = \"a\"\n",
        "[job.'a b']\nmodule = \"a\"\n",
        "[group.g]\nx = 1\n",
        "strategy = \"x\"",
        "jobs = {}",
    ] {
        assert!(!faults(&schema, &json_of(text)).is_empty(), "the schema takes {text}");
    }
    let dashes = "[job.web]\nmodule = \"a.wasm\"\nmax-child-rate = 5\nhealth.heartbeat = \"1m30s\"\nbackoff.reset-after = \"1d\"\n";
    assert_eq!(faults(&schema, &json_of(dashes)), [""; 0]);
}

#[test]
fn every_key_of_the_schema_is_documented_and_a_flag_of_start_or_a_word_of_it() {
    let schema = schema();
    let (reference, man) = (answer(&["schema", "--reference"]), answer(&["schema", "--man"]));
    let help = answer(&["start", "--help"]);
    let all = keys(&schema);
    assert!(all.len() > 40, "{all:?}");
    for key in all {
        let definition = &schema["$defs"][&key];
        assert!(definition["description"].as_str().is_some_and(|text| text.len() > 20), "{key}");
        assert!(man.lines().any(|line| line == format!(".B {key}")), "{key} is not in the manual page");
        let (_, section) = reference.split_once(&format!("\n### `{key}`\n")).unwrap_or_else(|| panic!("no {key}"));
        let section = section.split("\n#").next().unwrap();
        let flag = section.lines().find_map(|line| line.strip_prefix("- Flag: `")).unwrap();
        match flag.split_once("--").filter(|_| !flag.starts_with("-- ")) {
            Some((_, flag)) => {
                let name = flag.split([' ', '`']).next().unwrap();
                // Each object is given with a flag of its own.
                let called = if key == "objects" { "object".into() } else { key.replace(['.', '_'], "-") };
                assert_eq!(name, called);
                assert!(help.split_whitespace().any(|word| word == format!("--{name}")), "start has no --{name}");
            }
            None => assert!(flag.starts_with("FILE ") || flag.starts_with("-- ARGS "), "{key}: {flag}"),
        }
        for word in definition["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(section.contains(word), "{key} does not say {word}");
        }
    }
}

#[test]
fn a_fault_in_each_setting_names_it_and_its_place() {
    let schema = schema();
    let folder = Folder::new();
    fs::copy(guest("hello"), folder.join("a.wasm")).unwrap();
    for key in keys(&schema) {
        // No setting takes a date.
        let module = if key == "module" { "" } else { "module = \"a.wasm\"" };
        folder.file("sandhog.toml", format!("[job.web]\n{module}\n  {key} = 2026-01-01\n"));
        let outcome = Command::sandhog(["check"]).current_dir(folder.path()).run();
        let start = format!("sandhog: sandhog.toml:3:{}: {key} takes ", key.len() + 6);
        assert!(outcome.code == 126 && outcome.stderr.starts_with(&start), "{key}: {outcome:#?}");
    }
}

#[test]
fn one_document_is_printed_at_a_time() {
    let outcome = Command::sandhog(["schema", "--man", "--sample"]).run();
    assert_eq!(outcome.code, 126);
    assert!(answer(&["schema", "--man"]).starts_with(".TH SANDHOG.TOML 5 "));
    assert!(answer(&["help", "schema"]).contains("#:schema ./sandhog.schema.json"));
}
