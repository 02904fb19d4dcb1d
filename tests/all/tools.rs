//! `sandhog inspect`, `build` and `new`, by the executable.

use sandhog_harness::{Command, Folder, Outcome, guest, is_root, names_in};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn tool(words: &[&str], path: &Path) -> Command {
    Command::sandhog(words).flag(path)
}

fn inspected(path: &Path) -> (String, Value) {
    let text = tool(&["inspect"], path).run();
    let json = tool(&["inspect", "--json"], path).run();
    for outcome in [&text, &json] {
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{outcome:#?}");
    }
    assert_eq!(json.text().lines().count(), 1);
    (text.text().to_owned(), serde_json::from_str(json.text()).unwrap())
}

fn built(module: &Path, out: &Path) -> Outcome {
    Command::sandhog(["build", "-o"]).flag(out).flag(module).run()
}

#[test]
fn every_kind_of_module_is_told_by_its_form_and_its_world() {
    let kinds = [
        ("hello", "a core module: a program (world command), WASI 0.1, ", "core-module", "command", "0.1"),
        (
            "echo",
            "a core module that is made a component on the way: a program (world command), WASI 0.2, ",
            "core-module-with-component-type",
            "command",
            "0.2",
        ),
        (
            "hello-handler",
            "a core module that is made a component on the way: a handler, which answers tasks (world handler), WASI 0.2, ",
            "core-module-with-component-type",
            "handler",
            "0.2",
        ),
        ("hello_0_3.wat", "a component: a program (world command), WASI 0.3, ", "component", "command", "0.3"),
    ];
    for (name, what, form, world, wasi) in kinds {
        let path = guest(name);
        let (text, json) = inspected(&path);
        assert!(text.starts_with(&format!("what     {what}")), "{name}: {text}");
        assert_eq!((&json["form"], &json["world"], &json["refused"]), (&form.into(), &world.into(), &Value::Null));
        assert!(json["wasi"].as_array().unwrap().contains(&wasi.into()), "{name}: {json}");
        assert_eq!(json["bytes"], fs::metadata(&path).unwrap().len());
        assert_eq!(json["text"], name.ends_with(".wat"));
    }
}

#[test]
fn what_a_module_needs_is_told_with_the_flags_for_it() {
    let (text, json) = inspected(&guest("sum-parent"));
    let flags: Vec<_> = json["needs"].as_array().unwrap().iter().map(|need| need["flag"].as_str().unwrap()).collect();
    assert!(flags.contains(&"--child NAME=FILE"), "{flags:?}");
    assert!(text.contains("needs    --child NAME=FILE: "), "{text}");
    let (_, json) = inspected(&guest("hello"));
    assert_eq!(json["needs"], Value::Array(Vec::new()));
}

#[test]
fn a_module_that_would_be_refused_is_described_with_the_reason() {
    for (name, beginning) in [
        ("reactor.wat", "it is a reactor: "),
        ("threads.wat", "it uses threads "),
        ("component.wat", "it is a component with nothing to start: "),
    ] {
        let (text, json) = inspected(&guest(name));
        let reason = json["refused"].as_str().unwrap();
        assert!(reason.starts_with(beginning) && text.contains(&format!("refused  {reason}\n")), "{name}: {text}");
        assert_eq!(json["world"], Value::Null);
        // What a run says is the same.
        Command::guest(name).run().refused(reason);
    }
}

#[test]
fn what_can_not_be_inspected_or_built_is_refused_with_a_sentence() {
    let scratch = Folder::new();
    let out = scratch.join("out.wasm");
    let text = scratch.file("text", "no module\n");
    let torn = scratch.file("torn.wat", "(module (func");
    for (path, code, sentence) in [
        (scratch.join("nowhere"), 127, "sandhog: there is no module at "),
        (scratch.path().to_owned(), 126, "sandhog: "),
        (text, 126, "sandhog: refused: it is a text file, neither WebAssembly (.wasm) nor its text form"),
        (torn, 126, "sandhog: refused: "),
    ] {
        for outcome in [tool(&["inspect"], &path).run(), tool(&["inspect", "--json"], &path).run(), built(&path, &out)]
        {
            assert_eq!((outcome.code, outcome.text()), (code, ""), "{path:?}: {outcome:#?}");
            assert!(outcome.stderr.starts_with(sentence), "{path:?}: {outcome:#?}");
        }
    }
    assert!(!out.exists());
}

#[test]
fn what_was_built_replaces_what_was_there_as_a_whole_and_runs() {
    let scratch = Folder::new();
    let cache = Folder::new();
    let out = scratch.file("out.wasm", vec![b'x'; 8 << 20]);
    let before = fs::File::open(&out).unwrap();
    for (name, what) in [("hello", "a core module"), ("hello_0_3.wat", "a component"), ("echo", "a component")] {
        let outcome = Command::sandhog(["build", "-o"]).flag(&out).flag(guest(name)).cache(cache.path()).run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{outcome:#?}");
        assert!(outcome.text().starts_with(&format!("{}: {what} of ", out.display())), "{outcome:#?}");
        assert!(fs::read(&out).unwrap().starts_with(b"\0asm"));
        // Compiled beforehand.
        let entries = names_in(cache.path());
        Command::module(&out).cache(cache.path()).run();
        assert_eq!(names_in(cache.path()), entries);
    }
    assert_eq!(before.metadata().unwrap().len(), 8 << 20);
    assert_eq!(scratch.names(), ["out.wasm"]);
    let json = Command::sandhog(["build", "--json", "-o"]).flag(&out).flag(guest("hello")).run();
    let json: Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!((&json["output"], &json["kind"]), (&out.to_str().unwrap().into(), &"core".into()));
    assert_eq!(json["bytes"], fs::metadata(&out).unwrap().len());
}

#[test]
fn a_build_that_is_refused_leaves_what_was_there() {
    let scratch = Folder::new();
    let out = scratch.file("out.wasm", "before");
    let outcome = built(&guest("reactor.wat"), &out);
    assert!(outcome.code == 126 && outcome.stderr.starts_with("sandhog: refused: it is a reactor: "), "{outcome:#?}");
    assert_eq!((fs::read_to_string(&out).unwrap().as_str(), scratch.names()), ("before", vec!["out.wasm".to_owned()]));
}

#[test]
fn a_place_that_can_not_be_written_is_known_before_anything_is_built() {
    let scratch = Folder::new();
    scratch.file("file", "");
    let mut outputs = vec![scratch.join("nowhere/out.wasm"), scratch.join("file/out.wasm"), scratch.join("..")];
    if is_root() {
        outputs.push("/proc/out.wasm".into());
    }
    for output in outputs {
        let outcome = built(&guest("hello"), &output);
        let sentence = format!("sandhog: -o {output:?}: failed to write it: ");
        assert!(outcome.code == 126 && outcome.stderr.starts_with(&sentence), "{output:?}: {outcome:#?}");
    }
    // A directory is not replaced.
    fs::create_dir(scratch.join("directory")).unwrap();
    let outcome = built(&guest("hello"), &scratch.join("directory"));
    assert!(outcome.code != 0 && outcome.stderr.contains("failed to write it: "), "{outcome:#?}");
    assert_eq!(scratch.names(), ["directory", "file"]);
}

#[test]
fn a_new_crate_has_all_that_it_needs() {
    let scratch = Folder::new();
    for (words, name, main) in [
        (&["new"][..], "night-shift", "src/main.rs"),
        (&["new", "--handler"], "re_size", "src/lib.rs"),
        (&["new", "--http"], "shop", "src/lib.rs"),
    ] {
        let outcome = Command::sandhog(words).flag(name).current_dir(scratch.path()).run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{outcome:#?}");
        assert!(outcome.text().starts_with(&format!("made {name}: ")), "{outcome:#?}");
        let manifest = fs::read_to_string(scratch.join(name).join("Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{manifest}");
        for file in [main, "README.md", "sandhog-sdk/Cargo.toml", "sandhog-sdk/wit/sandhog.wit"] {
            assert!(scratch.join(name).join(file).is_file(), "{file}");
        }
    }
    assert_eq!(scratch.names(), ["night-shift", "re_size", "shop"]);
}

#[test]
fn a_crate_that_can_not_be_is_refused_and_nothing_of_it_is_left() {
    let scratch = Folder::new();
    scratch.file("taken", "mine");
    fs::create_dir(scratch.join("empty")).unwrap();
    std::os::unix::fs::symlink("nowhere", scratch.join("link")).unwrap();
    for (name, reason) in [
        ("2fast", "is no name for a crate"),
        ("a b", "is no name for a crate"),
        ("../ä", "is no name for a crate"),
        ("..", "is no name for a crate"),
        ("x\x1b[2J", "is no name for a crate"),
        ("taken", "is there already"),
        ("empty", "is there already"),
        ("link", "is there already"),
        ("nowhere/job", "failed to make \"nowhere/job\": "),
        ("taken/job", "failed to make \"taken/job\": "),
    ] {
        let outcome = Command::sandhog(["new", "--", name]).current_dir(scratch.path()).run();
        assert_eq!((outcome.code, outcome.text()), (126, ""), "{name}: {outcome:#?}");
        assert!(outcome.stderr.contains(reason) && !outcome.stderr.contains('\x1b'), "{name}: {outcome:#?}");
    }
    assert_eq!(scratch.names(), ["empty", "link", "taken"]);
    assert_eq!(fs::read_to_string(scratch.join("taken")).unwrap(), "mine");
}
