//! The child of supervisor: crashes at its first tries, each time in another way.

use sandhog::process;
use std::process::ExitCode;

#[sandhog::main]
fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let crashes: u32 = std::env::args().nth(1).ok_or("usage: flaky CRASHES")?.parse()?;
    // Which try this is: its parent knows, and gives it along.
    let number: u32 = process::initial_data()?.ok_or("usage: to be started by supervisor")?;
    if number > crashes {
        return Ok(ExitCode::SUCCESS);
    }
    if number.is_multiple_of(2) {
        return Ok(ExitCode::from(3));
    }
    std::process::abort()
}
