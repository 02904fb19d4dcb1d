//! The resources that can be limited, and the versions of the kernel's interface.
//!
//! Must not: know where one is mounted, or which file sets what.

/// A version of the kernel's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// What can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    Memory,
    Tasks,
}

impl Controller {
    pub(super) const ALL: [Self; 2] = [Self::Memory, Self::Tasks];

    /// The kernel's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Tasks => "pids",
        }
    }
}
