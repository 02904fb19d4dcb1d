//! The fields of a cron expression, read as cron(8) reads them: lists of `*`, numbers, names and ranges, each but a number
//! with a step. The day fields also have what crontab(5) does not: `L`, `15W` and `?`, `5L`, `MON#2` and a `+` in front.
//!
//! Must not: know a time.

use super::pattern::{Days, Pattern, Set, Weekdays};
use std::ops::RangeInclusive;

/// A field, and which numbers it takes.
pub(super) struct Field {
    pub name: &'static str,
    /// In words.
    pub numbers: &'static str,
    range: RangeInclusive<i8>,
    /// Names, the first one of the number `named_from`.
    names: &'static [&'static str],
    named_from: i8,
}

const fn plain(name: &'static str, numbers: &'static str, max: i8) -> Field {
    Field { name, numbers, range: 0..=max, names: &[], named_from: 0 }
}

/// The fields from the left.
pub(super) const FIELDS: [Field; 6] = [
    plain("second", "0 to 59", 59),
    plain("minute", "0 to 59", 59),
    plain("hour", "0 to 23", 23),
    Field {
        name: "day of the month",
        numbers: "1 to 31, or L for the last day",
        range: 1..=31,
        names: &[],
        named_from: 0,
    },
    Field {
        name: "month",
        numbers: "1 to 12, or JAN to DEC",
        range: 1..=12,
        names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
        named_from: 1,
    },
    Field {
        name: "day of the week",
        numbers: "0 (Sunday) to 7, or SUN to SAT",
        range: 0..=7,
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
        named_from: 0,
    },
];

/// Where the fields stand.
const SECOND: usize = 0;
const MINUTE: usize = 1;
const HOUR: usize = 2;
const DAY_OF_MONTH: usize = 3;
const MONTH: usize = 4;
const DAY_OF_WEEK: usize = 5;

/// An expression of five fields, or of six, the second first. The error is the place of a field that is none, from the left.
pub(super) fn parse(fields: &[&str]) -> Result<Pattern, usize> {
    let missing = FIELDS.len() - fields.len();
    let text =
        |position: usize| position.checked_sub(missing).map_or("0", |position| fields[position]).to_ascii_uppercase();
    let set = |position: usize| set(&FIELDS[position], &text(position)).ok_or_else(|| position.saturating_sub(missing));
    let (day, weekday) = (text(DAY_OF_MONTH), text(DAY_OF_WEEK));
    Ok(Pattern {
        seconds: set(SECOND)?,
        minutes: set(MINUTE)?,
        hours: set(HOUR)?,
        days: days(&starred(&day)).ok_or(DAY_OF_MONTH - missing)?,
        months: set(MONTH)?,
        weekdays: weekdays(&starred(weekday.strip_prefix('+').unwrap_or(&weekday))).ok_or(DAY_OF_WEEK - missing)?,
        both: day.starts_with(['*', '?']) || weekday.starts_with(['*', '?', '+']),
    })
}

fn set(field: &Field, text: &str) -> Option<Set> {
    let mut set = Set::default();
    for item in text.split(',') {
        set.add(numbers(field, item)?);
    }
    Some(set)
}

/// A day field; in its place a `?`, alone or with a step, is a `*`.
fn starred(text: &str) -> String {
    match text.strip_prefix('?') {
        Some(rest) if !rest.contains(',') => format!("*{rest}"),
        Some(_) | None => text.to_owned(),
    }
}

fn days(text: &str) -> Option<Days> {
    let (field, mut days) = (&FIELDS[DAY_OF_MONTH], Days::default());
    for item in text.split(',') {
        if let Some(numbers) = numbers(field, item) {
            days.numbers.add(numbers);
        } else if let Some(day) = item.strip_suffix('W') {
            days.nearest_workdays.add(Set::of([number(field, day)?]));
        } else if item == "L" {
            days.is_last = true;
        } else {
            return None;
        }
    }
    Some(days)
}

fn weekdays(text: &str) -> Option<Weekdays> {
    let mut weekdays = Weekdays::default();
    for item in text.split(',') {
        if let Some(every) = weekdays_of(item) {
            weekdays.every.add(every);
        } else if let Some((of, nth)) = item.split_once('#').filter(|(of, _)| *of != "*") {
            set_of_nth(&mut weekdays, nth)?.add(weekdays_of(of)?);
        } else {
            let of = number(&FIELDS[DAY_OF_WEEK], item.strip_suffix('L')?)?;
            weekdays.last.add(Set::of([of % 7]));
        }
    }
    Some(weekdays)
}

/// Where those weekdays are that come as the `nth` one of their month, 1 to 5 or `L`.
fn set_of_nth<'a>(weekdays: &'a mut Weekdays, nth: &str) -> Option<&'a mut Set> {
    if nth == "L" {
        return Some(&mut weekdays.last);
    }
    weekdays.nth.get_mut(usize::from(digits(nth)?).checked_sub(1)?)
}

/// Numbers of a week in which 7 is Sunday as well as 0.
fn weekdays_of(item: &str) -> Option<Set> {
    let mut set = numbers(&FIELDS[DAY_OF_WEEK], item)?;
    if set.has(7) {
        set.add(Set::of([0]));
    }
    Some(set)
}

/// What an item of crontab(5) stands for; none of it is out of the field's range.
fn numbers(field: &Field, item: &str) -> Option<Set> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(digits(step).filter(|step| *step > 0)?)),
        None => (item, None),
    };
    let (first, last) = match range.split_once('-') {
        _ if range == "*" => (*field.range.start(), *field.range.end()),
        Some((first, last)) => (number(field, first)?, last_number(field, last)?),
        // From there to the end, as most crons have it.
        None if step.is_some() => (number(field, range)?, *field.range.end()),
        None => (number(field, range)?, number(field, range)?),
    };
    let numbers = (first..=last).step_by(usize::from(step.unwrap_or(1)));
    (first <= last).then(|| Set::of(numbers))
}

/// A range ends with a Sunday as the seventh day: FRI-SUN.
fn last_number(field: &Field, text: &str) -> Option<i8> {
    if text == "SUN" && !field.names.is_empty() && *field.range.end() == 7 { Some(7) } else { number(field, text) }
}

fn number(field: &Field, text: &str) -> Option<i8> {
    let named =
        || field.names.iter().zip(field.named_from..).find(|(name, _)| **name == text).map(|(_, number)| number);
    let number = digits(text).and_then(|number| i8::try_from(number).ok());
    number.or_else(named).filter(|number| field.range.contains(number))
}

/// Without a sign.
fn digits(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
