//! How many there are, and how often things are tried.
//!
//! Must not: hold what an object is made of.

/// Most bytes of an object: 1 TiB. How many a group may have is not decided here.
pub(crate) const MOST_BYTES: u64 = 1 << 40;

/// Seats in tables of members.
#[cfg(not(test))]
pub(crate) const SEATS: u16 = sandhog_protocol::objects::SEATS;

/// Looks at a word before its reader sleeps: some microseconds, about the time that it takes to be woken.
#[cfg(not(test))]
pub(crate) const SPINS: u32 = 100;

/// Attempts at a change that others get in the way of. Each that fails is one that succeeded for somebody else, so that more
/// than this in a row are nobody's who keeps to the rules.
#[cfg(not(test))]
pub(crate) const TRIES: u32 = 1 << 16;

/// Times that a sleeper is woken for nothing before it is its turn.
#[cfg(not(test))]
pub(crate) const PATIENCE: u32 = 4;

// The simulation gets to the end of each sooner.
#[cfg(test)]
pub(crate) const SEATS: u16 = 8;
#[cfg(test)]
pub(crate) const SPINS: u32 = 2;
#[cfg(test)]
pub(crate) const TRIES: u32 = 64;
#[cfg(test)]
pub(crate) const PATIENCE: u32 = 1;

/// Times that a member which is asked to stop, and so can't sleep, tries to get into an object all the same: some milliseconds
/// together, in which whoever is inside gets on or is recovered.
#[cfg(not(test))]
pub(crate) const STOPPING: u32 = 1000;
#[cfg(test)]
pub(crate) const STOPPING: u32 = 4;
