//! Prints one text to stdout and another one to stderr, so many times.

use std::io::{self, Write};

const USAGE: &str = "usage: speak STDOUT STDERR [TIMES]";

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [stdout, stderr, times @ ..] = words.as_slice() else { return Err(USAGE.into()) };
    let times = times.first().map_or(Ok(1), |word| word.parse::<u32>())?;
    for _ in 0..times {
        if !stdout.is_empty() {
            writeln!(io::stdout(), "{stdout}")?;
        }
        if !stderr.is_empty() {
            writeln!(io::stderr(), "{stderr}")?;
        }
    }
    Ok(())
}
