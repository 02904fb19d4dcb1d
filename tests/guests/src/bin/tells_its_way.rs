//! Tells whoever watches it everything that there is to tell, in words that would like to do harm to a terminal.

use sandhog::process::{self, Level};
use std::io::{self, Read};

const HARM: &str = "\x1b[2J\r\n\u{202e}\u{7}";

fn main() {
    process::heartbeat();
    process::ready();
    process::ready();
    for level in [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error] {
        process::log(
            level,
            &format!("at {level:?}"),
            &[("n", "1"), ("two words", "a b"), ("empty", "")],
        );
    }
    process::log(Level::Warn, &format!("harm{HARM}"), &[(HARM, HARM)]);
    process::log(Level::Info, &"x".repeat(1 << 20), &[]);
    process::log(Level::Info, "fields", &[("f", "v"); 100]);
    process::progress(1, 4, &format!("note{HARM}"));
    process::progress(2, 4, "half");
    process::progress(4, 4, &"z".repeat(1000));
    process::retire(&format!("tired{HARM}"));
    // So that there is time to look at the bar.
    let _ = io::stdin().read(&mut [0]);
}
