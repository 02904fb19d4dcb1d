//! Components: WASI 0.2 and 0.3 under the same grants, limits and verdicts as core modules.
//!
//! Guests of WASI 0.1 become components of 0.2 here, by the adapter that everybody uses for that. Only such as take little
//! memory: an allocator of an older wasi-libc takes the adapter's own page for its own.

use sandhog_harness::{Command, Folder, Running, guest};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::DirEntryExt;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wit_component::ComponentEncoder;

/// A guest as a component of WASI 0.2.
struct Component {
    scratch: Folder,
    name: &'static str,
}

impl Component {
    fn of(name: &'static str) -> Self {
        let module = wat::parse_file(guest(name)).unwrap();
        let component = ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .and_then(|encoder| {
                encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER)
            })
            .and_then(|mut encoder| encoder.encode())
            .unwrap();
        let scratch = Folder::new();
        scratch.file(name, component);
        Self { scratch, name }
    }

    fn run(&self) -> Command {
        Command::module(self.scratch.join(self.name))
    }
}

fn refused(name: &str, reason: &str) {
    Command::guest(name).run().refused(reason);
}

#[test]
fn a_component_of_wasi_0_2_says_hello_and_has_a_verdict_like_any_guest() {
    let outcome = Component::of("hello").run().run();
    outcome.printed("hello\n");
    assert_eq!(outcome.number("stdout_bytes"), 6);
    assert!(outcome.number("peak_memory_bytes") >= 65_536, "{outcome:#?}");
}

#[test]
fn a_component_of_wasi_0_3_says_hello() {
    Command::guest("hello_0_3.wat").run().printed("hello of 0.3\n");
}

#[test]
fn of_two_versions_of_run_the_newer_is_called() {
    // The older one traps.
    Command::guest("runs_of_two_versions.wat").run().is(1, "failed");
}

/// 15 is the number of `HTTP-request-denied`.
#[test]
fn a_request_by_http_is_denied() {
    Command::guest("sends_http.wat").run().is(15, "failed");
    Command::guest("sends_http.wat").by_ordinary_user().run().is(15, "failed");
}

#[test]
fn a_second_run_takes_the_component_from_the_cache() {
    let (scratch, component) = (Folder::new(), Component::of("hello"));
    let entries = [0, 1].map(|_| {
        component.run().cache(scratch.join("cache")).run().printed("hello\n");
        let entries = fs::read_dir(scratch.join("cache")).unwrap().map(|entry| entry.unwrap());
        // A file that was made anew has another number.
        entries.map(|entry| (entry.file_name(), entry.ino())).collect::<BTreeSet<_>>()
    });
    assert!(!entries[0].is_empty() && entries[0] == entries[1], "{entries:?}");
}

#[test]
fn a_component_has_its_arguments_and_the_environment_that_it_is_given() {
    Component::of("print_args").run().arg("x").arg("y z").run().printed("print_args\nx\ny z\n");
    Component::of("print_env").run().env("SECRET", "1").flag("--env=GIVEN=2").run().printed("GIVEN=2\n");
}

#[test]
fn a_component_opens_what_was_granted_and_nothing_else() {
    let (scratch, reads, writes) = (Folder::new(), Component::of("read_file"), Component::of("write_file"));
    scratch.file("file", "inside");
    let dir = |run: Command, rest: &str| run.dir(scratch.path(), rest);
    dir(reads.run(), "::/in").arg("/in/file").run().printed("inside");
    reads.run().arg("/in/file").run().is(1, "failed");
    dir(reads.run(), "::/in").arg("/in/../../etc/passwd").run().is(1, "failed");
    dir(writes.run(), "::/in").arg("/in/new").arg("text").run().is(1, "failed");
    assert!(!scratch.join("new").exists());
    dir(writes.run(), "::/in:rw").arg("/in/new").arg("text").run().is(0, "completed");
    assert_eq!(fs::read_to_string(scratch.join("new")).unwrap(), "text");
}

#[test]
fn an_exit_code_arrives_as_the_component_gave_it() {
    Command::guest("exit_with_code.wat").run().is(7, "failed");
    Command::guest("run_fails.wat").run().is(1, "failed");
}

#[test]
fn a_hundred_megabytes_go_through_a_component_unchanged() {
    let bytes: Vec<u8> = (0..25_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let outcome = Component::of("cat").run().stdin(bytes.clone()).run();
    outcome.is(0, "completed");
    assert!(outcome.stdout == bytes, "not what went in");
}

#[test]
fn every_limit_holds_for_a_component() {
    let [spins, sleeps, waits] = ["spin_forever", "sleep_forever", "cat"].map(Component::of);
    spins.run().flag("--timeout=100ms").run().is(124, "deadline");
    sleeps.run().flag("--timeout=100ms").run().is(124, "deadline");
    let waiting = waits.run().flag("--timeout=100ms").stdin_open().start();
    waiting.wait_with_stdin_open().is(124, "deadline");
    spins.run().flag("--cpu=50ms").run().is(124, "cpu");
    spins.run().flag("--fuel=100000").run().is(124, "cpu");
    Command::guest("grow_and_give_up.wat").flag("--memory=32MiB").run().is(137, "memory");
    Command::guest("grow_and_give_up.wat").flag("--memory=96MiB").run().is(0, "completed");
    Component::of("wants_memory_1gib.wat").run().run().is(126, "refused");
    let spewed = Component::of("spew").run().flag("--max-output=100KiB").run();
    assert_eq!(spewed.is(153, "output").number("stdout_bytes"), 100 << 10);
}

#[test]
fn limits_hold_for_components_of_an_ordinary_user() {
    Component::of("hello").run().by_ordinary_user().run().printed("hello\n");
    Command::guest("hello_0_3.wat").by_ordinary_user().run().printed("hello of 0.3\n");
    Component::of("spin_forever").run().by_ordinary_user().flag("--cpu=50ms").run().is(124, "cpu");
}

#[test]
fn a_trap_in_a_component_is_told_with_its_place() {
    let outcome = Component::of("trap_unreachable").run().run();
    outcome.is(134, "trapped");
    assert!(outcome.stderr.contains("wasi:cli/run"), "{outcome:#?}");
}

#[test]
fn two_runs_of_a_component_draw_different_random_numbers() {
    let draws = Component::of("random");
    let drawn = [0, 1].map(|_| draws.run().run().text().to_owned());
    assert!(!drawn[0].is_empty() && drawn[0] != drawn[1], "{drawn:?}");
}

/// Reads from the guest until it has said this.
fn heard(reader: &mut impl Read, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

#[test]
fn a_component_waits_for_time_and_input_at_once_and_loses_no_byte() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let component = Component::of("poll_input.wat");
    let mut running: Running = component.run().stdin_open().stdout_to(writer).start();
    heard(&mut reader, "time\ntime\n");
    running.say("now");
    let mut rest = String::new();
    let outcome = running.wait();
    reader.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("input\n"), "{rest:?}");
    outcome.is(0, "completed");
}

#[test]
fn a_socket_is_denied_and_not_the_end_of_a_component() {
    // The number of `access-denied` among the errors of wasi:sockets.
    Command::guest("create_socket.wat").run().is(1, "failed");
}

#[test]
fn a_component_of_another_world_gets_a_sentence() {
    refused(
        "unknown_import.wat",
        "it imports what nobody provides: acme:phone/dial@1.0.0. A component may import WASI 0.2 and 0.3 as far as \
         commands and servers of HTTP have it, and sandhog:job",
    );
    refused(
        "component_library.wat",
        "it is a component with nothing to start: it exports add, not wasi:cli/run, not `handle`, and no handler of \
         wasi:http. Build it as a command, for the world `handler` of sandhog:job, or as a server of HTTP",
    );
    refused(
        "component.wat",
        "it is a component with nothing to start: it exports nothing, not wasi:cli/run, not `handle`, and no handler \
         of wasi:http. Build it as a command, for the world `handler` of sandhog:job, or as a server of HTTP",
    );
    refused(
        "handle_of_another_type.wat",
        "its `handle` is func(task: u32) -> u32, where the world `handler` of sandhog:job has func(task: record { format: \
         enum { value, bytes, failure }, body: list<u8> }) -> result<record { format: enum { value, bytes, failure }, \
         body: list<u8> }, string>: build it against wit/sandhog.wit",
    );
}

#[test]
fn a_component_of_a_version_that_is_not_there_is_told_which_are() {
    let scratch = Folder::new();
    let text = |import: &str| {
        format!(
            "(component (import \"{import}\" (instance))
                (core module $main (func (export \"run\") (result i32) (i32.const 0)))
                (core instance $main (instantiate $main))
                (func $run (result (result)) (canon lift (core func $main \"run\")))
                (instance $exported (export \"run\" (func $run)))
                (export \"wasi:cli/run@0.2.0\" (instance $exported)))"
        )
    };
    for import in
        ["wasi:cli/environment@0.4.0", "wasi:cli/environment@0.3.0-rc-2026-01-06", "sandhog:job/process@0.9.0"]
    {
        let reason = format!(
            "it is built against {import}, and Sandhog has WASI 0.2 and 0.3, and sandhog:job 0.1, without their drafts: \
             build it against one of those"
        );
        Command::module(scratch.file("version.wat", text(import))).run().refused(&reason);
    }
    Command::module(scratch.file("newer.wat", text("wasi:cli/environment@0.2.99"))).run().is(0, "completed");
}

#[test]
fn a_damaged_component_is_refused() {
    let component = Component::of("hello");
    let bytes = fs::read(component.scratch.join(component.name)).unwrap();
    let scratch = Folder::new();
    let outcome = Command::module(scratch.file("cut", &bytes[..bytes.len() / 2])).run();
    outcome.is(126, "refused");
    assert!(outcome.stderr.contains("cut short"), "{outcome:#?}");
    let outcome = Command::module(scratch.file("draft", b"\0asm\x0c\0\x01\0")).run();
    assert!(outcome.stderr.contains("draft 12 of the component model"), "{outcome:#?}");
}
