//! Why a manifest can't be taken.

use super::fault::Fault;
use crate::text::escape;

/// Why a manifest can't be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// At least one, in the order of the text.
    #[error("the manifest has {} faults", .0.len())]
    Faults(Vec<Fault>),
    /// The manifest is right, and the profile that was asked for is not in it. `profiles`: those that are.
    #[error("there is no profile \"{}\"; {}", escape(.name), there_are(.profiles))]
    NoProfile { name: String, profiles: Vec<String> },
}

impl From<Vec<Fault>> for Error {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Faults(faults)
    }
}

fn there_are(profiles: &[String]) -> String {
    match profiles {
        [] => "the manifest has none".into(),
        [one] => format!("there is {one}"),
        many => format!("there are {}", many.join(", ")),
    }
}
