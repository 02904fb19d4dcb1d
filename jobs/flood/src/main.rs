//! Sends messages one way, as fast as the parent takes them: COUNT of BYTES bytes each.
//!
//!     sandhog run --ipc flood.wasm -- 1000000 100

use sandhog::{Error, channel};

const USAGE: &str = "usage: flood COUNT BYTES";

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers: Vec<usize> =
        std::env::args().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;
    let [count, bytes] = numbers[..] else { return Err(USAGE.into()) };
    let parent = channel::parent().ok_or(Error::NotFound("a parent to talk to".into()))?;

    let body = vec![7; bytes];
    // A message that is too large for a batch goes alone: there is nothing to choose.
    let mut batch = parent.batch();
    for _ in 0..count {
        batch.push_bytes(&body)?;
    }
    batch.flush()?;
    Ok(())
}
