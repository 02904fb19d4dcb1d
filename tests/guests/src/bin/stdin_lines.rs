//! Echoes each line of stdin as soon as it has come.

use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let mut output = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        writeln!(output, "{}", line?)?;
        output.flush()?;
    }
    Ok(())
}
