//! Accepts clients and passes each on to one of its children in turn, which answers: Node's cluster by hand. A child that dies is
//! replaced, and nobody but the client that it was at notices: each client is kept here until a child says that it has taken it,
//! and is passed on to its successor otherwise. With `listener` the children get the listener itself, and accept.
//!
//!     sandhog run --net listen:127.0.0.1:9000 --child answerer=answerer.wasm dispatcher.wasm -- 3

use sandhog::net::{self, TcpListener, TcpStream};
use sandhog::{Child, Connection, Error, Job, Result, Source, Verdict, wait_any};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most clients on their way to one child. Each is an open file of this job (`--max-files`, 256 by default). Where no child has
/// room nobody is accepted, and clients wait in the kernel's queue.
const ON_THEIR_WAY: usize = 8;
/// A child that ends sooner has failed at its start.
const SOON: Duration = Duration::from_secs(1);
/// After so many of those in a row, and no client taken, the next would fail as well: this job ends, with the reason. Whoever
/// keeps it up knows how long to wait (`backoff`).
const FAILURES: u32 = 5;

/// A child, and the clients that it was sent and has not taken, oldest first.
struct Place {
    child: Child,
    connection: Connection,
    since: Instant,
    clients: VecDeque<TcpStream>,
}

struct Crew {
    places: Vec<Place>,
    next: usize,
    failures: u32,
}

impl Place {
    fn start(number: usize) -> Result<Self> {
        let child = Job::new("answerer").arg(number.to_string()).connected().passed().spawn()?;
        let connection = child.connection().expect("it was started with one");
        Ok(Self { child, connection, since: Instant::now(), clients: VecDeque::new() })
    }

    /// Sends a client, and keeps it.
    fn pass_on(&mut self, client: TcpStream) -> Result<()> {
        match self.connection.send_with("client", &client) {
            // If it has gone, its end will be heard of, and the client goes to its successor.
            Ok(()) | Err(Error::Closed) => self.clients.push_back(client),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Its verdict. One that has only closed its connection, or talks nonsense, ends by this.
    fn end(&self) -> Result<Verdict> {
        match self.child.within(SOON).wait() {
            Err(Error::TimedOut) => {
                self.child.kill();
                self.child.wait()
            }
            ended => ended,
        }
    }
}

impl Crew {
    /// The next place that has room.
    fn turn(&self) -> Option<usize> {
        let count = self.places.len();
        (self.next..self.next + count)
            .map(|turn| turn % count)
            .find(|at| self.places[*at].clients.len() < ON_THEIR_WAY)
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
        let ended = std::mem::replace(place, Place::start(at)?);
        ended.clients.into_iter().try_for_each(|client| place.pass_on(client))
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
