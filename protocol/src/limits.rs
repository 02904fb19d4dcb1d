//! Every cap on what one process accepts from another, each with its reason.

/// Largest frame or packet, in bytes, without its length. Large enough for every argument list that
/// Linux itself would take in one string (128 KiB) eight times over; payloads that are larger than
/// [`INLINE_PAYLOAD`] travel on a connection of their own.
pub const FRAME: usize = 1 << 20;

/// Deepest nesting of arrays and maps in one frame. Our own messages use at most nine levels; the cap
/// keeps a hostile sender from exhausting the stack of the decoder.
pub const NESTING: usize = 32;

/// Most values (texts, numbers, lists, each name of a field) in one frame from a worker. A byte on the wire, an empty text,
/// becomes 24 bytes in memory: by this cap a frame becomes 8 MiB at the most. The longest honest list is a child's arguments
/// and variables, which the worker bounds below it (`host/worker/src/hostcalls/text.rs`).
pub const VALUES: usize = 1 << 17;

/// What the length of one call takes before its bytes, where a worker's output goes call by call: a `u32`, for no call of a
/// guest with 32-bit memories is longer.
pub const OUTPUT_CALL_HEADER: usize = 4;

/// Most bytes of one message's body, or of a batch with its items' headers, that travel in a packet of a connection. Below a
/// third of the kernel's default for a socket's buffer (208 KiB), so that a sender can be one packet ahead.
pub const INLINE_PAYLOAD: usize = 64 << 10;

/// Largest packet on a connection, in bytes: [`INLINE_PAYLOAD`] and the headers of an array, a nil, a length and one item.
pub const MESSAGE_PACKET: usize = INLINE_PAYLOAD + 32;

/// Largest message on a connection, in bytes. Four of them can be on their way in each direction, where they go by memfd.
pub const MESSAGE: usize = 64 << 20;

/// Room for what is on its way in one direction of a connection, in bytes as the kernel counts them (a packet of 64 KiB counts
/// some 68): its default on common systems, so that nobody has more where the machine gives more. One packet can be beyond.
pub const SOCKET_BUFFER: usize = 208 << 10;

/// Longest text of a log's line with all its fields, in bytes; most fields of it; longest note of a progress.
pub const LOG_TEXT: usize = 16 << 10;
pub const LOG_FIELDS: usize = 64;
pub const PROGRESS_NOTE: usize = 200;

/// Longest reason of a retirement, in bytes; the guests' interface says so.
pub const RETIRE_REASON: usize = 4 << 10;

/// Most modules that one job may start as its children.
pub const MODULES: usize = 64;

/// Most sources of one wait. poll(2) has no limit of its own below the number of open files.
pub const SOURCES: usize = 1024;

/// Most file descriptors beside one message. The kernel's own cap is 253 (`SCM_MAX_FD`).
pub const FDS: usize = 128;

/// Most directories granted to one job: what is left of [`FDS`] beside a channel and three streams,
/// rounded down to a number that people can remember.
pub const DIRECTORIES: usize = 64;

/// Most sockets on which one job listens: with [`DIRECTORIES`] and the rest they stay below [`FDS`].
pub const LISTENERS: usize = 16;

/// Longest list of arguments and environment together, in bytes: [`FRAME`] less a margin for the rest of
/// the message that carries it.
pub const ARGUMENTS: usize = FRAME - (64 << 10);

/// Largest module, in bytes. The largest real modules that were measured have 58 MB.
pub const MODULE: u64 = 512 << 20;

/// Largest compiled module, in bytes. Native code was measured at two to four times the module.
pub const ARTIFACT: u64 = 2 << 30;

/// Most stack frames in a backtrace, and the longest text of a report, in bytes: what a worker sends is shown to people.
pub const BACKTRACE: usize = 64;
pub const REPORT_TEXT: usize = 4 << 10;

/// The stack on which one instance of a guest and its host functions run, in bytes: 1 MiB of it is the guest's. What is not used
/// takes addresses alone, which RLIMIT_DATA counts all the same.
pub const GUEST_STACK: usize = 2560 << 10;

/// Most jobs in one request to a daemon. As JSON a job may be two bytes long, in memory it is a kibibyte.
pub const JOBS: usize = 20_000;

/// Largest packet between coordinator, spawner and zygote, in bytes: a plan with [`DIRECTORIES`] directories
/// takes 3 KiB; the rest is room for reasons in words. Well below the kernel's default for a socket's buffer (208 KiB).
pub const PACKET: usize = 64 << 10;

/// Most slots of one zygote. Each takes an id of the machine's range of 65536.
pub const SLOTS: u32 = 4096;

/// Zygotes, and workers, that one spawner keeps at once: half of what Linux's largest pid range holds for both together.
pub const PROCESSES: usize = 1 << 20;
