//! A daemon's state, its disk, and one life of them.

use super::asked::Asked;
use super::disk::Disk;
use super::vfs::{SharedDisk, mount, of};
use crate::fleet::store::Store;
use crate::fleet::store::error::Error;
use rusqlite::Connection;
use sandhog_simulation::{Rng, explore};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

/// Events in all worlds together, at the least: what is asked for, and each change of the disk.
const EVENTS: u64 = 300_000;

/// What happens in one world.
const REQUESTS: u64 = 150;

/// What has to happen in some world: one in which it never does proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seen {
    Kill,
    Loss,
    /// A state was found that is not the last one.
    Earlier,
    /// The power went while a state was opened.
    WhileOpening,
    WhileClosing,
    Closed,
    /// A batch was not written, and the daemon went on.
    Full,
    /// Somebody was told that all is kept.
    Answered,
    /// Ids had to be waited for.
    NoIds,
}

const SEEN: usize = 9;

pub(super) type Answer = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

pub(super) struct Daemon {
    pub(super) store: Store,
    pub(super) connection: Connection,
    /// Each with the state that it is about.
    pub(super) answers: Vec<(Answer, usize)>,
}

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) disk: SharedDisk,
    pub(super) daemon: Option<Daemon>,
    pub(super) asked: Asked,
    /// The power was lost since the last daemon.
    pub(super) is_cut: bool,
    /// Ids below this one were given.
    pub(super) given: u64,
    /// Those that no instance has.
    pub(super) free: Vec<u64>,
    pub(super) moment: u64,
    pub(super) events: u64,
    pub(super) seen: BTreeMap<Seen, u64>,
}

impl World {
    fn new(rng: Rng) -> Self {
        let disk = Arc::new(Mutex::new(Disk::default()));
        mount(&disk);
        Self {
            rng,
            disk,
            daemon: None,
            asked: Asked::new(),
            is_cut: false,
            given: 0,
            free: Vec::new(),
            moment: 0,
            events: 0,
            seen: BTreeMap::new(),
        }
    }

    /// After all that was done to the disk.
    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.rng.tells() {
            of(&self.disk).story().into_iter().for_each(|line| self.rng.tell(|| format!("    {line}")));
            self.rng.tell(what);
        }
    }

    pub(super) fn saw(&mut self, seen: Seen) {
        *self.seen.entry(seen).or_default() += 1;
    }

    pub(super) fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("a daemon is there between two requests")
    }

    fn live(&mut self) -> u64 {
        self.tell(|| "a new machine".into());
        self.start();
        for () in self.rng.up_to(REQUESTS) {
            self.request();
        }
        self.kill();
        self.start();
        self.close();
        self.events
    }
}

#[test]
fn what_was_answered_is_there_after_a_crash_between_any_two_writes() {
    let mut seen = BTreeMap::new();
    let explored = explore(EVENTS, |rng| {
        let mut world = World::new(rng);
        let events = world.live();
        for (kind, times) in &world.seen {
            *seen.entry(*kind).or_insert(0) += times;
        }
        events
    });
    println!("{seen:?}");
    assert!(
        explored.is_none() || seen.len() == SEEN,
        "a world in which something never happens proves nothing: {seen:?}"
    );
}
