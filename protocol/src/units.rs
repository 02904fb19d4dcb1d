//! Sizes, durations and counts as people write them: `64MiB`, `1.5GiB`, `30s`, `1m30s`, `1_000_000`.
//!
//! One grammar for sizes and durations: a number and a unit, several of them from large to small. A fraction is cut to
//! whole bytes or milliseconds. Only `0` needs no unit. Printed text parses to the same value.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::str::FromStr;

/// A size in bytes: of a memory, a file, an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

impl Size {
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    pub const fn to_bytes(self) -> u64 {
        self.0
    }

    /// The grammar as a regular expression, without anchors. It takes units in any order.
    pub fn pattern() -> String {
        SIZE.pattern()
    }
}

impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text, &SIZE).map(Self)
    }
}

/// In the largest binary unit that leaves no fraction.
impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [(&str, u64); 5] =
            [("PiB", 1 << 50), ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let Self(bytes) = *self;
        match BINARY.iter().find(|(_, worth)| bytes != 0 && bytes.is_multiple_of(*worth)) {
            Some((unit, worth)) => write!(out, "{}{unit}", bytes / worth),
            None => write!(out, "{bytes}B"),
        }
    }
}

/// A length of time, in whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    pub const fn millis(millis: u64) -> Self {
        Self(millis)
    }

    /// As [`Size::pattern`].
    pub fn pattern() -> String {
        DURATION.pattern()
    }

    pub const fn to_millis(self) -> u64 {
        self.0
    }
}

impl FromStr for Time {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text, &DURATION).map(Self)
    }
}

/// From days to seconds, without the parts that are zero; below a second in milliseconds.
impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0 / 1000, self.0 % 1000);
        if seconds == 0 && millis != 0 {
            return write!(out, "{millis}ms");
        }
        for (unit, count) in [("d", seconds / 86_400), ("h", seconds / 3_600 % 24), ("m", seconds / 60 % 60)] {
            if count != 0 {
                write!(out, "{count}{unit}")?;
            }
        }
        match (seconds % 60, millis) {
            (0, 0) if seconds != 0 => Ok(()),
            (rest, 0) => write!(out, "{rest}s"),
            (rest, millis) => write!(out, "{rest}.{}s", format!("{millis:03}").trim_end_matches('0')),
        }
    }
}

/// A [`Size`] or a [`Time`] as somebody wrote it, which is what travels and is kept. Whether the text is one is found out
/// by whoever can say of which setting it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Written<T> {
    text: String,
    measure: PhantomData<T>,
}

impl<T: FromStr<Err = Error>> Written<T> {
    /// # Errors
    /// One sentence that says what is wrong with the text.
    pub fn read(&self) -> Result<T, Error> {
        self.text.parse()
    }
}

impl<T> From<String> for Written<T> {
    fn from(text: String) -> Self {
        Self { text, measure: PhantomData }
    }
}

impl<T> From<&str> for Written<T> {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<Size> for Written<Size> {
    fn from(size: Size) -> Self {
        Self::from(size.to_string())
    }
}

impl From<Time> for Written<Time> {
    fn from(time: Time) -> Self {
        Self::from(time.to_string())
    }
}

/// The text.
impl<T> Deref for Written<T> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

/// What is measured, and the units for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Measure {
    example: &'static str,
    /// Name and worth of each unit, in the smallest one, from small to large.
    units: &'static [(&'static str, u64)],
    max: u64,
    most_in_words: &'static str,
}

/// Sizes, in bytes. At most what `off_t` holds: no file and no memory of Linux is larger.
static SIZE: Measure = Measure {
    example: "64MiB",
    units: &[
        ("B", 1),
        ("kB", 1_000),
        ("KiB", 1 << 10),
        ("MB", 1_000_000),
        ("MiB", 1 << 20),
        ("GB", 1_000_000_000),
        ("GiB", 1 << 30),
        ("TB", 1_000_000_000_000),
        ("TiB", 1 << 40),
        ("PB", 1_000_000_000_000_000),
        ("PiB", 1 << 50),
    ],
    max: i64::MAX as u64,
    most_in_words: "8191PiB, the most that Linux can count",
};

/// Durations, in milliseconds. At most a hundred years, so that no sum with a clock can overflow.
static DURATION: Measure = Measure {
    example: "30s",
    units: &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)],
    max: 36_500 * 86_400_000,
    most_in_words: "36500d, a hundred years",
};

/// Why a text is no size, duration or count. One sentence each, to follow the name of the flag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("nothing is given; write a number and a unit, such as {}", .0.example)]
    Empty(&'static Measure),
    #[error("below zero; write a number and a unit, such as {}", .0.example)]
    Negative(&'static Measure),
    #[error("not a number and a unit, such as {}", .0.example)]
    NotANumber(&'static Measure),
    #[error("the unit is missing; write one of {}, such as {}", .0.unit_names(), .0.example)]
    NoUnit(&'static Measure),
    #[error("there is no unit {:?}; {}", .unit, .measure.advice(.unit))]
    UnknownUnit { measure: &'static Measure, unit: String },
    #[error("units go from large to small, each once, such as {}", .0.ordered_example())]
    Order(&'static Measure),
    #[error("more than {}", .0.most_in_words)]
    TooLarge(&'static Measure),
    #[error("less than 1{}, the smallest step", .0.units[0].0)]
    TooSmall(&'static Measure),
    #[error("not a whole number, such as 64 or 1_000_000")]
    NotACount,
    #[error("more than {}, the most that can be counted", u64::MAX)]
    CountTooLarge,
}

impl Measure {
    fn worth(&'static self, unit: &str) -> Result<u64, Error> {
        match self.units.iter().find(|(name, _)| *name == unit) {
            Some((_, worth)) => Ok(*worth),
            None if unit.is_empty() => Err(Error::NoUnit(self)),
            None => Err(Error::UnknownUnit { measure: self, unit: unit.into() }),
        }
    }

    fn unit_names(&self) -> String {
        self.units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    fn pattern(&self) -> String {
        let units: Vec<_> = self.units.iter().map(|(name, _)| *name).collect();
        format!("0|([0-9]+([.][0-9]+)?({}))+", units.join("|"))
    }

    /// What to write instead of an unknown unit.
    fn advice(&self, unit: &str) -> String {
        match self.units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
            Some((name, _)) => format!("did you mean {name}?"),
            None => format!("write one of {}", self.unit_names()),
        }
    }

    fn ordered_example(&self) -> String {
        let units = self.units;
        let [.., (smaller, _), (larger, _)] = units else { return self.example.into() };
        format!("1{larger}12{smaller}")
    }
}

/// A size as people write it.
pub fn print_size(bytes: u64) -> String {
    Size::bytes(bytes).to_string()
}

/// The size with at most four digits: what one reads at a glance. [`Size`] prints it exactly.
pub fn print_about(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut tenths = bytes.saturating_mul(10);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths {
        whole if unit == 0 || whole >= 1000 => format!("{}{}", whole / 10, UNITS[unit]),
        small => format!("{}.{}{}", small / 10, small % 10, UNITS[unit]),
    }
}

/// A whole number; `_` may stand between digits.
///
/// # Errors
/// One sentence that says what is wrong with the text.
pub fn parse_count(text: &str) -> Result<u64, Error> {
    let digits: String = text.chars().filter(|character| *character != '_').collect();
    let starts_well = text.starts_with(|first: char| first.is_ascii_digit());
    if !starts_well || text.ends_with('_') || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Error::NotACount);
    }
    digits.parse().map_err(|_| Error::CountTooLarge)
}

fn parse(text: &str, measure: &'static Measure) -> Result<u64, Error> {
    match text {
        "0" => return Ok(0),
        blank if blank.trim().is_empty() => return Err(Error::Empty(measure)),
        negative if negative.starts_with('-') => return Err(Error::Negative(measure)),
        _ => {}
    }
    let (mut rest, mut total, mut last) = (text, 0_u128, u64::MAX);
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, after) = split(after, |c| c.is_ascii_digit());
        let (whole, fraction) = decimal(number).ok_or(Error::NotANumber(measure))?;
        let worth = measure.worth(unit)?;
        if worth >= last {
            return Err(Error::Order(measure));
        }
        total = total.saturating_add(product(whole, fraction, worth).ok_or(Error::TooLarge(measure))?);
        (rest, last) = (after, worth);
    }
    let is_zero = total == 0 && !text.contains(|c: char| ('1'..='9').contains(&c));
    match u64::try_from(total) {
        Ok(0) if !is_zero => Err(Error::TooSmall(measure)),
        Ok(total) if total <= measure.max => Ok(total),
        Ok(_) | Err(_) => Err(Error::TooLarge(measure)),
    }
}

/// The text before and from the first character that ends the part.
fn split(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// Digits before and after the point; at least one digit on either side of it.
fn decimal(number: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    (digits(whole) && digits(fraction)).then_some((whole, fraction))
}

/// The number times a unit, cut to a whole number; `None` on overflow. Of the fraction 18 digits count: beyond
/// them no unit that we have has a whole part left, and the product stays below 2^128.
fn product(whole: &str, fraction: &str, worth: u64) -> Option<u128> {
    let fraction = &fraction[..fraction.len().min(18)];
    let (whole, numerator) = (whole.parse::<u128>().ok()?, fraction.parse::<u128>().ok()?);
    let denominator = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    whole.checked_mul(worth.into())?.checked_add(numerator * u128::from(worth) / denominator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_size(text: &str) -> Result<u64, Error> {
        text.parse().map(Size::to_bytes)
    }

    fn parse_duration(text: &str) -> Result<Time, Error> {
        text.parse()
    }

    fn print_duration(time: Time) -> String {
        time.to_string()
    }

    fn ms(millis: u64) -> Time {
        Time::millis(millis)
    }

    #[test]
    fn sizes_are_binary_or_decimal_as_their_unit_says() {
        for (text, bytes) in [
            ("0", 0),
            ("0MiB", 0),
            ("10B", 10),
            ("512KiB", 512 << 10),
            ("64MiB", 64 << 20),
            ("1GiB", 1 << 30),
            ("1.5GiB", 3 << 29),
            ("2kB", 2_000),
            ("3MB", 3_000_000),
            ("1GiB512MiB", 3 << 29),
            ("8191PiB", 8191 << 50),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn durations_have_parts_and_fractions() {
        for (text, millis) in [
            ("0", 0),
            ("50ms", 50),
            ("30s", 30_000),
            ("1.5s", 1_500),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1h1.25s", 3_601_250),
            ("0.0019s", 1),
        ] {
            assert_eq!(parse_duration(text), Ok(ms(millis)), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_told_which_units_there_are() {
        let sentence = parse_size("64").unwrap_err().to_string();
        assert_eq!(
            sentence,
            "the unit is missing; write one of B, kB, KiB, MB, MiB, GB, GiB, TB, TiB, PB, PiB, such as 64MiB"
        );
        let sentence = parse_duration("30").unwrap_err().to_string();
        assert_eq!(sentence, "the unit is missing; write one of ms, s, m, h, d, such as 30s");
    }

    #[test]
    fn a_unit_in_the_wrong_case_is_told_the_right_one() {
        assert_eq!(parse_size("64mib").unwrap_err().to_string(), "there is no unit \"mib\"; did you mean MiB?");
        assert_eq!(parse_size("1KB").unwrap_err().to_string(), "there is no unit \"KB\"; did you mean kB?");
    }

    #[test]
    fn what_is_too_large_is_refused_in_one_sentence() {
        for text in ["99999999TiB", "8192PiB", "999999999999999999999999999999999999999999PiB"] {
            assert_eq!(parse_size(text), Err(Error::TooLarge(&SIZE)), "{text}");
        }
        assert_eq!(
            parse_size("99999999TiB").unwrap_err().to_string(),
            "more than 8191PiB, the most that Linux can count"
        );
        assert_eq!(parse_duration("36501d"), Err(Error::TooLarge(&DURATION)));
        assert_eq!(parse_count("18446744073709551616"), Err(Error::CountTooLarge));
    }

    #[test]
    fn what_is_below_zero_is_refused() {
        for text in ["-1", "-1MiB", "-0B", "-"] {
            assert_eq!(parse_size(text), Err(Error::Negative(&SIZE)), "{text}");
        }
        assert_eq!(parse_count("-1"), Err(Error::NotACount));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["NaN", "inf", "MiB", ".5s", "5.s", "1..2s", "+1s", "1.2.3s", "ten", "−1s", "\u{661}s"] {
            assert_eq!(parse_duration(text), Err(Error::NotANumber(&DURATION)), "{text}");
        }
        for text in ["", "NaN", "1.5", "_1", "1_", "0x10", "1e3", " 1"] {
            assert_eq!(parse_count(text), Err(Error::NotACount), "{text}");
        }
        assert_eq!(parse_size(" "), Err(Error::Empty(&SIZE)));
        assert_eq!(parse_size(""), Err(Error::Empty(&SIZE)));
    }

    #[test]
    fn an_unknown_unit_cannot_write_to_the_terminal() {
        let sentence = parse_size("1\x1b[2J").unwrap_err().to_string();
        assert!(sentence.starts_with("there is no unit \"\\u{1b}[\"; write one of B, "), "{sentence}");
    }

    #[test]
    fn units_go_from_large_to_small() {
        for text in ["30s1m", "1s1s", "1m1h"] {
            assert_eq!(parse_duration(text), Err(Error::Order(&DURATION)), "{text}");
        }
        let sentence = Error::Order(&DURATION).to_string();
        assert_eq!(sentence, "units go from large to small, each once, such as 1d12h");
    }

    #[test]
    fn a_little_never_becomes_nothing() {
        assert_eq!(parse_size("0.5B"), Err(Error::TooSmall(&SIZE)));
        assert_eq!(parse_duration("0.9ms"), Err(Error::TooSmall(&DURATION)));
        assert_eq!(parse_duration("0.9ms").unwrap_err().to_string(), "less than 1ms, the smallest step");
        assert_eq!(parse_size("1.3KiB"), Ok(1331));
    }

    #[test]
    fn counts_may_be_grouped() {
        assert_eq!(parse_count("1_000_000"), Ok(1_000_000));
        assert_eq!(parse_count("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn printed_values_are_short() {
        let sizes = [0, 1, 1000, 1 << 10, 64 << 20, (1 << 30) + 1].map(print_size);
        assert_eq!(sizes, ["0B", "1B", "1000B", "1KiB", "64MiB", "1073741825B"]);
        let durations =
            [0, 50, 999, 1_000, 1_500, 90_000, 3_600_000, 86_400_050, 61_010].map(|n| print_duration(ms(n)));
        assert_eq!(durations, ["0s", "50ms", "999ms", "1s", "1.5s", "1m30s", "1h", "1d0.05s", "1m1.01s"]);
    }

    #[test]
    fn what_is_printed_parses_to_the_same() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..100_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let number = seed >> (seed % 64);
            let (size, time) = (number.min(SIZE.max), ms(number.min(DURATION.max)));
            assert_eq!(parse_size(&print_size(size)), Ok(size));
            assert_eq!(parse_duration(&print_duration(time)), Ok(time));
        }
    }

    #[test]
    fn random_text_never_panics() {
        const LETTERS: [char; 16] =
            ['0', '1', '9', '.', '-', '_', 'K', 'M', 'i', 'B', 's', 'm', 'h', ' ', 'é', '\u{661}'];
        let mut seed = 1_u64;
        for _ in 0..100_000 {
            let mut text = String::new();
            for _ in 0..seed % 12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(LETTERS[(seed >> 60) as usize]);
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let _ = (parse_size(&text), parse_duration(&text), parse_count(&text));
        }
    }
}
