//! The clock on the wall: what time it is. It jumps when somebody sets it; for how long something takes there is `Instant`.

use std::time::{Duration, SystemTime};

/// What has passed since 1970-01-01 UTC; nothing, on a clock that shows less.
pub fn since_1970() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

/// The same in milliseconds: what is kept, sent and shown.
pub fn now_ms() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}
