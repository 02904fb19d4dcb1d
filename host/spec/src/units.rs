//! Sizes, times and counts as people write them ([`sandhog_protocol::units`]), and times as the standard library has them.

pub use sandhog_protocol::units::{Error, Size, Time, Written, parse_count, print_about, print_size};

use std::time::Duration;

pub const fn duration(time: Time) -> Duration {
    Duration::from_millis(time.to_millis())
}

/// A duration as people write it. Less than a millisecond is cut off.
pub fn print_duration(duration: Duration) -> String {
    Time::millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).to_string()
}
