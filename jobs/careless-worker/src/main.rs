//! A worker that crashes at random while it holds the lock, in the middle of a transfer. Nobody hangs: whoever locks next is
//! told why the holder before died, and finishes the transfer by what that one had written down. Its parent starts it again
//! until all turns are done.
//!
//!     sandhog run --max-objects 2 --child worker=careless-worker.wasm careless-worker.wasm -- 200 10

use sandhog::shared::Array;
use sandhog::sync::{Guard, Lock, LockError};
use sandhog::{Job, Result, Rights, process};
use std::hash::{BuildHasher, RandomState};

/// Two accounts; what the left one will have when the transfer is done; turns that are done, and transfers that were repaired.
const LEFT: usize = 0;
const RIGHT: usize = 1;
const PLANNED: usize = 2;
const TURNS: usize = 3;
const REPAIRED: usize = 4;

const TOTAL: i64 = 1000;

/// The lock, and the ledger whole again.
fn locked(lock: &Lock, ledger: &Array<i64>) -> Result<Guard> {
    match lock.lock() {
        Ok(guard) => Ok(guard),
        Err(LockError::Poisoned(poisoned)) => {
            sandhog::debug!("the holder before died"; verdict = poisoned.verdict());
            let left = ledger.get(PLANNED)?;
            ledger.set(LEFT, left)?;
            ledger.set(RIGHT, TOTAL - left)?;
            ledger.add(REPAIRED, 1)?;
            Ok(poisoned.into_guard())
        }
        Err(LockError::Failed(error)) => Err(error),
    }
}

fn work(turns: i64, odds: u64) -> Result<()> {
    let (lock, ledger) = (Lock::open("lock")?, Array::<i64>::open("ledger")?);
    let luck = RandomState::new();
    loop {
        let _guard = locked(&lock, &ledger)?;
        let turn = ledger.get(TURNS)?;
        if turn == turns {
            return Ok(());
        }
        let left = (luck.hash_one(turn) % TOTAL as u64) as i64;
        ledger.set(PLANNED, left)?;
        ledger.set(LEFT, left)?;
        if luck.hash_one(left).is_multiple_of(odds) {
            std::process::abort();
        }
        ledger.set(RIGHT, TOTAL - left)?;
        ledger.set(TURNS, turn + 1)?;
    }
}

fn run(turns: i64, odds: u64) -> Result<()> {
    let (lock, ledger) = (Lock::new()?, Array::<i64>::new(5)?);
    ledger.write(LEFT, &[TOTAL, 0, TOTAL])?;
    let job = Job::new("worker").lock("lock", &lock).data(&(turns, odds))?;
    let job = job.array("ledger", &ledger, Rights::READ_WRITE);
    let mut crashes = 0;
    while ledger.get(TURNS)? < turns {
        // Two at a time: one of them finds the other's lock.
        for worker in [job.spawn()?, job.spawn()?] {
            crashes += i64::from(!worker.wait()?.success());
        }
    }
    let _guard = locked(&lock, &ledger)?; // The last one may have died, too.
    let repaired = ledger.get(REPAIRED)?;
    println!("{turns} turns, every crash was repaired: {}", crashes == repaired);
    println!("the total is {}", ledger.get(LEFT)? + ledger.get(RIGHT)?);
    sandhog::info!("done"; crashes = crashes);
    Ok(())
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    if let Some((turns, odds)) = process::initial_data()? {
        return Ok(work(turns, odds)?);
    }
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<i64>());
    let (turns, odds) = (numbers.next().unwrap_or(Ok(200))?, numbers.next().unwrap_or(Ok(10))?);
    Ok(run(turns, u64::try_from(odds)?.max(2))?)
}
