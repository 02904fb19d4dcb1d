//! Values of a manifest: what type they have, and which was wanted.

use super::around::Around;
use super::fault::Fault;
use super::lines::Lines;
use crate::job::Surroundings;
use crate::service::group::FAULTS_MAX;
use crate::text::escape;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Most of what people have written that a sentence repeats, in characters.
const SHOWN: usize = 80;

type Value<'i> = Spanned<DeValue<'i>>;

/// Reads values and notes what is wrong.
pub(super) struct Reader<'a> {
    around: &'a Around<'a>,
    lines: &'a Lines,
    /// Where the manifest's folder is when links are followed.
    real_folder: Option<PathBuf>,
    faults: Vec<Noted>,
    /// How often something was wrong, be it known already or not.
    count: usize,
    turn: Turn,
}

/// A fault, and with which profile.
struct Noted {
    position: usize,
    text: String,
    /// Where its place does not say that.
    profile: Option<String>,
}

/// What is read now.
#[derive(Default)]
struct Turn {
    profile: Option<String>,
    /// The places of the profile.
    places: HashSet<usize>,
    is_chosen: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(around: &'a Around<'a>, lines: &'a Lines) -> Self {
        let turn = Turn::default();
        let mut reader = Self { around, lines, real_folder: None, faults: Vec::new(), count: 0, turn };
        reader.real_folder = (around.resolve)(reader.folder());
        reader
    }

    /// From now on the manifest is read with a profile of this name, with its keys and values in these places; or without one.
    pub(super) fn turn_to(&mut self, profile: Option<(String, HashSet<usize>)>, is_chosen: bool) {
        let (profile, places) = profile.unzip();
        self.turn = Turn { profile, places: places.unwrap_or_default(), is_chosen };
    }

    /// Whether the jobs are to be described as they are read now.
    pub(super) const fn is_chosen(&self) -> bool {
        self.turn.is_chosen
    }

    /// Of the manifest.
    pub(super) fn folder(&self) -> &'a Path {
        Path::new(self.around.file).parent().unwrap_or(Path::new("/"))
    }

    pub(super) fn real_folder(&self) -> Option<&Path> {
        self.real_folder.as_deref()
    }

    pub(super) fn resolve(&self, path: &Path) -> Option<PathBuf> {
        (self.around.resolve)(path)
    }

    pub(super) fn surroundings(&self) -> Surroundings<'a> {
        self.around.surroundings
    }

    /// The same fault of several jobs, or with several profiles, is one: it stands in what they all have.
    pub(super) fn fault(&mut self, position: usize, text: String) {
        self.count += 1;
        if !self.is_full() && !self.faults.iter().any(|other| other.position == position && other.text == text) {
            let profile = self.turn.profile.clone().filter(|_| !self.turn.places.contains(&position));
            self.faults.push(Noted { position, text, profile });
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.faults.len() >= FAULTS_MAX
    }

    /// How often something was wrong so far.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The line and the column of an offset.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let Fault { line, column, .. } = self.lines.fault(offset, String::new());
        (line, column)
    }

    /// All faults in the order of the text, where there are any.
    pub(super) fn finish(&self) -> Result<(), Vec<Fault>> {
        let told = |Noted { position, text, profile }: &Noted| {
            let with = profile.as_ref().map(|profile| format!(" (with the profile {profile})"));
            self.lines.fault(*position, format!("{text}{}", with.unwrap_or_default()))
        };
        let mut faults: Vec<_> = self.faults.iter().map(told).collect();
        faults.sort();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The entries of a table in the order of the text, none of them twice: `max-file` is `max_file`.
    pub(super) fn entries<'t, 'i>(
        &mut self,
        table: &'t DeTable<'i>,
    ) -> Vec<(&'t Spanned<DeString<'i>>, &'t Value<'i>)> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut seen = HashMap::new();
        entries.retain(|(key, _)| match seen.insert(canonical(key.get_ref()), key.get_ref()) {
            None => true,
            Some(first) => {
                let (first, second) = (short(first), short(key.get_ref()));
                self.fault(key.span().start, format!("{first} and {second} are one key; leave one of them out"));
                false
            }
        });
        entries
    }

    pub(super) fn table<'t, 'i>(&mut self, key: &str, value: &'t Value<'i>, example: &str) -> Option<&'t DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(key, value, "a table", example);
        }
        table
    }

    pub(super) fn text(&mut self, key: &str, value: &Value<'_>, example: &str) -> Option<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong_type(key, value, "text", example);
        }
        text
    }

    /// A text of a number and a unit.
    pub(super) fn quantity(&mut self, key: &str, value: &Value<'_>, example: &str) -> Option<String> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => short(&number.to_string()),
            DeValue::Float(number) => short(&number.to_string()),
            DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                return self.text(key, value, example);
            }
        };
        let text =
            format!("{key} = {number}: the unit is missing; write text with a number and a unit, such as {example}");
        self.fault(value.span().start, text);
        None
    }

    pub(super) fn count_of(&mut self, key: &str, value: &Value<'_>, example: &str) -> Option<u64> {
        let Some(number) = value.get_ref().as_integer() else {
            self.wrong_type(key, value, "a whole number", example);
            return None;
        };
        let count = u64::from_str_radix(number.as_str(), number.radix());
        let shown = short(&number.to_string());
        let reason = if shown.starts_with('-') { "below zero" } else { "more than can be counted" };
        count.map_err(|_| self.fault(value.span().start, format!("{key} = {shown}: {reason}"))).ok()
    }

    pub(super) fn flag(&mut self, key: &str, value: &Value<'_>) -> Option<bool> {
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(key, value, "true or false", "true");
        }
        flag
    }

    /// The values of a list.
    pub(super) fn list<'t, 'i>(
        &mut self,
        key: &str,
        value: &'t Value<'i>,
        example: &str,
    ) -> Option<Vec<&'t Value<'i>>> {
        let list = value.get_ref().as_array().map(|array| array.iter().collect());
        if list.is_none() {
            self.wrong_type(key, value, "a list", example);
        }
        list
    }

    /// A list of texts, each of which `take` makes something of; none where one of them is no text.
    pub(super) fn texts<T>(
        &mut self,
        key: &str,
        value: &Value<'_>,
        example: &str,
        take: impl Fn(&mut Self, usize, String) -> T,
    ) -> Vec<T> {
        let values = self.list(key, value, example).unwrap_or_default();
        let text = |value: &Value<'_>| Some((value.span().start, self.text(key, value, example)?));
        let texts: Option<Vec<_>> = values.into_iter().map(text).collect();
        texts.into_iter().flatten().map(|(position, text)| take(self, position, text)).collect()
    }

    pub(super) fn wrong_type(&mut self, key: &str, value: &Value<'_>, wanted: &str, example: &str) {
        let given = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or a time of day",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(value.span().start, format!("{key} takes {wanted}, such as {example}, and not {given}"));
    }
}

/// A key as it stands in our tables.
pub(super) fn canonical(key: &str) -> String {
    key.replace('-', "_")
}

/// The beginning of what people have written, harmless.
pub(super) fn short(text: &str) -> String {
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(SHOWN).collect();
    let more = if characters.next().is_some() { "…" } else { "" };
    format!("{}{more}", escape(&start))
}
