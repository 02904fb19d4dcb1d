//! Every bound on what a client may take of a connection: room, number, and time.

use std::time::Duration;

/// The line and the headers of a request, 1,000 selectors of the usual length included.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// Connections at once to an address for numbers: few ask, and those who do ask seldom. More wait in the kernel.
pub(crate) const NUMBERS_CONNECTIONS: usize = 16;

/// Of text from a client that is repeated to it.
pub(crate) const SHOWN_CHARACTERS: usize = 200;

/// How long not to accept where the machine has no descriptor left for a connection: the kernel tells nobody when there
/// is one again.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To send the head of a request, and between two requests.
    pub head: Duration,
    /// To send a body.
    pub body: Duration,
    /// To read anything of what is ready for it, when that is a whole answer, which waits in memory.
    pub read: Duration,
    /// The same where it follows: nothing waits for it but a few lines.
    pub follow: Duration,
    /// To read the rest when the server ends.
    pub farewell: Duration,
}

impl Default for Patience {
    /// 30 seconds for each step, an hour for whoever follows, 2 seconds in the end.
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
            read: Duration::from_secs(30),
            // A person who follows a log may stop the terminal and have lunch.
            follow: Duration::from_secs(3600),
            farewell: Duration::from_secs(2),
        }
    }
}
