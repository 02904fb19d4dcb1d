//! A ball that goes to a child and back: what a message costs.
//!
//!     sandhog run --child echo=echo.wasm ping-pong.wasm -- 10000 100

use sandhog::Job;
use std::error::Error;
use std::time::Instant;

const USAGE: &str = "usage: ping-pong [COUNT [BYTES]]";

#[sandhog::main]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse());
    let mut number = |default: usize| arguments.next().unwrap_or(Ok(default)).map_err(|_| USAGE);
    let (count, bytes) = (number(10_000)?, number(100)?);

    let child = Job::new("echo").connected().spawn()?;
    let ball = vec![7; bytes];
    // The first round waits for the child's start, and is not counted.
    child.send_bytes(&ball)?;
    child.recv_bytes()?;

    let start = Instant::now();
    for round in 0..count {
        child.send_bytes(&ball)?;
        if child.recv_bytes()? != ball {
            return Err(format!("in round {round} another ball came back").into());
        }
    }
    let each = start.elapsed().as_secs_f64() * 1e6 / count.max(1) as f64;
    println!("{count} rounds of {bytes} bytes, {each:.1} µs each");
    Ok(())
}
