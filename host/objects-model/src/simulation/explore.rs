//! Many worlds; and of one that fails the smallest that can be found.

use super::plan::{Plan, Scenario};
use super::run::run;
use std::env::var;

/// Accesses of one test, unless `SANDHOG_STEPS` says another number.
const STEPS: u64 = 500_000;

/// Worlds that are tried for each step of making one smaller: with less in it, the same thing happens at another time.
const ATTEMPTS: u64 = 20;

/// Accesses that making one smaller may take.
const SHRINKING_STEPS: u64 = 3_000_000;

/// Words of the story of a world that fails.
const STORY_LINES: usize = 400;

pub(crate) fn explore<S: Scenario>() {
    if let Some(seed) = number("SANDHOG_SEED") {
        return check::<S>(&Plan::new::<S>(seed));
    }
    let wanted = number("SANDHOG_STEPS").unwrap_or(STEPS);
    let mut steps = 0;
    for seed in 0.. {
        let plan = Plan::new::<S>(seed);
        let end = run::<S>(&plan, false);
        if end.result.is_err() {
            check::<S>(&plan);
        }
        steps += end.steps;
        if steps >= wanted {
            println!("{steps} accesses in {} worlds", seed + 1);
            return;
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    Some(var(variable).ok()?.parse().expect("a number"))
}

/// Panics with the smallest world that fails.
fn check<S: Scenario>(plan: &Plan<S::Op>) {
    let Err(wrong) = run::<S>(plan, false).result else { return };
    let small = shrink::<S>(plan.clone());
    let end = run::<S>(&small, true);
    let lines: Vec<_> = end.story.lines().collect();
    let story = lines[lines.len().saturating_sub(STORY_LINES)..].join("\n");
    let smaller = end.result.expect_err("it has just failed");
    panic!("SANDHOG_SEED={}: {wrong}\nmade smaller: {small:?}\n{story}\n{smaller}", plan.seed);
}

fn shrink<S: Scenario>(mut plan: Plan<S::Op>) -> Plan<S::Op> {
    let mut steps = 0;
    while let Some(smaller) = smaller(&plan).into_iter().find_map(|plan| failing::<S>(plan, &mut steps)) {
        plan = smaller;
    }
    plan
}

/// It, on a schedule on which it fails.
fn failing<S: Scenario>(plan: Plan<S::Op>, steps: &mut u64) -> Option<Plan<S::Op>> {
    for more in 0..ATTEMPTS {
        if *steps > SHRINKING_STEPS {
            break;
        }
        let plan = Plan { schedule: plan.schedule.wrapping_add(more), ..plan.clone() };
        let end = run::<S>(&plan, false);
        *steps += end.steps;
        if end.result.is_err() {
            return Some(plan);
        }
    }
    None
}

/// Without one member, without one operation, with less that happens to them.
fn smaller<Op: Clone>(plan: &Plan<Op>) -> Vec<Plan<Op>> {
    let mut plans = Vec::new();
    for kills in [0, plan.kills.saturating_sub(1)].into_iter().filter(|kills| *kills < plan.kills) {
        plans.push(Plan { kills, ..plan.clone() });
    }
    for keeper_kills in [0, plan.keeper_kills.saturating_sub(1)].into_iter().filter(|kills| *kills < plan.keeper_kills)
    {
        plans.push(Plan { keeper_kills, ..plan.clone() });
    }
    if plan.stops > 0 {
        plans.push(Plan { stops: plan.stops - 1, ..plan.clone() });
    }
    for member in 0..plan.programs.len() {
        let mut fewer = plan.clone();
        fewer.programs.remove(member);
        plans.push(fewer);
    }
    for member in 0..plan.programs.len() {
        for op in 0..plan.programs[member].len() {
            let mut fewer = plan.clone();
            fewer.programs[member].remove(op);
            plans.push(fewer);
        }
    }
    plans
}
