//! How what a worker writes is passed on.

use std::sync::Arc;

/// What one move takes at the most, in bytes: the size of a pipe (pipe(7)). More would not come.
pub(crate) const CHUNK: usize = 64 << 10;

/// Writes to a terminal where something else writes as well: calls what it is given once, while nothing else writes. That says
/// whether what it wrote ended a line.
pub type Beside = Arc<dyn Fn(&mut dyn FnMut() -> bool) + Send + Sync>;

/// How what a worker writes is passed on.
#[derive(Clone, Default)]
pub struct Manner {
    /// What else writes there.
    pub beside: Option<Beside>,
    /// Only text and colours pass: see [`super::harmless::Harmless`].
    pub harmless: bool,
    /// The length of each of the guest's calls comes before its bytes, and what was written in one call stays whole: see
    /// [`super::calls`].
    pub calls: bool,
}
