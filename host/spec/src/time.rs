//! Moments as text and in a calendar. Everywhere else a moment is a number: milliseconds since 1970-01-01 UTC.
//!
//! Must not: ask what time it is.

use jiff::Timestamp;

/// The moment in a calendar; one that no calendar has, beyond the year 9999, is the first one.
pub fn at(ms: u64) -> Timestamp {
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default()
}

/// The other way; a moment before 1970 is none of ours.
pub fn ms(at: Timestamp) -> Option<u64> {
    u64::try_from(at.as_millisecond()).ok()
}

/// RFC 3339 in UTC, to the millisecond.
pub fn utc(ms: u64) -> String {
    format!("{:.3}", at(ms))
}

/// What [`utc`] has written.
pub fn parse(text: &str) -> Option<u64> {
    ms(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_to_the_millisecond_and_read_again() {
        for (ms, text) in [(0, "1970-01-01T00:00:00.000Z"), (1_795_277_580_120, "2026-11-21T16:13:00.120Z")] {
            assert_eq!((utc(ms).as_str(), parse(text)), (text, Some(ms)));
        }
        assert_eq!(utc(u64::MAX), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_moment_of_ours_is_none() {
        for text in ["", "x", "2026-13-21T16:13:00.123Z", "1969-12-31T23:59:59.999Z", "2026-11-21"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
