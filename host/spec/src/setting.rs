//! The one list of a job's settings: how each is called, what it takes, its usual value, its bounds, what is said of it,
//! and whether a change needs another attempt. The manifest, its schema and reference, the flags of `run` and `start`, what
//! `check` prints and what `apply` compares come from it.
//!
//! Must not: know a job; what a value means is for [`super::job`] and [`super::service`] to say.

mod bounds;
mod field;
mod list;
mod top;
pub mod words;
mod wrong;

pub use bounds::{Bounds, Why, count, plain_size, plain_time, size, time};
pub use field::{Field, Takes};
pub use list::{FILES_MOST, MEMORY_LEAST, MEMORY_MOST, Setting, TABLES};
pub use top::Top;
pub use wrong::{Names, Wrong};

use super::units::{Size, Time};
use std::sync::LazyLock;

/// What is wrong with a value by itself: it can't be read, or is out of its bounds.
pub type Error = Wrong<Why>;

/// What the list says of a setting.
pub struct Facts {
    pub change: Change,
    pub flag: Flag,
    pub usual: Usual,
    /// One sentence without a full stop: the help of its flag, and the comment of the manifest.
    pub about: &'static str,
    /// A value as a manifest has it; empty: the usual one.
    pub example: &'static str,
    /// What else there is to know, in whole sentences; for the reference.
    pub more: &'static str,
    pub bounds: Bounds,
    /// Nothing without one of these.
    pub with: Option<With>,
    /// Of one job: `[defaults]` can't have it.
    pub is_own: bool,
}

/// What a change of a setting is for a job that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is part of what runs: another attempt takes the place of the one that there is.
    Attempt,
    /// It is about how the job is kept up: true from now on, for the attempt that there is as well.
    InPlace,
}

/// How commands take a setting.
#[derive(Clone, Copy, Debug)]
pub enum Flag {
    /// By a flag that is called like the key.
    Of { commands: &'static [Command], value: &'static str, short: Option<char> },
    /// By words without a flag, such as `FILE`.
    Word(&'static str),
}

/// Commands that take settings of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Run,
    Start,
    Build,
    Inspect,
}

impl Command {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Start => "start",
            Self::Build => "build",
            Self::Inspect => "inspect",
        }
    }
}

/// The value where none is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usual {
    Size(Size),
    Time(Time),
    Count(u64),
    Word(&'static str),
    No,
    /// There is none.
    Nothing,
    /// It depends; on what, to follow "default: ".
    Depends(&'static str),
    /// It has to be written.
    Needed,
}

/// Settings of which one has to be there for another one to mean anything.
#[derive(Clone, Copy, Debug)]
pub struct With {
    pub settings: &'static [Setting],
    /// Why it is refused without: to follow the name and a colon.
    pub why: &'static str,
}

impl Facts {
    /// What has to be said of every setting.
    const fn new(change: Change, flag: Flag, usual: Usual, about: &'static str) -> Self {
        let bounds = Bounds::NONE;
        Self { change, flag, usual, about, example: "", more: "", bounds, with: None, is_own: false }
    }

    const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    const fn more(self, more: &'static str) -> Self {
        Self { more, ..self }
    }

    const fn bounds(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    const fn with(self, settings: &'static [Setting], why: &'static str) -> Self {
        Self { with: Some(With { settings, why }), ..self }
    }

    const fn own(self) -> Self {
        Self { is_own: true, ..self }
    }
}

impl Usual {
    pub const fn to_size(self) -> Option<Size> {
        match self {
            Self::Size(size) => Some(size),
            Self::Time(_) | Self::Count(_) | Self::Word(_) | Self::No => None,
            Self::Nothing | Self::Depends(_) | Self::Needed => None,
        }
    }

    pub const fn to_time(self) -> Option<Time> {
        match self {
            Self::Time(time) => Some(time),
            Self::Size(_) | Self::Count(_) | Self::Word(_) | Self::No => None,
            Self::Nothing | Self::Depends(_) | Self::Needed => None,
        }
    }

    pub const fn to_count(self) -> Option<u64> {
        match self {
            Self::Count(count) => Some(count),
            Self::Size(_) | Self::Time(_) | Self::Word(_) | Self::No => None,
            Self::Nothing | Self::Depends(_) | Self::Needed => None,
        }
    }

    /// As people write it, without quotes; None where that depends or there is nothing.
    pub fn to_text(self) -> Option<String> {
        match self {
            Self::Size(size) => Some(size.to_string()),
            Self::Time(time) => Some(time.to_string()),
            Self::Count(count) => Some(count.to_string()),
            Self::Word(word) => Some(word.into()),
            Self::No => Some("false".into()),
            Self::Nothing | Self::Depends(_) | Self::Needed => None,
        }
    }

    /// As TOML has it; None as for [`Self::to_text`].
    pub fn to_toml(self) -> Option<String> {
        let text = self.to_text()?;
        Some(match self {
            Self::Size(_) | Self::Time(_) | Self::Word(_) => format!("\"{text}\""),
            Self::Count(_) | Self::No | Self::Nothing | Self::Depends(_) | Self::Needed => text,
        })
    }
}

impl Setting {
    /// The setting of a key, as manifests have it: `memory`, `backoff.first`.
    pub fn find(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|setting| setting.key() == key && *setting != Self::Name)
    }

    /// Its flag without the dashes: `backoff-first`.
    pub fn flag(self) -> &'static str {
        static FLAGS: LazyLock<Vec<String>> =
            LazyLock::new(|| Setting::ALL.iter().map(|setting| setting.key().replace(['.', '_'], "-")).collect());
        &FLAGS[self as usize]
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
