//! A service that leaks memory. With `recycle.memory` it is replaced before it meets its limit: the next one is ready before
//! this one is asked to stop.
//!
//!     sandhog run hoarder.wasm -- 10        MiB each second

use sandhog::process;
use std::time::Duration;

/// How much it takes at once, in bytes.
const PIECE: usize = 1 << 20;

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pieces_a_second: u32 = std::env::args().nth(1).unwrap_or("10".into()).parse()?;
    let pause = Duration::from_secs(1).checked_div(pieces_a_second).ok_or("some, please")?;
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    process::ready();
    while !process::stopping_within(pause) {
        // Every byte is written: memory that nobody has touched is none.
        hoard.push(vec![1; PIECE]);
        process::progress(hoard.len() as u64, None, "MiB");
    }
    println!("goes with {} MiB", hoard.len());
    Ok(())
}
