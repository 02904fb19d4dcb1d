//! Calls itself until the stack is at its end.

use std::hint::black_box;

// Without end is the point.
#[allow(unconditional_recursion)]
fn deeper(depth: u64) -> u64 {
    // Used after the call, so that the call cannot become a loop.
    let frame = black_box([depth; 4]);
    deeper(depth + 1) + frame[0]
}

fn main() {
    println!("{}", deeper(0));
}
