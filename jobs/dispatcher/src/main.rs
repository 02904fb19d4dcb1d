//! Accepts clients and passes each on to one of its children in turn, which answers: Node's cluster by hand. A child that has died is
//! replaced, and nobody but the client that it was at notices. With `listener` the children get the listener itself, and accept.
//!
//!     sandhog run --net listen:127.0.0.1:9000 --child answerer=answerer.wasm dispatcher.wasm -- 3

use sandhog::net::{self, TcpListener, TcpStream};
use sandhog::{Child, Error, Job, Result, Source, wait_any};

fn start(number: usize) -> Result<Child> {
    Job::new("answerer").arg(number.to_string()).connected().passed().spawn()
}

/// Passes the client on to the next child that takes it.
fn pass_on(client: &TcpStream, children: &mut [Child], next: &mut usize) -> Result<()> {
    let turn = *next % children.len();
    *next += 1;
    match children[turn].send_with("client", client) {
        // It has died. Its successor is the first that has time.
        Err(Error::Closed) => {
            children[turn] = start(turn)?;
            children[turn].send_with("client", client)
        }
        other => other,
    }
}

fn dispatch(listener: &TcpListener, mut children: Vec<Child>) -> Result<()> {
    let mut next = 0;
    loop {
        match listener.accept() {
            // This end of it is dropped here: the child has the other one.
            Ok(client) => pass_on(&client, &mut children, &mut next)?,
            Err(Error::Stopping) => break,
            Err(error) => return Err(error),
        }
    }
    // They answer what they have, and end with their connections.
    let ends = children.iter().filter_map(Child::connection);
    ends.for_each(|connection| connection.disconnect());
    children.iter().try_for_each(|child| child.wait().map(drop))
}

fn hand_over(listener: TcpListener, children: &[Child]) -> Result<()> {
    children.iter().try_for_each(|child| child.send_with("listener", &listener))?;
    drop(listener);
    wait_any(&[Source::Stopping])?;
    children.iter().for_each(Child::stop);
    children.iter().try_for_each(|child| child.wait().map(drop))
}

#[sandhog::main]
fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(2);
    let missing = || Error::NotFound("a place to listen: --net listen:ADDRESS:PORT".into());
    let listener = net::listeners().pop().ok_or_else(missing)?;
    let children = (0..count).map(start).collect::<Result<Vec<_>>>()?;
    sandhog::process::ready();
    match arguments.next().as_deref() {
        Some("listener") => hand_over(listener, &children),
        _ => dispatch(&listener, children),
    }
}
