//! One thread that knows all tests that run, and looks after those that are over their limit.
//!
//! Must not: end a test itself. A thread can't be ended from outside: its processes are, and then the test run is.

use super::over_the_limit::{end_processes_of, end_the_run, tell};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test whose processes were ended has to fail by itself: it looks at a condition each few milliseconds.
const GRACE: Duration = Duration::from_secs(10);

/// A test that runs.
#[derive(Debug)]
struct Test {
    name: String,
    /// The thread, as the kernel numbers it: its children are the test's.
    thread: i32,
    begun: Instant,
    limit: Duration,
    /// Its limit has passed, and its processes were ended.
    is_over: bool,
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
enum Step {
    /// Until then, or until the next test begins.
    Wait(Option<Instant>),
    /// The processes of this test are ended.
    EndProcesses(u64),
    /// It does not end: the run does.
    EndRun(u64),
}

#[derive(Debug)]
struct Tests {
    running: BTreeMap<u64, Test>,
    next: u64,
    is_watched: bool,
}

impl Tests {
    fn step(&self, now: Instant) -> Step {
        let Some((id, test)) = self.running.iter().min_by_key(|(_, test)| test.due()) else { return Step::Wait(None) };
        match (test.due() <= now, test.is_over) {
            (false, _) => Step::Wait(Some(test.due())),
            (true, false) => Step::EndProcesses(*id),
            (true, true) => Step::EndRun(*id),
        }
    }
}

pub(super) struct Watchdog {
    tests: Mutex<Tests>,
    changed: Condvar,
}

impl Watchdog {
    pub(super) const fn new() -> Self {
        let tests = Tests { running: BTreeMap::new(), next: 0, is_watched: false };
        Self { tests: Mutex::new(tests), changed: Condvar::new() }
    }

    /// A test begins, on this thread. The number is for [`Self::end`].
    pub(super) fn begin(&'static self, name: String, limit: Duration) -> u64 {
        let mut tests = self.lock();
        if !tests.is_watched {
            tests.is_watched = true;
            thread::spawn(|| self.watch());
        }
        let id = tests.next;
        tests.next += 1;
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        tests.running.insert(id, Test { name, thread, begun: Instant::now(), limit, is_over: false });
        self.changed.notify_all();
        id
    }

    pub(super) fn limit(&self, id: u64, limit: Duration) {
        if let Some(test) = self.lock().running.get_mut(&id) {
            test.limit = limit;
        }
        self.changed.notify_all();
    }

    /// A test has ended. One that was over its limit has failed, whatever libtest says of it.
    pub(super) fn end(&self, id: u64, has_failed: bool) {
        let test = self.lock().running.remove(&id);
        if let Some(test) = test.filter(|test| test.is_over && !has_failed) {
            end_the_run(&format!("{} passed, but over its limit of {:?}", test.name, test.limit));
        }
    }

    fn watch(&self) {
        let mut tests = self.lock();
        loop {
            let now = Instant::now();
            match tests.step(now) {
                Step::Wait(None) => tests = self.changed.wait(tests).unwrap(),
                Step::Wait(Some(until)) => tests = self.changed.wait_timeout(tests, until - now).unwrap().0,
                Step::EndProcesses(id) => {
                    let test = tests.running.get_mut(&id).expect("it was found there");
                    test.is_over = true;
                    tell(&format!(
                        "{} runs for longer than its limit of {:?}; its processes are ended:",
                        test.name, test.limit
                    ));
                    end_processes_of(test.thread);
                }
                Step::EndRun(id) => end_the_run(&format!("{} does not end", tests.running[&id].name)),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tests> {
        self.tests.lock().unwrap()
    }
}

#[test]
fn a_test_over_its_limit_loses_its_processes_first_and_ends_the_run_only_if_it_does_not_fail_then() {
    let begun = Instant::now();
    let seconds = Duration::from_secs;
    let test = |limit| Test { name: String::new(), thread: 0, begun, limit: seconds(limit), is_over: false };
    let mut tests = Tests { running: BTreeMap::new(), next: 0, is_watched: true };
    assert_eq!(tests.step(begun), Step::Wait(None));
    tests.running = BTreeMap::from([(1, test(180)), (2, test(20))]);
    assert_eq!(tests.step(begun + seconds(19)), Step::Wait(Some(begun + seconds(20))));
    assert_eq!(tests.step(begun + seconds(20)), Step::EndProcesses(2));
    tests.running.get_mut(&2).unwrap().is_over = true;
    assert_eq!(tests.step(begun + seconds(20)), Step::Wait(Some(begun + seconds(30))));
    assert_eq!(tests.step(begun + seconds(30)), Step::EndRun(2));
    tests.running.remove(&2);
    assert_eq!(tests.step(begun + seconds(30)), Step::Wait(Some(begun + seconds(180))));
}
