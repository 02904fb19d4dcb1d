//! The words themselves, and what each stands for.
//!
//! Must not: know a setting. Which takes which words is for the list to say.

use crate::nearest;
use crate::setting::bounds::Reason;
use crate::text::escape;
use sandhog_protocol::plan::{Isolation, Wall};
use sandhog_protocol::request::Level;
use sandhog_protocol::verdict::VerdictKind;

/// When an instance is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    Never,
    /// After every verdict but `completed`, and `stopped` where it was asked to stop.
    OnFailure,
    Always,
}

/// What happens when a run is due and the last one has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// The new one does not take place.
    Skip,
    /// It takes place afterwards; one waits at the most.
    Queue,
    /// The old one is stopped first.
    Replace,
}

/// What happens to the others of a group when one of it ends and is to be started again. The names are those of
/// Erlang/OTP, "Supervisor Behaviour".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    #[default]
    OneForOne,
    /// All are stopped and started again.
    OneForAll,
    /// Those that come after it are.
    RestForOne,
}

pub const RESTARTS: [(&str, Restart); 3] =
    [("never", Restart::Never), ("on-failure", Restart::OnFailure), ("always", Restart::Always)];

pub const OVERLAPS: [(&str, Overlap); 3] =
    [("skip", Overlap::Skip), ("queue", Overlap::Queue), ("replace", Overlap::Replace)];

pub const STRATEGIES: [(&str, Strategy); 3] = [
    ("one-for-one", Strategy::OneForOne),
    ("one-for-all", Strategy::OneForAll),
    ("rest-for-one", Strategy::RestForOne),
];

pub const LEVELS: [(&str, Option<Level>); 6] = [
    ("trace", Some(Level::Trace)),
    ("debug", Some(Level::Debug)),
    ("info", Some(Level::Info)),
    ("warn", Some(Level::Warn)),
    ("error", Some(Level::Error)),
    ("off", None),
];

/// None: as fits the module's world.
pub const ISOLATIONS: [(&str, Option<Isolation>); 4] = [
    ("auto", None),
    ("instance", Some(Isolation::Instance)),
    ("reuse", Some(Isolation::Reuse)),
    ("process", Some(Isolation::Process)),
];

/// There is no such strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strategy \"{}\": {reason}", escape(.word))]
pub struct NoStrategy {
    pub word: String,
    pub reason: Reason,
}

impl Strategy {
    /// The strategy of a group; the default where none is named.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn new(word: Option<&str>) -> Result<Self, NoStrategy> {
        let known = |word| find(word, &STRATEGIES).map_err(|reason| NoStrategy { word: word.into(), reason });
        word.map_or(Ok(Self::default()), known)
    }

    /// As manifests have it.
    pub fn name(self) -> &'static str {
        word(self, &STRATEGIES)
    }
}

/// What a word means.
///
/// # Errors
/// Why there is no such word.
pub fn find<T: Copy>(word: &str, known: &[(&'static str, T)]) -> Result<T, Reason> {
    let found = known.iter().find(|(name, _)| *name == word);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| unknown(word, known.iter().map(|(name, _)| *name)))
}

/// The word for it. Every value has one.
pub fn word<T: PartialEq>(meaning: T, known: &[(&'static str, T)]) -> &'static str {
    known.iter().find(|(_, other)| *other == meaning).map_or("", |(name, _)| name)
}

pub fn verdicts() -> Vec<&'static str> {
    VerdictKind::ALL.map(VerdictKind::name).into()
}

pub fn walls() -> Vec<&'static str> {
    Wall::ALL.map(Wall::name).into()
}

pub fn names<T>(known: &[(&'static str, T)]) -> Vec<&'static str> {
    known.iter().map(|(name, _)| *name).collect()
}

/// Why a word is none of the known ones.
pub(super) fn unknown<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Reason {
    Reason::Word { advice: nearest::advice(word, known) }
}
