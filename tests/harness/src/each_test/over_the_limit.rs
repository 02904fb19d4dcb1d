//! How a test that is over its limit is ended: its processes by SIGKILL, or the whole run with a failure.
//!
//! Must not: print by `eprintln!`. The thread of the watchdog has the captured output of the test that happened to start it.

use crate::process::{Process, children_of_thread, command_line};
use rustix::process::Signal;
use std::io::Write;

/// As libtest has it where tests failed.
const FAILED: i32 = 101;

/// Says it beside what libtest prints.
pub(super) fn tell(line: &str) {
    // Nobody reads it: there is no other place.
    let _ = writeln!(std::io::stderr().lock(), "sandhog-tests: {line}");
}

/// Names the processes that a thread has started, and ends them with all below them.
pub(super) fn end_processes_of(thread: i32) {
    let children = children_of_thread(thread);
    // All of them are looked up first: an orphan is below nobody that can be known.
    let trees: Vec<_> = children.iter().flat_map(|child| Process::tree(*child)).collect();
    for child in children {
        tell(&format!("  {child} {}", command_line(child)));
    }
    trees.iter().for_each(|process| process.signal(Signal::KILL));
}

/// Ends all that the tests have started, and the run.
pub(super) fn end_the_run(why: &str) -> ! {
    tell(&format!("{why}: the test run ends here"));
    let own = std::process::id();
    let others = Process::tree(own).into_iter().filter(|process| process.pid != own);
    others.for_each(|process| process.signal(Signal::KILL));
    std::process::exit(FAILED)
}
