//! Says which of its streams are terminals.

use std::io::{IsTerminal, stderr, stdin, stdout};

fn main() {
    println!("{} {} {}", stdin().is_terminal(), stdout().is_terminal(), stderr().is_terminal());
}
