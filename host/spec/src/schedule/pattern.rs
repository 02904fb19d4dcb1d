//! A parsed cron expression: the seconds, minutes, hours, months and days that match. It is about a calendar and a clock
//! that is never set; time zones are its caller's.
//!
//! Must not: know how an expression is written.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time, Weekday};

/// Years that are looked at. The calendar repeats itself after as many, weekdays included: what has not come by then never
/// comes.
const YEARS: i16 = 400;

/// Last year that is looked at: a clock that shows more is broken.
const LAST_YEAR: i16 = 4999;

/// Numbers from 0 to 63.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Set(u64);

impl Set {
    pub(super) fn of(numbers: impl IntoIterator<Item = i8>) -> Self {
        Self(numbers.into_iter().fold(0, |set, number| set | 1 << number))
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) fn has(self, number: i8) -> bool {
        self.0 >> number & 1 == 1
    }

    /// The first one that is not below this number, which is at most 63.
    fn from(self, number: i8) -> Option<i8> {
        let rest = self.0 >> number << number;
        i8::try_from(rest.trailing_zeros()).ok().filter(|_| rest != 0)
    }
}

/// The field of the day of the month.
#[derive(Clone, Debug, Default)]
pub(super) struct Days {
    pub numbers: Set,
    /// `L`.
    pub is_last: bool,
    /// `15W`: the day from Monday to Friday that is nearest to it, in the same month.
    pub nearest_workdays: Set,
}

/// The field of the day of the week: 0 is Sunday.
#[derive(Clone, Debug, Default)]
pub(super) struct Weekdays {
    pub every: Set,
    /// `MON#2`: the first ones of a month, the second ones, and so on.
    pub nth: [Set; 5],
    /// `5L`: the last ones of a month.
    pub last: Set,
}

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub seconds: Set,
    pub minutes: Set,
    pub hours: Set,
    pub months: Set,
    pub days: Days,
    pub weekdays: Weekdays,
    /// A day fits both of the fields, and not either of them.
    pub both: bool,
}

impl Pattern {
    /// The first whole second after this one that fits; None: there is none in this calendar.
    pub(super) fn next(&self, after: DateTime) -> Option<DateTime> {
        let from = after.checked_add(1.second()).ok()?;
        let today = self.time_from(from.time()).filter(|_| self.fits(from.date()));
        if let Some(time) = today {
            return Some(from.date().to_datetime(time));
        }
        let day = self.day_from(from.date().tomorrow().ok()?)?;
        Some(day.to_datetime(self.time_from(Time::midnight())?))
    }

    fn time_from(&self, from: Time) -> Option<Time> {
        let (hour, minute) = (from.hour(), from.minute());
        if self.hours.has(hour) {
            let second = self.seconds.from(from.second()).filter(|_| self.minutes.has(minute));
            if let Some(second) = second {
                return Time::new(hour, minute, second, 0).ok();
            }
            if let Some(minute) = self.minutes.from(minute + 1) {
                return Time::new(hour, minute, self.seconds.from(0)?, 0).ok();
            }
        }
        Time::new(self.hours.from(hour + 1)?, self.minutes.from(0)?, self.seconds.from(0)?, 0).ok()
    }

    fn day_from(&self, from: Date) -> Option<Date> {
        let last_year = from.year().saturating_add(YEARS).min(LAST_YEAR);
        let mut day = from;
        while day.year() <= last_year {
            if self.fits(day) {
                return Some(day);
            }
            let is_month = self.months.has(day.month());
            day = if is_month { day } else { day.last_of_month() }.tomorrow().ok()?;
        }
        None
    }

    fn fits(&self, date: Date) -> bool {
        let (day, weekday) = (self.days.fit(date), self.weekdays.fit(date));
        let fits_day = if self.both { day && weekday } else { day || weekday };
        fits_day && self.months.has(date.month()) && date.year() <= LAST_YEAR
    }
}

impl Days {
    fn fit(&self, date: Date) -> bool {
        let (day, last) = (date.day(), date.days_in_month());
        let stands_for = |day: i8| self.nearest_workdays.has(day);
        let is_nearest = match date.weekday() {
            Weekday::Saturday | Weekday::Sunday => false,
            // For the Sunday before; where the month begins with a Saturday, for that too.
            Weekday::Monday => stands_for(day) || stands_for(day - 1) || day == 3 && stands_for(1),
            Weekday::Tuesday | Weekday::Wednesday | Weekday::Thursday => stands_for(day),
            // For the Saturday behind it; where the month ends with a Sunday, for that too.
            Weekday::Friday => {
                stands_for(day) || day < last && stands_for(day + 1) || day + 2 == last && stands_for(last)
            }
        };
        self.numbers.has(day) || self.is_last && day == last || is_nearest
    }
}

impl Weekdays {
    fn fit(&self, date: Date) -> bool {
        const WEEK: i8 = 7;
        let weekday = date.weekday().to_sunday_zero_offset();
        let nth = self.nth.iter().zip(0..).any(|(set, nth)| (date.day() - 1) / WEEK == nth && set.has(weekday));
        let is_last = date.day() + WEEK > date.days_in_month();
        self.every.has(weekday) || nth || is_last && self.last.has(weekday)
    }
}
