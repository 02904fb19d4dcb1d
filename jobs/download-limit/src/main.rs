//! Many downloads, few at a time: each holds a permit of a semaphore while it lasts. A download that dies gives its permit back.
//!
//!     sandhog run --max-objects 2 --child download=download-limit.wasm download-limit.wasm -- 8

use sandhog::shared::Array;
use sandhog::sync::Semaphore;
use sandhog::{Job, Result, Rights, process};
use std::time::Duration;

/// How many at a time.
const LIMIT: u32 = 3;

/// How many there are now, how many there were at most, and how many are done.
const NOW: usize = 0;
const MOST: usize = 1;
const DONE: usize = 2;

fn download(number: u32) -> Result<()> {
    let (slots, counts) = (Semaphore::open("slots")?, Array::<u32>::open("counts")?);
    let permit = slots.acquire()?;
    let now = counts.add(NOW, 1)? + 1;
    {
        let _guard = counts.lock()?;
        counts.set(MOST, counts.get(MOST)?.max(now))?;
    }
    if number == 0 {
        counts.add(NOW, u32::MAX)?; // One less: sums wrap around.
        std::process::abort(); // With a permit in its hands.
    }
    std::thread::sleep(Duration::from_millis(20)); // Where a download would be.
    counts.add(NOW, u32::MAX)?;
    counts.add(DONE, 1)?;
    permit.release()
}

fn run(downloads: u32) -> Result<()> {
    let (slots, counts) = (Semaphore::new(LIMIT)?, Array::<u32>::new(3)?);
    let job = Job::new("download").array("counts", &counts, Rights::READ_WRITE);
    let job = job.semaphore("slots", &slots, Rights::ACQUIRE | Rights::RELEASE);
    let start = |number| job.clone().data(&number)?.spawn();
    let children = (0..downloads).map(start).collect::<Result<Vec<_>>>()?;
    let mut died = 0;
    for child in &children {
        died += u32::from(!child.wait()?.success());
    }
    let within = counts.get(MOST)? <= LIMIT;
    println!(
        "{} done, {died} died, never more than {LIMIT} at a time: {within}",
        counts.get(DONE)?
    );
    let permits = (0..LIMIT).map(|_| slots.acquire()).collect::<Result<Vec<_>>>()?;
    println!("all {} permits have come back", permits.len());
    Ok(())
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    match process::initial_data()? {
        Some(number) => Ok(download(number)?),
        None => Ok(run(std::env::args().nth(1).as_deref().unwrap_or("8").parse()?)?),
    }
}
