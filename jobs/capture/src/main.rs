//! Runs a child to its end and takes what it printed: `execFile` in Node, `subprocess.run(capture_output=True)` in Python.
//!
//!     sandhog run --child speak=speak.wasm capture.wasm

use sandhog::{Error, Job, Result};

/// As much as this parent is willing to hold, in bytes.
const MAX: usize = 64 << 10;

#[sandhog::main]
fn main() -> Result<()> {
    let output = Job::new("speak").args(["to everybody", "to whoever listens"]).output(MAX)?;
    print!("stdout: {}", String::from_utf8_lossy(&output.stdout));
    print!("stderr: {}", String::from_utf8_lossy(&output.stderr));
    println!("verdict: {}", output.verdict);

    // A child that fails is no error here: what it printed is worth having, and its verdict says why.
    let output = Job::new("speak").output(MAX)?;
    println!(
        "without words: {} ({})",
        output.verdict,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );

    // One that prints too much is ended; it does not fill the parent's memory.
    match Job::new("speak").args(["all day long", "", "1000000"]).output(MAX) {
        Err(Error::TooLarge { max }) => println!("without end: stopped at {max} bytes"),
        other => println!("without end: {other:?}"),
    }
    Ok(())
}
