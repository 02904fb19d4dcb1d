//! Who starts a command: root, or somebody ordinary.
//!
//! Must not: become anybody. A command does, when it is started.

/// Somebody who starts commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// The superuser.
    Root,
    /// Somebody ordinary, with this number.
    Ordinary(u32),
}

impl Person {
    /// The one that the tests make up, as root, to be somebody ordinary: in no database, in no group. No worker has this number:
    /// those are far above.
    pub const MADE_UP: Self = Self::Ordinary(54_321);

    /// Their number.
    pub const fn uid(self) -> u32 {
        match self {
            Self::Root => 0,
            Self::Ordinary(uid) => uid,
        }
    }

    /// Whoever runs the tests.
    pub fn me() -> Self {
        match rustix::process::geteuid().as_raw() {
            0 => Self::Root,
            uid => Self::Ordinary(uid),
        }
    }

    /// An ordinary one: whoever runs the tests, or where that is root, [`Self::MADE_UP`].
    pub fn ordinary() -> Self {
        if is_root() { Self::MADE_UP } else { Self::me() }
    }

    /// Root and an ordinary one where this process may be both, else the one that it is.
    pub fn all() -> Vec<Self> {
        if is_root() { vec![Self::Root, Self::ordinary()] } else { vec![Self::ordinary()] }
    }

    /// A command has to become somebody else to be this one.
    pub fn is_another(self) -> bool {
        self != Self::me()
    }
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    Person::me() == Person::Root
}
