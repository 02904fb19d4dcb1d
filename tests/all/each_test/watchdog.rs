//! What is done about tests that are over their limit.
//!
//! Must not: wait for one.

use sandhog_harness::each_test::overdue::{Running, Step, Test};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[test]
fn a_test_over_its_limit_loses_its_processes_first_and_ends_the_run_only_if_it_does_not_fail_then() {
    let begun = Instant::now();
    let seconds = Duration::from_secs;
    let test = |limit| Test { name: String::new(), thread: 0, begun, limit: seconds(limit), is_over: false };
    let mut tests = Running::default();
    assert_eq!(tests.step(begun), Step::Wait(None));
    tests.0 = BTreeMap::from([(1, test(180)), (2, test(20))]);
    assert_eq!(tests.step(begun + seconds(19)), Step::Wait(Some(begun + seconds(20))));
    assert_eq!(tests.step(begun + seconds(20)), Step::EndProcesses(2));
    tests.0.get_mut(&2).unwrap().is_over = true;
    assert_eq!(tests.step(begun + seconds(20)), Step::Wait(Some(begun + seconds(30))));
    assert_eq!(tests.step(begun + seconds(30)), Step::EndRun(2));
    tests.0.remove(&2);
    assert_eq!(tests.step(begun + seconds(30)), Step::Wait(Some(begun + seconds(180))));
}
