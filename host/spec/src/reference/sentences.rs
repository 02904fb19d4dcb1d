//! Sentences that several documents share: a setting's meaning, its values and bounds, its default, its flag, its change.
//!
//! Must not: know a document, or a setting by its name.

use crate::setting::{Bounds, Change, Facts, Flag, Setting, Takes, Usual};
use crate::units::{Size, Time};

/// What every document begins with.
pub(super) const ABOUT: &str = "A manifest describes jobs that sandhog up keeps up. It is TOML 1.0 of at most 1 MiB. \
    Keys may be written with dashes: max-file is max_file. Sizes and times are text with units: \
    \"64MiB\", \"1.5GiB\", \"500ms\", \"1m30s\".";

/// What it is, in whole sentences.
pub(super) fn told(setting: Setting) -> String {
    let Facts { about, more, .. } = setting.facts();
    if more.is_empty() { format!("{about}.") } else { format!("{about}. {more}") }
}

/// What a setting takes, in words.
pub(super) fn takes(setting: Setting) -> String {
    let words = || setting.takes().words().unwrap_or_default().join(", ");
    match setting.takes() {
        Takes::Name(_) | Takes::Group(_) => "a name".into(),
        Takes::Module(_) => "a path".into(),
        Takes::Text(_) | Takes::GuestName(_) => "text".into(),
        Takes::Word(..) => format!("one of {}", words()),
        Takes::Size(_) => "a size".into(),
        Takes::Time(_) => "a time".into(),
        Takes::TimeOr(_, word) => format!("{word}, or a time"),
        Takes::Count(_) => "a whole number".into(),
        Takes::Flag(_) => "true or false".into(),
        Takes::Texts(_) => "a list of texts".into(),
        Takes::Words(..) => format!("a list of {}", words()),
        Takes::Directories(_) => "a list of HOST[::GUEST][:ro|rw]".into(),
        Takes::Children(_) => "a list of NAME=FILE".into(),
        Takes::Objects(_) => "a list of NAME: KIND RIGHT".into(),
        Takes::Stdin(_) => "a path, or none".into(),
        Takes::Command(_) => "a list of a path and arguments".into(),
        Takes::Environment(_) => "a table, or a list of NAME[=VALUE]".into(),
        Takes::Retries(_) => {
            format!("a list of verdicts, or of {{ verdict, factor, max }}; a verdict is one of {}", words())
        }
    }
}

/// Its bounds as a sentence; None: there are none.
pub(super) fn bounds(setting: Setting) -> Option<String> {
    let Bounds { min, zero, max } = setting.facts().bounds;
    let print = |value: u64| match setting.takes() {
        Takes::Size(_) => Size::bytes(value).to_string(),
        Takes::Time(_) | Takes::TimeOr(..) => Time::millis(value).to_string(),
        Takes::Name(_) | Takes::Module(_) | Takes::Group(_) | Takes::Text(_) | Takes::GuestName(_) => value.to_string(),
        Takes::Word(..) | Takes::Count(_) | Takes::Flag(_) | Takes::Texts(_) | Takes::Words(..) => value.to_string(),
        Takes::Directories(_) | Takes::Children(_) | Takes::Stdin(_) | Takes::Command(_) => value.to_string(),
        Takes::Objects(_) | Takes::Environment(_) | Takes::Retries(_) => value.to_string(),
    };
    let min = min.map(|(min, reason)| format!("at least {}, {reason}", print(min)));
    let zero = zero.map(|_| "more than 0".to_owned());
    let max = max.map(|(max, reason)| format!("at most {}, {reason}", print(max)));
    let all: Vec<_> = [min, zero, max].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The value where none is written, in words.
pub(super) fn usual(setting: Setting) -> String {
    match setting.facts().usual {
        Usual::Nothing => "none".into(),
        Usual::Depends(on) => on.into(),
        Usual::Needed => "it has to be written".into(),
        usual @ (Usual::Size(_) | Usual::Time(_) | Usual::Count(_) | Usual::Word(_) | Usual::No) => {
            usual.to_text().unwrap_or_default()
        }
    }
}

/// How commands take it.
pub(super) fn flag(setting: Setting) -> String {
    match setting.facts().flag {
        Flag::Word(word) => format!("{word} of run and start"),
        Flag::Of { commands, value, short } => {
            let short = short.map_or_else(String::new, |short| format!("-{short}, "));
            let value = if value.is_empty() { String::new() } else { format!(" {value}") };
            let commands: Vec<_> = commands.iter().map(|command| command.name()).collect();
            format!("{short}--{}{value} of {}", setting.flag(), commands.join(", "))
        }
    }
}

/// What a change means for a job that runs.
pub(super) fn change(setting: Setting) -> &'static str {
    match setting.change() {
        Change::Attempt => "needs another attempt, which takes the place of the one that runs",
        Change::InPlace => "holds for the attempt that runs",
    }
}

/// Settings by their heading, in the order of the list.
pub(super) fn sections() -> Vec<(&'static str, Vec<Setting>)> {
    let mut sections: Vec<(&str, Vec<Setting>)> = Vec::new();
    for setting in Setting::keys() {
        match sections.last_mut().filter(|(heading, _)| *heading == setting.heading()) {
            Some((_, settings)) => settings.push(setting),
            None => sections.push((setting.heading(), vec![setting])),
        }
    }
    sections
}
