//! The manifest as it is without a profile: its tables, each of them once.
//!
//! Must not: look into a job or a profile.

use super::tables::{Entry, group, named, strategy};
use super::value::{Reader, canonical, short};
use crate::nearest::nearest;
use crate::service::DEFAULT_GROUP;
use crate::service::name::{self, Of};
use crate::setting::{Setting, TABLES, Top};
use sandhog_protocol::control::GroupSpec;
use std::collections::HashSet;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Most jobs of one manifest: a machine has room for some ten thousand processes.
pub const JOBS_MAX: usize = 10_000;

/// The tables of a manifest.
pub(super) struct Base<'t, 'i> {
    /// Its own group first.
    pub groups: Vec<GroupSpec>,
    pub defaults: Option<&'t DeTable<'i>>,
    /// In the order of the file, at most [`JOBS_MAX`].
    pub jobs: Vec<Entry<'t, 'i>>,
    /// In the order of the file.
    pub profiles: Vec<Entry<'t, 'i>>,
}

impl<'t, 'i> Base<'t, 'i> {
    pub(super) fn read(table: &'t DeTable<'i>, reader: &mut Reader<'_>) -> Self {
        let (mut own, mut groups, mut defaults) = (GroupSpec::default(), Vec::new(), None);
        let (mut jobs, mut profiles) = (Vec::new(), Vec::new());
        for (key, value) in reader.entries(table) {
            match Top::find(&canonical(key.get_ref())) {
                Some(Top::Name) => own.name = own_name(value, reader).unwrap_or_default(),
                Some(Top::Strategy) => own.strategy = strategy(value, reader),
                Some(Top::Group) => groups = named("group", value, reader),
                Some(Top::Defaults) => defaults = reader.table("defaults", value, "[defaults]"),
                Some(Top::Job) => jobs = named("job", value, reader),
                Some(Top::Profile) => profiles = named("profile", value, reader),
                None => unknown(key, reader),
            }
        }
        if own.name.is_empty() {
            own.name = name_of_folder(reader.folder(), &jobs);
        }
        let mut all = vec![own];
        for entry in groups {
            all.extend(group("group", entry, &all[0].name, reader));
        }
        Self { groups: all, defaults, jobs: few(jobs, reader), profiles }
    }

    /// The name of the group of the whole manifest.
    pub(super) fn own(&self) -> &str {
        &self.groups[0].name
    }
}

/// None of too many jobs.
fn few<'t, 'i>(jobs: Vec<Entry<'t, 'i>>, reader: &mut Reader<'_>) -> Vec<Entry<'t, 'i>> {
    let Some((key, _)) = jobs.get(JOBS_MAX) else { return jobs };
    let text = format!("{} jobs are more than {JOBS_MAX}, the most of one manifest", jobs.len());
    reader.fault(key.span().start, text);
    Vec::new()
}

fn own_name(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<String> {
    let name = reader.text("name", value, "\"site\"")?;
    match name::check(Of::Group, &name) {
        Ok(()) => Some(name),
        Err(error) => {
            reader.fault(value.span().start, error.to_string());
            None
        }
    }
}

fn unknown(key: &Spanned<DeString<'_>>, reader: &mut Reader<'_>) {
    let (word, shown) = (canonical(key.get_ref()), short(key.get_ref()));
    let keys = Top::ALL.map(Top::key);
    let advice = match nearest(&word, keys) {
        _ if Setting::find(&word).is_some() || TABLES.contains(&word.as_str()) => {
            format!("{shown} is a key of jobs; write it into [job.NAME], or into [defaults] for all of them")
        }
        Some(near) => format!("there is no key {shown}; did you mean {near}?"),
        None => format!("there is no key {shown}; a manifest has {}", keys.join(", ")),
    };
    reader.fault(key.span().start, advice);
}

/// The folder's name as far as it can be one. A job of the same name goes first: nobody has chosen the group's.
fn name_of_folder(folder: &Path, jobs: &[Entry<'_, '_>]) -> String {
    let folder = folder.file_name().and_then(|name| name::fit(&name.to_string_lossy()));
    let name = folder.unwrap_or_else(|| DEFAULT_GROUP.into());
    let jobs: HashSet<&str> = jobs.iter().map(|(key, _)| key.get_ref().as_ref()).collect();
    if jobs.contains(name.as_str()) { format!("{}-jobs", &name[..name.len().min(name::LONGEST - 5)]) } else { name }
}
