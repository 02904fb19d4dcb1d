//! When a job runs by the clock: a cron expression in a time zone.
//!
//! An expression is about what the clock on the wall shows. When that clock is set, at the beginning and the end of
//! daylight-saving time, things are as with cron(8): an expression of which seconds, minutes or hours begin with `*` follows
//! the clock, so that a time that is skipped does not come, and one that is shown twice comes twice. Every other expression
//! means times of day: where one of them is skipped, its run takes place right after the gap; where it is shown twice, the
//! first one counts.
//!
//! Which days fit is as crontab(5) has it: where one of the two day fields begins with `*`, a day has to fit both; else it
//! fits where it fits either. [`field`] reads the fields, [`pattern`] looks for what fits next.

mod field;
mod pattern;

use super::nearest::nearest;
use super::setting::{Setting, Wrong};
use super::text::escape;
use field::FIELDS;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use pattern::Pattern;
use std::sync::Arc;

/// Longest expression, in bytes: more than all numbers of all fields.
const LONGEST: usize = 512;

/// Most settings of the clock that are looked beyond: two a year until a 29 February is a Monday again, 40 years at the
/// most; for some years and zones four a year.
const SETTINGS: usize = 200;

/// crontab(5) has them too.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A schedule, checked.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// As people wrote it: five fields (crontab(5)), or six with seconds in front, or `@daily` and its like.
    pub expression: String,
    pub time_zone: TimeZone,
    /// Runs that were missed while no daemon ran take place as one, as soon as one does.
    pub catch_up: bool,
    pattern: Arc<Pattern>,
    /// It means times of day: none of its seconds, minutes and hours begins with `*`.
    is_fixed: bool,
}

/// The rest follows from these.
impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        let has_its_times = self.expression == other.expression && self.time_zone == other.time_zone;
        has_its_times && self.catch_up == other.catch_up
    }
}

impl Eq for Schedule {}

/// A setting of which no schedule comes.
pub type Error = Wrong<Reason>;

/// Why there is no such schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("nothing is given; write five fields, such as \"30 2 * * *\"")]
    Empty,
    #[error("{0} bytes are more than {LONGEST}")]
    TooLong(usize),
    #[error(
        "{0} fields; write minute, hour, day of the month, month and day of the week, such as \
         \"30 2 * * *\", or six with the second in front"
    )]
    Fields(usize),
    #[error("write one of @yearly, @monthly, @weekly, @daily and @hourly, or five fields")]
    Nickname,
    #[error(
        "the {name} \"{field}\" is none; write *, {numbers}, ranges such as 1-5, steps such as \
         */5, or several of them with commas"
    )]
    Field { name: &'static str, field: String, numbers: &'static str },
    #[error("there is no such day, so it never comes")]
    Never,
    #[error("there is no such time zone; {advice}")]
    TimeZone { advice: String },
}

impl Schedule {
    /// The schedule of an expression; in UTC where no time zone is given.
    ///
    /// # Errors
    /// It is none, or no day fits it, or there is no such time zone.
    pub fn new(expression: &str, time_zone: Option<&str>, catch_up: bool) -> Result<Self, Error> {
        let time_zone = time_zone.map_or(Ok(TimeZone::UTC), parse_time_zone)?;
        let fields = fields(expression)?;
        let pattern = parse(expression, &fields)?;
        // From the left: the second, where it is there, the minute and the hour.
        let of_the_clock = &fields[..fields.len() - 3];
        let schedule = Self {
            expression: expression.into(),
            time_zone,
            catch_up,
            pattern: Arc::new(pattern),
            is_fixed: !of_the_clock.iter().any(|field| field.starts_with('*')),
        };
        // From a certain day, so that the answer is the same on every day.
        let never = || Wrong::text(Setting::Schedule, expression, Reason::Never);
        schedule.pattern.next(FIRST_DAY).ok_or_else(never)?;
        Ok(schedule)
    }

    /// What its time zone is called.
    pub fn time_zone_name(&self) -> &str {
        self.time_zone.iana_name().unwrap_or("UTC")
    }

    /// Its first run after this moment; None: in the next decades there is none.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        // Runs are at whole seconds. Up to here there is none.
        let mut from = Timestamp::from_second(after.as_second() - i64::from(after.subsec_nanosecond() < 0)).ok()?;
        for _ in 0..SETTINGS {
            let offset = self.time_zone.to_offset(from.checked_add(SECOND).ok()?);
            let shown = self.pattern.next(offset.to_datetime(from))?;
            let next = offset.to_timestamp(shown).ok()?;
            if let Some(set) = self.first_setting(from, next) {
                let was_skipped = shown < self.time_zone.to_datetime(set);
                if self.is_fixed && was_skipped {
                    return Some(set);
                }
                from = set.checked_sub(SECOND).ok()?;
                continue;
            }
            match self.first_time(shown, next) {
                Some(first) if self.is_fixed => {
                    from = self.end_of_repetition(first, next)?.checked_sub(SECOND).ok()?;
                }
                Some(_) | None => return Some(next),
            }
        }
        None
    }

    /// Whether it should have run after the one moment and not after the other.
    pub fn was_due(&self, after: Timestamp, until: Timestamp) -> bool {
        self.next(after).is_some_and(|next| next <= until)
    }

    /// When the clock is set for the first time: after `from`, and up to `until`.
    fn first_setting(&self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let from = from.checked_add(SECOND).ok()?;
        let offset = self.time_zone.to_offset(from);
        // Some of them change no more than what the time is called.
        let changes = self.time_zone.following(from).take_while(|change| change.timestamp() <= until);
        changes.into_iter().find(|change| change.offset() != offset).map(|change| change.timestamp())
    }

    /// When the clock showed this before, where it shows it for the second time.
    fn first_time(&self, shown: DateTime, at: Timestamp) -> Option<Timestamp> {
        let first = self.time_zone.to_ambiguous_timestamp(shown).earlier().ok()?;
        (first < at).then_some(first)
    }

    /// When the clock shows something new again.
    fn end_of_repetition(&self, first: Timestamp, second: Timestamp) -> Option<Timestamp> {
        self.first_setting(first, second)?.checked_add(second.duration_since(first)).ok()
    }
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// From here on a schedule is looked through once, whether it ever comes.
const FIRST_DAY: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

fn parse_time_zone(name: &str) -> Result<TimeZone, Error> {
    let zones = TimeZoneDatabase::bundled();
    // The database does not mind how a name is written. We do: one zone has one name in a manifest, on a screen and in a file.
    let zone = zones.get(name).ok().filter(|zone| zone.iana_name() == Some(name));
    zone.ok_or_else(|| {
        let known: Vec<_> = zones.available().collect();
        let near = nearest(name, known.iter().map(|zone| zone.as_str()));
        let advice = near
            .map_or_else(|| "write UTC, or one such as Europe/Berlin".into(), |near| format!("did you mean {near}?"));
        Wrong::text(Setting::TimeZone, name, Reason::TimeZone { advice })
    })
}

/// Five fields or six.
fn fields(expression: &str) -> Result<Vec<&str>, Error> {
    if expression.len() > LONGEST {
        return Err(Wrong::whole(Setting::Schedule, Reason::TooLong(expression.len())));
    }
    let nickname = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(expression.trim()));
    let fields: Vec<_> = nickname.map_or(expression, |(_, fields)| fields).split_ascii_whitespace().collect();
    match fields.len() {
        0 => Err(Wrong::whole(Setting::Schedule, Reason::Empty)),
        _ if fields[0].starts_with('@') => Err(Wrong::text(Setting::Schedule, expression, Reason::Nickname)),
        5 | 6 => Ok(fields),
        count => Err(Wrong::text(Setting::Schedule, expression, Reason::Fields(count))),
    }
}

fn parse(expression: &str, fields: &[&str]) -> Result<Pattern, Error> {
    field::parse(fields).map_err(|position| {
        let field = &FIELDS[position + FIELDS.len() - fields.len()];
        let reason = Reason::Field { name: field.name, field: escape(fields[position]).into(), numbers: field.numbers };
        Wrong::text(Setting::Schedule, expression, reason)
    })
}

#[cfg(test)]
mod tests;
