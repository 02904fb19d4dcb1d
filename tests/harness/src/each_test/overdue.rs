//! What is done about tests that are over their limit: their processes are ended first, and then the run.
//!
//! Must not: look at the clock, or end anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a test whose processes were ended has to fail by itself: it looks at a condition each few milliseconds.
const GRACE: Duration = Duration::from_secs(10);

/// A test that runs.
#[derive(Debug)]
pub struct Test {
    /// Its path.
    pub name: String,
    /// The thread, as the kernel numbers it: its children are the test's.
    pub thread: i32,
    /// When its turn came.
    pub begun: Instant,
    /// How long it may take.
    pub limit: Duration,
    /// Its limit has passed, and its processes were ended.
    pub is_over: bool,
}

impl Test {
    /// When it is looked after next.
    fn due(&self) -> Instant {
        let grace = if self.is_over { GRACE.min(self.limit) } else { Duration::ZERO };
        self.begun + self.limit + grace
    }
}

/// What has to be done now.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Until then, or until the next test begins.
    Wait(Option<Instant>),
    /// The processes of this test are ended.
    EndProcesses(u64),
    /// It does not end: the run does.
    EndRun(u64),
}

/// All that run, by their numbers.
#[derive(Debug, Default)]
pub struct Running(pub BTreeMap<u64, Test>);

impl Running {
    /// What the time asks for.
    pub fn step(&self, now: Instant) -> Step {
        let Some((id, test)) = self.0.iter().min_by_key(|(_, test)| test.due()) else { return Step::Wait(None) };
        match (test.due() <= now, test.is_over) {
            (false, _) => Step::Wait(Some(test.due())),
            (true, false) => Step::EndProcesses(*id),
            (true, true) => Step::EndRun(*id),
        }
    }
}
