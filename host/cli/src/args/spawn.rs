//! What `map` and `pool` say of where their workers come from.
//!
//! Must not: know what a zygote is made of.

use clap::ValueEnum;
use sandhog_runtime::pool;

/// Where workers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Spawn {
    /// One zygote starts many
    Shared,
    /// Each has a zygote of its own
    Exec,
}

impl From<Spawn> for pool::Spawn {
    fn from(spawn: Spawn) -> Self {
        match spawn {
            Spawn::Shared => Self::Shared,
            Spawn::Exec => Self::Exec,
        }
    }
}
