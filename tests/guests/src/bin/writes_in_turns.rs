//! writes_in_turns COUNT: writes COUNT lines to stdout and to stderr, in turns.

use sandhog_test_guests::arg;

fn main() {
    let count: u32 = arg(1, "COUNT").parse().unwrap_or(0);
    for number in 0..count {
        println!("out {number}");
        eprintln!("err {number}");
    }
}
