//! The requests to a group, with their senders. This file is below those who ask and the one who answers.

use sandhog_protocol::objects::{Attached, Kind, ObjectId, Rights};
use sandhog_spec::text::escape;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Most links of a deadlock that are shown.
const SHOWN: usize = 10;

/// An attempt that uses objects, as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub attempt: String,
    pub job: String,
    pub instance: u32,
}

/// An object that an attempt asks for; that it may have it is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// By its name in the group; made where it is not there.
    Named { name: String, kind: Kind, rights: Rights },
    /// One that its parent had for it.
    Handed { object: ObjectId },
    /// A new one without a name. `most`: so many may it have made that are still there.
    New { kind: Kind, most: u32 },
}

/// An object for a worker, with the descriptors that go along.
#[derive(Debug)]
pub(crate) struct Given {
    pub attached: Attached,
    pub fds: Vec<OwnedFd>,
}

/// An object of a parent's for its child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handed {
    /// As the child names it.
    pub name: String,
    pub object: ObjectId,
    pub kind: Kind,
    pub rights: Rights,
}

/// What a child is given of the objects without a name that its parent may make: `part` of `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub part: u32,
    pub most: u32,
}

/// Jobs that wait for each other, each for a lock that the next one holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadlock(pub Vec<Link>);

impl fmt::Display for Deadlock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(links) = self;
        for (at, link) in links.iter().take(SHOWN).enumerate() {
            let next = &links[(at + 1) % links.len()];
            let (comma, job, object) = (if at > 0 { ", " } else { "" }, escape(&link.job), escape(&link.waits_for));
            let holder = escape(&next.job);
            write!(out, "{comma}{job} ({}) waits for {object}, which {holder} ({}) holds", link.attempt, next.attempt)?;
        }
        match links.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(out, " … {more} more"),
        }
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    pub job: String,
    pub instance: u32,
    pub attempt: String,
    /// The object that it waits for.
    pub waits_for: String,
}

/// Is told of jobs that wait for each other; at once, so it must not wait.
pub type Teller = Arc<dyn Fn(&Deadlock) + Send + Sync>;
