//! A service that is watched by its heartbeats (`health.heartbeat`). It falls asleep now and then, alive but of no use to
//! anybody; what watches it starts another one.
//!
//!     sandhog run drowsy.wasm -- 30        falls asleep after 30 beats

use sandhog::process;
use std::time::Duration;

/// From one beat to the next.
const BEAT: Duration = Duration::from_millis(100);

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let beats: u32 = std::env::args().nth(1).unwrap_or("30".into()).parse()?;
    process::ready();
    for _ in 0..beats {
        process::heartbeat();
        if process::stopping_within(BEAT) {
            return Ok(());
        }
    }
    sandhog::warn!("getting tired"; beats = beats);
    // What hangs for ever listens to nobody.
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
