//! close_stdout_ignored [LINES]: writes lines (100,000) whether or not anybody still reads them,
//! ignores every error, tells on stderr how many writes failed, and exits with 0.

use sandhog_test_guests::{number, optional_arg, raw_stream};
use std::io::Write;

fn main() {
    let lines = optional_arg(1).map_or(100_000, |_| number(1, "LINES"));
    let mut output = raw_stream(1);
    let failed = (0..lines).filter(|line| writeln!(output, "line {line}").is_err()).count();
    eprintln!("{failed} of {lines} writes failed");
}
