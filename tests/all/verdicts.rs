//! Why an attempt ended, as `--verdict` and stderr tell it.

use sandhog_harness::{Command, Folder, Outcome};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

/// The keys that every verdict has, first and in this order.
const KEYS: [&str; 16] = [
    "verdict",
    "code",
    "attempt",
    "job",
    "module",
    "walls",
    "weak_walls",
    "missing_walls",
    "start_us",
    "wall_ms",
    "cpu_ms",
    "peak_memory_bytes",
    "peak_rss_bytes",
    "output_bytes",
    "stdout_bytes",
    "stderr_bytes",
];

/// The keys of an object in the order in which they stand; none of ours holds an object before its last key.
fn keys(line: &str) -> Vec<String> {
    let object: Value = serde_json::from_str(line).unwrap();
    let position = |key: &str| line.find(&format!("\"{key}\":")).unwrap();
    let mut keys: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
    keys.sort_by_key(|key| position(key));
    keys
}

fn begins_with_the_keys(outcome: &Outcome) {
    assert_eq!(outcome.verdict_line.matches('\n').count(), 1, "{outcome:?}");
    assert_eq!(keys(&outcome.verdict_line)[..KEYS.len()], KEYS);
}

#[test]
fn every_verdict_has_the_same_keys_first() {
    for (run, further) in [
        (Command::guest("hello"), &[] as &[&str]),
        (Command::guest("exit_code").arg("3"), &[]),
        (Command::guest("trap_unreachable"), &["trap", "message", "backtrace"]),
        (Command::guest("spin_forever").flag("--timeout=20ms"), &["limit"]),
        (Command::guest("spin_forever").flag("--cpu=20ms"), &["limit"]),
        (Command::guest("grow_memory").arg("100").flag("--memory=8MiB"), &["limit", "wall"]),
        (Command::guest("spew").flag("--max-output=1B"), &["limit"]),
        (Command::guest("reactor.wat"), &["reason"]),
        (Command::module("/missing.wasm"), &["reason"]),
    ] {
        let outcome = run.run();
        begins_with_the_keys(&outcome);
        for key in further {
            assert!(outcome.verdict.get(key).is_some(), "{key} is missing in {outcome:?}");
        }
    }
}

#[test]
fn a_verdict_tells_what_the_attempt_used() {
    let outcome = Command::guest("cat").stdin("four").run();
    outcome.printed("four");
    assert_eq!(outcome.verdict["job"], "cat");
    assert_eq!((outcome.number("stdin_bytes"), outcome.number("stdout_bytes")), (4, 4));
    assert_eq!(outcome.number("stderr_bytes"), 0);
    // A Rust guest begins with 17 pages of 64 KiB.
    assert!((17 << 16..64 << 20).contains(&outcome.number("peak_memory_bytes")), "{outcome:?}");
    assert!((1 << 20..256 << 20).contains(&outcome.number("peak_rss_bytes")), "{outcome:?}");
    assert!((1..60_000_000).contains(&outcome.number("start_us")), "{outcome:?}");
    assert!(outcome.number("wall_ms") < 60_000 && outcome.number("cpu_ms") < 60_000, "{outcome:?}");
}

#[test]
fn a_verdict_counts_the_bytes_that_were_passed_on() {
    let outcome = Command::guest("spew").arg("1234567").run();
    assert_eq!((outcome.number("stdout_bytes"), outcome.stdout.len()), (1_234_567, 1_234_567));
    let outcome = Command::guest("spew_stderr").arg("765").run();
    assert_eq!((outcome.number("stderr_bytes"), outcome.raw_stderr.len()), (765, 765));
}

#[test]
fn a_verdict_names_the_module_by_the_hash_of_its_file() {
    for name in ["hello", "fuel_burner.wat", "reactor.wat"] {
        let hash = blake3::hash(&fs::read(sandhog_harness::guest(name)).unwrap()).to_hex();
        assert_eq!(Command::guest(name).run().verdict["module"], format!("blake3:{hash}"));
    }
}

#[test]
fn no_two_attempts_have_one_id() {
    let ids = [0; 5].map(|_| Command::guest("hello").run().verdict["attempt"].as_str().unwrap().to_owned());
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
    assert!(ids.is_sorted(), "ids are in the order of their attempts: {ids:?}");
}

#[test]
fn a_run_that_was_refused_had_no_walls_and_used_nothing() {
    let verdict = Command::guest("reactor.wat").run().verdict;
    assert_eq!((&verdict["walls"], &verdict["peak_memory_bytes"]), (&json!([]), &json!(0)));
}

#[test]
fn deep_recursion_is_a_stack_overflow() {
    let outcome = Command::guest("recurse_deeply").run();
    outcome.is(134, "trapped");
    assert_eq!(outcome.verdict["trap"], "stack_overflow");
    assert!(!outcome.verdict["backtrace"].as_array().unwrap().is_empty());
    assert!(outcome.stderr.starts_with("sandhog: trapped: the guest's stack of 1MiB overflowed\n"), "{outcome:?}");
}

#[test]
fn unreachable_is_a_trap() {
    let outcome = Command::guest("trap_unreachable").run();
    outcome.is(134, "trapped");
    assert_eq!(outcome.verdict["trap"], "unreachable");
    assert!(outcome.stderr.starts_with("sandhog: trapped: the guest gave up (unreachable)\n     0: "), "{outcome:?}");
}

#[test]
fn a_panic_is_told_by_the_guest_and_then_by_us() {
    let outcome = Command::guest("panics").run();
    outcome.is(134, "trapped");
    let (own, ours) = outcome.stderr.split_once("sandhog: ").unwrap();
    assert!(own.ends_with("on purpose\n"), "{outcome:?}");
    assert!(ours.starts_with("trapped: the guest gave up (unreachable)\n"), "{outcome:?}");
    assert_eq!(outcome.number("stderr_bytes"), own.len() as u64);
}

#[test]
fn every_kind_of_trap_has_its_name() {
    let scratch = Folder::new();
    for (body, trap) in [
        ("(drop (i32.load (i32.const 65536)))", "out_of_bounds_memory"),
        ("(drop (i32.div_s (i32.const 1) (i32.const 0)))", "integer_divide_by_zero"),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer_overflow"),
        ("(drop (i32.trunc_f32_s (f32.const nan)))", "invalid_conversion"),
        ("(call_indirect (i32.const 9))", "out_of_bounds_table"),
        ("(call_indirect (i32.const 1))", "undefined_element"),
        ("(call_indirect (param i32) (i32.const 1) (i32.const 0))", "indirect_call_type_mismatch"),
        ("(throw $tag)", "uncaught_exception"),
    ] {
        let text = format!(
            "(module (memory 1) (tag $tag) (table 2 funcref) (elem (i32.const 0) $nothing) (func $nothing)
               (func (export \"_start\") {body}))"
        );
        let outcome = Command::module(scratch.file("trap.wat", text)).run();
        outcome.is(134, "trapped");
        assert_eq!(outcome.verdict["trap"], trap, "{body}");
    }
}

#[test]
fn a_backtrace_names_functions_and_leaves_the_terminal_alone() {
    let scratch = Folder::new();
    let text = r#"(module (func (export "_start") call $inner)
                          (func $inner (@name "red\1b[31m\nforged") unreachable))"#;
    let outcome = Command::module(scratch.file("names.wat", text)).run();
    outcome.is(134, "trapped");
    assert!(!outcome.stderr.contains('\x1b'), "{:?}", outcome.stderr);
    assert!(outcome.stderr.contains("red\\u{1b}[31m\\nforged"), "{:?}", outcome.stderr);
}

#[test]
fn a_verdict_replaces_the_one_before_as_a_whole() {
    let scratch = Folder::new();
    let path = scratch.file("verdict.json", "the one before\n");
    let mut old = File::open(&path).unwrap();
    Command::guest("hello").without_verdict().flag("--verdict").flag(&path).run().reported(0, "");
    let verdict: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(verdict["verdict"], "completed");
    // Whoever has the old one open still sees the whole of it: it was replaced, not written over.
    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), scratch.names()), ("the one before\n", vec!["verdict.json".to_owned()]));
}

#[test]
fn a_verdict_goes_to_an_open_descriptor() {
    let (reader, writer) = io::pipe().unwrap();
    let writer = OwnedFd::from(writer);
    let flag = format!("--verdict=/dev/fd/{}", writer.as_raw_fd());
    Command::guest("hello").without_verdict().flag(flag).pass_on(writer).run().reported(0, "");
    let verdict: Value = serde_json::from_str(&io::read_to_string(reader).unwrap()).unwrap();
    assert_eq!(verdict["verdict"], "completed");
}

#[test]
fn a_verdict_goes_to_a_fifo() {
    let scratch = Folder::new();
    let path = scratch.fifo("verdict");
    let reading = path.clone();
    let reader = thread::spawn(move || fs::read_to_string(reading).unwrap());
    Command::guest("exit_code").arg("7").without_verdict().flag("--verdict").flag(&path).run().reported(7, "");
    let verdict: Value = serde_json::from_str(&reader.join().unwrap()).unwrap();
    assert_eq!((&verdict["verdict"], &verdict["code"]), (&json!("failed"), &json!(7)));
}

#[test]
fn a_verdict_that_cannot_be_written_is_known_before_the_start() {
    let scratch = Folder::new();
    let run =
        |path: &str| Command::guest("hello").without_verdict().current_dir(scratch.path()).flag("--verdict").flag(path);
    for (path, sentence) in [
        ("missing/v.json", "\"missing/v.json\": failed to open it for writing: No such file or directory (os error 2)"),
        (".", "\".\": a directory, not a file"),
    ] {
        let outcome = run(path).run();
        outcome.reported(126, &format!("sandhog: --verdict {sentence}\n"));
        assert_eq!(outcome.text(), "");
    }
    assert!(scratch.names().is_empty());
}

#[test]
fn where_there_was_no_module_the_verdict_says_so() {
    let outcome = Command::module("/missing.wasm").run();
    outcome.is(127, "refused").reported(127, "sandhog: there is no module at \"/missing.wasm\"\n");
    assert_eq!(outcome.verdict["reason"], "there is no module at \"/missing.wasm\"");
    assert_eq!(outcome.verdict["module"], Value::Null);
}
