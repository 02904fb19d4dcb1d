//! One `[profile.NAME]`: settings that take the place of others where the profile is chosen.
//!
//! Must not: read a setting. What is written of a job is read on top of what the manifest says of it (`job`).

use super::base::Base;
use super::tables::{Entry, group, named, strategy};
use super::value::{Reader, canonical, short};
use crate::nearest::nearest;
use crate::service::name::{self, Of};
use crate::setting::{Setting, TABLES, Top};
use sandhog_protocol::control::GroupSpec;
use std::collections::{HashMap, HashSet};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Most profiles of one manifest: each is checked as a whole manifest is.
pub const PROFILES_MAX: usize = 16;

type Value<'i> = Spanned<DeValue<'i>>;

/// What a profile says.
pub(super) struct Profile<'t, 'i> {
    pub name: String,
    pub strategy: Option<String>,
    /// Groups that the manifest has.
    pub groups: Vec<GroupSpec>,
    pub defaults: Option<&'t DeTable<'i>>,
    /// Of jobs that the manifest has, by their names.
    jobs: HashMap<&'t str, &'t Value<'i>>,
    /// The places of all its keys and values.
    places: HashSet<usize>,
}

impl<'t, 'i> Profile<'t, 'i> {
    /// All profiles of a manifest, in the order of the file.
    pub(super) fn all(base: &Base<'t, 'i>, reader: &mut Reader<'_>) -> Vec<Self> {
        if let Some((key, _)) = base.profiles.get(PROFILES_MAX) {
            let text =
                format!("{} profiles are more than {PROFILES_MAX}, the most of one manifest", base.profiles.len());
            reader.fault(key.span().start, text);
            return Vec::new();
        }
        base.profiles.iter().filter_map(|(key, value)| Self::read((*key, *value), base, reader)).collect()
    }

    /// What it says of a job.
    pub(super) fn job(&self, name: &str) -> Option<&'t Value<'i>> {
        self.jobs.get(name).copied()
    }

    /// Its name, and the places of its keys and values in the text.
    pub(super) fn spelled(&self) -> (String, HashSet<usize>) {
        (self.name.clone(), self.places.clone())
    }

    fn read((key, value): Entry<'t, 'i>, base: &Base<'t, 'i>, reader: &mut Reader<'_>) -> Option<Self> {
        if let Err(error) = name::check(Of::Profile, key.get_ref()) {
            reader.fault(key.span().start, error.to_string());
        }
        let (name, title) = (key.get_ref().to_string(), format!("profile.{}", short(key.get_ref())));
        let table = reader.table(&title, value, &format!("[{title}.job.NAME]"))?;
        let mut places = HashSet::from([key.span().start]);
        gather(value, &mut places);
        let (groups, jobs) = (Vec::new(), HashMap::new());
        let mut profile = Self { name, strategy: None, groups, defaults: None, jobs, places };
        for (key, value) in reader.entries(table) {
            match Top::find(&canonical(key.get_ref())) {
                Some(Top::Strategy) => profile.strategy = strategy(value, reader),
                Some(Top::Group) => profile.read_groups(&title, value, base, reader),
                Some(Top::Defaults) => {
                    let title = format!("{title}.defaults");
                    profile.defaults = reader.table(&title, value, &format!("[{title}]"));
                }
                Some(Top::Job) => profile.read_jobs(&title, value, base, reader),
                Some(Top::Name | Top::Profile) | None => unknown(key, &title, reader),
            }
        }
        Some(profile)
    }

    fn read_groups(&mut self, title: &str, value: &'t Value<'i>, base: &Base<'t, 'i>, reader: &mut Reader<'_>) {
        let within = format!("{title}.group");
        for entry in named(&within, value, reader) {
            let Some(group) = group(&within, entry, base.own(), reader) else { continue };
            if base.groups.iter().any(|other| other.name == group.name) {
                self.groups.push(group);
            } else {
                let near = nearest(&group.name, base.groups.iter().skip(1).map(|group| group.name.as_str()));
                missing(entry.0, "group", near, reader);
            }
        }
    }

    fn read_jobs(&mut self, title: &str, value: &'t Value<'i>, base: &Base<'t, 'i>, reader: &mut Reader<'_>) {
        let names = || base.jobs.iter().map(|(key, _)| &**key.get_ref());
        let known: HashSet<&str> = names().collect();
        for (key, value) in named(&format!("{title}.job"), value, reader) {
            if known.contains(&**key.get_ref()) {
                self.jobs.insert(&**key.get_ref(), value);
            } else {
                missing(key, "job", nearest(key.get_ref(), names()), reader);
            }
        }
    }
}

/// A profile changes what the manifest has.
fn missing(key: &Spanned<DeString<'_>>, of: &str, near: Option<&str>, reader: &mut Reader<'_>) {
    let shown = short(key.get_ref());
    let advice = match near {
        Some(near) => format!("did you mean {near}?"),
        None => format!("a profile changes what the manifest has, so write [{of}.{shown}] too"),
    };
    reader.fault(key.span().start, format!("there is no {of} {shown} in the manifest; {advice}"));
}

fn unknown(key: &Spanned<DeString<'_>>, title: &str, reader: &mut Reader<'_>) {
    let (word, shown) = (canonical(key.get_ref()), short(key.get_ref()));
    let keys = [Top::Strategy, Top::Group, Top::Defaults, Top::Job].map(Top::key);
    let advice = match nearest(&word, keys) {
        _ if Setting::find(&word).is_some() || TABLES.contains(&word.as_str()) => format!(
            "{shown} is a key of jobs; write it into [{title}.job.NAME], or into [{title}.defaults] for all of them"
        ),
        _ if word == Top::Name.key() => "name is of the whole manifest, and the same in each profile".into(),
        _ if word == Top::Profile.key() => "there is no profile in a profile".into(),
        Some(near) => format!("there is no key {shown} in a profile; did you mean {near}?"),
        None => format!("there is no key {shown} in a profile; it has {}", keys.join(", ")),
    };
    reader.fault(key.span().start, advice);
}

/// The places of a value and of all that is in it.
fn gather(value: &Value<'_>, places: &mut HashSet<usize>) {
    places.insert(value.span().start);
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                places.insert(key.span().start);
                gather(value, places);
            }
        }
        DeValue::Array(values) => values.iter().for_each(|value| gather(value, places)),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}
