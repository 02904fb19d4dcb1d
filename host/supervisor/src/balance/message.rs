//! The inputs and outputs of the balance. This file is below their senders and their receivers.

use sandhog_protocol::http::ConnectionId;
use std::time::Duration;

/// A worker's number, given by whoever joins it and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a worker. It takes connections when it says so; where it is held, not before [`Event::Admitted`] as well.
    Joined { worker: WorkerId, held: bool },
    /// One that is held may have clients: whoever keeps it up has seen that it answers.
    Admitted { worker: WorkerId },
    /// A client has connected, and has waited for so long already.
    Arrived { connection: ConnectionId, waited: Duration },
    /// Whoever keeps the worker up has a question for it, by a connection of its own. Nobody else ever has that connection, and it
    /// counts nowhere.
    Asked { worker: WorkerId, connection: ConnectionId },

    /// The worker takes connections from now on.
    Accepts { worker: WorkerId },
    /// It is about to read.
    Reads { worker: WorkerId, connection: ConnectionId },
    /// It has not read this one, and never will.
    Declined { worker: WorkerId, connection: ConnectionId },
    /// The connection is over.
    Closed { worker: WorkerId, connection: ConnectionId },
    /// It takes no more connections and is about to end.
    Retires { worker: WorkerId },
    /// What it sent is nothing that a worker says.
    Broke { worker: WorkerId, breach: Breach },

    /// Whoever keeps it up wants it to end.
    Finish { worker: WorkerId },
    /// [`Action::Give`] was not done: there is no room in its socket. The connection never left.
    Unsent { worker: WorkerId, connection: ConnectionId },
    /// There is room again.
    Room { worker: WorkerId },
    /// Nothing more can be said to it.
    HungUp { worker: WorkerId },
    /// It has been reaped, and all that it said has been told: nothing reads its connections any more.
    Gone { worker: WorkerId },

    /// Time has passed: see [`super::State::next_wake`].
    Tick,
    /// No further connections.
    Drain,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send it the connection, and keep a duplicate of the socket.
    Give { worker: WorkerId, connection: ConnectionId },
    /// Nobody else will have this connection: its duplicate is closed.
    LetGo { connection: ConnectionId },
    /// What became of a connection: once for each that arrived.
    End { connection: ConnectionId, fate: Fate },
    /// Tell it that no more connections come. Once for a worker.
    Finish { worker: WorkerId },
    /// It broke the rules and is to be killed. Nothing that it says counts any more. Once for a worker.
    Breach { worker: WorkerId, breach: Breach },
    /// After [`Event::Drain`]: none waits, and each has been read by the worker that has it. Comes once.
    Drained,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// A worker has read it, and was done with it.
    Served,
    /// The worker that read it has gone.
    Lost,
    /// It was over before anybody had read it.
    Withdrawn,
    /// No worker took it: it is answered with a 503 and closed.
    Refused(Why),
    /// It was no client's: see [`Event::Asked`]. Whoever has its other end knows what became of it.
    Own,
}

/// Why no worker took a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// As many waited as may.
    Full,
    /// It waited for too long.
    Late,
    /// Workers to which it was given did not read it, too often.
    HandedOver,
    /// There are no more connections to be.
    Closing,
}

/// How a worker broke the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breach {
    /// What came is no packet of the protocol.
    Packet,
    /// A descriptor came along.
    Descriptor,
    /// More requests than a packet holds, or a longer text than one may have.
    TooMuch,
    /// A word that comes once came twice.
    Twice,
    /// It speaks of a connection that it was not given, or that is over.
    NotIts,
    /// It read a connection already that it says to read, or to decline.
    ReadBefore,
}

impl Breach {
    /// What the worker sent; the end of a sentence.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Packet => "a packet through its connection that is no message of a server",
            Self::Descriptor => "a descriptor through its connection",
            Self::TooMuch => "more about requests than one packet may hold",
            Self::Twice => "a second time that it accepts connections or retires",
            Self::NotIts => "a word about a connection that it does not have",
            Self::ReadBefore => "that it reads or declines a connection that it has read before",
        }
    }
}
