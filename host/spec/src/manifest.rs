//! `sandhog.toml`: text to jobs that have been checked, each fault with its place.
//!
//! Must not: open a file. The contents of paths and the values of variables are arguments.

mod around;
mod fault;
mod job;
mod lines;
mod paths;
mod positions;
mod syntax;
mod value;

pub use around::Around;
pub use fault::Fault;

use super::nearest::nearest;
use super::service::group;
use super::service::name::{self, Of};
use super::service::{DEFAULT_GROUP, Service, Strategy};
use super::setting::{Setting, TABLES, Top};
use super::text::escape;
use job::Draft;
use lines::Lines;
use positions::Positions;
use sandhog_protocol::control::{GroupSpec, JobSpec};
use std::collections::HashSet;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};
use value::{Reader, canonical};

/// Longest manifest, in bytes: [`JOBS_MAX`] jobs of a hundred bytes each.
pub const LONGEST: u64 = 1 << 20;

/// Most jobs of one manifest: a machine has room for some ten thousand processes.
pub const JOBS_MAX: usize = 10_000;

/// A manifest, checked.
#[derive(Debug)]
pub struct Manifest {
    /// The absolute path of its file.
    pub source: String,
    /// Its own group first.
    pub groups: Vec<GroupSpec>,
    /// In the order of the file; paths are absolute, groups are named.
    pub jobs: Vec<JobSpec>,
    /// The same jobs, checked.
    pub services: Vec<Service>,
    /// Where each of them has its keys.
    positions: Vec<Positions>,
    lines: Lines,
}

impl Manifest {
    /// The manifest in a text of at most [`LONGEST`] bytes.
    ///
    /// # Errors
    /// What is wrong with it, in the order of the text: at most [`group::FAULTS_MAX`].
    pub fn parse(text: &str, around: &Around<'_>) -> Result<Self, Vec<Fault>> {
        let lines = Lines::new(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            return Err(syntax::faults(&errors, &lines));
        }
        let mut reader = Reader::new(around);
        let read = Whole::read(table.get_ref(), &mut reader);
        reader.finish(&lines)?;
        let (services, jobs): (Vec<_>, Vec<_>) = read.checked.into_iter().unzip();
        let (specs, positions): (Vec<_>, Vec<_>) = jobs.into_iter().map(|draft| (draft.spec, draft.positions)).unzip();
        let checked: Vec<_> = services.iter().collect();
        let groups = read.groups.iter().map(|group| group.name.as_str());
        for group::Fault { index, error, other } in group::check(&checked, groups) {
            let there = other.map(|other| lines.fault(positions[other].of(error.setting()), String::new()));
            let there =
                there.map_or_else(String::new, |there| format!(" (line {}, column {})", there.line, there.column));
            reader.fault(positions[index].of(error.setting()), format!("{error}{there}"));
        }
        reader.finish(&lines)?;
        Ok(Self { source: around.file.into(), groups: read.groups, jobs: specs, services, positions, lines })
    }

    /// A fault of a job that is known only now.
    pub fn fault(&self, index: usize, setting: Setting, text: String) -> Fault {
        let position = self.positions.get(index).map_or(0, |positions| positions.of(Some(setting)));
        self.lines.fault(position, text)
    }

    /// Whether the job's setting is written in the manifest, not a default of Sandhog's.
    pub fn is_set(&self, index: usize, setting: Setting) -> bool {
        self.positions.get(index).is_some_and(|positions| positions.keys.contains_key(&setting))
    }
}

/// What a manifest says, job by job.
struct Whole {
    groups: Vec<GroupSpec>,
    checked: Vec<(Service, Draft)>,
}

type Entry<'t, 'i> = (&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>);

impl Whole {
    fn read(table: &DeTable<'_>, reader: &mut Reader<'_>) -> Self {
        let (mut own, mut groups, mut defaults, mut jobs) = (GroupSpec::default(), Vec::new(), None, Vec::new());
        for (key, value) in reader.entries(table) {
            match Top::find(&canonical(key.get_ref())) {
                Some(Top::Name) => own.name = own_name(value, reader).unwrap_or_default(),
                Some(Top::Strategy) => own.strategy = strategy(value, reader),
                Some(Top::Group) => groups = tables("group", value, reader),
                Some(Top::Defaults) => defaults = reader.table("defaults", value, "[defaults]"),
                Some(Top::Job) => jobs = tables("job", value, reader),
                None => unknown(key, reader),
            }
        }
        if own.name.is_empty() {
            own.name = name_of_folder(reader.folder(), &jobs);
        }
        let defaults = defaults.map_or_else(Draft::default, |table| Draft::defaults(table, reader));
        let mut all = vec![own];
        for (key, value) in groups {
            all.extend(group(key, value, &all[0].name, reader));
        }
        let checked = checked(&jobs, &defaults, &all[0].name, reader);
        Self { groups: all, checked }
    }
}

/// Every job that has no fault.
fn checked(jobs: &[Entry<'_, '_>], defaults: &Draft, group: &str, reader: &mut Reader<'_>) -> Vec<(Service, Draft)> {
    if let Some((key, _)) = jobs.get(JOBS_MAX) {
        reader
            .fault(key.span().start, format!("{} jobs are more than {JOBS_MAX}, the most of one manifest", jobs.len()));
        return Vec::new();
    }
    let mut checked = Vec::new();
    for (key, value) in jobs {
        if reader.is_full() {
            break;
        }
        let Some(draft) = Draft::read(key, value, defaults, group, reader) else { continue };
        match Service::new(&draft.spec, reader.surroundings()) {
            Ok(service) => checked.push((service, draft)),
            Err(error) => {
                let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
                reader.fault(draft.positions.of(error.setting()), format!("{error}{hint}"));
            }
        }
    }
    checked
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

fn strategy(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<String> {
    let word = reader.text("strategy", value, "\"one-for-all\"")?;
    match Strategy::new(Some(&word)) {
        Ok(_) => Some(word),
        Err(error) => {
            reader.fault(value.span().start, error.to_string());
            None
        }
    }
}

/// One `[group.NAME]`.
fn group(
    key: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    own: &str,
    reader: &mut Reader<'_>,
) -> Option<GroupSpec> {
    let name = key.get_ref();
    if let Err(error) = name::check(Of::Group, name) {
        reader.fault(key.span().start, error.to_string());
        return None;
    }
    if name == own {
        let text = format!(
            "{name} is the group of the whole manifest; write its strategy at the beginning, before all tables"
        );
        reader.fault(key.span().start, text);
        return None;
    }
    let table = reader.table(&format!("group.{name}"), value, &format!("[group.{name}]"))?;
    let mut group = GroupSpec { name: name.to_string(), strategy: None };
    for (key, value) in reader.entries(table) {
        match canonical(key.get_ref()).as_str() {
            "strategy" => group.strategy = strategy(value, reader),
            other => {
                reader
                    .fault(key.span().start, format!("there is no key {} in a group; it has strategy", escape(other)));
            }
        }
    }
    Some(group)
}

/// `[job.A]`, `[job.B]` … in the order of the file.
fn tables<'t, 'i>(key: &str, value: &'t Spanned<DeValue<'i>>, reader: &mut Reader<'_>) -> Vec<Entry<'t, 'i>> {
    let table = reader.table(key, value, &format!("[{key}.NAME]"));
    let mut entries: Vec<_> = table.into_iter().flatten().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn unknown(key: &Spanned<DeString<'_>>, reader: &mut Reader<'_>) {
    let (word, shown) = (canonical(key.get_ref()), value::short(key.get_ref()));
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

#[cfg(test)]
mod tests;
