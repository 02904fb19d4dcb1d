//! When a job runs by the clock: a cron expression in a time zone.
//!
//! An expression is about what the clock on the wall shows. When that clock is set, at the beginning and the end of
//! daylight-saving time, things are as with cron(8): an expression of which seconds, minutes or hours begin with `*` follows
//! the clock, so that a time that is skipped does not come, and one that is shown twice comes twice. Every other expression
//! means times of day: where one of them is skipped, its run takes place right after the gap; where it is shown twice, the
//! first one counts.
//!
//! Which days fit is as crontab(5) has it: where one of the two day fields begins with `*`, a day has to fit both; else it
//! fits where it fits either. [`field`] reads the fields; croner only looks for what fits next.

mod field;

use super::nearest::nearest;
use super::setting::{Setting, Wrong};
use super::text::escape;
use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use field::FIELDS;
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
pub(crate) struct Schedule {
    /// As people wrote it: five fields (crontab(5)), or six with seconds in front, or `@daily` and its like.
    pub expression: String,
    pub time_zone: Tz,
    /// Runs that were missed while no daemon ran take place as one, as soon as one does.
    pub catch_up: bool,
    cron: Arc<Cron>,
    /// It means times of day: none of its seconds, minutes and hours begins with `*`.
    is_fixed: bool,
}

/// The rest follows from these.
impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        let parts = |of: &Self| (of.time_zone, of.catch_up);
        self.expression == other.expression && parts(self) == parts(other)
    }
}

impl Eq for Schedule {}

/// A setting of which no schedule comes.
pub(crate) type Error = Wrong<Why>;

/// Why there is no such schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
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
    #[error("{0}")]
    Expression(String),
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
    pub(crate) fn new(expression: &str, time_zone: Option<&str>, catch_up: bool) -> Result<Self, Error> {
        let time_zone = time_zone.map_or(Ok(Tz::UTC), parse_time_zone)?;
        let fields = fields(expression)?;
        let cron = parse(expression, &fields)?;
        // From the left: the second, where it is there, the minute and the hour.
        let of_the_clock = &fields[..fields.len() - 3];
        let schedule = Self {
            expression: expression.into(),
            time_zone,
            catch_up,
            cron: Arc::new(cron),
            is_fixed: !of_the_clock.iter().any(|field| field.starts_with('*')),
        };
        // From a certain day, so that the answer is the same on every day.
        let never = || Wrong::text(Setting::Schedule, expression, Why::Never);
        schedule.next_shown(NaiveDateTime::default()).ok_or_else(never)?;
        Ok(schedule)
    }

    /// Its first run after this moment; None: in the next decades there is none.
    pub(crate) fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Runs are at whole seconds. Up to here there is none.
        let mut from = DateTime::from_timestamp(after.timestamp(), 0)?;
        for _ in 0..SETTINGS {
            let offset = self.offset(from.checked_add_signed(SECOND)?);
            let shown = self.next_shown(from.naive_utc().checked_add_signed(offset)?)?;
            let next = (shown - offset).and_utc();
            if let Some(set) = self.first_setting(from, next) {
                let was_skipped = shown < set.naive_utc() + self.offset(set);
                if self.is_fixed && was_skipped {
                    return Some(set);
                }
                from = set - SECOND;
                continue;
            }
            match self.first_time(shown, next) {
                Some(first) if self.is_fixed => from = self.end_of_repetition(first, next)? - SECOND,
                Some(_) | None => return Some(next),
            }
        }
        None
    }

    /// Whether it should have run after the one moment and not after the other.
    pub(crate) fn was_due(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> bool {
        self.next(after).is_some_and(|next| next <= until)
    }

    /// The next thing that a clock shows that fits.
    fn next_shown(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        // A clock that is never set: what croner does when one is set depends on less than all fields.
        self.cron.find_next_occurrence(&after.and_utc(), false).ok().map(|next| next.naive_utc())
    }

    /// What the clock shows beyond UTC.
    fn offset(&self, at: DateTime<Utc>) -> TimeDelta {
        let offset = self.time_zone.offset_from_utc_datetime(&at.naive_utc()).fix();
        TimeDelta::seconds(offset.local_minus_utc().into())
    }

    /// When the clock is set for the first time: after `from`, and up to `until`.
    fn first_setting(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (mut before, offset) = (from + SECOND, self.offset(from + SECOND));
        // No clock is set twice a day.
        let mut after = loop {
            let day = (before + TimeDelta::days(1)).min(until);
            if self.offset(day) != offset {
                break day;
            }
            if day >= until {
                return None;
            }
            before = day;
        };
        while after - before > SECOND {
            let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
            if self.offset(middle) == offset { before = middle } else { after = middle }
        }
        Some(after)
    }

    /// When the clock showed this before, where it shows it for the second time.
    fn first_time(&self, shown: NaiveDateTime, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let first = self.time_zone.from_local_datetime(&shown).earliest()?.to_utc();
        (first < at).then_some(first)
    }

    /// When the clock shows something new again.
    fn end_of_repetition(&self, first: DateTime<Utc>, second: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(self.first_setting(first, second)? + (second - first))
    }
}

const SECOND: TimeDelta = TimeDelta::seconds(1);

fn parse_time_zone(name: &str) -> Result<Tz, Error> {
    name.parse().map_err(|_| {
        let near = nearest(name, TZ_VARIANTS.iter().map(|zone| zone.name()));
        let advice = near
            .map_or_else(|| "write UTC, or one such as Europe/Berlin".into(), |near| format!("did you mean {near}?"));
        Wrong::text(Setting::TimeZone, name, Why::TimeZone { advice })
    })
}

/// Five fields or six.
fn fields(expression: &str) -> Result<Vec<&str>, Error> {
    if expression.len() > LONGEST {
        return Err(Wrong::whole(Setting::Schedule, Why::TooLong(expression.len())));
    }
    let nickname = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(expression.trim()));
    let fields: Vec<_> = nickname.map_or(expression, |(_, fields)| fields).split_ascii_whitespace().collect();
    match fields.len() {
        0 => Err(Wrong::whole(Setting::Schedule, Why::Empty)),
        _ if fields[0].starts_with('@') => Err(Wrong::text(Setting::Schedule, expression, Why::Nickname)),
        5 | 6 => Ok(fields),
        count => Err(Wrong::text(Setting::Schedule, expression, Why::Fields(count))),
    }
}

fn parse(expression: &str, fields: &[&str]) -> Result<Cron, Error> {
    field::parse(fields).map_err(|fault| {
        let why = match fault {
            field::Fault::Together(why) => Why::Expression(escape(&why).into()),
            field::Fault::At(place) => {
                let field = &FIELDS[place + FIELDS.len() - fields.len()];
                Why::Field { name: field.name, field: escape(fields[place]).into(), numbers: field.numbers }
            }
        };
        Wrong::text(Setting::Schedule, expression, why)
    })
}

#[cfg(test)]
mod tests;
