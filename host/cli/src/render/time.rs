//! Times of day, and how long something is, as people read them.

use jiff::tz::TimeZone;
use sandhog_spec::time::at;

/// By this machine's clock: the time alone where it is of today.
pub fn local(ms: u64, now_ms: u64) -> String {
    in_zone(&TimeZone::system(), ms, now_ms)
}

fn in_zone(zone: &TimeZone, ms: u64, now_ms: u64) -> String {
    let (time, now) = (zone.to_datetime(at(ms)), zone.to_datetime(at(now_ms)));
    let is_today = time.date() == now.date();
    if is_today { format!("{:.3}", time.time()) } else { time.strftime("%Y-%m-%d %H:%M:%S").to_string() }
}

/// How long, by its two largest units: `3d4h`, `5m12s`, `8s`.
pub fn rough(ms: u64) -> String {
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
    use sandhog_spec::time::utc;

    #[test]
    fn times_are_these() {
        assert_eq!(utc(NOON + 123), "2026-11-21T12:00:00.123Z");
        assert_eq!(in_zone(&TimeZone::UTC, NOON, NOON + 1), "12:00:00.000");
        assert_eq!(in_zone(&TimeZone::UTC, NOON - 86_400_000, NOON), "2026-11-20 12:00:00");
        assert_eq!(utc(u64::MAX), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_length_has_its_two_largest_units() {
        let texts = [0, 8_999, 312_000, 7_380_000, 273_600_000].map(rough);
        assert_eq!(texts, ["0s", "8s", "5m12s", "2h3m", "3d4h"]);
    }
}
