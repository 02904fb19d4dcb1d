//! The fields of a cron expression, read as cron(8) reads them: lists of `*`, numbers, names and ranges, each but a number
//! with a step. What crontab(5) does not have, such as `L`, `15W` and `MON#2`, is left to croner, in the day fields alone.
//!
//! Must not: know a time.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use std::ops::RangeInclusive;

/// A field, and which numbers it takes.
pub(super) struct Field {
    pub name: &'static str,
    /// In words.
    pub numbers: &'static str,
    range: RangeInclusive<u8>,
    /// Names, the first one of the number `named_from`.
    names: &'static [&'static str],
    named_from: u8,
    /// Characters of what only croner knows.
    more: &'static [char],
}

const fn plain(name: &'static str, numbers: &'static str, most: u8) -> Field {
    Field { name, numbers, range: 0..=most, names: &[], named_from: 0, more: &[] }
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
        more: &['L', 'W', '?'],
    },
    Field {
        name: "month",
        numbers: "1 to 12, or JAN to DEC",
        range: 1..=12,
        names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
        named_from: 1,
        more: &[],
    },
    Field {
        name: "day of the week",
        numbers: "0 (Sunday) to 7, or SUN to SAT",
        range: 0..=7,
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
        named_from: 0,
        more: &['L', '#', '?', '+'],
    },
];

/// Where the day fields stand.
const DAY_OF_MONTH: usize = 3;
const DAY_OF_WEEK: usize = 5;

/// What is wrong with an expression.
pub(super) enum Fault {
    /// The field in this place, from the left.
    At(usize),
    /// Each field is right; why they are not together.
    Together(String),
}

/// An expression of five fields, or of six, the second first.
pub(super) fn parse(fields: &[&str]) -> Result<Cron, Fault> {
    let missing = FIELDS.len() - fields.len();
    let mut lists = vec!["0".to_owned(); missing];
    for (place, field) in fields.iter().enumerate() {
        lists.push(list(&FIELDS[place + missing], field).ok_or(Fault::At(place))?);
    }
    let restricts_nothing = |place: usize| fields[place - missing].starts_with(['*', '?']);
    let both = restricts_nothing(DAY_OF_MONTH) || restricts_nothing(DAY_OF_WEEK);
    let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Optional).dom_and_dow(both).build();
    parser.parse(&lists.join(" ")).map_err(|error| {
        // What is no list of numbers was left to croner: with stars for all fields but one it says which one it is.
        let is_bad = |place: &usize| {
            let alone = (0..lists.len()).map(|other| if other == *place { lists[other].as_str() } else { "*" });
            parser.parse(&alone.collect::<Vec<_>>().join(" ")).is_err()
        };
        let bad = (missing..lists.len()).find(is_bad);
        bad.map_or_else(|| Fault::Together(error.to_string()), |place| Fault::At(place - missing))
    })
}

/// The field as a list of numbers for croner, or as it is where that alone knows it; None: it is no such field.
fn list(field: &Field, text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.into());
    }
    let items: Option<Vec<String>> = text.split(',').map(|item| item_of(field, item)).collect();
    items.map(|items| items.join(","))
}

fn item_of(field: &Field, item: &str) -> Option<String> {
    let upper = item.to_ascii_uppercase();
    match numbers(field, &upper) {
        Some(numbers) => Some(numbers.iter().map(u8::to_string).collect::<Vec<_>>().join(",")),
        None => has_more(field, &upper).then_some(upper),
    }
}

/// Whether an item has, beside numbers and names, something that croner knows in this field.
fn has_more(field: &Field, item: &str) -> bool {
    let mut rest = item.to_owned();
    for name in field.names {
        rest = rest.replace(name, "");
    }
    let is_more = |character: char| field.more.contains(&character);
    let is_known = |character: char| character.is_ascii_digit() || "-/*".contains(character) || is_more(character);
    rest.contains(is_more) && rest.chars().all(is_known)
}

/// What an item of crontab(5) stands for; none of it is out of the field's range.
fn numbers(field: &Field, item: &str) -> Option<Vec<u8>> {
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
    (first <= last).then(|| numbers.collect())
}

/// A range ends with a Sunday as the seventh day: FRI-SUN.
fn last_number(field: &Field, text: &str) -> Option<u8> {
    if text == "SUN" && !field.names.is_empty() && *field.range.end() == 7 { Some(7) } else { number(field, text) }
}

fn number(field: &Field, text: &str) -> Option<u8> {
    let named =
        || field.names.iter().zip(field.named_from..).find(|(name, _)| **name == text).map(|(_, number)| number);
    let number = digits(text).and_then(|number| u8::try_from(number).ok());
    number.or_else(named).filter(|number| field.range.contains(number))
}

/// Without a sign.
fn digits(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
