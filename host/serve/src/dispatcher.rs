//! One task that owns the connections of a job that no worker reads yet, and does what the supervisor's balance says.
//!
//! - It keeps a duplicate of each socket that a worker was given until that says that it reads it. So a connection that died with
//!   its worker unread is another one's.
//! - What waits is bounded, in number and time. Beyond the number clients are left in the kernel's queue until others have gone
//!   on; beyond the time, wherever it was spent, they are answered with a constant 503. What workers say waits in their sockets
//!   when it comes faster than it is taken in.
//!
//! Must not: read what clients send. What it says of overload is the same for everybody.

mod accept;
mod actor;
#[cfg(test)]
mod for_now;
mod handle;
mod in_flight;
mod message;
mod refusal;
mod room;
mod tally;
#[cfg(test)]
mod tests;
mod told;

pub use handle::{Accepting, Asker, Dispatcher, Membership};
pub use in_flight::InFlight;
pub(crate) use message::{News, Socket};
pub use told::{DispatchSettings, Standing, Told};
