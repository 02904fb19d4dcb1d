//! Sends back whatever its parent sends, until the parent has gone. With the argument `batch`: all that has arrived together
//! at once.

use sandhog::{Connection, Error, Result, channel};

fn echo(parent: &Connection) -> Result<()> {
    loop {
        parent.send_message(&parent.recv_message()?)?;
    }
}

/// Many small messages at the cost of one, in both directions.
fn echo_batches(parent: &Connection) -> Result<()> {
    loop {
        let arrived = parent.recv_all()?;
        let mut batch = parent.batch();
        for item in &arrived {
            batch.push_item(item)?;
        }
        batch.flush()?;
    }
}

#[sandhog::main]
fn main() -> Result<()> {
    let parent = channel::parent().ok_or(Error::NotFound("a parent to talk to".into()))?;
    let in_batches = std::env::args().nth(1).is_some_and(|word| word == "batch");
    match if in_batches { echo_batches(&parent) } else { echo(&parent) } {
        // The parent has gone: this is how an echo ends.
        Err(Error::Closed) => Ok(()),
        other => other,
    }
}
