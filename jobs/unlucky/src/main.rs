//! A service that crashes at random, each time in another way. It knows nothing of being started again: that is the
//! business of whoever keeps it up.
//!
//!     sandhog run unlucky.wasm -- 10        one turn in ten is the last

use sandhog::process;
use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;
use std::time::Duration;

/// How long a turn takes.
const TURN: Duration = Duration::from_millis(200);

#[derive(Debug, PartialEq)]
enum Fate {
    GoOn,
    /// Ends with code 3.
    GiveUp,
    /// Does what WebAssembly forbids.
    Crash,
}

/// What a random number comes to where one in `odds` is bad luck.
fn fate(number: u64, odds: u64) -> Fate {
    match (number.is_multiple_of(odds), (number / odds).is_multiple_of(2)) {
        (false, _) => Fate::GoOn,
        (true, true) => Fate::GiveUp,
        (true, false) => Fate::Crash,
    }
}

#[sandhog::main]
fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let odds: u64 = std::env::args().nth(1).unwrap_or("10".into()).parse()?;
    // Keys that nobody can guess: of the machine's randomness, as there is no other in the standard library.
    let luck = RandomState::new();
    println!("try {}", process::identity().try_number);
    process::ready();
    let mut turn = 0_u64;
    while !process::stopping_within(TURN) {
        turn += 1;
        match fate(luck.hash_one(turn), odds) {
            Fate::GoOn => process::progress(turn, None, "turns"),
            Fate::GiveUp => return Ok(ExitCode::from(3)),
            Fate::Crash => panic!("out of luck at turn {turn}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_turn_in_ten_is_the_last() {
        let fates: Vec<_> = (0..1000).map(|number| fate(number, 10)).collect();
        let count = |wanted| fates.iter().filter(|fate| **fate == wanted).count();
        assert_eq!((count(Fate::GoOn), count(Fate::GiveUp), count(Fate::Crash)), (900, 50, 50));
    }
}
