//! A child of the dispatcher, with the clients on their way to it.

use sandhog::net::TcpStream;
use sandhog::{Child, Connection, Error, Job, Result, Verdict};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most clients on their way to one child. Each is an open file of this job (`--max-files`, 256 by default). Where no child has
/// room nobody is accepted, and clients wait in the kernel's queue.
const ON_THEIR_WAY: usize = 8;
/// A child that ends sooner has failed at its start.
pub const SOON: Duration = Duration::from_secs(1);

/// After so many of those in a row, and no client taken, the next would fail as well: the dispatcher ends, with the reason. Whoever
/// keeps it up knows how long to wait (`backoff`).
pub const FAILURES: u32 = 5;

/// A child, and the clients that it was sent and has not taken, oldest first.
pub struct Place {
    pub child: Child,
    pub connection: Connection,
    pub since: Instant,
    pub clients: VecDeque<TcpStream>,
}

impl Place {
    pub fn start(number: usize) -> Result<Self> {
        let child = Job::new("answerer").arg(number.to_string()).connected().passed().spawn()?;
        let connection = child.connection().expect("it was started with one");
        Ok(Self { child, connection, since: Instant::now(), clients: VecDeque::new() })
    }

    pub fn has_room(&self) -> bool {
        self.clients.len() < ON_THEIR_WAY
    }

    /// Sends a client, and keeps it.
    pub fn pass_on(&mut self, client: TcpStream) -> Result<()> {
        match self.connection.send_with("client", &client) {
            // If it has gone, its end will be heard of, and the client goes to its successor.
            Ok(()) | Err(Error::Closed) => self.clients.push_back(client),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Its verdict. One that has only closed its connection, or talks nonsense, ends by this.
    pub fn end(&self) -> Result<Verdict> {
        match self.child.within(SOON).wait() {
            Err(Error::TimedOut) => {
                self.child.kill();
                self.child.wait()
            }
            ended => ended,
        }
    }

    /// Starts its successor, which is sent all that it has not taken.
    pub fn succeed(&mut self, number: usize) -> Result<()> {
        let ended = std::mem::replace(self, Self::start(number)?);
        ended.clients.into_iter().try_for_each(|client| self.pass_on(client))
    }
}
