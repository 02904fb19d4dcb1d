//! The child of compute-parent: computes, and says now and then how far it is. It never has to wait for its parent to listen,
//! for its messages are few.

use sandhog::{channel, process};
use serde::Serialize;

/// What it says.
#[derive(Serialize)]
enum News {
    /// It has looked at the numbers below this one.
    Below(u64),
    /// How many primes there are.
    Done(u64),
}

/// How often it says how far it is.
const REPORTS: u64 = 20;

/// By division: slow on purpose.
fn is_prime(number: u64) -> bool {
    number >= 2 && (2..=number.isqrt()).all(|divisor| !number.is_multiple_of(divisor))
}

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the parent gave along: `workerData` in Node.
    let limit: u64 = process::initial_data()?.ok_or("usage: to be started by compute-parent")?;
    let step = limit.div_ceil(REPORTS).max(1);
    let mut count = 0;
    for first in (0..limit).step_by(step as usize) {
        let end = limit.min(first + step);
        count += (first..end).filter(|number| is_prime(*number)).count() as u64;
        channel::send(&News::Below(end))?;
    }
    channel::send(&News::Done(count))?;
    Ok(())
}
