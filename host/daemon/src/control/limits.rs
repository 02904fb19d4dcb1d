//! Every bound on what a client of the control socket may take, but for those that `sandhog-http` has on a connection.

/// Answers by the line at the same time: whoever follows keeps a connection for long, and half of them stay free for requests.
pub(super) const FOLLOWERS: usize = CONNECTIONS / 2;

/// Connections at once; more wait in the kernel until one ends. A daemon has 1024 descriptors at the least, and most of
/// them are its workers'.
pub(super) const CONNECTIONS: usize = 256;

/// The body of everything but [`APPLY_BYTES`]: a message to a job, or 10,000 names.
pub(super) const BODY_BYTES: usize = 1 << 20;

/// The body of `apply`: 10,000 jobs of 3 KiB. A job with all its keys and no values is 1 KiB.
pub(super) const APPLY_BYTES: usize = 32 << 20;

/// All bodies that are being read or understood, together: two of the largest.
pub(super) const BODIES_BYTES: usize = 2 * APPLY_BYTES;

/// Selectors in one query.
pub(super) const SELECTORS: usize = 1_000;

/// Parameters of a query that come once, at the most.
pub(super) const PARAMETERS: usize = 4;

/// A parameter of a query, and a name in a path. The longest is `GROUP/JOB/INSTANCE`; names are far shorter.
pub(super) const PARAMETER_BYTES: usize = 256;

/// Past lines of a log, or past events, in one answer. Who wants more reads the files.
pub const LINES: usize = 10_000;

/// Past lines of a log where nobody says how many.
pub(super) const USUAL_LINES: usize = 100;

/// Lines of a stream that are ready to be sent. What comes while a client does not read waits in the channel behind them,
/// which is bounded too, and leaves out the oldest.
pub(super) const LINES_AHEAD: usize = 4;
