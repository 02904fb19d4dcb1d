//! Accepts clients and passes each on to one of its children in turn, which answers: Node's cluster by hand. A child that dies is
//! replaced, and nobody but the client that it was at notices: each client is kept here until a child says that it has taken it,
//! and is passed on to its successor otherwise. With `listener` the children get the listener itself, and accept.
//!
//!     sandhog run --net listen:127.0.0.1:9000 --child answerer=answerer.wasm dispatcher.wasm -- 3

mod place;

use place::{FAILURES, Place, SOON};
use sandhog::net::{self, TcpListener};
use sandhog::{Error, Result, Source, wait_any};
use std::time::Duration;

struct Crew {
    places: Vec<Place>,
    next: usize,
    failures: u32,
}

impl Crew {
    /// The next place that has room.
    fn turn(&self) -> Option<usize> {
        let count = self.places.len();
        (0..count).map(|at| (self.next + at) % count).find(|at| self.places[*at].has_room())
    }

    fn accept(&mut self, listener: &TcpListener, turn: usize) -> Result<()> {
        match listener.within(Duration::ZERO).accept() {
            Ok(client) => {
                self.next = turn + 1;
                self.places[turn].pass_on(client)
            }
            // Another instance of this job was faster; or this is to stop, which the next wait says.
            Err(Error::WouldBlock | Error::Stopping) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A child has taken the oldest of its clients, of which this end is dropped now; or it has ended.
    fn hear(&mut self, at: usize) -> Result<()> {
        let place = &mut self.places[at];
        if place.connection.recv::<String>().is_ok() {
            place.clients.pop_front();
            self.failures = 0;
            return Ok(());
        }
        let verdict = place.end()?;
        self.failures = if place.since.elapsed() < SOON { self.failures + 1 } else { 0 };
        if self.failures == FAILURES {
            let last = format!(
                "{FAILURES} children in a row that ended at once, the last of them {verdict}"
            );
            return Err(Error::Quota(last));
        }
        place.succeed(at)
    }
}

fn dispatch(listener: &TcpListener, places: Vec<Place>) -> Result<()> {
    let mut crew = Crew { places, next: 0, failures: 0 };
    let mut is_stopping = false;
    while !is_stopping || crew.places.iter().any(|place| !place.clients.is_empty()) {
        let turn = crew.turn().filter(|_| !is_stopping);
        let mut sources: Vec<_> =
            crew.places.iter().map(|place| Source::Message(&place.connection)).collect();
        sources.extend((!is_stopping).then_some(Source::Stopping));
        sources.extend(turn.map(|_| Source::Client(listener)));
        match (wait_any(&sources)?[0], turn) {
            (at, _) if at < crew.places.len() => crew.hear(at)?,
            (at, Some(turn)) if at > crew.places.len() => crew.accept(listener, turn)?,
            _ => is_stopping = true,
        }
    }
    // They answer what they have, and end with their connections.
    crew.places.iter().for_each(|place| place.connection.disconnect());
    crew.places.iter().try_for_each(|place| place.child.wait().map(drop))
}

fn hand_over(listener: TcpListener, places: &[Place]) -> Result<()> {
    places.iter().try_for_each(|place| place.connection.send_with("listener", &listener))?;
    drop(listener);
    wait_any(&[Source::Stopping])?;
    places.iter().for_each(|place| place.child.stop());
    places.iter().try_for_each(|place| place.child.wait().map(drop))
}

#[sandhog::main]
fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(2).max(1);
    let missing = || Error::NotFound("a place to listen: --net listen:ADDRESS:PORT".into());
    let listener = net::listeners().pop().ok_or_else(missing)?;
    let places = (0..count).map(Place::start).collect::<Result<Vec<_>>>()?;
    sandhog::process::ready();
    match arguments.next().as_deref() {
        Some("listener") => hand_over(listener, &places),
        _ => dispatch(&listener, places),
    }
}
