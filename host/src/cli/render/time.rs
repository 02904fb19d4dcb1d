//! Times of day, and how long something is, as people read them.

use chrono::{DateTime, Local, TimeZone, Utc};
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in milliseconds since 1970 UTC.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// RFC 3339 in UTC, as in the log files.
pub(crate) fn utc(ms: u64) -> String {
    at(ms).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// By this machine's clock: the time alone where it is of today.
pub(crate) fn local(ms: u64, now_ms: u64) -> String {
    in_zone(&Local, ms, now_ms)
}

fn in_zone<Zone: TimeZone>(zone: &Zone, ms: u64, now_ms: u64) -> String
where
    Zone::Offset: std::fmt::Display,
{
    let (time, now) = (at(ms).with_timezone(zone), at(now_ms).with_timezone(zone));
    let form = if time.date_naive() == now.date_naive() { "%H:%M:%S%.3f" } else { "%Y-%m-%d %H:%M:%S" };
    time.format(form).to_string()
}

/// A time beyond what a calendar has counts as the first one.
fn at(ms: u64) -> DateTime<Utc> {
    i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default()
}

/// How long, by its two largest units: `3d4h`, `5m12s`, `8s`.
pub(crate) fn rough(ms: u64) -> String {
    let seconds = ms / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m{}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h{minutes}m"),
        (days, hours, _) => format!("{days}d{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::NOON;
    use super::*;

    #[test]
    fn times_are_these() {
        assert_eq!(utc(NOON + 123), "2026-11-21T12:00:00.123Z");
        assert_eq!(in_zone(&Utc, NOON, NOON + 1), "12:00:00.000");
        assert_eq!(in_zone(&Utc, NOON - 86_400_000, NOON), "2026-11-20 12:00:00");
        assert_eq!(utc(u64::MAX), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_length_has_its_two_largest_units() {
        let texts = [0, 8_999, 312_000, 7_380_000, 273_600_000].map(rough);
        assert_eq!(texts, ["0s", "8s", "5m12s", "2h3m", "3d4h"]);
    }
}
