//! Messages to a worker that waits for its task.

use sandhog_protocol::plan::Work;
use std::time::Duration;

/// What a worker that waits for it is to do.
pub struct Assigned {
    pub work: Work,
    /// When to end it where it does not end by its own deadline, from `go`.
    pub hard_deadline: Option<Duration>,
}
