//! Odd modules get a sentence that helps, and the cache of compiled ones is never believed.

use sandhog_harness::{Command, Folder, guest, names_in};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is refused without much work is refused within this time: a hundred times what it takes.
const SOON: Duration = Duration::from_secs(10);

const THREADS: &str = "it uses threads (shared memory or atomic instructions), which Sandhog does not run: a shared \
                       memory escapes its limit. Compile it without threads, and run several jobs instead";

fn refused(name: &str, reason: &str) {
    Command::guest(name).run().refused(reason);
}

/// A file with these bytes is refused for this reason.
fn bytes_are_refused(bytes: &[u8], reason: &str) {
    let scratch = Folder::new();
    Command::module(scratch.file("module", bytes)).run().refused(reason);
}

#[test]
fn threads_are_refused() {
    for name in ["threads.wat", "shared_memory.wat", "atomics_without_threads.wat"] {
        refused(name, THREADS);
    }
}

#[test]
fn imports_that_nobody_provides_are_named() {
    refused(
        "imports_nobody_provides.wat",
        "it imports what nobody provides: telephone.dial. A core module may import WASI 0.1 (wasi_snapshot_preview1), and what the component type that it carries names",
    );
}

#[test]
fn names_of_imports_leave_the_terminal_alone() {
    let scratch = Folder::new();
    let text = "(module (import \"\\1b[31m\" \"a\\nb\" (func)) (func (export \"_start\")))";
    let outcome = Command::module(scratch.file("names.wat", text)).run();
    outcome.is(126, "refused");
    assert!(!outcome.stderr.contains('\x1b') && outcome.stderr.lines().count() == 1, "{:?}", outcome.stderr);
}

/// Its program says with its exit code whether it was initialized, once and before.
#[test]
fn a_reactor_with_a_default_is_initialized_and_its_default_is_called() {
    Command::guest("reactor_with_a_default.wat").run().is(7, "failed");
}

#[test]
fn a_reactor_with_a_default_is_a_child_like_any_other() {
    let mut child = std::ffi::OsString::from("--child=flaky=");
    child.push(sandhog_harness::guest("reactor_with_a_default.wat"));
    let outcome = Command::guest("supervisor").flag(child).arg("0").arg("1").run();
    assert_eq!(outcome.text(), "try 1: failed with code 7\n", "{outcome:#?}");
}

#[test]
fn a_default_that_wants_something_is_refused_by_that_name() {
    let scratch = Folder::new();
    let text = "(module (func (export \"_initialize\")) (func (export \"\") (param i32)))";
    Command::module(scratch.file("wants.wat", text)).run().refused(
        "its default (the export with an empty name) is a function (i32) -> (), where a function without parameters and \
         results was expected: build it as a WASI 0.1 command",
    );
}

#[test]
fn a_module_with_nothing_to_start_is_refused() {
    refused(
        "reactor.wat",
        "it is a reactor: it exports `_initialize` and waits to be called, so there is nothing to start. \
         Build it as a command, which exports `_start`",
    );
    refused(
        "library.wat",
        "it is a library with nothing to start: it exports add, not `_start`. Build it as a command",
    );
}

#[test]
fn legacy_exceptions_are_refused() {
    refused(
        "legacy_exceptions.wat",
        "it uses the exception instructions that were replaced before they became the standard: compile it with the \
         standard ones (clang: -mllvm -wasm-use-legacy-eh=false)",
    );
}

#[test]
fn what_is_not_webassembly_is_refused_by_its_kind() {
    const NATIVE: &str = "not WebAssembly: compile its source for WASI 0.1 (wasm32-wasip1) and run that";
    bytes_are_refused(b"", "the file is empty: a WebAssembly module was expected, in binary (.wasm) or text (.wat)");
    bytes_are_refused(
        b"#!/bin/sh\necho hello\n",
        "it is a script, not WebAssembly: run it with an interpreter that is built for WASI 0.1, and grant the \
         script's directory with --dir",
    );
    bytes_are_refused(
        b"hello\n",
        "it is a text file, neither WebAssembly (.wasm) nor its text form (.wat, which begins with a parenthesis)",
    );
    bytes_are_refused(b"MZ\x90\0", &format!("it is a Windows program, {NATIVE}"));
    bytes_are_refused(b"\x1f\x8b\x08\0", "it is packed (gzip): unpack it, and run the .wasm inside");
    bytes_are_refused(&[0xff; 64], "it is not WebAssembly: it does not begin with the four bytes \\0asm");
    Command::module(sandhog_harness::sandhog()).run().refused(&format!("it is a native Linux program (ELF), {NATIVE}"));
}

#[test]
fn text_that_is_no_module_is_refused_with_the_place() {
    let outcome = Command::module(Folder::new().path().join("gone.wat")).run();
    assert_eq!(outcome.code, 127);
    bytes_are_refused(
        b"(module\n  (func (export \"_start\") (i32.ad)))",
        "its text is not valid WebAssembly: unknown operator or unexpected token (at 2:28, line and column)",
    );
}

#[test]
fn a_module_that_was_cut_short_is_refused_wherever_it_was_cut() {
    let (scratch, whole) = (Folder::new(), fs::read(guest("hello")).unwrap());
    for length in (1000..whole.len()).step_by(1000).chain([1, 4, 5, 8]) {
        let outcome = Command::module(scratch.file("cut.wasm", &whole[..length])).run();
        outcome.is(126, "refused");
        let cut = format!("the module ends in its middle, after {length} bytes: it was cut short, so copy or");
        let nothing = length == 8 && outcome.stderr.contains("nothing to start");
        assert!(nothing || outcome.stderr.contains(&cut), "{length}: {outcome:?}");
    }
}

#[test]
fn garbage_after_the_magic_is_refused() {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    let mut seed = 1_u64;
    for round in 0..20 {
        bytes.truncate(8);
        for _ in 0..1000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.push((seed >> 56) as u8);
        }
        let scratch = Folder::new();
        let outcome = Command::module(scratch.file("garbage.wasm", &bytes)).run();
        assert_eq!((outcome.code, &outcome.verdict["verdict"]), (126, &"refused".into()), "round {round}: {outcome:?}");
    }
    bytes_are_refused(
        b"\0asm\x02\0\0\0",
        "it is WebAssembly of version 2, which is newer than this engine: compile it for version 1",
    );
}

#[test]
fn a_flipped_byte_never_crashes_anything() {
    let (scratch, whole) = (Folder::new(), fs::read(guest("hello")).unwrap());
    let cache = scratch.join("cache");
    for offset in (8..whole.len()).step_by(1511) {
        let mut bytes = whole.clone();
        bytes[offset] ^= 0x55;
        let run = Command::module(scratch.file("flipped.wasm", bytes)).cache(&cache).flag("--timeout=5s");
        let outcome = run.run();
        let verdict = outcome.verdict["verdict"].as_str().unwrap();
        assert!(!["lost", "killed", "denied"].contains(&verdict), "byte {offset}: {outcome:?}");
    }
}

#[test]
fn a_file_larger_than_any_module_is_refused_at_once() {
    let scratch = Folder::new();
    let path = scratch.join("huge.wasm");
    let bytes = 10_u64 << 40;
    let file = File::create(&path).unwrap();
    if file.set_len(bytes).is_err() {
        file.set_len(600 << 20).unwrap();
    }
    let bytes = file.metadata().unwrap().len();
    let start = Instant::now();
    let reason = format!("the module {path:?} has {bytes} bytes, more than the limit of 536870912");
    let outcome = Command::module(&path).run();
    outcome.is(126, "refused").reported(126, &format!("sandhog: {reason}\n"));
    assert_eq!(outcome.verdict["reason"], reason);
    assert!(start.elapsed() < SOON);
}

#[test]
fn memory_that_a_module_needs_from_the_start_is_asked_for_in_its_limit() {
    refused(
        "wants_memory_1gib.wat",
        "the module needs at least 1 GiB of memory, the limit is 512 MiB: give it more with --memory",
    );
    Command::guest("wants_memory_1gib.wat").flag("--memory=1GiB").run().printed("");
}

/// A number as the binary format writes it (LEB128).
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], number(content.len()), content.to_vec()].concat()
}

/// A module of some MB that would take long to compile and has a shared memory.
fn large_with_shared_memory() -> Vec<u8> {
    const FUNCTIONS: usize = 50_000;
    let body = [&[0_u8][..], &[0x41, 0, 0x1a].repeat(60), &[0x0b]].concat();
    let body = [number(body.len()), body].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, b"\x01\x60\0\0"),
        section(3, &[number(FUNCTIONS), vec![0; FUNCTIONS]].concat()),
        section(5, b"\x01\x03\x01\x04"),
        section(7, b"\x01\x06_start\0\0"),
        section(10, &[number(FUNCTIONS), body.repeat(FUNCTIONS)].concat()),
    ]
    .concat()
}

#[test]
fn a_large_module_with_an_unsupported_feature_is_refused_before_it_is_compiled() {
    let (scratch, start) = (Folder::new(), Instant::now());
    Command::module(scratch.file("large.wasm", large_with_shared_memory())).run().refused(THREADS);
    assert!(start.elapsed() < SOON);
}

/// A cache of a test's own.
struct Cache(Folder);

impl Cache {
    fn new() -> Self {
        Self(Folder::new())
    }

    fn path(&self) -> PathBuf {
        self.0.join("cache")
    }

    fn run(&self, guest: &str) -> Command {
        Command::guest(guest).cache(self.path())
    }

    fn entries(&self) -> Vec<PathBuf> {
        let names = names_in(&self.path());
        assert!(names.iter().all(|name| name == "lock" || name.ends_with(".compiled")), "{names:?}");
        names.iter().filter(|name| *name != "lock").map(|name| self.path().join(name)).collect()
    }

    fn entry(&self) -> PathBuf {
        let [entry] = self.entries().try_into().unwrap();
        entry
    }
}

/// What changes when a file is made again.
fn identity(path: &Path) -> (u64, i64, i64) {
    let status = fs::metadata(path).unwrap();
    (status.ino(), status.mtime(), status.mtime_nsec())
}

#[test]
fn the_second_run_does_not_compile() {
    let cache = Cache::new();
    cache.run("hello").run().printed("hello\n");
    let first = identity(&cache.entry());
    cache.run("hello").run().printed("hello\n");
    assert_eq!(identity(&cache.entry()), first);
}

#[test]
fn a_module_is_known_by_its_content_and_not_by_its_name() {
    let (cache, scratch) = (Cache::new(), Folder::new());
    cache.run("hello").run().printed("hello\n");
    let copy = scratch.join("copy.wasm");
    fs::copy(guest("hello"), &copy).unwrap();
    Command::module(&copy).cache(cache.path()).run().printed("hello\n");
    fs::copy(guest("print_args"), &copy).unwrap();
    let first = cache.entry();
    Command::module(&copy).cache(cache.path()).run().printed("copy.wasm\n");
    assert!(cache.entries().len() == 2 && cache.entries().contains(&first));
}

#[test]
fn a_damaged_entry_is_noticed_and_made_again() {
    let cache = Cache::new();
    cache.run("hello").run().printed("hello\n");
    let whole = fs::read(cache.entry()).unwrap();
    type Damage<'a> = (&'a str, &'a dyn Fn(&File));
    let damages: [Damage<'_>; 6] = [
        ("a flipped bit", &|file| file.write_all_at(&[whole[5000] ^ 1], 5000).unwrap()),
        ("a flipped bit in its hash", &|file| {
            let last = whole.len() - 1;
            file.write_all_at(&[whole[last] ^ 1], last as u64).unwrap();
        }),
        ("the end cut off", &|file| file.set_len(whole.len() as u64 - 1).unwrap()),
        ("half of it", &|file| file.set_len(whole.len() as u64 / 2).unwrap()),
        ("nothing left", &|file| file.set_len(0).unwrap()),
        ("more at its end", &|file| file.write_all_at(b"more", whole.len() as u64).unwrap()),
    ];
    for (name, damage) in damages {
        damage(&File::options().write(true).open(cache.entry()).unwrap());
        cache.run("hello").run().printed("hello\n");
        assert!(fs::read(cache.entry()).unwrap().len() == whole.len(), "{name}");
        let made = identity(&cache.entry());
        cache.run("hello").run().printed("hello\n");
        assert_eq!(identity(&cache.entry()), made, "{name}");
    }
}

#[test]
fn an_entry_of_other_settings_is_noticed_and_made_again() {
    let cache = Cache::new();
    cache.run("hello").run().printed("hello\n");
    let plain = cache.entry();
    cache.run("hello").flag("--fuel=1_000_000_000").run().printed("hello\n");
    let with_fuel = cache.entries().into_iter().find(|entry| *entry != plain).unwrap();
    fs::copy(&with_fuel, &plain).unwrap();
    cache.run("hello").run().printed("hello\n");
    assert_ne!(fs::read(&plain).unwrap(), fs::read(&with_fuel).unwrap());
}

#[test]
fn a_directory_in_the_place_of_an_entry_is_told() {
    let cache = Cache::new();
    cache.run("hello").run().printed("hello\n");
    let entry = cache.entry();
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    let outcome = cache.run("hello").run();
    outcome.is(126, "refused");
    assert!(outcome.stderr.contains("SANDHOG_CACHE_DIR"), "{outcome:?}");
}

#[test]
fn fuel_has_an_entry_of_its_own() {
    let cache = Cache::new();
    cache.run("hello").run().printed("hello\n");
    cache.run("hello").flag("--fuel=1_000_000_000").run().printed("hello\n");
    assert_eq!(cache.entries().len(), 2);
}

#[test]
fn two_runs_of_a_new_module_at_once_leave_one_entry() {
    let cache = Cache::new();
    let all: Vec<_> = (0..4).map(|_| cache.run("word-count").arg("--help").start()).collect();
    for running in all {
        let outcome = running.wait();
        assert!(["completed", "failed"].map(Some).contains(&outcome.verdict["verdict"].as_str()), "{outcome:?}");
    }
    cache.entry();
}

#[test]
fn a_refused_module_leaves_nothing_in_the_cache() {
    let cache = Cache::new();
    cache.run("reactor.wat").run().is(126, "refused");
    assert!(cache.entries().is_empty());
}

#[test]
fn a_cache_is_where_the_environment_says() {
    let scratch = Folder::new();
    let home = scratch.path().to_str().unwrap();
    let hello = || Command::guest("hello").env("SANDHOG_CACHE_DIR", "").env("HOME", home);
    hello().run().printed("hello\n");
    assert_eq!(names_in(&scratch.join(".cache/sandhog")).len(), 2);
    hello().env("XDG_CACHE_HOME", scratch.join("xdg").to_str().unwrap()).run().printed("hello\n");
    assert_eq!(names_in(&scratch.join("xdg/sandhog")).len(), 2);
}

#[test]
fn a_cache_is_closed_to_others() {
    let cache = Cache::new();
    cache.run("hello").run().printed("hello\n");
    assert_eq!(fs::metadata(cache.path()).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(fs::metadata(cache.entry()).unwrap().mode() & 0o077, 0);
}
