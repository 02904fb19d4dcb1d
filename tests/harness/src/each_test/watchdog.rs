//! One thread that knows all tests that run, and looks after those that are over their limit.
//!
//! Must not: end a test itself. A thread can't be ended from outside: its processes are, and then the test run is.

use super::over_the_limit::{end_processes_of, end_the_run, tell};
use super::overdue::{Running, Step, Test};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug)]
struct Tests {
    running: Running,
    next: u64,
    is_watched: bool,
}

pub(super) struct Watchdog {
    tests: Mutex<Tests>,
    changed: Condvar,
}

impl Watchdog {
    pub(super) const fn new() -> Self {
        let tests = Tests { running: Running(BTreeMap::new()), next: 0, is_watched: false };
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
        tests.running.0.insert(id, Test { name, thread, begun: Instant::now(), limit, is_over: false });
        self.changed.notify_all();
        id
    }

    pub(super) fn limit(&self, id: u64, limit: Duration) {
        if let Some(test) = self.lock().running.0.get_mut(&id) {
            test.limit = limit;
        }
        self.changed.notify_all();
    }

    /// A test has ended. One that was over its limit has failed, whatever libtest says of it.
    pub(super) fn end(&self, id: u64, has_failed: bool) {
        let test = self.lock().running.0.remove(&id);
        if let Some(test) = test.filter(|test| test.is_over && !has_failed) {
            end_the_run(&format!("{} passed, but over its limit of {:?}", test.name, test.limit));
        }
    }

    fn watch(&self) {
        let mut tests = self.lock();
        loop {
            let now = Instant::now();
            match tests.running.step(now) {
                Step::Wait(None) => tests = self.changed.wait(tests).unwrap(),
                Step::Wait(Some(until)) => tests = self.changed.wait_timeout(tests, until - now).unwrap().0,
                Step::EndProcesses(id) => {
                    let test = tests.running.0.get_mut(&id).expect("it was found there");
                    test.is_over = true;
                    tell(&format!(
                        "{} runs for longer than its limit of {:?}; its processes are ended:",
                        test.name, test.limit
                    ));
                    end_processes_of(test.thread);
                }
                Step::EndRun(id) => end_the_run(&format!("{} does not end", tests.running.0[&id].name)),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tests> {
        self.tests.lock().unwrap()
    }
}
