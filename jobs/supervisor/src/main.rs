//! A supervisor written as a guest: it restarts its child when that crashes, waits longer each time, and gives up in the end.
//! The arguments: how many tries of the child are to crash, and how many the supervisor makes.
//!
//!     sandhog run --child flaky=flaky.wasm supervisor.wasm -- 2 5

use sandhog::{Job, Result, Verdict, process};
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// One try, from its start to its verdict.
fn attempt(number: u32, crashes: u32) -> Result<Verdict> {
    // A job of its own for each try: what a child did to its memory is gone with it.
    let child = Job::new("flaky").arg(crashes.to_string()).data(&number)?.spawn()?;
    let verdict = child.wait()?;
    println!("try {number}: {verdict}");
    sandhog::info!("a try has ended"; attempt = child.id(), kind = verdict.kind, code = verdict.code);
    Ok(verdict)
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse());
    let crashes = numbers.next().unwrap_or(Ok(2))?;
    let tries: u32 = numbers.next().unwrap_or(Ok(5))?;

    let mut pause = FIRST_PAUSE;
    for number in 1..=tries {
        if attempt(number, crashes)?.success() {
            println!("done at try {number}");
            return Ok(());
        }
        // A pause that ends early when it is time to go. A supervisor that slept would not hear it.
        if number < tries && process::stopping_within(pause) {
            return Err("asked to stop".into());
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
    Err(format!("the child crashed {tries} times, and that is enough").into())
}
