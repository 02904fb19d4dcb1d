//! What a job knows of itself, what it tells whoever watches it, and how it is asked to stop.

use rustix::process::Signal;
use sandhog_harness::{Command, Outcome, Running, guest, process, terminal, until};
use std::time::{Duration, Instant};

/// The grace time of a guest that listens.
const GRACE: Duration = Duration::from_secs(5);

fn line<'a>(outcome: &'a Outcome, name: &str, nth: usize) -> &'a str {
    let mut found = outcome.text().lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.nth(nth).unwrap_or_else(|| panic!("no line {nth} of {name}: {outcome:#?}"))
}

#[test]
fn a_job_knows_who_it_is_and_what_it_was_given() {
    let run =
        Command::guest("tells_of_itself").flag("--memory=48MiB").flag("--env=B=2").flag("--env=A=x=y").arg("one ");
    let outcome = run.run();
    outcome.is(0, "completed");
    assert_eq!(line(&outcome, "attempt", 0), outcome.verdict["attempt"]);
    assert_eq!(line(&outcome, "job", 0), "tells_of_itself, instance 0, try 1, depth 0");
    assert_eq!(line(&outcome, "parent", 0), "");
    assert_eq!(line(&outcome, "arguments", 0), "[\"tells_of_itself.wasm\", \"one \"]");
    assert_eq!(line(&outcome, "environment", 0), "[(\"B\", \"2\"), (\"A\", \"x=y\")]");
    assert_eq!((line(&outcome, "data", 0), line(&outcome, "uptime", 0)), ("None", "runs true"));
    let peak = outcome.number("peak_memory_bytes");
    let memory = format!("grown true, peak {peak}, limit {}", 48 << 20);
    assert_eq!(line(&outcome, "memory", 0), memory);
}

#[test]
fn a_child_knows_its_parent_and_has_what_that_gave_it() {
    let run = Command::guest("tells_of_itself").flag(format!("--child=again={}", guest("tells_of_itself").display()));
    let outcome = run.flag("--env=PARENTS=own").arg("twice").run();
    outcome.is(0, "completed");
    let (parent, child) = (line(&outcome, "attempt", 0), line(&outcome, "attempt", 1));
    assert_eq!((parent, child), (outcome.verdict["attempt"].as_str().unwrap(), line(&outcome, "child", 0)));
    // A fencing token: later ones sort behind earlier ones.
    assert!(parent < child, "{parent} {child}");
    assert_eq!((line(&outcome, "parent", 0), line(&outcome, "parent", 1)), ("", parent));
    assert_eq!(line(&outcome, "job", 1), "again, instance 0, try 1, depth 1");
    assert_eq!(line(&outcome, "arguments", 1), "[\"again\", \"a b\"]");
    assert_eq!(line(&outcome, "environment", 1), "[(\"NAME\", \"väl=ue\")]");
    for name in ["data", "data again"] {
        assert_eq!((line(&outcome, name, 0), line(&outcome, name, 1)), ("None", "Some((\"given\", -7))"));
    }
    assert!(line(&outcome, "memory", 1).ends_with(&format!("limit {}", 32 << 20)), "{outcome:#?}");
}

#[test]
fn what_a_job_tells_is_shown_from_the_level_on_that_was_asked_for() {
    let lines = |level: &str| {
        let outcome = Command::guest("tells_its_way").flag(format!("--log={level}")).run();
        outcome.is(0, "completed");
        outcome.stderr
    };
    let all = lines("trace");
    for level in ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] {
        let name = format!("{}{}", &level[..1], level[1..].to_lowercase());
        let expected = format!("{level} tells_its_way: at {name} n=1 two words=\"a b\" empty=\"\"\n");
        assert!(all.contains(&expected), "{expected}: {all}");
    }
    assert_eq!(lines("off"), "");
    let errors = lines("error");
    assert_eq!(errors, "ERROR tells_its_way: at Error n=1 two words=\"a b\" empty=\"\"\n");
    let debug = lines("debug");
    assert!(!debug.contains("TRACE ") && debug.contains("at Debug"), "{debug}");
    // Without the flag: from info on.
    let usual = Command::guest("tells_its_way").run().stderr;
    assert!(usual.contains("at Info") && !usual.contains("at Debug"), "{usual}");
}

#[test]
fn a_line_of_the_log_is_bounded_and_leaves_the_terminal_alone() {
    let stderr = Command::guest("tells_its_way").flag("--log=trace").run().stderr;
    assert!(stderr.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{stderr:?}");
    let harm = "\\u{1b}[2J\\r\\n\\u{202e}\\u{7}";
    assert!(stderr.contains(&format!("WARN tells_its_way: harm{harm} ")), "{stderr}");
    assert!(stderr.contains(&format!("tired{harm}")), "{stderr}");
    let longest = stderr.lines().map(str::len).max().unwrap();
    assert!((16 << 10..17 << 10).contains(&longest), "{longest} bytes");
    let fields = stderr.lines().find(|line| line.contains(": fields ")).unwrap();
    assert_eq!(fields.matches("f=v").count(), 64, "{fields}");
}

#[test]
fn readiness_and_the_wish_to_be_replaced_are_in_the_log() {
    let debug = Command::guest("tells_its_way").flag("--log=debug").run().stderr;
    assert_eq!(debug.lines().filter(|line| line.contains("ready")).count(), 1, "{debug}");
    let warned = debug.lines().find(|line| line.contains("tired")).unwrap();
    assert!(warned.starts_with("WARN tells_its_way: "), "{warned}");
}

#[test]
fn a_terminal_shows_how_far_a_job_is() {
    let (stderr, shown) = terminal();
    let mut running = Command::guest("tells_its_way").stdin_open().stderr_to(stderr).env("TERM", "xterm").start();
    let text = || String::from_utf8_lossy(&shown.so_far()).into_owned();
    until("the end of the bar", || text().contains("] 4/4 zzz").then_some(()));
    let stdin = running.stdin.take();
    drop(stdin);
    running.wait().is(0, "completed");
    let text = text();
    assert!(text.contains("tells_its_way [=") && !text.contains("\x1b[2J") && !text.contains('\u{202e}'), "{text:?}");
    assert!(!text.contains(&"z".repeat(201)), "{text:?}");
}

#[test]
fn a_bar_is_for_terminals_that_can_show_it() {
    let (stderr, shown) = terminal();
    Command::guest("tells_its_way").stderr_to(stderr).env("TERM", "dumb").run().is(0, "completed");
    let text = until("the log", || Some(shown.so_far()).filter(|bytes| !bytes.is_empty()));
    assert!(!String::from_utf8_lossy(&text).contains("4/4"));
    assert!(!Command::guest("tells_its_way").run().stderr.contains("4/4"));
}

/// A guest of which it is known that it listens.
fn listening(deaf: bool) -> Running {
    let run = Command::guest("listens").flag("--log=info");
    let running = if deaf { run.arg("deaf") } else { run }.start();
    running.stdout.until("listening\n");
    running.stderr.until_has("it is known that it listens");
    running
}

#[test]
fn a_job_that_listens_ends_by_itself_when_it_is_asked_to_stop() {
    for (signal, code, reason) in [(Signal::TERM, 143, "terminate"), (Signal::INT, 130, "interrupt")] {
        let running = listening(false);
        let start = Instant::now();
        running.signal(signal);
        let outcome = running.wait();
        assert!(start.elapsed() < GRACE, "{:?}", start.elapsed());
        outcome.is(code, "stopped");
        assert_eq!((&outcome.verdict["reason"], &outcome.verdict["graceful"]), (&reason.into(), &true.into()));
        assert_eq!(outcome.text(), "listening\nasked, still true\n");
    }
}

#[test]
fn a_job_that_listens_and_goes_on_is_ended_after_the_grace_time() {
    let running = listening(true);
    let start = Instant::now();
    running.signal(Signal::TERM);
    let outcome = running.wait();
    assert!(start.elapsed() >= GRACE, "{:?}", start.elapsed());
    outcome.is(143, "stopped");
    assert_eq!((outcome.text(), &outcome.verdict["graceful"]), ("listening\n", &false.into()));
}

#[test]
fn a_job_that_never_asks_is_ended_at_once() {
    let mut running = Command::guest("stdin_lines").stdin_open().start();
    running.say("here\n");
    running.stdout.until("here\n");
    let start = Instant::now();
    running.signal(Signal::TERM);
    let outcome = running.wait_with_stdin_open();
    assert!(start.elapsed() < GRACE, "{:?}", start.elapsed());
    assert_eq!((outcome.code, &outcome.verdict["graceful"]), (143, &false.into()));
}

#[test]
fn a_second_signal_ends_the_command_at_once_and_all_that_it_started() {
    let running = listening(true);
    let below = process::descendants(running.pid);
    let start = Instant::now();
    running.signal(Signal::INT);
    // One that arrives while the first is still pending is the same one.
    until("a second signal that counts", || {
        if !running.has_ended() {
            running.signal(Signal::INT);
        }
        running.has_ended().then_some(())
    });
    assert!(start.elapsed() < GRACE, "{:?}", start.elapsed());
    // It has no time for a verdict.
    running.wait().reported(130, "INFO listens: it is known that it listens\n");
    until("the end of what it started", || (!below.iter().any(|pid| process::is_there(*pid))).then_some(()));
}
