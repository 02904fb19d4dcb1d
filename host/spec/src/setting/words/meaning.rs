//! The meaning of a word that was written for a setting, or the setting's error.

use super::known::{find, unknown};
use crate::setting::list::Setting;
use crate::setting::wrong::{Error, Wrong};
use sandhog_protocol::plan::Wall;
use sandhog_protocol::verdict::VerdictKind;

/// What a setting's word means.
///
/// # Errors
/// There is no such word.
pub fn meaning<T: Copy>(setting: Setting, word: &str, known: &[(&'static str, T)]) -> Result<T, Error> {
    find(word, known).map_err(|reason| Wrong::text(setting, word, reason))
}

pub fn verdict(setting: Setting, word: &str) -> Result<VerdictKind, Error> {
    let found = VerdictKind::ALL.into_iter().find(|kind| kind.name() == word);
    found.ok_or_else(|| Wrong::text(setting, word, unknown(word, VerdictKind::ALL.map(VerdictKind::name))))
}

pub fn wall(word: &str) -> Result<Wall, Error> {
    let found = Wall::ALL.into_iter().find(|wall| wall.name() == word);
    found.ok_or_else(|| Wrong::text(Setting::AllowMissing, word, unknown(word, Wall::ALL.map(Wall::name))))
}
