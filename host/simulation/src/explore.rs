//! Many worlds; and of one that fails the smallest that can be found.

use crate::failure::{Failure, caught};
use crate::rng::Rng;
use crate::shrink::shrink;
use crate::tape::{Choices, Tape};
use std::fmt::Write;

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// In all worlds together.
    pub events: u64,
    /// Those of the seeds from 0 on.
    pub worlds: u64,
}

/// Runs worlds until they have had `least` events together. `world` gives the number of its events.
///
/// `None`: somebody has asked for one world alone (`SANDHOG_SEED` or `SANDHOG_CHOICES`), so nothing follows from what did not
/// happen.
///
/// # Panics
/// A world has panicked: with its seed, and a smaller world that panics at the same place in the code, event by event.
pub fn explore(least: u64, mut world: impl FnMut(Rng) -> u64) -> Option<Explored> {
    if let Some(numbers) = variable("SANDHOG_CHOICES") {
        alone(Tape::again(parsed(&numbers)), &mut world);
        return None;
    }
    if let Some(seed) = number("SANDHOG_SEED") {
        run_seed(seed, &mut world);
        alone(Tape::of_seed(seed), &mut world);
        return None;
    }
    let least = number("SANDHOG_STEPS").unwrap_or(least);
    Some(many(least, number("SANDHOG_WORLDS").unwrap_or(0), &mut world))
}

fn many(least: u64, worlds: u64, world: &mut impl FnMut(Rng) -> u64) -> Explored {
    let mut explored = Explored { events: 0, worlds: 0 };
    while explored.events < least || explored.worlds < worlds {
        explored.events += run_seed(explored.worlds, world);
        explored.worlds += 1;
    }
    println!("{} events in {} worlds", explored.events, explored.worlds);
    explored
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(name: &str) -> Option<u64> {
    let text = variable(name)?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, and not {text:?}")))
}

fn parsed(numbers: &str) -> Vec<u64> {
    let numbers = numbers.split('.').filter(|number| !number.is_empty());
    let parse = |number: &str| number.parse().unwrap_or_else(|_| panic!("a choice is a number, and not {number:?}"));
    numbers.map(parse).collect()
}

fn printed(numbers: &[u64]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

/// Tells it as it goes.
fn alone(tape: Tape, world: &mut impl FnMut(Rng) -> u64) {
    let events = world(Rng::on(tape.printing()));
    println!("{events} events");
}

fn run_seed(seed: u64, world: &mut impl FnMut(Rng) -> u64) -> u64 {
    let rng = Rng::new(seed);
    match caught(|| world(rng.clone())) {
        Ok(events) => events,
        Err(failure) => {
            let choices = rng.tape().choices().clone();
            panic!("{}", report(seed, &failure, &choices, world));
        }
    }
}

fn report(seed: u64, failure: &Failure, choices: &Choices, world: &mut impl FnMut(Rng) -> u64) -> String {
    let small = shrink(choices.clone(), |numbers| {
        let (choices, failed) = run_again(Tape::again(numbers.to_vec()), world);
        failed.filter(|(other, _)| other.place == failure.place).map(|_| choices)
    });
    let (_, failed) = run_again(Tape::again(small.numbers.clone()).keeping(), world);
    let mut text = format!("the world of SANDHOG_SEED={seed} fails: {}\n  at {}\n", failure.text, failure.place);
    let (steps, of_steps) = (small.steps.len(), choices.steps.len());
    let (numbers, of_numbers) = (small.numbers.len(), choices.numbers.len());
    let _ = writeln!(
        text,
        "a smaller one, with {steps} of {of_steps} steps and {numbers} of {of_numbers} choices, fails there as well:"
    );
    match failed {
        Some((smaller, story)) => {
            let _ = writeln!(text, "{story}  {}", smaller.text);
        }
        None => text.push_str("  (it is not the same when it is run again: something in it is no chance)\n"),
    }
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(text, "to have it again: SANDHOG_SEED={seed} cargo test --release … -- {name}");
    let _ = write!(text, "the smaller one alone: SANDHOG_CHOICES={} (likewise)", printed(&small.numbers));
    text
}

type Failed = Option<(Failure, String)>;

/// What was chosen, and how it failed, with its story.
fn run_again(tape: Tape, world: &mut impl FnMut(Rng) -> u64) -> (Choices, Failed) {
    let rng = Rng::on(tape);
    let failed = caught(|| world(rng.clone())).err();
    let tape = rng.tape();
    (tape.choices().clone(), failed.map(|failure| (failure, tape.story())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account, and a bank that lends: a rule that breaks after two events out of many, and another one that breaks sooner
    /// in smaller worlds.
    fn bank(rng: Rng) -> u64 {
        let (mut account, mut days) = (0_i64, 0);
        for () in rng.up_to(200) {
            days += 1;
            let amount = rng.below(100) as i64;
            let pays = rng.one_in(2);
            rng.tell(|| format!("day {days}: {account} {} {amount}", if pays { '-' } else { '+' }));
            account += if pays { -amount } else { amount };
            assert!(account > -120, "the account is at {account}");
        }
        assert!(account != 0, "nothing has happened");
        days
    }

    #[test]
    fn a_failure_tells_its_seed_and_the_smallest_world_that_breaks_the_same_rule() {
        let text = caught(|| many(u64::MAX, 0, &mut bank)).unwrap_err().text;
        let told: Vec<_> = text.lines().filter(|line| line.contains("day ")).collect();
        assert_eq!(told.len(), 2, "two payments that are just large enough: {text}");
        assert!(text.contains("the world of SANDHOG_SEED=") && text.contains("the account is at -120"), "{text}");
        let choices = text.split("SANDHOG_CHOICES=").nth(1).unwrap().split(' ').next().unwrap();
        let (_, failed) = run_again(Tape::again(parsed(choices)), &mut bank);
        assert!(failed.unwrap().0.text.contains("at -120"), "{choices}");
    }

    #[test]
    fn what_breaks_no_rule_is_counted() {
        let mut worlds = Vec::new();
        let explored = many(100, 0, &mut |rng: Rng| {
            worlds.push(rng.random());
            30
        });
        assert_eq!(explored, Explored { events: 120, worlds: 4 });
        worlds.dedup();
        assert_eq!(worlds.len(), 4, "each seed is another world");
    }
}
