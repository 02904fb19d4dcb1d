//! A parent that stays responsive while its child computes. A guest has one thread, so what blocks goes into a child, and the
//! parent waits for several things at once: what Node's event loop does, and Python's `multiprocessing.connection.wait`.
//!
//!     sandhog run --child compute-child=compute-child.wasm compute-parent.wasm -- 5000000

use sandhog::{Error, Job, Source, process, wait_any_within};
use serde::Deserialize;
use std::time::Duration;

/// What the child says.
#[derive(Deserialize)]
enum News {
    /// It has looked at the numbers below this one.
    Below(u64),
    /// How many primes there are.
    Done(u64),
}

/// How long the parent ever waits before it shows that it is alive.
const PATIENCE: Duration = Duration::from_millis(20);

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limit: u64 = std::env::args().nth(1).as_deref().unwrap_or("2000000").parse()?;
    let child = Job::new("compute-child").data(&limit)?.connected().spawn()?;
    let news = child.connection().ok_or("the child has no connection")?;
    process::ready();

    let (mut beats, mut count) = (0, None);
    while count.is_none() {
        match wait_any_within(&[Source::Message(&news), Source::Stopping], PATIENCE) {
            Ok(places) if places.contains(&1) => {
                child.kill();
                return Err("asked to stop".into());
            }
            Ok(_) => match news.recv()? {
                News::Below(number) => process::progress(number, limit, "counting primes"),
                News::Done(primes) => count = Some(primes),
            },
            Err(Error::TimedOut) => {
                process::heartbeat();
                beats += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    sandhog::info!("the child is done"; heartbeats = beats);
    println!("{} primes below {limit}; the child {}", count.unwrap_or(0), child.wait()?);
    Ok(())
}
