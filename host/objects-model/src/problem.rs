//! How operations end.
//!
//! Must not: know one object from another.

use sandhog_protocol::objects::Member;
use thiserror::Error;

/// How a lock was got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquired {
    /// Larger than that of each earlier acquisition. The same for all depths of a re-entrant lock.
    pub token: u64,
    /// Who held it before and died meanwhile. Told once.
    pub died: Option<Member>,
}

/// Why an operation was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    #[error("the time is over")]
    TimedOut,
    #[error("it would have to wait")]
    WouldBlock,
    #[error("the attempt is asked to stop")]
    Stopping,
    #[error("it is closed")]
    Closed,
    #[error("more than the {0} bytes that it can ever take")]
    TooLarge(u64),
    #[error("it is not held")]
    NotHeld,
    #[error("released more often than acquired")]
    OverBound,
    #[error("the barrier is broken")]
    Broken,
    #[error("invalid")]
    Invalid,
    /// The memory holds what no member writes who keeps to the rules.
    #[error("its memory is damaged")]
    Damaged,
}

/// What the keeper's recovery of an object from one dead member came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Recovery {
    /// It is done, and there was nothing that the dead member held.
    Nothing,
    /// It is done; the dead member held something.
    Held,
    /// Not now: this other member is at work inside. If it lives, it will be done in a moment; if it is dead as well, it is to be
    /// recovered first. Then once more.
    Busy(Member),
}

impl Recovery {
    pub(crate) const fn done(held: bool) -> Self {
        if held { Self::Held } else { Self::Nothing }
    }
}
