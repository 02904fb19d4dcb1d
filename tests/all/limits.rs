//! Each limit ends the guest with its own verdict, or is an error to the guest, as the help says.

use sandhog_harness::{Command, Folder};

const DEADLINE_100MS: &str = "sandhog: deadline: the guest ran longer than 100ms (--timeout)\n  \
                              hint: give it more, or look for what it waits for\n";

#[test]
fn a_deadline_ends_whatever_the_guest_does() {
    for guest in ["spin_forever", "sleep_forever", "infinite_start.wat", "cat"] {
        let outcome = Command::guest(guest).flag("--timeout=100ms").stdin_open().start().wait_with_stdin_open();
        outcome.is(124, "deadline").reported(124, DEADLINE_100MS);
        assert_eq!(outcome.verdict["limit"], "100ms");
        assert!(outcome.number("wall_ms") >= 100, "{outcome:?}");
    }
}

#[test]
fn a_deadline_ends_a_guest_whose_output_nobody_reads() {
    let (_reader, writer) = std::io::pipe().unwrap();
    Command::guest("spew").flag("--timeout=100ms").stdout_to(writer).run().is(124, "deadline");
}

#[test]
fn a_guest_within_its_deadline_knows_nothing_of_it() {
    Command::guest("hello").flag("--timeout=1m").run().printed("hello\n");
    Command::guest("hello").flag("--timeout=36500d").run().printed("hello\n");
}

#[test]
fn a_deadline_counts_from_the_start_of_the_guest_and_not_of_its_compilation() {
    let scratch = Folder::new();
    let outcome = Command::guest("image-filter").cache(scratch.join("cache")).flag("--timeout=1ms").run();
    assert_ne!(outcome.code, 126, "{outcome:?}");
    assert!(outcome.number("wall_ms") < outcome.number("start_us") / 1000, "{outcome:?}");
}

#[test]
fn cpu_time_is_limited() {
    for guest in ["spin_forever", "infinite_start.wat"] {
        let outcome = Command::guest(guest).flag("--cpu=100ms").run();
        outcome.is(124, "cpu").reported(
            124,
            "sandhog: cpu: the guest used more than 100ms of CPU time (--cpu)\n  \
             hint: give it more, or look for a loop that does not end\n",
        );
        assert_eq!(outcome.verdict["limit"], "100ms");
        // The kernel's timer counts whole ticks, its account of a process does not.
        assert!(outcome.number("cpu_ms") >= 50, "{outcome:?}");
    }
}

#[test]
fn a_sleeper_uses_no_cpu_time() {
    Command::guest("sleep_ms").arg("300").flag("--cpu=200ms").run().printed("awake\n");
}

#[test]
fn fuel_runs_out_at_the_same_place_every_time() {
    // Ten million turns of four instructions.
    let codes = [30_000_000, 60_000_000].map(|fuel| {
        let [one, two] = [0; 2].map(|_| Command::guest("fuel_burner.wat").flag(format!("--fuel={fuel}")).run());
        assert_eq!((one.code, &one.verdict["verdict"]), (two.code, &two.verdict["verdict"]));
        one.code
    });
    assert_eq!(codes, [124, 0]);
    let outcome = Command::guest("spin_forever").flag("--fuel=1_000_000").run();
    outcome.is(124, "cpu").reported(
        124,
        "sandhog: cpu: the guest used more than 1000000 units of fuel (--fuel)\n  \
         hint: give it more, or look for a loop that does not end\n",
    );
    assert_eq!(outcome.verdict["limit"], "1000000");
}

#[test]
fn a_guest_that_dies_for_want_of_memory_is_told_from_one_that_crashed() {
    let outcome = Command::guest("grow_memory").arg("100").flag("--memory=8MiB").run();
    outcome.is(137, "memory");
    assert_eq!((&outcome.verdict["limit"], &outcome.verdict["wall"]), (&"8MiB".into(), &"engine".into()));
    assert!(outcome.number("peak_memory_bytes") <= 8 << 20, "{outcome:?}");
    assert!(
        outcome.stderr.ends_with(
            "sandhog: memory: the guest needed more than 8MiB (--memory)\n  hint: give it more, or look for a leak\n"
        ),
        "{outcome:?}"
    );
}

#[test]
fn a_guest_within_its_memory_gets_all_of_it() {
    let outcome = Command::guest("grow_memory").arg("60").flag("--memory=64MiB").run();
    outcome.is(0, "completed");
    assert!(outcome.text().ends_with("\n60\n"), "{outcome:?}");
    assert!((60 << 20..=64 << 20).contains(&outcome.number("peak_memory_bytes")), "{outcome:?}");
    assert!(outcome.number("peak_rss_bytes") >= 60 << 20, "{outcome:?}");
}

#[test]
fn growing_memory_is_refused_and_a_polite_guest_goes_on() {
    for (limit, mib) in [("8MiB", 8), ("100MiB", 100)] {
        let outcome = Command::guest("grow_memory_politely").flag(format!("--memory={limit}")).run();
        outcome.is(0, "completed");
        let got: u64 = outcome.text().trim().parse().unwrap();
        assert!((mib - 1..=mib).contains(&got), "{got} MiB of {limit}");
    }
}

#[test]
fn two_memories_have_one_limit() {
    let outcome = Command::guest("needs_two_memories.wat").flag("--memory=64MiB").run();
    outcome.printed("064\n");
    assert_eq!(outcome.number("peak_memory_bytes"), 64 << 20);
}

#[test]
fn memory_is_512_mib_unless_it_is_said() {
    // A MiB at a time, from the 17 pages of 64 KiB that it begins with.
    Command::guest("grow_memory_politely").run().printed("511\n");
}

#[test]
fn a_table_does_not_grow_without_limit() {
    let outcome = Command::guest("table_grow_huge.wat").flag("--memory=64MiB").run();
    outcome.is(0, "completed");
    assert!(outcome.number("peak_rss_bytes") < 512 << 20, "{outcome:?}");
}

#[test]
fn output_ends_after_exactly_that_many_bytes() {
    for (limit, bytes) in [("0", 0), ("1B", 1), ("1000B", 1000), ("1MiB", 1 << 20)] {
        let outcome = Command::guest("spew").flag(format!("--max-output={limit}")).run();
        outcome.is(153, "output");
        assert_eq!((outcome.stdout.len(), outcome.number("stdout_bytes")), (bytes, bytes as u64));
        let shown = if bytes == 0 { "0B" } else { limit };
        assert_eq!(
            outcome.stderr,
            format!(
                "sandhog: output: the guest wrote more than {shown} to stdout and stderr (--max-output)\n  \
                 hint: give it more, or look for a loop that prints\n"
            )
        );
    }
}

#[test]
fn stderr_counts_as_output() {
    let outcome = Command::guest("spew_stderr").flag("--max-output=1000B").run();
    outcome.is(153, "output");
    assert_eq!(outcome.number("stderr_bytes"), 1000);
}

#[test]
fn as_much_output_as_is_allowed_is_no_offence() {
    let outcome = Command::guest("spew").arg("1000").flag("--max-output=1000B").run();
    outcome.is(0, "completed");
    assert_eq!(outcome.stdout.len(), 1000);
}

#[test]
fn a_file_that_grows_too_long_is_an_error_to_the_guest() {
    let scratch = Folder::new();
    let outcome = Command::guest("write_big").arg("/out/big").arg("3").flag("--max-file=1MiB").writable(&scratch).run();
    outcome.is(1, "failed");
    assert_eq!(outcome.text(), "wrote 1048576, then FBIG\n");
    assert_eq!(scratch.join("big").metadata().unwrap().len(), 1 << 20);
}

#[test]
fn a_file_may_be_as_long_as_the_limit() {
    let scratch = Folder::new();
    let run = Command::guest("write_big").arg("/out/big").arg("3").flag("--max-file=3MiB").writable(&scratch);
    run.run().printed("wrote 3145728\n");
}

#[test]
fn too_many_open_files_are_an_error_to_the_guest() {
    let scratch = Folder::new();
    scratch.file("one", "");
    for limit in [1, 10, 300] {
        let run = Command::guest("open_many").arg("/out/one").arg("400").flag(format!("--max-files={limit}"));
        let outcome = run.writable(&scratch).run();
        outcome.is(1, "failed");
        assert_eq!(outcome.text(), format!("opened {limit}, then MFILE\n"));
    }
}

#[test]
fn open_files_are_256_unless_it_is_said() {
    let scratch = Folder::new();
    let outcome = Command::guest("open_many").arg("/out").arg("400").writable(&scratch).run();
    assert_eq!(outcome.text(), "opened 256, then MFILE\n");
}

#[test]
fn compiling_has_limits_of_its_own() {
    let scratch = Folder::new();
    let run = || Command::guest("image-filter").cache(scratch.join("cache"));
    run().flag("--compile-timeout=1ms").run().refused(
        "compiling the module took more than 1ms of CPU time; allow more with --compile-timeout if you trust it",
    );
    run().flag("--compile-memory=16MiB").run().refused(
        "compiling the module took more than 16MiB of memory; allow more with --compile-memory if you trust it",
    );
    let compiled = |name: &String| name.ends_with(".compiled");
    assert!(!sandhog_harness::names_in(&scratch.join("cache")).iter().any(compiled));
}

#[test]
fn limits_of_compiling_do_not_concern_what_is_compiled_already() {
    Command::guest("hello").run().printed("hello\n");
    let run = Command::guest("hello").flag("--compile-timeout=1ms").flag("--compile-memory=16MiB");
    run.run().printed("hello\n");
}
