//! Settings that are one word of a few.

use super::{Error, Overlap, Restart, Strategy};
use crate::config::nearest;
use sandhog_protocol::plan::Wall;
use sandhog_protocol::request::Level;
use sandhog_protocol::verdict::VerdictKind;

pub(crate) const RESTARTS: [(&str, Restart); 3] =
    [("never", Restart::Never), ("on-failure", Restart::OnFailure), ("always", Restart::Always)];

pub(crate) const OVERLAPS: [(&str, Overlap); 3] =
    [("skip", Overlap::Skip), ("queue", Overlap::Queue), ("replace", Overlap::Replace)];

pub(crate) const STRATEGIES: [(&str, Strategy); 3] = [
    ("one-for-one", Strategy::OneForOne),
    ("one-for-all", Strategy::OneForAll),
    ("rest-for-one", Strategy::RestForOne),
];

pub(crate) const LEVELS: [(&str, Option<Level>); 6] = [
    ("trace", Some(Level::Trace)),
    ("debug", Some(Level::Debug)),
    ("info", Some(Level::Info)),
    ("warn", Some(Level::Warn)),
    ("error", Some(Level::Error)),
    ("off", None),
];

/// What the word means.
pub(super) fn meaning<T: Copy>(key: &'static str, word: &str, known: &[(&'static str, T)]) -> Result<T, Error> {
    let found = known.iter().find(|(name, _)| *name == word);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| unknown(key, word, known.iter().map(|(name, _)| *name)))
}

/// The word for it. Every value has one.
pub(crate) fn word<T: PartialEq>(meaning: T, known: &[(&'static str, T)]) -> &'static str {
    known.iter().find(|(_, other)| *other == meaning).map_or("", |(name, _)| name)
}

pub(super) fn verdict(key: &'static str, word: &str) -> Result<VerdictKind, Error> {
    let names = VerdictKind::ALL.map(VerdictKind::name);
    let found = VerdictKind::ALL.into_iter().find(|kind| kind.name() == word);
    found.ok_or_else(|| unknown(key, word, names))
}

pub(super) fn wall(word: &str) -> Result<Wall, Error> {
    let names = Wall::ALL.map(Wall::name);
    let found = Wall::ALL.into_iter().find(|wall| wall.name() == word);
    found.ok_or_else(|| unknown("allow_missing", word, names))
}

fn unknown<'a>(key: &'static str, word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Error {
    Error::Word { key, word: word.into(), advice: nearest::advice(word, known) }
}
