//! Where the time of a start goes, for whoever asks; and the zygote that begins before anybody asks for it.

use sandhog_harness::{Command, Outcome, traces::stale_cgroups, until};

const VARIABLE: &str = "SANDHOG_TRACE_START";

/// The lines of a trace: time, process, place.
fn lines(outcome: &Outcome) -> Vec<(u64, String, String)> {
    let mut lines = outcome.stderr.lines();
    let head: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(head, ["AT_US", "STEP_US", "PROCESS", "PLACE"], "{outcome:#?}");
    let line = |line: &str| {
        let process = ["command", "spawner", "zygote", "worker"].into_iter().find(|name| line.contains(name)).unwrap();
        let (times, workspace) = line.split_once(process).unwrap();
        let at = times.split_whitespace().next().unwrap().parse().unwrap();
        (at, process.to_owned(), workspace.trim().to_owned())
    };
    lines.map(line).collect()
}

#[test]
fn a_traced_start_tells_when_each_process_came_where() {
    // A zygote that has to wait for a processor is ended before it can say where it was.
    let lines = until("a trace of all processes", || {
        let outcome = Command::guest("hello").env(VARIABLE, "1").run();
        assert_eq!((outcome.code, outcome.text()), (0, "hello\n"), "{outcome:#?}");
        Some(lines(&outcome)).filter(|lines| lines.iter().any(|line| line.1 == "zygote"))
    });
    assert!(lines.is_sorted_by_key(|(at, _, _)| *at), "{lines:#?}");
    let at = |process: &str, workspace: &str| {
        let found = lines.iter().position(|line| (line.1.as_str(), line.2.as_str()) == (process, workspace));
        found.unwrap_or_else(|| panic!("{process} {workspace}: {lines:#?}"))
    };
    // What has to come before what, whatever the machine does.
    let way = [
        at("command", "begins"),
        at("command", "spawner is forked"),
        at("spawner", "begins"),
        at("spawner", "zygote is forked"),
        at("zygote", "program begins"),
        at("zygote", "has entered its namespaces"),
        at("zygote", "empty root"),
        at("zygote", "base filter"),
        at("zygote", "module is there"),
        at("zygote", "module is loaded"),
        at("zygote", "worker is asked for"),
        at("worker", "final filter"),
        at("worker", "go is there"),
        at("worker", "guest is instantiated"),
        at("worker", "work is done"),
        at("command", "worker has ended"),
        at("command", "spawner has ended"),
        at("command", "is over"),
    ];
    assert!(way[3..].is_sorted() && way[0] < way[1] && way[0] < way[2], "{way:?}: {lines:#?}");
    assert!(way[1] < at("command", "zygote is asked for"), "{lines:#?}");
    // The worker runs as soon as it is there, and may be further before its zygote can say so.
    assert!(at("zygote", "worker is asked for") < at("zygote", "worker is cloned"), "{lines:#?}");
}

#[test]
fn a_start_that_nobody_traces_says_nothing() {
    for value in ["", "0", "yes"] {
        Command::guest("hello").env(VARIABLE, value).run().printed("hello\n");
    }
    Command::guest("hello").run().printed("hello\n");
}

/// It begins with the spawner, and ends with it: here nobody comes to ask for it.
#[test]
fn a_zygote_that_nobody_asks_for_leaves_nothing() {
    let before = stale_cgroups();
    for _ in 0..20 {
        let outcome = Command::module("/nowhere/none.wasm").env(VARIABLE, "1").run();
        assert_eq!(outcome.code, 127, "{outcome:#?}");
        assert!(!outcome.stderr.contains("zygote is asked for"), "{outcome:#?}");
    }
    // Tests beside this one kill commands, whose cgroups are there until another command begins.
    until("its cgroups are gone", || {
        Command::module("/nowhere/none.wasm").run();
        stale_cgroups().is_subset(&before).then_some(())
    });
}
