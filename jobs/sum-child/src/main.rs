//! The child of sum-parent: adds up what its parent sends.

use sandhog::{Result, channel};

#[sandhog::main]
fn main() -> Result<()> {
    let mut sum = 0;
    while let Some(number) = channel::recv::<Option<i64>>()? {
        sum += number;
    }
    channel::send(&sum)
}
