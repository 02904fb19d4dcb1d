//! The example jobs that talk with each other, and what children are given, all of it through the guests' SDK.

use sandhog_harness::{Command, Daemon, Folder, Outcome, guest, until};

/// A job with the modules that it may start: their names and their files.
fn parent(job: &str, children: &[(&str, &str)]) -> Command {
    children.iter().fold(Command::guest(job), |run, (name, file)| {
        let mut grant = std::ffi::OsString::from(format!("--child={name}="));
        grant.push(guest(file));
        run.flag(grant)
    })
}

/// It completed with this on stdout; its log is on stderr.
fn printed(outcome: &Outcome, stdout: &str) {
    outcome.is(0, "completed");
    assert_eq!(outcome.text(), stdout, "{outcome:#?}");
}

#[test]
fn a_child_adds_up_what_its_parent_sends() {
    let run = ["1", "2", "39"].iter().fold(parent("sum-parent", &[("child", "sum-child")]), Command::arg);
    printed(&run.run(), "3 numbers, their sum is 42\nthe child completed after 4 messages\n");
}

/// The C library's constructors, which find the directories, run once: not for each list that comes in.
#[test]
fn a_program_with_a_plain_main_has_its_directories_before_and_after_a_message() {
    let scratch = Folder::new();
    scratch.file("file", "x");
    let parent = parent("main_without_the_attribute", &[("echo", "echo")]).dir(scratch.path(), "::/in");
    let seen = "1 there, 0 variables, it says \"x\"\n";
    printed(&parent.arg("/in").arg("file").run(), &format!("{seen}x 0\nx 1\nx 2\n{seen}"));
}

#[test]
fn a_module_that_was_not_granted_is_not_there() {
    let outcome = parent("sum-parent", &[]).arg("1").run();
    outcome.is(1, "failed");
    assert!(outcome.stderr.starts_with("error: not granted: "), "{outcome:#?}");
}

#[test]
fn a_ball_comes_back_as_it_was_whatever_its_size() {
    for (count, bytes) in [("300", "0"), ("300", "100"), ("50", "65536"), ("50", "65537"), ("3", "16777216")] {
        let outcome = parent("ping-pong", &[("echo", "echo")]).arg(count).arg(bytes).run();
        outcome.is(0, "completed");
        assert!(outcome.text().starts_with(&format!("{count} rounds of {bytes} bytes, ")), "{outcome:#?}");
    }
}

#[test]
fn the_largest_message_goes_through_and_a_larger_one_is_refused() {
    parent("ping-pong", &[("echo", "echo")]).arg("1").arg((64 << 20).to_string()).run().is(0, "completed");
    let outcome = parent("ping-pong", &[("echo", "echo")]).arg("1").arg(((64 << 20) + 1).to_string()).run();
    outcome.is(1, "failed").reported(1, "error: too large: at most 67108864 bytes are allowed\n");
}

#[test]
fn messages_come_one_way_whole_and_in_order() {
    let children = [("flood", "flood"), ("sink", "sink"), ("echo", "echo")];
    for (count, bytes) in [(1, 0), (20_000, 100), (300, 65_536), (20, 1 << 20)] {
        let outcome = parent("one_way", &children).arg(count.to_string()).arg(bytes.to_string()).run();
        let flood = "flood: whole true, then Err(Closed)";
        let echo = format!("echo: {count} back, in order true");
        printed(&outcome, &format!("{flood}\nsink: {} bytes\n{echo}\n", count * bytes));
    }
}

/// So large that each start reads it for some time, and none may move the place where another one reads.
#[test]
fn children_of_one_large_module_may_start_at_the_same_time() {
    const CHILDREN: usize = 8;
    let (daemon, bytes) = (Daemon::start(), 24_u32 << 20);
    let mut large = std::fs::read(guest("does_as_told")).unwrap();
    // A section of no meaning: its number, its length in seven bits a byte, the length of its name, and its name.
    large.push(0);
    large.extend((0..5).map(|index| ((bytes + 2) >> (7 * index)) as u8 & 0x7f | if index < 4 { 0x80 } else { 0 }));
    large.extend([1, b'x']);
    large.extend((0..bytes).map(|index| (index % 251) as u8));
    let path = daemon.scratch().file("large.wasm", &large);
    let words: Vec<_> = std::iter::repeat_n("spawn large", CHILDREN).chain(["ready"]).collect();
    let child = format!("--child=large={}", path.display());
    daemon.start_job(
        "job",
        "does_as_told",
        &[&["--ready=notify", &child, "--memory=256MiB", "--"], &words[..]].concat(),
    );
    let log = until("all of them born, or something wrong", || {
        let log = daemon.log_of("job");
        (log.len() >= CHILDREN).then_some(log)
    });
    assert_eq!(log, ["born"; CHILDREN], "{}", daemon.story());
}

#[test]
fn a_parent_stays_responsive_while_its_child_computes() {
    let outcome = parent("compute-parent", &[("compute-child", "compute-child")]).arg("200000").run();
    printed(&outcome, "17984 primes below 200000; the child completed\n");
}

#[test]
fn what_a_child_prints_is_captured_up_to_a_limit() {
    let outcome = parent("capture", &[("speak", "speak")]).run();
    let expected = "stdout: to everybody\nstderr: to whoever listens\nverdict: completed\n\
        without words: failed with code 1 (error: usage: speak STDOUT STDERR [TIMES])\n\
        without end: stopped at 65536 bytes\n";
    outcome.printed(expected);
}

#[test]
fn a_supervisor_restarts_its_child_until_that_does_not_crash() {
    let outcome = parent("supervisor", &[("flaky", "flaky")]).arg("2").arg("5").run();
    outcome.is(0, "completed");
    let lines: Vec<_> = outcome.text().lines().collect();
    assert!(lines[0].starts_with("try 1: trapped"), "{outcome:#?}");
    assert_eq!(lines[1..], ["try 2: failed with code 3", "try 3: completed", "done at try 3"], "{outcome:#?}");
}

#[test]
fn a_supervisor_gives_up_in_the_end() {
    let outcome = parent("supervisor", &[("flaky", "flaky")]).arg("9").arg("3").run();
    outcome.is(1, "failed");
    // Its log goes another way than its stderr: between the two there is no order.
    assert!(outcome.stderr.contains("error: the child crashed 3 times, and that is enough\n"), "{outcome:#?}");
    assert_eq!(outcome.text().lines().count(), 3);
}

#[test]
fn three_children_work_on_what_the_one_before_made() {
    let outcome = parent("pipeline", &[("stage", "stage")]).stdin("a rose is a rose\n\nis a rose\n").run();
    printed(&outcome, "2 A\n1 IS\n2 ROSE\n1 A\n1 IS\n1 ROSE\n");
}

#[test]
fn bytes_go_through_a_chain_of_childrens_streams() {
    let outcome = parent("chains_children", &[("cat", "cat")]).arg("1000").run();
    outcome.printed(&"0 left, completed\n".repeat(3));
}

#[test]
fn a_handler_answers_task_after_task() {
    let handler = [("word-handler", "word-handler")];
    let text = "one and twenty\n\nthree\n";
    let answers = "3 words, the longest is twenty (task 1)\nno answer: there is no word in it\n";
    let outcome = parent("caller", &handler).stdin(text).run();
    outcome.printed(&format!("{answers}1 words, the longest is three (task 3)\n"));
    let outcome = parent("caller", &handler).arg("fresh").stdin(text).run();
    outcome.printed(&format!("{answers}1 words, the longest is three (task 1)\n"));
}

#[test]
fn a_child_gets_no_more_than_its_parent_has() {
    let scratch = Folder::new();
    let outcome = parent("asks_for_more", &[("hello", "hello")]).dir(scratch.path(), "::/in").run();
    outcome.is(0, "completed");
    let told: Vec<_> = outcome.text().lines().filter_map(|line| line.split_once(": ")).collect();
    let beginning = |what: &str| told.iter().find(|(found, _)| *found == what).unwrap().1;
    for what in ["as much", "less"] {
        assert_eq!(beginning(what), "completed", "{outcome:#?}");
    }
    let refused = [
        ("another module", "not granted: "),
        ("more memory", "not granted: "),
        ("another directory", "not granted: "),
        ("a way out", "invalid: "),
        ("writing", "not granted: "),
        ("a module to pass on", "not granted: "),
        ("a life of its own", "not granted: "),
        ("too much to read", "too large: "),
        ("a name with a NUL", "invalid: "),
    ];
    for (what, reason) in refused {
        assert!(beginning(what).starts_with(reason) && beginning(what) != "completed", "{what}: {outcome:#?}");
    }
    assert_eq!(told.len(), refused.len() + 2);
}

#[test]
fn children_without_end_come_to_a_quota() {
    let outcome = parent("spawns_without_end", &[("more", "spawns_without_end")]).flag("--max-children=8").run();
    outcome.is(0, "completed");
    assert!(outcome.text().contains(" at depth 0: quota true: "), "{outcome:#?}");
}
