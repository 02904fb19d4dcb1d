//! Answers the clients whose connections are passed on to it, one after the other: a line from each, and a line back. It says that
//! it has taken one before it reads from it, for its parent keeps the client until then. Where it is passed a listener, it accepts
//! clients itself. The line `die` ends it. See the dispatcher, which starts it.

use sandhog::net::{Handle, TcpListener, TcpStream};
use sandhog::{Error, Result, channel};
use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

/// A client that says nothing for so long is left.
const PATIENCE: Duration = Duration::from_secs(30);

fn answer(client: &TcpStream, number: &str) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(client.within(PATIENCE)).read_line(&mut line)?;
    if line.trim() == "die" {
        std::process::abort();
    }
    // One write: what is sent together arrives together.
    (&*client).write_all(format!("{number}: {line}").as_bytes())
}

fn accept_all(listener: &TcpListener, number: &str) -> Result<()> {
    loop {
        match listener.accept() {
            // A client that goes is no fault of this job.
            Ok(client) => drop(answer(&client, number)),
            Err(Error::Stopping) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

#[sandhog::main]
fn main() -> Result<()> {
    let number = std::env::args().nth(1).unwrap_or_default();
    loop {
        match channel::recv::<String>() {
            Ok(_) => {}
            Err(Error::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
        match channel::take_handle() {
            Some(Handle::Stream(client)) => {
                channel::send("taken")?;
                drop(answer(&client, &number));
            }
            Some(Handle::Listener(listener)) => return accept_all(&listener, &number),
            None => return Err(Error::NotFound("the socket of a message".into())),
        }
    }
}
