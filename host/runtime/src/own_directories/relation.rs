//! How a grant and an own directory lie to each other: decided from what was seen of both.

use crate::mounts::Mount;
use sandhog_dirs::paths;
use sandhog_protocol::plan::Access;
use std::path::PathBuf;

/// One of Sandhog's own directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Machine code of every module that was run.
    Cache,
    /// Jobs with their environment, their logs, and the secret that the cache is sealed with.
    State,
    /// The daemon's socket.
    Runtime,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::State => "state directory",
            Self::Runtime => "runtime directory",
        }
    }

    pub(super) const fn variable(self) -> &'static str {
        match self {
            Self::Cache => paths::CACHE_VARIABLE,
            Self::State => paths::STATE_VARIABLE,
            Self::Runtime => paths::RUNTIME_VARIABLE,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) relation: Relation,
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
}

/// Of a grant to an own directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// It is the directory, or lies on the way to it.
    Holds,
    LiesIn,
}

/// A directory, whatever led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) device: (u32, u32),
    pub(super) number: u64,
}

/// A granted directory.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) itself: Inode,
    /// Itself and all directories above it, over mounts.
    pub(super) up: Vec<Inode>,
    pub(super) mount: Mount,
    /// Its path in its file system.
    pub(super) inside: PathBuf,
}

/// An own directory.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
    /// Every directory on the way to it, and itself: names in them decide where the path leads to.
    pub(super) way: Vec<Inode>,
    /// The mounts that the way leads through.
    pub(super) crossed: Vec<Mount>,
    /// Where it lies, and the mounts below it, which are other places.
    pub(super) locations: Vec<Location>,
}

/// One file system's part of an own directory.
#[derive(Clone, Debug)]
pub(super) struct Location {
    /// False: it is not there yet, and this is the directory in which it will be made.
    pub(super) exists: bool,
    /// Itself and the directories above it, as far as its mount shows them. Empty: a file, or one that can't be opened.
    pub(super) within: Vec<Inode>,
    pub(super) mount: Mount,
    /// Its path in its file system.
    pub(super) inside: PathBuf,
}

impl Own {
    pub(super) fn found(&self, grant: &Grant, access: Access) -> Option<Found> {
        let is_shown = || self.locations.iter().any(|location| location.is_held_by(grant));
        let holds = match access {
            Access::ReadWrite => holds(grant, &self.way, &self.crossed) || is_shown(),
            Access::ReadOnly => is_shown(),
        };
        // What is mounted in it is another place, and shown whole it still lies in it.
        let is_itself = self.locations.first().is_some_and(|location| location.within.first() == Some(&grant.itself));
        let lies_in = !is_itself && self.locations.iter().any(|location| location.holds(grant));
        let relation = match (lies_in, holds) {
            (true, _) => Some(Relation::LiesIn),
            (false, true) => Some(Relation::Holds),
            (false, false) => None,
        };
        let concerns = access == Access::ReadWrite || self.kind == Kind::State;
        relation.filter(|_| concerns).map(|relation| Found { relation, kind: self.kind, path: self.path.clone() })
    }
}

impl Location {
    /// It is shown through the grant.
    fn is_held_by(&self, grant: &Grant) -> bool {
        holds(grant, &self.within, std::slice::from_ref(&self.mount))
    }

    /// The grant lies in it: by the way up, or as a mount of something in it.
    fn holds(&self, grant: &Grant) -> bool {
        let is_above = self.within.first().is_some_and(|itself| grant.up.contains(itself));
        let is_mounted_elsewhere = grant.mount.is_below(&self.mount, &self.inside);
        self.exists && (is_above || is_mounted_elsewhere)
    }
}

/// Whether the grant is one of these directories, or lies above one of these mounts in the file system of both: no `..`
/// leads there.
pub(super) fn holds(grant: &Grant, directories: &[Inode], mounts: &[Mount]) -> bool {
    let is_above = |mount: &Mount| mount.is_below(&grant.mount, &grant.inside);
    directories.contains(&grant.itself) || mounts.iter().any(is_above)
}
