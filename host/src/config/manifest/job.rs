//! One `[job.NAME]` on top of the defaults.

use super::Places;
use super::fields::{self, Field, Kind};
use super::value::{Reader, canonical, short};
use crate::config::nearest::nearest;
use crate::config::service::name::{self, Of};
use sandhog_protocol::control::{JobSpec, RetrySpec};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// What the clock needs to know; a job without a schedule has no use for it.
const OF_SCHEDULES: [&str; 3] = ["time_zone", "overlap", "catch_up"];

/// A job as it is written, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub spec: JobSpec,
    pub places: Places,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Draft {
    /// `[defaults]`.
    pub(super) fn defaults(table: &DeTable<'_>, reader: &mut Reader<'_>) -> Self {
        let mut draft = Self::default();
        draft.read_table(None, table, &|key| fields::is_own(key), reader);
        draft
    }

    /// One job; None where it has faults.
    pub(super) fn read(
        key: &Spanned<DeString<'_>>,
        value: &Value<'_>,
        defaults: &Self,
        group: &str,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let (name, before) = (key.get_ref(), reader.count());
        if let Err(error) = name::check(Of::Job, name) {
            reader.fault(key.span().start, error.to_string());
        }
        let shown = short(name);
        let table = reader.table(&format!("job.{shown}"), value, &format!("[job.{shown}]"))?;
        let mut draft = defaults.clone();
        draft.places.job = key.span().start;
        draft.read_table(None, table, &|_| false, reader);
        draft.forget_the_clock(defaults);
        draft.spec.name = name.to_string();
        if draft.spec.group.is_empty() {
            draft.spec.group = group.into();
        }
        (reader.count() == before).then_some(draft)
    }

    /// `inside`: the table of a job that this is. `is_misplaced`: keys that may not be here.
    fn read_table(
        &mut self,
        inside: Option<&str>,
        table: &DeTable<'_>,
        is_misplaced: &dyn Fn(&str) -> bool,
        reader: &mut Reader<'_>,
    ) {
        for (key, value) in reader.entries(table) {
            let word = canonical(key.get_ref());
            let whole = inside.map_or_else(|| word.clone(), |inside| format!("{inside}.{word}"));
            if is_misplaced(&whole) {
                let text = format!("{whole} is of one job, and no default; write it into [job.NAME]");
                reader.fault(key.span().start, text);
            } else if let Some(field) = fields::find(&whole) {
                self.places.keys.insert(field.key, value.span().start);
                self.set(field, value, reader);
            } else if let (Some(example), None) = (fields::table(&whole), inside) {
                if let Some(table) = reader.table(&whole, value, example) {
                    self.read_table(Some(&whole), table, is_misplaced, reader);
                }
            } else {
                unknown(key, inside, reader);
            }
        }
    }

    fn set(&mut self, field: &Field, value: &Value<'_>, reader: &mut Reader<'_>) {
        let Field { key, kind, example } = field;
        let (spec, place) = (&mut self.spec, value.span().start);
        match kind {
            Kind::Module => {
                let text = reader.text(key, value, example);
                spec.module = text.map(|text| reader.path(key, place, &text)).unwrap_or_default();
            }
            Kind::Group => spec.group = reader.text(key, value, example).unwrap_or_default(),
            Kind::Text(to) => *to(spec) = reader.text(key, value, example),
            Kind::Quantity(to) => *to(spec) = reader.quantity(key, value, example),
            Kind::Count(to) => *to(spec) = reader.count_of(key, value),
            Kind::Flag(to) => *to(spec) = reader.flag(key, value).unwrap_or_default(),
            Kind::Stdin => {
                let text = reader.text(key, value, example);
                spec.stdin = text.map(|text| reader.stdin(place, &text));
            }
            Kind::Texts(to) => {
                let texts = reader.texts(key, value, example).unwrap_or_default();
                *to(spec) = texts.into_iter().map(|(_, text)| text).collect();
            }
            Kind::Directories => {
                let texts = reader.texts(key, value, example).unwrap_or_default();
                spec.dir = texts.into_iter().map(|(place, text)| reader.directory(place, &text)).collect();
            }
            Kind::Children => {
                let texts = reader.texts(key, value, example).unwrap_or_default();
                spec.child = texts.into_iter().map(|(place, text)| reader.child(place, &text)).collect();
            }
            Kind::Command => {
                let mut texts = reader.texts(key, value, example).unwrap_or_default();
                if let Some((place, module)) = texts.first_mut() {
                    *module = reader.path(key, *place, module);
                }
                spec.health.command = texts.into_iter().map(|(_, text)| text).collect();
            }
            Kind::Environment => environment(spec, value, example, reader),
            Kind::Retries => spec.retry_on = retries(value, example, reader),
        }
    }

    /// Defaults are for all jobs, and those about the clock for jobs with a schedule.
    fn forget_the_clock(&mut self, defaults: &Self) {
        if self.spec.schedule.is_some() {
            return;
        }
        for key in OF_SCHEDULES {
            if self.places.keys.get(key) == defaults.places.keys.get(key) && self.places.keys.remove(key).is_some() {
                match key {
                    "time_zone" => self.spec.time_zone = None,
                    "overlap" => self.spec.overlap = None,
                    _ => self.spec.catch_up = false,
                }
            }
        }
    }
}

fn unknown(key: &Spanned<DeString<'_>>, inside: Option<&str>, reader: &mut Reader<'_>) {
    let (word, shown) = (canonical(key.get_ref()), short(key.get_ref()));
    let known = fields::names(inside);
    let place = inside.map_or_else(String::new, |inside| format!(" in {inside}"));
    let advice = match nearest(&word, known.iter().copied()) {
        Some(near) => format!("; did you mean {near}?"),
        None => format!("; there are {}", known.join(", ")),
    };
    reader.fault(key.span().start, format!("there is no key {shown}{place}{advice}"));
}

/// A table of names and values, or a list as `--env` has it. A table adds to the defaults, a list replaces them.
fn environment(spec: &mut JobSpec, value: &Value<'_>, example: &str, reader: &mut Reader<'_>) {
    if let Some(table) = value.get_ref().as_table() {
        for (name, value) in table {
            if let Some(value) = variable(name.get_ref(), value, reader) {
                spec.env.insert(name.get_ref().to_string(), value);
            }
        }
        return;
    }
    spec.env.clear();
    let texts = if value.get_ref().is_array() {
        reader.texts("env", value, "[\"LANG=C\", \"HOME\"]")
    } else {
        reader.wrong_type("env", value, "a table", example);
        None
    };
    for (place, text) in texts.unwrap_or_default() {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.as_str(), passed_on(&text, place, reader)),
        };
        if let Some(value) = value
            && spec.env.insert(name.into(), value).is_some()
        {
            reader.fault(place, format!("env: {} is there twice; leave one of them out", short(name)));
        }
    }
}

fn variable(name: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    match value.get_ref() {
        DeValue::Boolean(true) => passed_on(name, value.span().start, reader),
        _ => reader.text(&format!("env.{}", short(name)), value, "\"C\", or true to pass it on"),
    }
}

/// A variable of whoever reads the manifest.
fn passed_on(name: &str, place: usize, reader: &mut Reader<'_>) -> Option<String> {
    let shown = short(name);
    let Some(value) = (reader.surroundings().variable)(name) else {
        let why = "it is not set here, so there is nothing to pass on; set it, or write a value";
        reader.fault(place, format!("env.{shown}: {why}"));
        return None;
    };
    let value = value.into_string();
    value.map_err(|_| reader.fault(place, format!("env.{shown}: its value is not UTF-8, and guests get UTF-8"))).ok()
}

fn retries(value: &Value<'_>, example: &str, reader: &mut Reader<'_>) -> Vec<RetrySpec> {
    let mut retries = Vec::new();
    for value in reader.list("retry_on", value, example).unwrap_or_default() {
        retries.extend(match value.get_ref() {
            DeValue::Table(table) => Some(retry(table, value, reader)),
            _ => reader
                .text("retry_on", value, "\"failed\"")
                .map(|verdict| RetrySpec { verdict, ..RetrySpec::default() }),
        });
    }
    retries
}

fn retry(table: &DeTable<'_>, whole: &Value<'_>, reader: &mut Reader<'_>) -> RetrySpec {
    let mut retry = RetrySpec::default();
    for (key, value) in reader.entries(table) {
        match canonical(key.get_ref()).as_str() {
            "verdict" => retry.verdict = reader.text("verdict", value, "\"memory\"").unwrap_or_default(),
            "times" => retry.times = reader.count_of("times", value),
            "at_most" => retry.at_most = reader.quantity("at_most", value, "\"1GiB\""),
            _ => {
                let text =
                    format!("there is no key {} in retry_on; it has verdict, times, at_most", short(key.get_ref()));
                reader.fault(key.span().start, text);
            }
        }
    }
    if retry.verdict.is_empty() {
        reader.fault(
            whole.span().start,
            "retry_on: the verdict is missing; write verdict = \"memory\", times = 2".into(),
        );
    }
    retry
}
