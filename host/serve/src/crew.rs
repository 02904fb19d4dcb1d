//! Keeps the workers of one job up where no daemon does: the command `sandhog serve`.
//!
//! One task drives the supervisor's fleet, with one job in it: it starts attempts, joins their connections to the dispatcher,
//! and tells the fleet how they go. Restarts with pauses, an intensity beyond which one is given up, a successor that must be
//! ready before the old one goes: all of that is the fleet's.
//!
//! What the job may use is opened when the operator speaks ([`Crew::open`], [`Crew::reload`]), and by no restart. A reload that
//! comes to nothing leaves what was opened before in force.
//!
//! Must not: keep a state on a disk, or know what workers answer.

mod actor;
mod attempt;
mod handle;
mod message;
mod opened;
mod runner;
mod settings;
#[cfg(test)]
mod tests;
mod told;

pub use handle::Crew;
pub use sandhog_supervisor::scale::Config as Scale;
pub use sandhog_supervisor::state::Notice;
pub use settings::{CrewSettings, rules};
pub use told::CrewTold;
