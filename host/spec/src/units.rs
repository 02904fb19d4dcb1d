//! Sizes, times and counts as people write them ([`sandhog_protocol::units`]), and times as the standard library has them.

pub use sandhog_protocol::units::{Error, Size, Time, Written, parse_count, print_about, print_size};

use std::time::Duration;

pub const fn duration(time: Time) -> Duration {
    Duration::from_millis(time.to_millis())
}

/// Whole microseconds; [`u64::MAX`] for what is longer than that.
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Whole milliseconds; [`u64::MAX`] for what is longer than that.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A duration as people write it. Less than a millisecond is cut off.
pub fn print_duration(duration: Duration) -> String {
    Time::millis(millis(duration)).to_string()
}
