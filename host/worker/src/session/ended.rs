//! The end of a child, as its parent is told it.

use sandhog_protocol::verdict::{Usage, Verdict};

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub verdict: Verdict,
    /// What `sandhog run` would have ended with.
    pub code: u32,
    pub usage: Usage,
}
