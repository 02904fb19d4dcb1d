//! writes_lines LETTER LENGTH COUNT: writes COUNT lines of LENGTH times LETTER, each in one call.

use sandhog_test_guests::arg;
use std::io::Write;

fn main() -> std::io::Result<()> {
    let length = arg(2, "LENGTH").parse().unwrap_or(0);
    let line = arg(1, "LETTER").repeat(length) + "\n";
    let mut output = std::io::stdout().lock();
    for _ in 0..arg(3, "COUNT").parse().unwrap_or(0) {
        output.write_all(line.as_bytes())?;
    }
    Ok(())
}
