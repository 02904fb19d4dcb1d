//! A race, and the lock that mends it. Two children count to the same number: each reads it, adds one, and writes it back. In
//! between the other one may have done the same, and one of the two steps is lost; not so under the lock.
//!
//!     sandhog run --max-objects 2 --child racer=race.wasm race.wasm -- 1000

use sandhog::shared::Value;
use sandhog::{Job, Result, Rights, process};

const RACERS: u64 = 2;

fn race(steps: u64, with_lock: bool) -> Result<()> {
    let count = Value::<u64>::open("count")?;
    for _ in 0..steps {
        let _guard = if with_lock { Some(count.lock()?) } else { None };
        let seen = count.get()?;
        // Whatever a program does meanwhile. `count.add(1)` would be one step, and need no lock.
        let next = std::hint::black_box(seen + 1);
        count.set(next)?;
    }
    Ok(())
}

fn start(steps: u64, with_lock: bool) -> Result<u64> {
    let count = Value::new(0_u64)?;
    let job = Job::new("racer").value("count", &count, Rights::READ_WRITE);
    let job = job.data(&(steps, with_lock))?;
    let racers = (0..RACERS).map(|_| job.spawn()).collect::<Result<Vec<_>>>()?;
    racers.iter().try_for_each(|racer| racer.wait().map(drop))?;
    count.get()
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    if let Some((steps, with_lock)) = process::initial_data()? {
        return Ok(race(steps, with_lock)?);
    }
    let steps: u64 = std::env::args().nth(1).as_deref().unwrap_or("1000").parse()?;
    let expected = RACERS * steps;
    let without = start(steps, false)?;
    println!("without the lock: {} of {expected} steps were lost", expected - without);
    let with = start(steps, true)?;
    println!("with the lock: {} of {expected} steps were lost", expected - with);
    Ok(())
}
