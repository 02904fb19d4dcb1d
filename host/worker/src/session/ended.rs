//! The end of an attempt, as its parent is told it, or whoever finds what it has held.

use sandhog_protocol::verdict::{Usage, Verdict};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its id; empty where nobody knows it.
    pub attempt: String,
    pub verdict: Verdict,
    /// What `sandhog run` would have ended with.
    pub code: u32,
    pub usage: Usage,
}
