//! A conversation with the guest `objects` and with its children, which share what it made or was granted.
//!
//! Must not: know what an object does.

use crate::command::Command;
use crate::installed::guest;
use crate::outcome::Outcome;
use crate::running::Running;
use std::ffi::OsString;

/// A group of members: `sandhog run` of a guest that starts others, and does what it is told.
pub struct Group {
    /// The command.
    pub run: Running,
    heard: usize,
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl Group {
    /// With room for some objects without a name.
    pub fn new() -> Self {
        Self::with(&["--max-objects=64"])
    }

    /// Children `a` and `b` wait at the condition `c`, in this order. That the lock can be had shows that the one before waits.
    pub fn whose_children_wait_at_a_condition() -> Self {
        let mut group = Self::new();
        group.script(&[("new condition c", "there"), ("start a", "started"), ("start b", "started")]);
        for who in ["a", "b"] {
            group.script(&[(&format!("{who} lock c"), "held…"), (&format!("{who}! wait c"), "")]);
            group.script(&[("lock c", "held…"), ("release c", "done")]);
        }
        group
    }

    /// With these flags of `run`.
    pub fn with(flags: &[&str]) -> Self {
        Self::of(Command::guest("objects"), flags)
    }

    /// Of members that were taken over: each may open `memory raw:NAME`, which is the memory of any object.
    pub fn taken_over(flags: &[&str]) -> Self {
        Self::of(Command::guest("objects").taken_over(), flags)
    }

    /// Of an ordinary user.
    pub fn of_ordinary_user(flags: &[&str]) -> Self {
        Self::of(Command::guest("objects").by_ordinary_user(), flags)
    }

    fn of(run: Command, flags: &[&str]) -> Self {
        let mut child = OsString::from("--child=again=");
        child.push(guest("objects"));
        Self { run: run.flag(child).flags(flags).stdin_open().start(), heard: 0 }
    }

    /// What it answers to a line.
    pub fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.heard += 1;
        self.run.stdout.line(self.heard - 1)
    }

    /// A line that has no answer: `a! lock l`.
    pub fn tell(&mut self, line: &str) {
        self.run.say(&format!("{line}\n"));
    }

    /// What it answers to each of these lines: an expected answer that ends in `…` is the beginning of one. A line with `!`
    /// has none.
    #[track_caller]
    pub fn script(&mut self, lines: &[(&str, &str)]) {
        for (line, expected) in lines {
            if line.split(' ').next().is_some_and(|word| word.ends_with('!')) {
                self.tell(line);
                continue;
            }
            let answer = self.ask(line);
            let is_right = match expected.strip_suffix('…') {
                Some(beginning) => answer.starts_with(beginning),
                None => answer == *expected,
            };
            assert!(is_right, "{line}: {answer:?}, not {expected:?}");
        }
    }

    /// A number at the end of the first two words of an answer: the token of `held 7` and of `poisoned 7 …`.
    #[track_caller]
    pub fn token(&mut self, line: &str) -> u64 {
        let answer = self.ask(line);
        let token = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        token.unwrap_or_else(|| panic!("{line}: no token in {answer:?}"))
    }

    /// Ends with the guest, which ends with its stdin.
    pub fn end(self) -> Outcome {
        let outcome = self.run.wait();
        outcome.is(0, "completed");
        outcome
    }
}
