//! Takes COUNT messages, then sends back how many bytes they had.

use sandhog::{Error, channel};

const USAGE: &str = "usage: sink COUNT";

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).ok_or(USAGE)?.parse()?;
    let parent = channel::parent().ok_or(Error::NotFound("a parent to talk to".into()))?;
    let (mut messages, mut bytes) = (0, 0);
    while messages < count {
        for item in &parent.recv_all()? {
            messages += 1;
            bytes += item.body.len() as u64;
        }
    }
    parent.send(&bytes)?;
    Ok(())
}
