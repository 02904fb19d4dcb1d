//! A conversation with the guest `objects` and with its children, which share what it made or was granted.

use crate::support::{Outcome, Run, Running};
use sandhog_harness::{Folder, Person, chown, guest, is_root};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// A group of members: `sandhog run` of a guest that starts others, and does what it is told.
pub(crate) struct Group {
    pub run: Running,
    heard: usize,
    /// Where its child lies.
    _scratch: Option<Folder>,
}

impl Group {
    /// With room for some objects without a name.
    pub(crate) fn new() -> Self {
        Self::with(&["--max-objects=64"])
    }

    /// Children `a` and `b` wait at the condition `c`, in this order. That the lock can be had shows that the one before waits.
    pub(crate) fn whose_children_wait_at_a_condition() -> Self {
        let mut group = Self::new();
        group.script(&[("new condition c", "there"), ("start a", "started"), ("start b", "started")]);
        for who in ["a", "b"] {
            group.script(&[(&format!("{who} lock c"), "held…"), (&format!("{who}! wait c"), "")]);
            group.script(&[("lock c", "held…"), ("release c", "done")]);
        }
        group
    }

    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::of(Run::new("objects"), flags)
    }

    /// Of members that were taken over: each may open `memory raw:NAME`, which is the memory of any object.
    pub(crate) fn taken_over(flags: &[&str]) -> Self {
        Self::of(Run::new("objects").taken_over(), flags)
    }

    /// Of an ordinary user, in whose reach the guests are not.
    pub(crate) fn of_ordinary_user(flags: &[&str]) -> Self {
        let scratch = Folder::new();
        let child = scratch.join("objects.wasm");
        fs::copy(guest("objects"), &child).unwrap();
        if is_root() {
            chown(scratch.path(), Person::MADE_UP.uid());
        }
        Self { _scratch: Some(scratch), ..Self::of_child(Run::new("objects").by_ordinary_user(), &child, flags) }
    }

    fn of(run: Run, flags: &[&str]) -> Self {
        Self::of_child(run, &guest("objects"), flags)
    }

    fn of_child(run: Run, path: &Path, flags: &[&str]) -> Self {
        let mut child = OsString::from("--child=again=");
        child.push(path);
        let run = flags.iter().fold(run.flag(child), |run, flag| run.flag(flag));
        Self { run: run.stdin_open().start(), heard: 0, _scratch: None }
    }

    /// What it answers to a line.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.heard += 1;
        self.run.stdout.line(self.heard - 1)
    }

    /// A line that has no answer: `a! lock l`.
    pub(crate) fn tell(&mut self, line: &str) {
        self.run.say(&format!("{line}\n"));
    }

    /// What it answers to each of these lines: an expected answer that ends in `…` is the beginning of one. A line with `!`
    /// has none.
    #[track_caller]
    pub(crate) fn script(&mut self, lines: &[(&str, &str)]) {
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
    pub(crate) fn token(&mut self, line: &str) -> u64 {
        let answer = self.ask(line);
        let token = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        token.unwrap_or_else(|| panic!("{line}: no token in {answer:?}"))
    }

    /// Ends with the guest, which ends with its stdin.
    pub(crate) fn end(self) -> Outcome {
        let outcome = self.run.wait();
        outcome.is(0, "completed");
        outcome
    }
}
