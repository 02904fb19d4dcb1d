//! Many worlds of one kind of object.

use super::plan::Scenario;
use super::run::run;

/// Accesses of one test.
const STEPS: u64 = 500_000;

pub(crate) fn explore<S: Scenario>() {
    sandhog_simulation::explore(STEPS, |rng| match run::<S>(rng) {
        Ok(steps) => steps,
        Err(wrong) => sandhog_simulation::fail(wrong),
    });
}
