//! One `[job.NAME]` on top of the defaults.

use super::environment::{Environment, Lacking};
use super::positions::Positions;
use super::profile::Profile;
use super::tables::Entry;
use super::value::{Reader, canonical, short};
use crate::nearest::nearest;
use crate::service::name::{self, Of};
use crate::setting::{Setting, TABLES, Takes};
use sandhog_protocol::control::{JobSpec, RetrySpec};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A job as it is written, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub spec: JobSpec,
    pub positions: Positions,
    /// Variables that are to be passed on and can't be.
    lacking: BTreeMap<String, Lacking>,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Draft {
    /// `[defaults]`, on top of what is there.
    pub(super) fn read_defaults(&mut self, table: &DeTable<'_>, reader: &mut Reader<'_>) {
        self.read_table(None, table, &|setting| setting.facts().is_own, reader);
    }

    /// One job, with what the profile says of it; None where it has faults.
    pub(super) fn read(
        (key, value): Entry<'_, '_>,
        profile: Option<&Profile<'_, '_>>,
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
        draft.positions.job = key.span().start;
        draft.read_table(None, table, &|_| false, reader);
        if let Some(profile) = profile {
            draft.spec.profile = Some(profile.name.clone());
            draft.read_profile(&shown, profile.job(name), &profile.name, reader);
        }
        draft.forget_the_clock(defaults);
        draft.expect_variables(reader);
        draft.spec.name = name.to_string();
        if draft.spec.group.is_empty() {
            draft.spec.group = group.into();
        }
        (reader.count() == before).then_some(draft)
    }

    fn read_profile(&mut self, job: &str, value: Option<&Value<'_>>, profile: &str, reader: &mut Reader<'_>) {
        let title = format!("profile.{profile}.job.{job}");
        if let Some(table) = value.and_then(|value| reader.table(&title, value, &format!("[{title}]"))) {
            self.read_table(None, table, &|_| false, reader);
        }
    }

    /// Variables are passed on here and now. Of a profile that is not chosen they may be set where it is.
    fn expect_variables(&self, reader: &mut Reader<'_>) {
        if reader.is_chosen() {
            for (name, Lacking { position, reason }) in &self.lacking {
                reader.fault(*position, format!("env.{}: {reason}", short(name)));
            }
        }
    }

    /// `inside`: the table of a job that this is. `is_misplaced`: keys that may not be here.
    fn read_table(
        &mut self,
        inside: Option<&str>,
        table: &DeTable<'_>,
        is_misplaced: &dyn Fn(Setting) -> bool,
        reader: &mut Reader<'_>,
    ) {
        for (key, value) in reader.entries(table) {
            let word = canonical(key.get_ref());
            let whole = inside.map_or_else(|| word.clone(), |inside| format!("{inside}.{word}"));
            if let Some(setting) = Setting::find(&whole) {
                if is_misplaced(setting) {
                    let text = format!("{whole} is of one job, and no default; write it into [job.NAME]");
                    reader.fault(key.span().start, text);
                    continue;
                }
                self.positions.keys.insert(setting, value.span().start);
                self.set(setting, value, reader);
            } else if inside.is_none() && TABLES.contains(&whole.as_str()) {
                if let Some(table) = reader.table(&whole, value, &example_of_table(&whole)) {
                    self.read_table(Some(&whole), table, is_misplaced, reader);
                }
            } else {
                unknown(key, inside, reader);
            }
        }
    }

    fn set(&mut self, setting: Setting, value: &Value<'_>, reader: &mut Reader<'_>) {
        let (key, example, position) = (setting.key(), &*setting.example(), value.span().start);
        let spec = &mut self.spec;
        match setting.takes() {
            Takes::Name(field) | Takes::Group(field) => {
                *(field.set)(spec) = reader.text(key, value, example).unwrap_or_default();
            }
            Takes::Module(field) => {
                let text = reader.text(key, value, example);
                *(field.set)(spec) = text.map(|text| reader.path(key, position, &text)).unwrap_or_default();
            }
            Takes::Text(field) | Takes::GuestName(field) | Takes::Word(field, _) => {
                *(field.set)(spec) = reader.text(key, value, example)
            }
            Takes::Size(field) => *(field.set)(spec) = reader.quantity(key, value, example).map(Into::into),
            Takes::Time(field) => *(field.set)(spec) = reader.quantity(key, value, example).map(Into::into),
            Takes::TimeOr(field, word) => {
                *(field.set)(spec) = reader.quantity(key, value, &format!("\"{word}\" or \"1s\""));
            }
            Takes::Count(field) => *(field.set)(spec) = reader.count_of(key, value, example),
            Takes::Flag(field) => *(field.set)(spec) = reader.flag(key, value).unwrap_or_default(),
            Takes::Stdin(field) => {
                let text = reader.text(key, value, example);
                *(field.set)(spec) = text.map(|text| reader.stdin(position, &text));
            }
            Takes::Texts(field) | Takes::Words(field, _) | Takes::Objects(field) => {
                *(field.set)(spec) = reader.texts(key, value, example, |_, _, text| text);
            }
            Takes::Directories(field) => {
                *(field.set)(spec) =
                    reader.texts(key, value, example, |reader, position, text| reader.directory(position, &text));
            }
            Takes::Children(field) => {
                *(field.set)(spec) =
                    reader.texts(key, value, example, |reader, position, text| reader.child(position, &text));
            }
            Takes::Command(field) => *(field.set)(spec) = command(key, value, example, reader),
            Takes::Environment(field) => {
                Environment { env: (field.set)(spec), lacking: &mut self.lacking }.read(value, example, reader);
            }
            Takes::Retries(field) => *(field.set)(spec) = retries(value, example, reader),
        }
    }

    /// Defaults are for all jobs, and those that need a setting which this job does not have, such as its schedule, are
    /// for the others.
    fn forget_the_clock(&mut self, defaults: &Self) {
        for setting in Setting::keys() {
            let Some(with) = &setting.facts().with else { continue };
            let is_default = self.positions.keys.get(&setting) == defaults.positions.keys.get(&setting);
            if is_default && !with.settings.iter().any(|other| other.takes().is_set(&self.spec)) {
                self.positions.keys.remove(&setting);
                setting.takes().copy(&JobSpec::default(), &mut self.spec);
            }
        }
    }
}

/// A table of a job, as people would write it.
fn example_of_table(table: &str) -> String {
    let inside = |setting: &Setting| setting.split().0 == Some(table);
    let first = Setting::keys().find(inside);
    first.map_or_else(String::new, |setting| format!("{{ {} = {} }}", setting.split().1, setting.example()))
}

/// What can stand directly in a job, or in one of its tables.
fn names(table: Option<&str>) -> Vec<&'static str> {
    let settings = Setting::keys().map(Setting::split).filter(|(of, _)| *of == table);
    settings.map(|(_, key)| key).chain(TABLES.iter().copied().filter(|_| table.is_none())).collect()
}

fn unknown(key: &Spanned<DeString<'_>>, inside: Option<&str>, reader: &mut Reader<'_>) {
    let (word, shown) = (canonical(key.get_ref()), short(key.get_ref()));
    let known = names(inside);
    let within = inside.map_or_else(String::new, |inside| format!(" in {inside}"));
    let advice = match nearest(&word, known.iter().copied()) {
        Some(near) => format!("; did you mean {near}?"),
        None => format!("; there are {}", known.join(", ")),
    };
    reader.fault(key.span().start, format!("there is no key {shown}{within}{advice}"));
}

/// The module's path is one; what follows are its arguments.
fn command(key: &str, value: &Value<'_>, example: &str, reader: &mut Reader<'_>) -> Vec<String> {
    let mut texts = reader.texts(key, value, example, |_, position, text| (position, text));
    if let Some((position, module)) = texts.first_mut() {
        *module = reader.path(key, *position, module);
    }
    texts.into_iter().map(|(_, text)| text).collect()
}

fn retries(value: &Value<'_>, example: &str, reader: &mut Reader<'_>) -> Vec<RetrySpec> {
    let mut retries = Vec::new();
    for value in reader.list("retry_on", value, example).unwrap_or_default() {
        retries.extend(if let DeValue::Table(table) = value.get_ref() {
            Some(retry(table, value, reader))
        } else {
            let verdict = reader.text("retry_on", value, "\"failed\"");
            verdict.map(|verdict| RetrySpec { verdict, ..RetrySpec::default() })
        });
    }
    retries
}

fn retry(table: &DeTable<'_>, whole: &Value<'_>, reader: &mut Reader<'_>) -> RetrySpec {
    let mut retry = RetrySpec::default();
    for (key, value) in reader.entries(table) {
        match canonical(key.get_ref()).as_str() {
            "verdict" => retry.verdict = reader.text("verdict", value, "\"memory\"").unwrap_or_default(),
            "factor" => retry.factor = reader.count_of("factor", value, "2"),
            "max" => retry.max = reader.quantity("max", value, "\"1GiB\""),
            _ => {
                let text = format!("there is no key {} in retry_on; it has verdict, factor, max", short(key.get_ref()));
                reader.fault(key.span().start, text);
            }
        }
    }
    if retry.verdict.is_empty() {
        reader.fault(
            whole.span().start,
            "retry_on: the verdict is missing; write verdict = \"memory\", factor = 2".into(),
        );
    }
    retry
}
