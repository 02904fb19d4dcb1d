//! Counts the primes below a number with a sieve that goes in pieces: nothing but computing, in
//! 32 KiB of memory (what a processor keeps closest) and the primes below the number's square root.

use std::process::ExitCode;

/// Odd numbers that one piece stands for: one byte each.
const PIECE: usize = 32 << 10;
/// Some seconds' worth; a number with a zero too many would keep a processor for an hour.
const MAX: u64 = 10_000_000_000;

struct Found {
    count: u64,
    largest: u64,
}

/// The odd primes up to `root`, by the plain sieve.
fn odd_primes_up_to(root: u64) -> Vec<u64> {
    let mut composite = vec![false; root as usize + 1];
    let mut primes = Vec::new();
    for number in (3..=root as usize).step_by(2) {
        if !composite[number] {
            primes.push(number as u64);
            (number * number..=root as usize)
                .step_by(2 * number)
                .for_each(|multiple| composite[multiple] = true);
        }
    }
    primes
}

/// The primes below `limit`. Each piece starts where the last one ended, and so does, for each small
/// prime, the striking out of its odd multiples.
fn primes_below(limit: u64) -> Found {
    let mut found =
        if limit > 2 { Found { count: 1, largest: 2 } } else { Found { count: 0, largest: 0 } };
    let small = odd_primes_up_to(limit.isqrt());
    let mut next_multiples: Vec<u64> = small.iter().map(|prime| prime * prime).collect();
    let mut composite = vec![false; PIECE];
    for first in (3..limit).step_by(2 * PIECE) {
        let end = first + 2 * PIECE as u64;
        composite.fill(false);
        for (prime, next) in small.iter().zip(&mut next_multiples) {
            while *next < end {
                composite[((*next - first) / 2) as usize] = true;
                *next += 2 * prime;
            }
        }
        let numbers = (first..end.min(limit)).step_by(2);
        for (number, _) in numbers.zip(&composite).filter(|(_, composite)| !**composite) {
            found.count += 1;
            found.largest = number;
        }
    }
    found
}

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_default();
    let Some(limit) = argument.parse().ok().filter(|limit| *limit <= MAX) else {
        eprintln!("primes: {argument:?} is not a whole number up to {MAX}\nusage: primes LIMIT");
        return ExitCode::FAILURE;
    };
    match primes_below(limit) {
        Found { count: 0, .. } => println!("no primes below {limit}"),
        Found { count, largest } => {
            println!("{count} primes below {limit}, the largest is {largest}")
        }
    }
    ExitCode::SUCCESS
}
