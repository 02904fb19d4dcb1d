//! Many worlds; and of one that fails the smallest that can be found.

use crate::failure::{Failure, caught};
use crate::rng::Rng;
use crate::shrink::{Again, shrink};
use crate::tape::{Choices, Tape};
use std::fmt::Write;

/// Worlds that are looked at after one that has failed, and the choices that they may make together.
const OTHERS: usize = 200;
const WORK_ON_OTHERS: usize = 1_000_000;

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
        match try_seed(explored.worlds, world) {
            Ok(events) => explored.events += events,
            Err(failed) => panic!("{}", report(&smallest(failed, world), world)),
        }
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

/// As they come: a world takes of its own choices no more and no fewer.
fn parsed(numbers: &str) -> Choices {
    let numbers = numbers.split('.').filter(|number| !number.is_empty());
    let parse = |number: &str| number.parse().unwrap_or_else(|_| panic!("a choice is a number, and not {number:?}"));
    Choices { numbers: numbers.map(parse).collect(), steps: Vec::new() }
}

fn printed(numbers: &[u64]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

/// Tells it as it goes.
fn alone(tape: Tape, world: &mut impl FnMut(Rng) -> u64) {
    let events = world(Rng::on(tape.printing()));
    println!("{events} events");
}

/// A world that has failed.
struct Broken {
    seed: u64,
    failure: Failure,
    choices: Choices,
}

fn run_seed(seed: u64, world: &mut impl FnMut(Rng) -> u64) -> u64 {
    try_seed(seed, world).unwrap_or_else(|broken| panic!("{}", report(&broken, world)))
}

fn try_seed(seed: u64, world: &mut impl FnMut(Rng) -> u64) -> Result<u64, Broken> {
    let rng = Rng::new(seed);
    caught(|| world(rng.clone())).map_err(|failure| {
        let choices = rng.tape().choices();
        Broken { seed, failure, choices }
    })
}

/// Of the worlds that fail there as well, one with few choices: a world that was long before it failed stays long where each of its
/// steps changes all that come after it.
fn smallest(mut broken: Broken, world: &mut impl FnMut(Rng) -> u64) -> Broken {
    let (first, mut work) = (broken.seed, 0);
    for seed in (first..).skip(1).take(OTHERS) {
        if work >= WORK_ON_OTHERS {
            break;
        }
        let rng = Rng::new(seed);
        let failure = caught(|| world(rng.clone())).err();
        let tape = rng.tape();
        let choices = tape.choices();
        work += choices.numbers.len();
        let is_smaller = choices.numbers.len() < broken.choices.numbers.len();
        if let Some(failure) = failure.filter(|other| is_smaller && other.place == broken.failure.place) {
            broken = Broken { seed, failure, choices };
        }
    }
    broken
}

fn report(broken: &Broken, world: &mut impl FnMut(Rng) -> u64) -> String {
    let Broken { seed, failure, choices } = broken;
    let small = shrink(choices.clone(), |smaller| {
        let rng = Rng::on(Tape::again(smaller.clone()));
        let failed = caught(|| world(rng.clone())).err().filter(|other| other.place == failure.place);
        let tape = rng.tape();
        Again { made: tape.made(), failed: failed.map(|_| tape.choices()) }
    });
    let failed = told_again(Tape::again(small.clone()), world);
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

/// How it fails, with its story.
fn told_again(tape: Tape, world: &mut impl FnMut(Rng) -> u64) -> Option<(Failure, String)> {
    let rng = Rng::on(tape.keeping());
    let failure = caught(|| world(rng.clone())).err()?;
    let story = rng.tape().story();
    Some((failure, story))
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
            let amount = rng.below(100).cast_signed();
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
        let failed = told_again(Tape::again(parsed(choices)), &mut bank);
        assert!(failed.unwrap().0.text.contains("at -120"), "{choices}");
    }

    #[test]
    fn the_seed_that_is_told_is_one_of_a_small_world() {
        // The first world is the longest, and its rule breaks at the end only, because of all that was chosen before.
        let mut world = |rng: Rng| {
            let days = 3 + rng.below(500);
            let sum: u64 = (0..days).map(|_| rng.random() % 2).sum();
            assert!(sum * 3 < days, "more than one in three");
            days
        };
        let first = try_seed(0, &mut world).unwrap_err().choices.numbers.len();
        let text = caught(|| many(u64::MAX, 0, &mut world)).unwrap_err().text;
        let seed = text.split("SANDHOG_SEED=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let told = try_seed(seed, &mut world).unwrap_err().choices.numbers.len();
        assert!(told < 20 && told < first, "{told} of {first}");
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
