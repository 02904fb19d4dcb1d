//! Every bound on what a client may take: room, number, and time.

use std::time::Duration;

/// Answers by the line at the same time: whoever follows keeps a connection for long, and half of them stay free for requests.
pub(super) const FOLLOWERS: usize = CONNECTIONS / 2;

/// Connections at once; more wait in the kernel until one ends. A daemon has 1024 descriptors at the least, and most of
/// them are its workers'.
pub(super) const CONNECTIONS: usize = 256;

/// Connections at once to the address for numbers: few ask, and those who do ask seldom.
pub(super) const METRICS_CONNECTIONS: usize = 16;

/// The line and the headers of a request, 1,000 selectors of the usual length included.
pub(super) const HEAD_BYTES: usize = 64 << 10;

/// The body of everything but [`APPLY_BYTES`]: a message to a job, or 10,000 names.
pub(super) const BODY_BYTES: usize = 1 << 20;

/// The body of `apply`: 10,000 jobs of 3 KiB. A job with all its keys and no values is 1 KiB.
pub(super) const APPLY_BYTES: usize = 32 << 20;

/// All bodies that are being read or understood, together: two of the largest.
pub(super) const BODIES_BYTES: usize = 2 * APPLY_BYTES;

/// Selectors in one query.
pub(super) const SELECTORS: usize = 1_000;

/// A parameter of a query, and a name in a path. The longest is `GROUP/JOB/INSTANCE`; names are far shorter.
pub(super) const PARAMETER_BYTES: usize = 256;

/// Past lines of a log, or past events, in one answer. Who wants more reads the files.
pub const LINES: usize = 10_000;

/// Past lines of a log where nobody says how many.
pub(super) const USUAL_LINES: usize = 100;

/// Lines of a stream that are ready to be sent. What comes while a client does not read waits in the channel behind them,
/// which is bounded too, and leaves out the oldest.
pub(super) const LINES_AHEAD: usize = 4;

/// Of text from a client that is repeated to it.
pub(super) const SHOWN_CHARACTERS: usize = 200;

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
    /// To read the rest when the daemon ends.
    pub farewell: Duration,
}

impl Default for Patience {
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

/// How long not to accept where the machine has no descriptor left for a connection: the kernel tells nobody when there
/// is one again.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
