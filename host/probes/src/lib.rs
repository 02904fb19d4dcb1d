//! The probes: each tries one forbidden thing, in a worker and in the guest's place, and says whether it came through.

mod granted;
#[cfg(feature = "hostile")]
mod lies;
mod probe;
mod tries;
#[cfg(feature = "hostile")]
pub mod zygotes;

pub use granted::{FILE, OUTSIDE, SETUID};
#[cfg(feature = "hostile")]
pub use lies::Lie;
pub use probe::Probe;
pub use tries::run;
