//! Properties of a setting that follow from its entry in the list: its flag, its place in a manifest, an example.
//!
//! Must not: know a setting by its name, but for [`Setting::Name`], which is no key of a manifest.

use super::flag::{Command, Flag};
use super::list::{Change, Facts, Setting};
use std::sync::LazyLock;

impl Setting {
    /// The setting of a key, as manifests have it: `memory`, `backoff.first`.
    pub fn find(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|setting| setting.key() == key && *setting != Self::Name)
    }

    /// Its flag without the dashes: `backoff-first`.
    pub fn flag(self) -> &'static str {
        static FLAGS: LazyLock<Vec<String>> =
            LazyLock::new(|| Setting::ALL.iter().map(|setting| setting.key().replace(['.', '_'], "-")).collect());
        let called = self.facts().called;
        if called.is_empty() { &FLAGS[self as usize] } else { called }
    }

    pub fn change(self) -> Change {
        self.facts().change
    }

    /// Its table in a job, and its key there.
    pub fn split(self) -> (Option<&'static str>, &'static str) {
        self.key().split_once('.').map_or((None, self.key()), |(table, key)| (Some(table), key))
    }

    /// Keys of a manifest: all but the name, which is that of the table.
    pub fn keys() -> impl Iterator<Item = Self> + Clone {
        Self::ALL.iter().copied().filter(|setting| *setting != Self::Name)
    }

    /// Whether this command has a flag for it.
    pub fn is_flag_of(self, command: Command) -> bool {
        match self.facts().flag {
            Flag::Of { commands, .. } => commands.contains(&command),
            Flag::Word(_) => false,
        }
    }

    /// A value as TOML has it, to be shown to people.
    pub fn example(self) -> String {
        let Facts { example, usual, .. } = self.facts();
        if !example.is_empty() {
            return (*example).into();
        }
        usual.to_toml().unwrap_or_default()
    }
}
