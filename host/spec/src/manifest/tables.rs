//! Tables that a manifest and its profiles have alike: strategies, groups, and whatever people name.

use super::value::{Reader, canonical};
use crate::service::Strategy;
use crate::service::name::{self, Of};
use crate::text::escape;
use sandhog_protocol::control::GroupSpec;
use toml::Spanned;
use toml::de::{DeString, DeValue};

/// A key and its value, each with its place.
pub(super) type Entry<'t, 'i> = (&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>);

/// `[job.A]`, `[job.B]` … in the order of the file. `key`: how the table around them is called.
pub(super) fn named<'t, 'i>(key: &str, value: &'t Spanned<DeValue<'i>>, reader: &mut Reader<'_>) -> Vec<Entry<'t, 'i>> {
    let table = reader.table(key, value, &format!("[{key}.NAME]"));
    let mut entries: Vec<_> = table.into_iter().flatten().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

pub(super) fn strategy(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<String> {
    let word = reader.text("strategy", value, "\"one-for-all\"")?;
    match Strategy::new(Some(&word)) {
        Ok(_) => Some(word),
        Err(error) => {
            reader.fault(value.span().start, error.to_string());
            None
        }
    }
}

/// One `[group.NAME]`. `within`: how the table around it is called; `own`: the group of the whole manifest.
pub(super) fn group(
    within: &str,
    (key, value): Entry<'_, '_>,
    own: &str,
    reader: &mut Reader<'_>,
) -> Option<GroupSpec> {
    let name = key.get_ref();
    if let Err(error) = name::check(Of::Group, name) {
        reader.fault(key.span().start, error.to_string());
        return None;
    }
    if name == own {
        let place = match within.strip_suffix(".group") {
            Some(profile) => format!("into [{profile}]"),
            None => "at the beginning, before all tables".into(),
        };
        let text = format!("{name} is the group of the whole manifest; write its strategy {place}");
        reader.fault(key.span().start, text);
        return None;
    }
    let table = reader.table(&format!("{within}.{name}"), value, &format!("[{within}.{name}]"))?;
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
